//! What is fuzzed: bytes in, and nothing but a panic can be wrong.
//!
//! The targets in `targets/` call these, and so does `tests/it/fuzzed.rs` with every input that is kept in
//! `tests/fixtures/fuzz/` and with bent copies of them. Only what the crate publishes is used.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use beadle::cli::diagnostics;
use beadle::cli::json::{PlanJson, digest};
use beadle::engine::{Directory, Writer};
use beadle::ledger::{self, Access};
use beadle::model::diagnostic::{FileId, Sources};
use beadle::model::group::Recipient;
use beadle::model::manifest::Vendor;
use beadle::model::parse::{self, Inputs, Secrets, World};
use beadle::model::schedule::read;
use beadle::model::{AppId, ChatId, Collection, Diagnostic, Name, RemoteId, TasklistGuid};
use beadle::vendors::{self, Patience, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
});

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Everything that is found is shown, in every form that it can have.
fn show(sources: &Sources, found: &[Diagnostic]) {
    for width in [1, 20, 140] {
        let _ = diagnostics::human(sources, found, true, width);
    }
    let _ = diagnostics::github(sources, found, "a/b");
    let _ = diagnostics::json(sources, found);
}

fn manifest(yaml: String) {
    let mut sources = Sources::default();
    sources.add("beadle.yaml", yaml);
    let vars = BTreeMap::from([("GIVEN".to_owned(), "${env:X}\u{7}".to_owned())]);
    for (secrets, world) in [
        (Secrets::Require, World::Real),
        (Secrets::Skip, World::Sandbox),
    ] {
        let inputs = Inputs {
            vars: &vars,
            env: &|name| (name.len() % 2 == 0).then(|| format!("of {name}")),
            file: &|path, _| match path.len() % 3 {
                0 => Err("no".to_owned()),
                _ => Ok(path.to_owned()),
            },
            allow_hosts: &[],
            secrets,
            world,
        };
        let (_, found) = parse::manifest(&sources, FileId(0), &inputs);
        show(&sources, &found);
    }
}

/// A manifest, whole.
pub(crate) fn yaml(bytes: &[u8]) {
    manifest(text(bytes));
}

/// A text where values are put in: in a setting, in a name, in a secret.
pub(crate) fn interpolation(bytes: &[u8]) {
    let quoted = serde_json::Value::from(text(bytes)).to_string();
    manifest(format!(
        "version: 1
vars: {{ OWN: {quoted}, OTHER: \"${{var:OWN}}\" }}
providers: {{ feishu: {{ app_id: cli_a, app_secret: {quoted} }} }}
tasklists: {{ a: {{ guid: {quoted} }} }}
chats: {{ room: {{ id: oc_a }} }}
tasklist_subscriptions: {{ s: {{ name: {quoted}, tasklist: a, subscribers: [room], events: [{quoted}] }} }}
"
    ));
}

/// The text of a rule: cron, RRULE, times and intervals, each in a zone with changing clocks.
pub(crate) fn schedule(bytes: &[u8]) {
    let quoted = serde_json::Value::from(text(bytes)).to_string();
    let rules = [
        format!("cron: {quoted}"),
        format!("rrule: {quoted}, start: 2026-01-31T08:00:00"),
        format!("at: [{quoted}]"),
        format!("every: {quoted}, start: 2026-03-08T02:30:00"),
        format!("cron: \"0 10 * * *\", start: {quoted}"),
        format!("cron: \"30 2 * * *\", gap: skip, repeat: both, timezone: {quoted}"),
    ];
    for rule in rules {
        let zone = match rule.contains("timezone") {
            true => "",
            false => ", timezone: America/New_York",
        };
        let mut sources = Sources::default();
        let file = format!("schedules: {{ one: {{ {rule}{zone} }} }}\n");
        let id = sources.add("schedules.yaml", file);
        let read = read::file(&sources, id);
        show(&sources, &read.diagnostics);
        let from: jiff::Timestamp = "2026-03-07T00:00:00Z".parse().expect("an instant");
        let to: jiff::Timestamp = "2027-01-01T00:00:00Z".parse().expect("an instant");
        for schedule in read.schedules.values() {
            let _ = schedule.next(from);
            let _ = schedule.next(jiff::Timestamp::MAX);
            let _ = schedule.next(jiff::Timestamp::MIN);
            assert!(schedule.firings(from, to).take(50).count() <= 50);
        }
    }
}

/// A server that answers with the bytes of the day, save where a token is asked for.
struct Wire {
    writer: Arc<dyn Writer>,
    directories: Vec<(Vendor, Arc<dyn Directory>)>,
    answer: Arc<Mutex<Vec<u8>>>,
}

static WIRE: LazyLock<Wire> = LazyLock::new(|| {
    let answer = Arc::new(Mutex::new(Vec::new()));
    let listener = RUNTIME
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    RUNTIME.spawn(serve(listener, Arc::clone(&answer)));
    let settings = || {
        let mut settings = Settings::new(&base, AppId::new("cli_a"), "secret".into());
        settings.timeout = Duration::from_secs(10);
        settings.paced = false;
        settings.patience = Patience {
            attempts: 1,
            ..Patience::default()
        };
        settings
    };
    let (writer, jobs) = vendors::feishu(settings()).expect("a client");
    let agency = vendors::Agency {
        edition: Default::default(),
        agent_id: Some(7),
        robot_code: None,
    };
    let dingtalk = vendors::dingtalk(settings(), agency).expect("a client");
    let enos = vendors::enos(settings(), "o1", || jiff::Timestamp::UNIX_EPOCH).expect("a client");
    Wire {
        writer,
        directories: vec![
            (Vendor::Feishu, jobs.directory),
            (Vendor::DingTalk, dingtalk.directory),
            (Vendor::Enos, enos.directory),
        ],
        answer,
    }
});

async fn serve(listener: tokio::net::TcpListener, answer: Arc<Mutex<Vec<u8>>>) {
    const TOKEN: &str = "{\"code\":0,\"errcode\":0,\"status\":0,\"msg\":\"ok\",\"tenant_access_token\":\"t-0\",\"expire\":7200,\
        \"accessToken\":\"t-0\",\"access_token\":\"t-0\",\"expireIn\":7200,\"expires_in\":7200,\
        \"data\":{\"accessToken\":\"t-0\",\"expire\":7200}}";
    while let Ok((mut stream, _)) = listener.accept().await {
        let answer = Arc::clone(&answer);
        tokio::spawn(async move {
            let mut head = vec![0; 16 * 1024];
            let read = stream.read(&mut head).await.unwrap_or(0);
            let head = String::from_utf8_lossy(&head[..read]).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default();
            let is_token = ["token", "oauth2", "/auth/"]
                .iter()
                .any(|part| path.split('?').next().unwrap_or_default().contains(part));
            let body = match is_token {
                true => TOKEN.as_bytes().to_vec(),
                false => answer
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone(),
            };
            // The first byte is the status, so that refusals are met as well.
            let (status, body) = match body.split_first() {
                Some((first, rest)) if !is_token => {
                    let codes = [200, 200, 200, 400, 403, 404, 429, 500];
                    (codes[usize::from(*first) % codes.len()], rest.to_vec())
                }
                _ => (200, body),
            };
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(&body).await;
            let _ = stream.shutdown().await;
        });
    }
}

/// The answer of a vendor to every call that reads.
pub(crate) fn vendor_answer(bytes: &[u8]) {
    let wire = &*WIRE;
    *wire.answer.lock().unwrap_or_else(PoisonError::into_inner) = bytes.to_vec();
    let texts = [
        "user ou_a",
        "user a",
        "email a@example.com",
        "department od-1",
        "department 1",
    ];
    RUNTIME.block_on(async {
        let writer = &wire.writer;
        let guid = TasklistGuid::new("d300a75f-c56a-4be9-80d1-e47653028ceb");
        let id = RemoteId::new("oc_a");
        let _ = writer.tasklists().await;
        let _ = writer.tasklist(&guid).await;
        let _ = writer.subscriptions(&guid).await;
        let _ = writer.is_in_chat(&ChatId::new("oc_a")).await;
        for collection in [Collection::Chats, Collection::UserGroups] {
            let _ = writer.catalog(&collection).await;
            let _ = writer.object(&collection, &id).await;
        }
        for (vendor, directory) in &wire.directories {
            let who = texts
                .iter()
                .filter_map(|text| Recipient::parse(*vendor, text));
            let _ = directory.look_up(&who.collect::<Vec<_>>()).await;
        }
    });
}

/// A saved plan: as it is read, shown and compared.
pub(crate) fn saved_plan(bytes: &[u8]) {
    let Ok(saved) = serde_json::from_slice::<serde_json::Value>(bytes) else {
        return;
    };
    if let Ok(plan) = serde_json::from_value::<PlanJson>(saved["plan"].clone()) {
        // What says that it was not edited by hand is believed, so that it is looked at.
        let mut saved = saved;
        saved["plan"]["digest"] = digest(&plan.changes).into();
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), saved.to_string()).expect("written");
        for format in ["human", "json", "markdown"] {
            let path = file.path().as_os_str().to_owned();
            let words = ["beadle", "show", "--format", format].map(Into::into);
            let _ = beadle::cli::run(words.into_iter().chain([path]));
        }
    }
}

/// The ledger that rows are put into, and its connection.
static LEDGER: LazyLock<Mutex<(tempfile::TempDir, rusqlite::Connection)>> = LazyLock::new(|| {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("ledger.db");
    let project = Name::new("fuzz").expect("a name");
    drop(ledger::open(&path, &project, Access::Write).expect("a ledger"));
    let connection = rusqlite::Connection::open(&path).expect("a ledger");
    let pragmas = "PRAGMA ignore_check_constraints = ON; PRAGMA synchronous = OFF;";
    connection.execute_batch(pragmas).expect("pragmas");
    Mutex::new((dir, connection))
});

/// Rows of the ledger with any text in their columns, one column a line.
pub(crate) fn ledger_row(bytes: &[u8]) {
    let text = text(bytes).replace('\0', "");
    let cells: Vec<&str> = text.lines().collect();
    let guard = LEDGER.lock().unwrap_or_else(PoisonError::into_inner);
    let (dir, connection) = &*guard;
    for table in [
        "binding",
        "journal",
        "look_up",
        "occurrence",
        "delivery",
        "handled",
    ] {
        let _ = connection.execute(&format!("DELETE FROM {table}"), []);
        let mut columns = Vec::new();
        let _ = connection.pragma(None, "table_info", table, |row| {
            columns.push((row.get::<_, String>(1)?, row.get::<_, String>(2)?));
            Ok(())
        });
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        let values = columns.iter().enumerate().map(|(at, (name, kind))| {
            let cell = cells.get(at % cells.len().max(1)).copied().unwrap_or("");
            let number = cell.bytes().map(i64::from).sum::<i64>();
            match (name.as_str(), kind.as_str()) {
                ("project", _) => rusqlite::types::Value::from("fuzz".to_owned()),
                (_, "INTEGER") => rusqlite::types::Value::from(number),
                _ => rusqlite::types::Value::from(cell.to_owned()),
            }
        });
        let marks = vec!["?"; names.len()].join(", ");
        let sql = format!(
            "INSERT INTO {table} ({}) VALUES ({marks})",
            names.join(", ")
        );
        // What the schema itself refuses cannot come out of a ledger.
        let _ = connection.execute(&sql, rusqlite::params_from_iter(values));
    }
    let project = Name::new("fuzz").expect("a name");
    let Ok(books) = ledger::open(&dir.path().join("ledger.db"), &project, Access::Read) else {
        return;
    };
    RUNTIME.block_on(async {
        let _ = books.bindings().await;
        let _ = books.claims().await;
        let _ = books.unsettled().await;
        let _ = books.history(10).await;
        let _ = books.look_ups().await;
        let _ = books.lease().await;
        let _ = books.handled().await;
        let _ = books.undecided().await;
        if let Ok(occurrences) = books.occurrences(None, 10).await {
            for occurrence in occurrences {
                let _ = books.deliveries(&occurrence.key).await;
            }
        }
    });
}
