//! The rest of the fault lab: what is odd about an answer, what somebody does in the middle of a call,
//! programs of faults, and what beadle makes of all that.

use beadle::sandbox::{FaultParseError, Options, Program};
use serde_json::{Value, json};

use crate::sandbox::{Stage, subscription, subscriptions};
use crate::support::project::{ONCALL, Project, RELEASE, ROOM, Ran};

const CREATE: &str = "createTasklistActivitySubscription";
const PATCH: &str = "patchTasklistActivitySubscription";
const LIST: &str = "listTasklistActivitySubscriptions";

async fn fault(stage: &Stage, fault: &str) {
    let body = json!({"fault": fault});
    stage.control("POST", "/faults", body).await;
}

async fn world(stage: &Stage, kind: &str) -> Vec<Value> {
    let world = stage.control("GET", "/world", Value::Null).await;
    world[kind].as_array().unwrap().clone()
}

/// Which of eight creates fail, while lists come in between or not.
async fn met(options: Options, lists_between: bool) -> String {
    let stage = Stage::with(options).await;
    let authorization = format!("Bearer {}", stage.token());
    let mut met = String::new();
    for _ in 0..8 {
        if lists_between {
            stage
                .send("GET", &subscriptions(), &authorization, None)
                .await
                .unwrap();
        }
        let body = Some(subscription("a"));
        let reply = stage
            .send("POST", &subscriptions(), &authorization, body)
            .await
            .unwrap();
        met.push(if reply.status == 200 { '.' } else { 'x' });
    }
    met
}

#[tokio::test]
async fn the_same_seed_and_program_meet_the_same_calls_whatever_comes_in_between() {
    let options = |seed| Options {
        faults: vec!["5xx@*,p=0.5".parse().unwrap()],
        seed,
        ..Options::default()
    };
    let quiet = met(options(7), false).await;
    assert!(quiet.contains('x') && quiet.contains('.'), "{quiet}");
    assert_eq!(met(options(7), false).await, quiet);
    assert_eq!(met(options(7), true).await, quiet);
    assert_ne!(met(options(8), false).await, quiet);
}

#[tokio::test]
async fn a_flap_meets_every_second_call() {
    let options = |fault: &str| Options {
        faults: vec![fault.parse().unwrap()],
        ..Options::default()
    };
    let every_second = met(options(&format!("5xx@{CREATE}:1-/2")), false).await;
    assert_eq!(every_second, "x.x.x.x.");
    let every_third = met(options(&format!("5xx@{CREATE}:2-7/3")), false).await;
    assert_eq!(every_third, ".x..x...");
}

#[tokio::test]
async fn a_program_comes_as_a_file_or_through_the_control_endpoint() {
    let text = format!("# a comment\nseed 7\n\n5xx@{CREATE}:1\n  429@{LIST}  \n");
    let program: Program = text.parse().unwrap();
    assert_eq!(program.seed, Some(7));
    let stage = Stage::new().await;
    let body = json!({"program": text});
    stage.control("POST", "/faults", body).await;
    let on = stage.control("GET", "/faults", Value::Null).await;
    let texts: Vec<String> = program.faults.iter().map(ToString::to_string).collect();
    assert_eq!(on["faults"][0]["fault"], texts[0]);
    assert_eq!(on["faults"][1]["fault"], texts[1]);

    for (text, line) in [
        ("5xx@*\nmelt@*", "line 2: unknown fault \"melt\""),
        ("seed x", "line 1: write the seed once, as in `seed 7`"),
        ("seed 1\nseed 2", "line 2: write the seed once"),
    ] {
        let error = text.parse::<Program>().unwrap_err().to_string();
        assert!(error.starts_with(line), "{error}");
    }
}

#[test]
fn the_sandbox_says_which_line_of_a_fault_file_is_wrong() {
    let project = Project::empty();
    project.write("storm", "seed 7\n5xx@melt\n");
    let ran = project.beadle(&["sandbox", "--fault-file", "storm"]);
    let ran = ran.exits(64);
    assert!(
        ran.stderr.contains("line 2: unknown operation \"melt\""),
        "{}",
        ran.stderr
    );
    project.beadle(&["sandbox", "--fault-file", "no"]).exits(1);
}

#[test]
fn a_fault_that_could_meet_nothing_is_refused() {
    let error = |text: &str| text.parse::<beadle::sandbox::Fault>().unwrap_err();
    for (kind, operation) in [
        ("bot-removed", LIST),
        ("revoked", "batchGetUserIds"),
        ("edited", "createMessage"),
        ("stuck", CREATE),
    ] {
        assert_eq!(
            error(&format!("{kind}@{operation}")),
            FaultParseError::Misplaced {
                kind: kind.to_owned(),
                operation: operation.to_owned()
            }
        );
    }
}

#[tokio::test]
async fn what_somebody_does_in_the_middle_of_a_call_stays() {
    // The edit is there before the patch, and what the patch does not name survives it.
    let stage = Stage::new().await;
    let made = stage.create("ours").await.json();
    let guid = made["data"]["activity_subscription"]["guid"].clone();
    let one = format!("{}/{}", subscriptions(), guid.as_str().unwrap());
    fault(&stage, &format!("edited@{PATCH},field=disabled")).await;
    let rename = json!({"activity_subscription": {"name": "new"}, "update_fields": ["name"]});
    let patched = stage.call("PATCH", &one, rename.clone()).await.json();
    let patched = &patched["data"]["activity_subscription"];
    assert_eq!(
        (&patched["name"], &patched["disabled"]),
        (&json!("new"), &json!(true))
    );

    // After the list: who lists sees the old name, who asks next the new one.
    fault(&stage, &format!("edited@{LIST},when=after")).await;
    assert_eq!(stage.names().await, ["new"]);
    assert_eq!(stage.names().await, ["new'"]);

    // Deleted just before the patch: there is nothing to patch.
    fault(&stage, &format!("deleted@{PATCH}")).await;
    assert_eq!(stage.call("PATCH", &one, rename).await.code(), 1470404);

    // The bot leaves, and then the right goes: both before any effect.
    fault(&stage, &format!("bot-removed@{CREATE},chat={ROOM}")).await;
    assert_eq!(stage.create("more").await.code(), 1470403);
    fault(&stage, &format!("revoked@{LIST}")).await;
    assert_eq!(
        stage
            .call("GET", &subscriptions(), Value::Null)
            .await
            .code(),
        1470403
    );
    assert!(world(&stage, "subscriptions").await.is_empty());
}

#[tokio::test]
async fn a_token_can_be_dead_when_it_comes() {
    let mut stage = Stage::new().await;
    fault(&stage, "token-expiry@getTenantAccessTokenInternal").await;
    stage.become_app("cli_late").await;
    let reply = stage.call("GET", "/open-apis/task/v2/tasklists", Value::Null);
    assert_eq!(reply.await.code(), 99991663);
    stage.become_app("cli_late").await;
    let reply = stage.call("GET", "/open-apis/task/v2/tasklists", Value::Null);
    assert_eq!(reply.await.code(), 0);
}

#[tokio::test]
async fn the_vendors_clock_can_be_off() {
    let stage = Stage::new().await;
    fault(&stage, &format!("clock-skew@{LIST},seconds=-86400")).await;
    let reply = stage.call("GET", &subscriptions(), Value::Null).await;
    let date = reply.headers["date"].to_str().unwrap();
    let date = jiff::fmt::rfc2822::parse(date).unwrap().timestamp();
    let off = jiff::Timestamp::now().duration_since(date);
    assert_eq!(off.as_hours(), 24);
}

#[tokio::test]
async fn odd_answers_are_odd_in_one_way_each() {
    let stage = Stage::new().await;
    for name in ["a", "b", "c", "d"] {
        stage.create(name).await;
    }
    let authorization = format!("Bearer {}", stage.token());
    let list = async |kind: &str, keys: &str| {
        stage.control("DELETE", "/faults", Value::Null).await;
        fault(&stage, &format!("{kind}@{LIST}{keys}")).await;
        let reply = stage
            .send("GET", &subscriptions(), &authorization, None)
            .await;
        reply.unwrap().json()["data"]["items"].clone()
    };
    let names = |items: &Value| -> Vec<String> {
        let name = |item: &Value| item["name"].as_str().unwrap().to_owned();
        items.as_array().unwrap().iter().map(name).collect()
    };
    let plain = list("slow", ",ms=0").await;
    assert_eq!(names(&plain), ["a", "b", "c", "d"]);
    let mut reordered = names(&list("reordered", "").await);
    assert_ne!(reordered, names(&plain));
    reordered.sort();
    assert_eq!(reordered, names(&plain));
    assert_eq!(
        names(&list("duplicated", "").await),
        ["a", "b", "c", "d", "a", "b", "c", "d"]
    );
    let unknown = list("unknown-values", "").await;
    assert_eq!(unknown[0]["subscribers"][0]["type"], "not_on_any_page");
    assert_eq!(unknown[0]["not_on_any_page"], json!({"new": [1, null]}));

    let empty = stage.send(
        "GET",
        "/open-apis/im/v1/chats/search?query=nobody",
        &authorization,
        None,
    );
    let empty = empty.await.unwrap().json()["data"]["items"].clone();
    assert_eq!(empty, json!([]));
    fault(&stage, "nulls@searchChats").await;
    let nulls = stage.send(
        "GET",
        "/open-apis/im/v1/chats/search?query=nobody",
        &authorization,
        None,
    );
    assert_eq!(nulls.await.unwrap().json()["data"]["items"], Value::Null);
}

#[tokio::test]
async fn a_stalled_answer_comes_whole_when_it_is_released() {
    let stage = Stage::new().await;
    fault(&stage, &format!("stalled@{CREATE}")).await;
    let release = async {
        while stage.control("GET", "/faults", Value::Null).await["held"] != 1 {
            tokio::task::yield_now().await;
        }
        stage.control("POST", "/release", Value::Null).await;
    };
    let (reply, ()) = tokio::join!(stage.create("a"), release);
    assert_eq!(reply.code(), 0);
}

#[tokio::test]
async fn a_send_that_was_accepted_may_come_to_some_or_to_nobody() {
    let stage = Stage::new().await;
    let people = json!([{"open_id": "ou_ada", "name": "Ada"}, {"open_id": "ou_bo", "name": "Bo"}]);
    stage.control("POST", "/users", people).await;
    for (kind, got) in [
        ("partial", 1),
        ("stuck", 0),
        ("over-quota", 0),
        ("reordered", 2),
    ] {
        stage.control("DELETE", "/faults", Value::Null).await;
        fault(&stage, &format!("{kind}@batchSendMessage")).await;
        let message =
            json!({"open_ids": ["ou_ada", "ou_bo"], "msg_type": "text", "content": {"text": kind}});
        let sent = stage.call("POST", "/open-apis/message/v4/batch_send/", message);
        let id = sent.await.json()["data"]["message_id"].clone();
        let minute = json!({"seconds": 60});
        stage.control("POST", "/advance", minute).await;
        let path = format!(
            "/open-apis/im/v1/batch_messages/{}/get_progress",
            id.as_str().unwrap()
        );
        let progress = stage.call("GET", &path, Value::Null).await.json();
        let progress = &progress["data"]["batch_message_send_progress"];
        assert_eq!(progress["success_user_ids_count"], got, "{kind}");
        assert_eq!(progress["valid_user_ids_count"], 2, "{kind}");
    }
}

/// A project with a bit of everything that is read from the vendors.
fn everything() -> Project {
    let project = Project::empty();
    let people = json!([
        {"open_id": "ou_ada", "name": "Ada", "email": "ada@example.com", "dingtalk_user_id": "ada"},
        {"open_id": "ou_bo", "name": "Bo", "dingtalk_user_id": "bo"},
    ]);
    project.control("POST", "users", &people);
    project.control("POST", "tasklists", &json!({"name": "Roadmap"}));
    let base = project.base_url();
    let text = format!(
        "version: 1
{}  dingtalk: {{ app_key: cli_sandbox, app_secret: \"${{env:FEISHU_APP_SECRET}}\", agent_id: 7, base_url: \"{base}\" }}
tasklists:
  release: {{ guid: {RELEASE} }}
  byname: {{ name: Roadmap }}
chats:
  fixed: {{ id: {ROOM} }}
  spare: {{ id: {ONCALL} }}
  room: {{ manage: {{ name: Operations, members: [team] }} }}
recipient_groups:
  team:
    feishu: {{ users: [ou_bo], emails: [ada@example.com], user_group: {{ name: Crew }} }}
    dingtalk: {{ users: [ada, bo] }}
tasklist_subscriptions:
  progress: {{ tasklist: release, subscribers: [fixed, spare], events: [task.added, due.set] }}
  all: {{ tasklist: byname, subscribers: [room], events: all }}
recurring_notices:
  review:
    to: [team, fixed]
    via: [feishu, dingtalk]
    schedule: {{ start: 2030-01-01, cron: \"0 10 * * *\", timezone: UTC }}
    message: {{ text: Hello }}
",
        project.providers(),
    );
    project.write("beadle.yaml", &text);
    project
}

#[test]
fn odd_answers_are_no_reason_for_a_change() {
    let project = everything();
    project.beadle(&["apply", "--auto-approve"]).exits(0);
    project.clear_calls();
    for kind in ["reordered", "duplicated", "nulls", "clock-skew"] {
        project.fault(&format!("{kind}@*"));
        let plan = project.beadle(&["plan", "--detailed-exitcode"]);
        assert_eq!(
            plan.status,
            Some(0),
            "{kind}: {}{}",
            plan.stdout,
            plan.stderr
        );
        project.no_faults();
    }
    // What beadle has no words for is shown, or left alone; it is never a reason to write.
    project.fault("unknown-values@*");
    let plan = project.beadle(&["plan", "--format", "json"]);
    let changes: Vec<String> = plan.json()["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| format!("{} {}", c["action"], c["address"]))
        .collect();
    let updates_alone = changes.iter().all(|c| c.contains("update"));
    assert!(updates_alone, "{changes:?}");
    assert_eq!(project.writes(), Vec::<Value>::new());
    project.no_faults();
    project.beadle(&["plan", "--detailed-exitcode"]).exits(0);
}

fn applied(project: &Project) -> Ran {
    let mut command = project.command(&["apply", "--auto-approve"]);
    command.env("BEADLE_TIMEOUT", "2s");
    command.output().unwrap().into()
}

#[test]
fn bodies_that_do_not_end_are_given_up_and_the_write_is_found_again() {
    const PROGRESS: &str =
        "  progress: { tasklist: release, subscribers: [release-room], events: [task.added] }\n";
    std::thread::scope(|scope| {
        for kind in ["empty", "enormous", "stalled", "empty,status=204"] {
            scope.spawn(move || {
                let project = Project::new(PROGRESS);
                let (name, keys) = kind.split_once(',').unwrap_or((kind, ""));
                project.fault(format!("{name}@{CREATE}:1,{keys}").trim_end_matches(','));
                let ran = applied(&project).exits(0);
                assert!(ran.stderr.contains("Settled"), "{kind}: {}", ran.stderr);
                assert_eq!(project.live_names(RELEASE), ["progress"], "{kind}");
                assert_eq!(project.writes().len(), 1, "{kind}");
                project.beadle(&["plan", "--detailed-exitcode"]).exits(0);
            });
        }
    });
}

#[test]
fn a_list_that_does_not_end_is_unread_and_not_empty() {
    const PROGRESS: &str =
        "  progress: { tasklist: release, subscribers: [release-room], events: [task.added] }\n";
    std::thread::scope(|scope| {
        for kind in ["empty", "enormous", "truncated"] {
            scope.spawn(move || {
                let project = Project::new(PROGRESS);
                applied(&project).exits(0);
                project.clear_calls();
                project.fault(&format!("{kind}@{LIST}"));
                let mut command = project.command(&["plan", "--format", "json"]);
                command.env("BEADLE_TIMEOUT", "2s");
                let plan = Ran::from(command.output().unwrap()).exits(1);
                assert_eq!(plan.json()["changes"], json!([]), "{kind}");
                assert_eq!(plan.json()["unread"].as_array().unwrap().len(), 1, "{kind}");
            });
        }
    });
}

#[test]
fn a_name_that_nobody_resolves_is_no_doubt_and_no_write() {
    let project = Project::new(
        "  progress: { tasklist: release, subscribers: [release-room], events: [task.added] }\n",
    );
    let text = project.read("beadle.yaml");
    let text = text.replace(&project.base_url(), "https://feishu.invalid");
    project.write("beadle.yaml", &text);
    let run = |args: &[&str]| {
        let mut command = project.command(args);
        command.env("BEADLE_ALLOW_HOSTS", "feishu.invalid");
        Ran::from(command.output().unwrap())
    };
    let ran = run(&["apply", "--auto-approve", "--retry-wait", "1ms"]).exits(1);
    assert!(ran.stdout.contains("Plan: 0 to create"), "{}", ran.stdout);
    let history = run(&["history"]).exits(0);
    assert!(!history.stdout.contains("create"), "{}", history.stdout);
}

#[test]
fn a_ledger_on_a_full_disk_stops_before_the_vendor_is_written_to() {
    let blocks = "  a: { tasklist: release, subscribers: [release-room], events: [task.added] }\n";
    let project = Project::new(blocks);
    project.beadle(&["apply", "--auto-approve"]).exits(0);
    project.clear_calls();
    project.declare(&blocks.replace("task.added", "due.set"));
    // No file may grow beyond four kilobytes, which is less than a page of the log.
    let exe = env!("CARGO_BIN_EXE_beadle");
    let words = format!("trap '' XFSZ; ulimit -f 8; exec {exe} apply --auto-approve");
    let mut limited = std::process::Command::new("sh");
    limited
        .args(["-c", &words])
        .current_dir(project.path())
        .env("FEISHU_APP_SECRET", "sandbox-secret");
    let ran = Ran::from(limited.output().unwrap()).exits(1);
    assert!(ran.stderr.contains("ledger.db"), "{}", ran.stderr);
    assert_eq!(project.writes(), Vec::<Value>::new(), "{}", ran.stderr);
    project.beadle(&["apply", "--auto-approve"]).exits(0);
    project.beadle(&["plan", "--detailed-exitcode"]).exits(0);
}
