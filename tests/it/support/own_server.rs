//! A PostgreSQL server of a test's own, with TLS and passwords, and certificates that nobody else trusts.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A server on loopback. It ends when the value does.
pub(crate) struct OwnServer {
    dir: TempDir,
    bin: PathBuf,
    pub(crate) port: u16,
}

/// Runs a command, and fails the test with what it said unless it succeeds.
fn run(command: &mut Command) -> String {
    let done = command.output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {said}");
    String::from_utf8(done.stdout).unwrap()
}

/// A command as somebody whom PostgreSQL lets run a server: it refuses to run as root.
fn unprivileged(program: &Path) -> Command {
    if run(Command::new("id").arg("-u")).trim() != "0" {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program);
    command
}

/// Where the newest server's programs are.
fn programs() -> PathBuf {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| Some((path.file_name()?.to_str()?.parse().ok()?, path.join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").exists())
        .collect();
    found.sort();
    match found.pop() {
        Some((_, bin)) => bin,
        None => PathBuf::from(run(Command::new("pg_config").arg("--bindir")).trim()),
    }
}

impl OwnServer {
    /// Starts one whose certificate is of `localhost`, and where the role `ledger` has this password and
    /// gets in with TLS alone, and the role `plain` without. Where no server is named to the tests it is
    /// none, as they run without PostgreSQL then.
    pub(crate) fn start(password: &str) -> Option<OwnServer> {
        std::env::var_os("BEADLE_TEST_POSTGRES_URL")?;
        let dir = tempfile::tempdir().unwrap();
        let mut server = OwnServer {
            bin: programs(),
            dir,
            port: 0,
        };
        run(Command::new("chmod").arg("777").arg(server.dir.path()));
        server.certificates();
        let data = server.path("data");
        run(unprivileged(&server.bin.join("initdb"))
            .arg("-D")
            .arg(&data)
            .args(["-U", "postgres", "-E", "UTF8", "--no-sync", "--auth=trust"]));
        for name in ["server.pem", "server.key"] {
            let to = data.join(name);
            run(unprivileged(Path::new("cp"))
                .arg(server.path(name))
                .arg(&to));
            run(unprivileged(Path::new("chmod")).arg("600").arg(&to));
        }
        std::fs::write(
            data.join("pg_hba.conf"),
            "local all postgres trust\n\
             hostssl all ledger 127.0.0.1/32 scram-sha-256\n\
             hostnossl all plain 127.0.0.1/32 trust\n",
        )
        .unwrap();
        let settings = "listen_addresses = '127.0.0.1'\nssl = on\nssl_cert_file = 'server.pem'\n\
                        ssl_key_file = 'server.key'\nfsync = off\n";
        std::fs::write(data.join("postgresql.auto.conf"), settings).unwrap();
        // Somebody else may take a port that was free a moment ago.
        for attempt in 0.. {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            server.port = free.local_addr().unwrap().port();
            drop(free);
            let started = server.control(&["-w", "start"]).output().unwrap();
            if started.status.success() {
                break;
            }
            let log = std::fs::read_to_string(server.path("log")).unwrap_or_default();
            assert!(attempt < 3, "no server could be started:\n{log}");
        }
        server.sql(&format!(
            "CREATE ROLE ledger LOGIN SUPERUSER PASSWORD '{password}'; CREATE ROLE plain LOGIN SUPERUSER"
        ));
        Some(server)
    }

    /// A file beside the server.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn control(&self, args: &[&str]) -> Command {
        let mut command = unprivileged(&self.bin.join("pg_ctl"));
        let dir = self.dir.path().display();
        command
            .arg("-D")
            .arg(self.path("data"))
            .arg("-l")
            .arg(self.path("log"))
            .arg("-o")
            .arg(format!("-p {} -k {dir}", self.port))
            .args(args);
        command
    }

    /// Runs statements, and returns what they print.
    pub(crate) fn sql(&self, statements: &str) -> String {
        let mut psql = unprivileged(&self.bin.join("psql"));
        psql.args([
            "-qAtX",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "postgres",
            "-d",
            "postgres",
        ])
        .arg("-h")
        .arg(self.dir.path())
        .args(["-p", &self.port.to_string(), "-c", statements]);
        run(&mut psql).trim().to_owned()
    }

    /// From now on the server has TLS for new connections, or has not.
    pub(crate) fn tls(&self, word: &str) {
        self.sql(&format!("ALTER SYSTEM SET ssl = {word}"));
        self.sql("SELECT pg_reload_conf()");
        let is_so = || self.sql("SHOW ssl") == word;
        while !is_so() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// Two authorities, one of which vouches for the server, as `localhost`.
    fn certificates(&self) {
        let openssl = |args: &str| {
            let mut command = Command::new("openssl");
            command.args(args.split(' ')).current_dir(self.dir.path());
            run(&mut command);
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        for ca in ["ca", "other"] {
            openssl(&format!(
                "req -x509 {key} -keyout {ca}.key -out {ca}.pem -days 2 -subj /CN={ca}-of-a-test"
            ));
        }
        openssl(&format!(
            "req {key} -keyout server.key -out server.csr -subj /CN=localhost"
        ));
        std::fs::write(self.path("names"), "subjectAltName=DNS:localhost\n").unwrap();
        openssl(
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem \
             -days 2 -extfile names",
        );
        run(Command::new("chmod")
            .arg("644")
            .arg(self.path("server.key")));
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        let _ = self.control(&["-m", "immediate", "stop"]).output();
    }
}
