//! TLS to the ledger's server with a real handshake, and passwords, through the binary.

use std::os::unix::fs::PermissionsExt;

use crate::support::own_server::OwnServer;
use crate::support::project::{Project, Ran};

const PASSWORD: &str = "hunter2-of-the-ledger";

/// A project whose ledger is on that server.
struct Site {
    server: OwnServer,
    project: Project,
}

impl Site {
    fn new() -> Option<Site> {
        let server = OwnServer::start(PASSWORD)?;
        let project = Project::empty();
        let named = project
            .manifest("")
            .replacen("version: 1\n", "version: 1\nproject: ours\n", 1);
        project.write("beadle.yaml", &named);
        for name in ["ca.pem", "other.pem"] {
            let pem = std::fs::read_to_string(server.path(name)).unwrap();
            project.write(name, &pem);
        }
        project.write("empty.pem", "no certificate\n");
        Some(Site { server, project })
    }

    /// A look into the ledger of that address, with this password in the environment.
    fn looks(&self, who: &str, query: &str, password: Option<&str>) -> Ran {
        let port = self.server.port;
        let url = format!("postgres://{who}:{port}/postgres?connect_timeout=5&{query}");
        let mut command = self.project.command(&["state", "list", "-vvv"]);
        command.env("BEADLE_LEDGER", &url);
        if let Some(password) = password {
            command.env("PGPASSWORD", password);
        }
        let ran = Ran::from(command.output().unwrap());
        for said in [&ran.stdout, &ran.stderr] {
            assert!(!said.contains(PASSWORD), "{query}: {said}");
        }
        ran
    }

    /// It gets in.
    #[track_caller]
    fn gets_in(&self, who: &str, query: &str) {
        self.looks(who, query, Some(PASSWORD)).exits(0);
    }

    /// It does not, and says why and what to do.
    #[track_caller]
    fn is_refused(&self, who: &str, query: &str, words: &[&str]) {
        let refused = self.looks(who, query, Some(PASSWORD)).exits(1);
        for part in words.iter().chain(&["help: "]) {
            assert!(
                refused.stderr.contains(part),
                "{query}: {part}: {}",
                refused.stderr
            );
        }
    }
}

const LEDGER: &str = "ledger@localhost";
const BY_NUMBER: &str = "ledger@127.0.0.1";

#[test]
fn a_handshake_is_as_strict_as_its_mode() {
    let Some(site) = Site::new() else { return };
    // The right authority and the right name.
    site.gets_in(LEDGER, "sslmode=verify-full&sslrootcert=ca.pem");
    // Another name than the certificate's.
    let full = "sslmode=verify-full&sslrootcert=ca.pem";
    site.is_refused(BY_NUMBER, full, &["not valid for name", "sslmode"]);
    site.gets_in(BY_NUMBER, "sslmode=verify-ca&sslrootcert=ca.pem");
    // Another authority, also where the mode alone would not ask: libpq asks where one is given.
    for mode in ["verify-full", "verify-ca", "require"] {
        let other = format!("sslmode={mode}&sslrootcert=other.pem");
        site.is_refused(LEDGER, &other, &["certificate", "sslrootcert"]);
    }
    // The public ones vouch for nobody here.
    for mode in ["verify-full", "verify-ca"] {
        let public = format!("sslmode={mode}");
        site.is_refused(LEDGER, &public, &["UnknownIssuer", "sslrootcert"]);
    }
    // Whoever asks for no authority gets TLS from anybody.
    site.gets_in(BY_NUMBER, "sslmode=require");
    site.gets_in(BY_NUMBER, "sslmode=prefer");
    site.gets_in(LEDGER, "sslmode=require&sslrootcert=ca.pem");
    // That role gets in with TLS alone.
    site.is_refused(LEDGER, "sslmode=disable", &["no encryption"]);
    // What is no certificate.
    let empty = "sslmode=verify-full&sslrootcert=empty.pem";
    site.is_refused(LEDGER, empty, &["there is no certificate in it"]);
    let missing = "sslmode=verify-full&sslrootcert=missing.pem";
    site.is_refused(LEDGER, missing, &["missing.pem", "cannot be read"]);

    // A server without TLS gets no word from those who want it.
    site.server.tls("off");
    for mode in ["require", "verify-ca", "verify-full"] {
        let query = format!("sslmode={mode}&sslrootcert=ca.pem");
        site.is_refused("plain@localhost", &query, &["TLS", "sslmode"]);
    }
    site.gets_in("plain@127.0.0.1", "sslmode=prefer");
    site.gets_in("plain@127.0.0.1", "sslmode=disable");
}

#[test]
fn a_password_comes_from_the_environment_or_from_a_file() {
    let Some(site) = Site::new() else { return };
    let tls = "sslmode=verify-full&sslrootcert=ca.pem";
    site.gets_in(LEDGER, tls);
    let none = site.looks(LEDGER, tls, None).exits(1);
    assert!(none.stderr.contains("PGPASSWORD"), "{}", none.stderr);
    let wrong = site.looks(LEDGER, tls, Some("another")).exits(1);
    for part in ["password authentication failed", "PGPASSWORD"] {
        assert!(wrong.stderr.contains(part), "{part}: {}", wrong.stderr);
    }
    assert!(!wrong.stderr.contains("another"), "{}", wrong.stderr);
    // In the address that the environment names.
    let within = format!("ledger:{PASSWORD}@localhost");
    site.looks(&within, tls, None).exits(0);

    let file = site.project.path().join("pass");
    let line = |port: &str| format!("# ours\nlocalhost:{port}:*:ledger:{PASSWORD}\n");
    let keep = |text: &str, mode: u32| {
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let with_file = format!("{tls}&passfile=pass");
    keep(&line(&site.server.port.to_string()), 0o600);
    site.looks(LEDGER, &with_file, None).exits(0);
    keep(&line("*"), 0o640);
    let open = site.looks(LEDGER, &with_file, None).exits(1);
    assert!(open.stderr.contains("chmod 600"), "{}", open.stderr);
    keep(&line("1"), 0o600);
    let other = site.looks(LEDGER, &with_file, None).exits(1);
    assert!(other.stderr.contains("has no line for"), "{}", other.stderr);
}

#[test]
fn what_is_said_to_the_server_is_encrypted() {
    let Some(site) = Site::new() else { return };
    let url = format!(
        "postgres://ledger@localhost:{}/postgres?sslmode=verify-full&sslrootcert=ca.pem&application_name=probe",
        site.server.port
    );
    // Held in the middle, so that its session can be looked at.
    site.project
        .fault("hold-after@createTasklistActivitySubscription:1");
    let progress =
        "  progress: { tasklist: release, subscribers: [release-room], events: [task.added] }\n";
    let named = site.project.manifest(progress);
    let named = named.replacen("version: 1\n", "version: 1\nproject: ours\n", 1);
    site.project.write("beadle.yaml", &named);
    let mut apply = site.project.command(&["apply", "--auto-approve"]);
    apply
        .env("BEADLE_LEDGER", &url)
        .env("PGPASSWORD", PASSWORD)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let apply = apply.spawn().unwrap();
    site.project.wait_until_held(1);
    let sessions = site.server.sql(
        "SELECT DISTINCT s.ssl, s.version IN ('TLSv1.2', 'TLSv1.3') FROM pg_stat_ssl s
         JOIN pg_stat_activity a USING (pid) WHERE a.application_name = 'probe'",
    );
    assert_eq!(sessions, "t|t");
    site.project.release();
    Ran::from(apply.wait_with_output().unwrap()).exits(0);
}
