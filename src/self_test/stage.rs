//! One scenario's world, project folder, and the evidence that they leave.

use std::io;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Handle;

use super::declared::{FIXED_CHATS, PEOPLE, TASKLISTS};
use super::rules::{Broken, Rule};
use crate::sandbox::{Options, Sandbox, StartError};

/// People who are in chats because somebody put them there; nobody ever lists them.
pub(super) const OUTSIDERS: [&str; 2] = ["ou_x0", "ou_x1"];

/// How long what a dead process left on the wire may take to be carried out.
const QUIET_PATIENCE: Duration = Duration::from_secs(60);

/// How long a process may neither end nor make the call that it is to be killed at.
const KILL_PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at the sandbox.
const A_MOMENT: Duration = Duration::from_millis(1);

/// Why a scenario does not go on.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    /// Something that must hold does not.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// What the scenario stands on failed; nothing is said of beadle.
    #[error(transparent)]
    Stage(#[from] StageError),
}

/// What a scenario stands on failed.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// A folder, a file or a process.
    #[error("{what}")]
    Io {
        /// What could not be done.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// No client.
    #[error("no HTTP client can be built")]
    Client(#[source] reqwest::Error),
    /// No sandbox.
    #[error("the sandbox did not start")]
    Start(#[from] StartError),
    /// The sandbox does not answer.
    #[error("the sandbox does not answer {call}")]
    Silent {
        /// Method and path.
        call: String,
        /// What the client says.
        source: reqwest::Error,
    },
    /// What was under way does not end.
    #[error("the sandbox still has a connection of a process that is dead")]
    Restless,
    /// The sandbox refused what a scenario needs.
    #[error("the sandbox refused {call}")]
    Refused {
        /// Method, path and body.
        call: String,
    },
}

/// Names what could not be done.
fn io(what: &'static str) -> impl FnOnce(io::Error) -> Halt {
    move |source| StageError::Io { what, source }.into()
}

/// What all scenarios share: the program under test, and who plays everybody else.
#[derive(Debug)]
pub struct Lab {
    program: PathBuf,
    runtime: Handle,
    client: reqwest::Client,
}

impl Lab {
    /// A lab for that program. Sandboxes run on the runtime; walks block, and must not be on its workers.
    ///
    /// # Errors
    ///
    /// No HTTP client can be built.
    pub fn new(program: PathBuf, runtime: Handle) -> Result<Lab, StageError> {
        // An error says that a provider was installed before, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            // One connection a call, so that what is open beside it is not ours.
            .pool_max_idle_per_host(0)
            // Nothing here speaks TLS: no roots to read.
            .tls_certs_only([])
            .build()
            .map_err(StageError::Client)?;
        Ok(Lab {
            program,
            runtime,
            client,
        })
    }
}

/// What walks came to, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Scenarios that ended.
    pub scenarios: usize,
    /// Runs of beadle.
    pub runs: usize,
    /// Runs that something befell.
    pub troubled: usize,
    /// Runs that died or were killed in the middle.
    pub killed: usize,
    /// Calls that reached a vendor.
    pub calls: usize,
    /// Those of them that write.
    pub writes: usize,
}

impl Tally {
    pub(super) fn add(&mut self, other: &Tally) {
        self.scenarios += other.scenarios;
        self.runs += other.runs;
        self.troubled += other.troubled;
        self.killed += other.killed;
        self.calls += other.calls;
        self.writes += other.writes;
    }
}

/// A scenario's world, its project folder, and what was run in it.
#[derive(Debug)]
pub struct Stage<'l> {
    lab: &'l Lab,
    dir: TempDir,
    sandbox: Option<Sandbox>,
    pub(super) base: String,
    secret: String,
    /// Subscriptions that somebody else made, with their names.
    pub(super) foreign: Vec<(String, String)>,
    /// What was run and how it ended, for whoever has to understand it.
    pub(super) transcript: Vec<String>,
    pub(super) tally: Tally,
    seen: i64,
}

/// A run of beadle.
#[derive(Debug)]
pub struct Ran {
    /// The exit status; none after a signal.
    pub status: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it said.
    pub stderr: String,
}

impl<'l> Stage<'l> {
    pub(super) fn new(lab: &'l Lab, seed: u64) -> Result<Stage<'l>, Halt> {
        // Nothing here has to outlive the machine.
        let memory = PathBuf::from("/dev/shm");
        let dir = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir());
        let dir = dir.map_err(io("no temporary folder can be made"))?;
        let sandbox = lab
            .runtime
            .block_on(Sandbox::start(
                ([127, 0, 0, 1], 0).into(),
                Options::default(),
            ))
            .map_err(StageError::from)?;
        let mut stage = Stage {
            lab,
            dir,
            base: sandbox.base_url(),
            sandbox: Some(sandbox),
            secret: format!("walk-{seed:08}-never-to-be-seen"),
            foreign: Vec::new(),
            transcript: Vec::new(),
            tally: Tally {
                scenarios: 1,
                ..Tally::default()
            },
            seen: 0,
        };
        let app = json!({"app_id": "cli_sandbox", "app_secret": stage.secret});
        stage.control("POST", "apps", &app)?;
        for (key, guid) in TASKLISTS {
            stage.control("POST", "tasklists", &json!({"guid": guid, "name": key}))?;
        }
        let mut people: Vec<Value> = (0..PEOPLE)
            .map(|n| {
                json!({"open_id": format!("ou_p{n}"), "name": format!("P{n}"), "dingtalk_user_id": format!("p{n}")})
            })
            .collect();
        people.extend(OUTSIDERS.map(|id| json!({"open_id": id, "name": id})));
        stage.control("POST", "users", &Value::Array(people))?;
        for (key, id) in FIXED_CHATS {
            stage.control("POST", "chats", &json!({"chat_id": id, "name": key}))?;
        }
        stage.somebody_subscribes(0, "theirs")?;
        stage.somebody_subscribes(1, "manual labour")?;
        stage.somebody_subscribes(1, "theirs too")?;
        Ok(stage)
    }

    pub(super) fn somebody_subscribes(&mut self, tasklist: usize, name: &str) -> Result<(), Halt> {
        let body = json!({"name": name, "subscribers": [{"id": FIXED_CHATS[0].1, "type": "chat"}], "include_keys": [101]});
        let path = format!("tasklists/{}/subscriptions", TASKLISTS[tasklist].1);
        let made = self.control("POST", &path, &body)?;
        let guid = made["guid"].as_str().unwrap_or_default().to_owned();
        self.foreign.push((guid, name.to_owned()));
        Ok(())
    }

    /// The body of an answer, null where there is none; nothing where the answer is a refusal.
    fn ask(
        &self,
        method: &'static str,
        path: &str,
        token: &str,
        body: &Value,
    ) -> Result<Option<Value>, Halt> {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap_or_default();
        let call = || format!("{method} {path}");
        let silent = |source| StageError::Silent {
            call: call(),
            source,
        };
        let request = self
            .lab
            .client
            .request(method.clone(), format!("{}{path}", self.base))
            .header("Authorization", format!("Bearer {token}"))
            .json(body);
        self.lab.runtime.block_on(async {
            let answer = request.send().await.map_err(silent)?;
            Ok(match answer.status().is_success() {
                true => Some(answer.json().await.unwrap_or(Value::Null)),
                false => None,
            })
        })
    }

    /// A control call. Nothing where the sandbox says no.
    pub(super) fn try_control(
        &self,
        method: &'static str,
        path: &str,
        body: &Value,
    ) -> Result<Option<Value>, Halt> {
        self.ask(method, &format!("/_sandbox/{path}"), "", body)
    }

    pub(super) fn control(
        &self,
        method: &'static str,
        path: &str,
        body: &Value,
    ) -> Result<Value, Halt> {
        let answer = self.try_control(method, path, body)?;
        answer.ok_or_else(|| {
            let call = format!("{method} {path} {body}");
            StageError::Refused { call }.into()
        })
    }

    /// A call of a vendor's, as our app: what beadle should not have made.
    ///
    /// # Errors
    ///
    /// The sandbox does not answer.
    pub fn vendor(&self, method: &'static str, path: &str, body: &Value) -> Result<(), Halt> {
        self.no_faults()?;
        let credentials = json!({"app_id": "cli_sandbox", "app_secret": self.secret});
        let path_of_token = "/open-apis/auth/v3/tenant_access_token/internal";
        let token = self.ask("POST", path_of_token, "", &credentials)?;
        let token = token.unwrap_or_default();
        let token = token["tenant_access_token"].as_str().unwrap_or_default();
        self.ask(method, path, token, body)?;
        Ok(())
    }

    /// The guid of a subscription on the first tasklist that somebody else made.
    #[must_use]
    pub fn somebodys(&self) -> &str {
        &self.foreign[0].0
    }

    /// The credential that must not show anywhere.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }

    pub(super) fn world(&self) -> Result<Value, Halt> {
        self.control("GET", "world", &Value::Null)
    }

    /// Lets these faults come, in place of others.
    ///
    /// # Errors
    ///
    /// The sandbox does not answer, or one is no fault.
    pub fn faults(&self, faults: &[String]) -> Result<(), Halt> {
        self.control("POST", "faults", &json!({"faults": faults, "seed": 1}))?;
        Ok(())
    }

    pub(super) fn no_faults(&self) -> Result<(), Halt> {
        self.control("DELETE", "faults", &Value::Null)?;
        self.control("POST", "release", &Value::Null)?;
        Ok(())
    }

    /// Waits until what a dead process left on the wire has been carried out: a vendor does it all the same,
    /// and it is no call of whoever is run next.
    pub(super) fn wait_until_quiet(&self) -> Result<(), Halt> {
        let give_up = Instant::now() + QUIET_PATIENCE;
        while self.control("GET", "connections", &Value::Null)?["open"] != 1 {
            if Instant::now() > give_up {
                return Err(StageError::Restless.into());
            }
            std::thread::sleep(A_MOMENT);
        }
        Ok(())
    }

    /// The calls since the last time that somebody asked.
    pub(super) fn new_calls(&mut self) -> Result<Vec<Value>, Halt> {
        let path = format!("calls?after={}", self.seen);
        let mut log = self.control("GET", &path, &Value::Null)?;
        let Value::Array(calls) = log["calls"].take() else {
            return Ok(Vec::new());
        };
        if let Some(last) = calls.last() {
            self.seen = last["seq"].as_i64().unwrap_or(self.seen);
        }
        self.tally.calls += calls.len();
        let writes = calls.iter().filter(|call| call["write"] == true);
        self.tally.writes += writes.count();
        Ok(calls)
    }

    pub(super) fn write(&mut self, name: &str, text: &str) -> Result<(), Halt> {
        self.transcript
            .push(format!("$ cat > {name} <<EOF\n{text}EOF"));
        std::fs::write(self.path(name), text).map_err(io("the project cannot be written"))
    }

    /// A file of the project, as it is on the disk.
    pub(super) fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_default()
    }

    /// Where a file of the project is.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.lab.program);
        command
            .args(args)
            .current_dir(self.dir.path())
            // Nothing of the machine shows.
            .env_clear()
            .env("COLUMNS", "120")
            .env("USER", "walker")
            .env("HOSTNAME", "sandbox")
            .env("WALK_SECRET", &self.secret)
            .env("BEADLE_RETRY_WAIT", "1ms")
            .env("BEADLE_SETTLE_GRACE", "20ms")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // A ctrl-C in the terminal is for who walks, not for who is walked.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command
    }

    /// Runs beadle to its end.
    ///
    /// # Errors
    ///
    /// It cannot be run; it ends as it should not, or shows a secret.
    pub fn beadle(&mut self, args: &[&str]) -> Result<Ran, Halt> {
        self.run(args, None, None)
    }

    /// Runs beadle up to that crash point, or until the sandbox holds a call, or to its end.
    pub(super) fn run(
        &mut self,
        args: &[&str],
        crash_at: Option<usize>,
        kill_when_held: Option<()>,
    ) -> Result<Ran, Halt> {
        let mut command = self.command(args);
        command.envs(crash_at.map(|at| ("BEADLE_CRASH_AT", at.to_string())));
        let output = match kill_when_held {
            None => command.output().map_err(io("beadle cannot be run"))?,
            Some(()) => self.killed(command)?,
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let ran = Ran {
            status: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        };
        self.tally.runs += 1;
        self.tally.killed += usize::from(ran.status.is_none());
        let crash = crash_at.map_or_else(String::new, |at| format!("BEADLE_CRASH_AT={at} "));
        self.transcript.push(format!(
            "$ {crash}beadle {}\n{}{}-> {}",
            args.join(" "),
            ran.stdout,
            ran.stderr,
            output.status,
        ));
        for text in [&ran.stdout, &ran.stderr] {
            self.no_secret(text.as_bytes(), &args.join(" "))?;
        }
        let dies = kill_when_held.is_some() || crash_at.is_some();
        let ended = matches!(ran.status, Some(0..=2)) || (dies && ran.status.is_none());
        if !ended || ran.stderr.contains("panicked at") {
            return Err(Broken::new(Rule::Ends, output.status.to_string()).into());
        }
        Ok(ran)
    }

    fn killed(&self, mut command: Command) -> Result<Output, Halt> {
        let what = "beadle cannot be run and killed";
        let mut child = command.spawn().map_err(io(what))?;
        let give_up = Instant::now() + KILL_PATIENCE;
        loop {
            if child.try_wait().map_err(io(what))?.is_some() {
                break;
            }
            let held = &self.control("GET", "faults", &Value::Null)?["held"];
            let too_long = Instant::now() > give_up;
            if *held != 0 || too_long {
                child.kill().map_err(io(what))?;
                if too_long {
                    let why = "it neither ends nor makes the call";
                    return Err(Broken::new(Rule::Ends, why).into());
                }
                break;
            }
            std::thread::sleep(A_MOMENT);
        }
        child.wait_with_output().map_err(io(what))
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
    pub(super) fn arrived(&self) -> Result<Vec<(String, String, String)>, Halt> {
        let inbox = self.control("GET", "inbox", &Value::Null)?;
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let rows = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let mut arrived = Vec::new();
        for holder in ["people", "chats"]
            .iter()
            .flat_map(|side| rows(&inbox[side]))
        {
            for message in rows(&holder["messages"]) {
                if message["dropped"].is_null() {
                    arrived.push((
                        word(&message["vendor"]),
                        word(&holder["id"]),
                        word(&message["text"]),
                    ));
                }
            }
        }
        Ok(arrived)
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        if let Some(sandbox) = self.sandbox.take() {
            self.lab.runtime.block_on(sandbox.stop());
        }
    }
}
