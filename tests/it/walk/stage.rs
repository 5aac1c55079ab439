//! One scenario's world, project folder, and the evidence that they leave.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use beadle::sandbox::{Options, Sandbox};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::manifest::{FIXED, PEOPLE, TASKLISTS};
use super::rules::{Broken, Rule};
use crate::sandbox::{LOOPBACK, client};

/// All sandboxes run here, and all control calls are made from here.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
});
static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(client);

/// People who are in chats because somebody put them there; nobody ever lists them.
pub(super) const OUTSIDERS: [&str; 2] = ["ou_x0", "ou_x1"];

pub(super) struct Stage {
    dir: TempDir,
    sandbox: Option<Sandbox>,
    pub(super) base: String,
    pub(super) secret: String,
    /// Subscriptions that somebody else made, with their names.
    pub(super) foreign: Vec<(String, String)>,
    /// What was run and how it ended, for whoever has to understand it.
    pub(super) transcript: Vec<String>,
    seen: i64,
}

/// A run of beadle.
pub(super) struct Ran {
    pub(super) status: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Stage {
    pub(super) fn new(seed: u64) -> Stage {
        // Nothing here has to outlive the machine.
        let memory = PathBuf::from("/dev/shm");
        let dir = if memory.is_dir() {
            tempfile::tempdir_in(memory).unwrap()
        } else {
            tempfile::tempdir().unwrap()
        };
        let sandbox = RUNTIME
            .block_on(Sandbox::start(LOOPBACK, Options::default()))
            .unwrap();
        let mut stage = Stage {
            dir,
            base: sandbox.base_url(),
            sandbox: Some(sandbox),
            secret: format!("walk-{seed:08}-never-to-be-seen"),
            foreign: Vec::new(),
            transcript: Vec::new(),
            seen: 0,
        };
        let app = json!({"app_id": "cli_sandbox", "app_secret": stage.secret});
        stage.control("POST", "apps", &app);
        for (key, guid) in TASKLISTS {
            stage.control("POST", "tasklists", &json!({"guid": guid, "name": key}));
        }
        let mut people: Vec<Value> = (0..PEOPLE)
            .map(|n| {
                json!({"open_id": format!("ou_p{n}"), "name": format!("P{n}"), "dingtalk_user_id": format!("p{n}")})
            })
            .collect();
        people.extend(OUTSIDERS.map(|id| json!({"open_id": id, "name": id})));
        stage.control("POST", "users", &Value::Array(people));
        for (key, id) in FIXED {
            stage.control("POST", "chats", &json!({"chat_id": id, "name": key}));
        }
        stage.somebody_subscribes(0, "theirs");
        stage.somebody_subscribes(1, "manual labour");
        stage.somebody_subscribes(1, "theirs too");
        stage
    }

    pub(super) fn somebody_subscribes(&mut self, tasklist: usize, name: &str) {
        let body = json!({"name": name, "subscribers": [{"id": FIXED[0].1, "type": "chat"}], "include_keys": [101]});
        let path = format!("tasklists/{}/subscriptions", TASKLISTS[tasklist].1);
        let made = self.control("POST", &path, &body);
        let guid = made["guid"].as_str().unwrap().to_owned();
        self.foreign.push((guid, name.to_owned()));
    }

    /// A control call. Nothing where the sandbox says no.
    pub(super) fn try_control(&self, method: &str, path: &str, body: &Value) -> Option<Value> {
        let url = format!("{}/_sandbox/{path}", self.base);
        let request = CLIENT.request(method.parse().unwrap(), url).json(body);
        RUNTIME.block_on(async {
            let answer = request.send().await.unwrap();
            match answer.status().is_success() {
                true => Some(answer.json().await.unwrap_or(Value::Null)),
                false => None,
            }
        })
    }

    #[track_caller]
    pub(super) fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        self.try_control(method, path, body)
            .unwrap_or_else(|| panic!("{method} {path} {body}"))
    }

    /// A call of a vendor's, as our app: what beadle should not have made.
    pub(super) fn vendor(&self, method: &str, path: &str, body: &Value) -> Value {
        self.no_faults();
        let ask = |method: &str, path: &str, token: &str, body: &Value| {
            let url = format!("{}{path}", self.base);
            let request = CLIENT.request(method.parse().unwrap(), url);
            let request = request.header("Authorization", format!("Bearer {token}"));
            let request = request.json(body);
            RUNTIME.block_on(async {
                let answer = request.send().await.unwrap();
                answer.json::<Value>().await.unwrap_or_default()
            })
        };
        let credentials = json!({"app_id": "cli_sandbox", "app_secret": self.secret});
        let path_of_token = "/open-apis/auth/v3/tenant_access_token/internal";
        let token = ask("POST", path_of_token, "", &credentials);
        let token = token["tenant_access_token"].as_str().unwrap().to_owned();
        ask(method, path, &token, body)
    }

    pub(super) fn world(&self) -> Value {
        self.control("GET", "world", &Value::Null)
    }

    pub(super) fn faults(&self, faults: &[String]) {
        self.control("POST", "faults", &json!({"faults": faults, "seed": 1}));
    }

    pub(super) fn no_faults(&self) {
        self.control("DELETE", "faults", &Value::Null);
        self.control("POST", "release", &Value::Null);
    }

    /// The calls since the last time that somebody asked.
    pub(super) fn new_calls(&mut self) -> Vec<Value> {
        let log = self.control("GET", &format!("calls?after={}", self.seen), &Value::Null);
        let calls = log["calls"].as_array().unwrap().clone();
        if let Some(last) = calls.last() {
            self.seen = last["seq"].as_i64().unwrap();
        }
        calls
    }

    pub(super) fn write(&mut self, name: &str, text: &str) {
        self.transcript
            .push(format!("$ cat > {name} <<EOF\n{text}EOF"));
        std::fs::write(self.dir.path().join(name), text).unwrap();
    }

    /// A file of the project, as it is on the disk.
    pub(super) fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.dir.path().join(name)).unwrap_or_default()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = crate::support::project::beadle(self.dir.path());
        command
            .args(args)
            .env("WALK_SECRET", &self.secret)
            .env("BEADLE_RETRY_WAIT", "1ms")
            .env("BEADLE_SETTLE_GRACE", "20ms")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs beadle to its end.
    pub(super) fn beadle(&mut self, args: &[&str]) -> Result<Ran, Broken> {
        self.run(args, &[], None)
    }

    /// Runs beadle with these variables, and kills it when the sandbox holds a call.
    pub(super) fn run(
        &mut self,
        args: &[&str],
        env: &[(&str, String)],
        kill_when_held: Option<()>,
    ) -> Result<Ran, Broken> {
        let mut command = self.command(args);
        command.envs(env.iter().map(|(name, value)| (*name, value)));
        let output = match kill_when_held {
            None => command.output().unwrap(),
            Some(()) => self.killed(command),
        };
        let ran = Ran {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        self.transcript.push(format!(
            "$ {env:?} beadle {}\n{}{}-> {:?}",
            args.join(" "),
            ran.stdout,
            ran.stderr,
            ran.status
        ));
        for text in [&ran.stdout, &ran.stderr] {
            self.no_secret(text.as_bytes(), &args.join(" "))?;
        }
        let dies =
            kill_when_held.is_some() || env.iter().any(|(name, _)| *name == "BEADLE_CRASH_AT");
        let ended = matches!(ran.status, Some(0..=2)) || (dies && ran.status.is_none());
        if !ended || ran.stderr.contains("panicked at") {
            return Err(Broken::new(Rule::Ends, format!("{:?}", ran.status)));
        }
        Ok(ran)
    }

    fn killed(&self, mut command: Command) -> Output {
        let mut child = command.spawn().unwrap();
        let give_up = Instant::now() + Duration::from_secs(60);
        loop {
            if child.try_wait().unwrap().is_some() {
                break;
            }
            let held = &self.control("GET", "faults", &Value::Null)["held"];
            if *held != 0 {
                child.kill().unwrap();
                break;
            }
            assert!(Instant::now() < give_up, "it neither ends nor is held");
            std::thread::yield_now();
        }
        child.wait_with_output().unwrap()
    }

    /// No secret and no token in a text.
    pub(super) fn no_secret(&self, bytes: &[u8], place: &str) -> Result<(), Broken> {
        let has = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        let hex = |window: &[u8]| window[2..].iter().all(u8::is_ascii_hexdigit);
        let token = bytes
            .windows(34)
            .any(|window| window.starts_with(b"t-") && hex(window));
        if has(self.secret.as_bytes()) || token {
            return Err(Broken::new(Rule::NoSecret, format!("in {place}")));
        }
        Ok(())
    }

    /// Everything that arrived: vendor, whom, and the text.
    pub(super) fn arrived(&self) -> Vec<(String, String, String)> {
        let inbox = self.control("GET", "inbox", &Value::Null);
        let mut arrived = Vec::new();
        for side in ["people", "chats"] {
            for holder in inbox[side].as_array().unwrap() {
                for message in holder["messages"].as_array().unwrap() {
                    if message["dropped"].is_null() {
                        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                        arrived.push((
                            word(&message["vendor"]),
                            word(&holder["id"]),
                            word(&message["text"]),
                        ));
                    }
                }
            }
        }
        arrived
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(sandbox) = self.sandbox.take() {
            RUNTIME.block_on(sandbox.stop());
        }
    }
}
