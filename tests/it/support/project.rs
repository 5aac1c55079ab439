//! A project folder and a sandbox, driven from outside: through the binary and over HTTP.
//!
//! Tests read like a transcript: write files, run beadle, look at its output and at the sandbox's
//! world, go on. The environment is cleared, so that nothing of the machine shows.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use beadle::sandbox::{Options, Sandbox, Wanted, WantedPeople};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::contract::Contract;

/// The tasklist that every project of the tests begins with.
pub(crate) const RELEASE: &str = "d300a75f-c56a-4be9-80d1-e47653028ceb";
/// A chat that the app is in.
pub(crate) const ROOM: &str = "oc_a0553eda9014c201e6969b478895c230";
/// Another one.
pub(crate) const ONCALL: &str = "oc_2cefb2f014f8d0c6c2d2eb7bafb0e54f";

/// A project folder with a sandbox that plays its vendor over the wire.
pub(crate) struct Project {
    dir: TempDir,
    sandbox: Option<Sandbox>,
    addr: SocketAddr,
    http: reqwest::Client,
    runtime: Runtime,
}

/// What a run of the binary left.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit status; none after a signal.
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Fails the test unless the exit status is this one.
    #[track_caller]
    pub(crate) fn exits(self, status: i32) -> Ran {
        assert_eq!(
            self.status,
            Some(status),
            "\nstdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// stdout as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("{e}\n{}\n{}", self.stdout, self.stderr))
    }

    /// The last line of stdout.
    pub(crate) fn last_line(&self) -> &str {
        self.stdout.lines().last().unwrap_or_default()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        Ran {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Project {
    /// A folder without files and a sandbox with one tasklist, [`RELEASE`], and the two chats.
    pub(crate) fn empty() -> Project {
        Project::at_sandbox(Options::default())
    }

    /// The same at a sandbox where the vendors' rate limits hold.
    pub(crate) fn strict() -> Project {
        Project::at_sandbox(Options {
            enforce_limits: true,
            ..Options::default()
        })
    }

    fn at_sandbox(options: Options) -> Project {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            world: Some(dir.path().join("world.db")),
            ..options
        };
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let sandbox = runtime.block_on(Sandbox::start(listen, options)).unwrap();
        let addr = sandbox.addr();
        drop(rustls::crypto::ring::default_provider().install_default());
        let root = webpki_root_certs::TLS_SERVER_ROOT_CERTS[0].to_vec();
        let root = reqwest::Certificate::from_der(&root).unwrap();
        let http = reqwest::Client::builder()
            .tls_certs_only([root])
            .no_proxy()
            .build()
            .unwrap();
        std::fs::create_dir(dir.path().join("project")).unwrap();
        let project = Project {
            dir,
            sandbox: Some(sandbox),
            addr,
            http,
            runtime,
        };
        project.control(
            "POST",
            "tasklists",
            &json!({"guid": RELEASE, "name": "Release"}),
        );
        for (id, name) in [(ROOM, "release-room"), (ONCALL, "oncall-room")] {
            project.control("POST", "chats", &json!({"chat_id": id, "name": name}));
        }
        project
    }

    /// The usual project: settings, one tasklist, two chats, and these subscriptions (YAML, at the
    /// first level below `tasklist_subscriptions:`, two spaces in).
    pub(crate) fn new(subscriptions: &str) -> Project {
        let project = Project::empty();
        project.declare(subscriptions);
        project
    }

    /// Writes the usual manifest anew with these subscriptions.
    pub(crate) fn declare(&self, subscriptions: &str) {
        self.write("beadle.yaml", &self.manifest(subscriptions));
    }

    /// The usual manifest with these subscriptions.
    pub(crate) fn manifest(&self, subscriptions: &str) -> String {
        let head = format!(
            "version: 1\n{}tasklists:\n  release: {{ guid: {RELEASE} }}\nchats:\n  release-room: {{ id: {ROOM} }}\n  oncall-room: {{ id: {ONCALL} }}\n",
            self.providers(),
        );
        if subscriptions.trim().is_empty() {
            head
        } else {
            format!("{head}tasklist_subscriptions:\n{subscriptions}")
        }
    }

    /// The `providers` block that points at the sandbox.
    pub(crate) fn providers(&self) -> String {
        format!(
            "providers:\n  feishu: {{ app_id: cli_sandbox, app_secret: \"${{env:FEISHU_APP_SECRET}}\", base_url: \"http://{}\" }}\n",
            self.addr
        )
    }

    /// Where the sandbox listens.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The project folder.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("project")
    }

    /// Writes a file of the project.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Reads a file of the project.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// Reads a file of the project as it is on the disk.
    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path().join(name)).unwrap()
    }

    /// The command, ready to run, without standard input.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = beadle(&self.path());
        command
            .args(args)
            .env("FEISHU_APP_SECRET", "sandbox-secret")
            .env("BEADLE_SETTLE_GRACE", "200ms");
        command
    }

    /// Runs beadle in the project folder.
    pub(crate) fn beadle(&self, args: &[&str]) -> Ran {
        self.command(args).output().unwrap().into()
    }

    /// Sends a signal to a child, `STOP` or `TERM` for instance.
    pub(crate) fn signal(&self, child: &Child, signal: &str) {
        let kill = format!("kill -{signal} {}", child.id());
        let done = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(done.success(), "{kill}");
    }

    /// Waits until the sandbox holds so many calls.
    #[track_caller]
    pub(crate) fn wait_until_held(&self, calls: u64) {
        let give_up = Instant::now() + Duration::from_secs(30);
        while self.control("GET", "faults", &Value::Null)["held"] != calls {
            assert!(Instant::now() < give_up, "no call is held");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Lets held calls go.
    pub(crate) fn release(&self) {
        self.control("POST", "release", &Value::Null);
    }

    /// Ends the sandbox; its world stays.
    pub(crate) fn stop_sandbox(&mut self) {
        if let Some(sandbox) = self.sandbox.take() {
            self.runtime.block_on(sandbox.stop());
        }
    }

    /// Starts the sandbox anew with the same world at the same address.
    pub(crate) fn restart_sandbox(&mut self) {
        self.stop_sandbox();
        let options = Options {
            world: Some(self.dir.path().join("world.db")),
            ..Options::default()
        };
        let start = Sandbox::start(self.addr, options);
        self.sandbox = Some(self.runtime.block_on(start).unwrap());
    }

    /// Starts beadle and does not wait.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Makes a control call and returns its answer.
    #[track_caller]
    pub(crate) fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let url = format!("http://{}/_sandbox/{path}", self.addr);
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.http.request(method, url).json(body);
        let (status, text) = self.runtime.block_on(async {
            let answer = request.send().await.unwrap();
            (answer.status(), answer.text().await.unwrap())
        });
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Posts JSON to the vendors, as somebody else who has the app; returns the answer.
    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        let request = self
            .http
            .post(format!("{}{path}", self.base_url()))
            .json(body);
        self.runtime
            .block_on(async { request.send().await.unwrap().json().await.unwrap() })
    }

    /// What an address on loopback answers.
    #[track_caller]
    pub(crate) fn get(&self, url: &str) -> (u16, String) {
        self.runtime.block_on(async {
            let answer = self.http.get(url).send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        })
    }

    /// Makes what is wanted in the world, without a call.
    pub(crate) fn seed(&self, wanted: &Wanted) {
        let sandbox = self.sandbox.as_ref().expect("it runs");
        sandbox.seed(wanted).unwrap();
    }

    /// Makes these people in the world, without a call.
    pub(crate) fn seed_people(&self, wanted: &WantedPeople) {
        let sandbox = self.sandbox.as_ref().expect("it runs");
        sandbox.seed_people(wanted).unwrap();
    }

    /// Switches a fault on.
    pub(crate) fn fault(&self, fault: &str) {
        self.control("POST", "faults", &json!({"fault": fault}));
    }

    /// Switches all faults off.
    pub(crate) fn no_faults(&self) {
        self.control("DELETE", "faults", &Value::Null);
    }

    /// The calls that the sandbox got, oldest first.
    pub(crate) fn calls(&self) -> Vec<Value> {
        let log = self.control("GET", "calls", &Value::Null);
        log["calls"]
            .as_array()
            .unwrap_or_else(|| panic!("{log}"))
            .clone()
    }

    /// The calls that were meant to change something, token requests left out.
    pub(crate) fn writes(&self) -> Vec<Value> {
        self.calls()
            .into_iter()
            .filter(|c| c["write"] == true)
            .collect()
    }

    /// Forgets the calls so far, after holding each request against the contract.
    pub(crate) fn clear_calls(&self) {
        self.check_contract();
        self.control("DELETE", "calls", &Value::Null);
    }

    /// Fails the test when a request of the client's is not what the contract allows.
    #[track_caller]
    pub(crate) fn check_contract(&self) {
        let log = self.control("GET", "calls", &Value::Null);
        if let Err(violations) = Contract::feishu().check_calls(&log) {
            panic!("requests against the contract:\n{}", violations.join("\n"));
        }
    }

    /// The subscriptions of a tasklist as the world holds them, by name.
    pub(crate) fn live(&self, tasklist: &str) -> Vec<Value> {
        let world = self.control("GET", "world", &Value::Null);
        let mut found: Vec<Value> = world["subscriptions"]
            .as_array()
            .unwrap_or_else(|| panic!("{world}"))
            .iter()
            .filter(|s| s["tasklist"] == tasklist || s["tasklist_guid"] == tasklist)
            .cloned()
            .collect();
        found.sort_by_key(|s| s["name"].as_str().unwrap_or_default().to_owned());
        found
    }

    /// The names of a tasklist's subscriptions, sorted.
    pub(crate) fn live_names(&self, tasklist: &str) -> Vec<String> {
        self.live(tasklist)
            .iter()
            .map(|s| s["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check_contract();
        }
        if let Some(sandbox) = self.sandbox.take() {
            self.runtime.block_on(sandbox.stop());
        }
    }
}

/// The binary in a folder, with nothing of the machine's environment.
pub(crate) fn beadle(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_beadle"));
    command
        .current_dir(dir)
        .env_clear()
        .env("COLUMNS", "120")
        .env("USER", "tester")
        .env("HOSTNAME", "testhost")
        .stdin(Stdio::null());
    command
}
