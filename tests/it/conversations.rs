//! Groups of DingTalk as receivers of notices.

use std::fs;
use std::path::Path;

use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::support::project::{Project, Ran, beadle};

const CID: &str = "cid6KeBBLoveMJOGXoYKF5x7EeiodoA==";

fn declare(project: &Project, notice: &str) {
    let base = project.base_url();
    let start = (Timestamp::now() + 24.hours())
        .strftime("%Y-%m-%d")
        .to_string();
    project.write(
        "beadle.yaml",
        &format!(
            "version: 1
providers:
  dingtalk: {{ app_key: cli_sandbox, app_secret: \"${{env:FEISHU_APP_SECRET}}\", robot_code: cli_sandbox, base_url: \"{base}\" }}
chats: {{ ops: {{ provider: dingtalk, id: {CID} }} }}
recurring_notices:
  daily:
    to: [ops]
    schedule: {{ start: {start}, cron: \"0 10 * * *\", timezone: UTC }}
{notice}"
        ),
    );
}

/// So many days after tomorrow at ten.
fn at(days: i64) -> String {
    let day = Timestamp::now() + (24 * (days + 1)).hours();
    format!("{}T10:00:00Z", day.strftime("%Y-%m-%d"))
}

fn tick(project: &Project, now: &str) -> Ran {
    project.beadle(&["tick", "--now", now])
}

fn arrived(project: &Project) -> Vec<Value> {
    let inbox = project.control("GET", "inbox", &Value::Null);
    let chats = inbox["chats"].as_array().unwrap();
    let ours = chats.iter().filter(|chat| chat["id"] == CID);
    ours.flat_map(|chat| chat["messages"].as_array().unwrap().clone())
        .collect()
}

#[test]
fn a_notice_goes_to_a_group_by_the_apps_robot() {
    let project = Project::empty();
    project.control(
        "POST",
        "dingtalk/groups",
        &json!({"id": CID, "name": "Ops"}),
    );
    declare(
        &project,
        "    message: { title: T, markdown: \"**hello**\", link: { url: \"https://example.com\", label: More } }\n",
    );
    project.beadle(&["validate"]).exits(0);
    let simulated = project.beadle(&[
        "simulate",
        "--format",
        "json",
        "--to",
        &at(0),
        "recurring_notice.daily",
    ]);
    assert_eq!(simulated.exits(0).json()["occurrences"], json!([]));
    project.beadle(&["apply", "--auto-approve"]).exits(0);
    project.beadle(&["plan", "--detailed-exitcode"]).exits(0);
    tick(&project, &at(0)).exits(0);
    let messages = arrived(&project);
    assert_eq!(messages.len(), 1, "{messages:#?}");
    assert_eq!(messages[0]["kind"], "sampleMarkdown");
    let text = messages[0]["text"].as_str().unwrap();
    assert!(
        text.ends_with("**hello**\n\n[More](https://example.com)"),
        "{text}"
    );
}

#[test]
fn what_may_have_come_to_a_group_is_held() {
    let project = Project::empty();
    project.control(
        "POST",
        "dingtalk/groups",
        &json!({"id": CID, "name": "Ops"}),
    );
    declare(&project, "    message: { text: hello }\n");
    project.beadle(&["apply", "--auto-approve"]).exits(0);
    project.fault("lost-reply@dingtalk.sendRobotGroupMessage:1");
    tick(&project, &at(0)).exits(1);
    tick(&project, &at(0)).exits(1);
    let history = project
        .beadle(&["notice", "history", "--format", "json"])
        .exits(0)
        .json();
    assert_eq!(history["occurrences"][0]["outcome"], "held", "{history:#}");
    assert_eq!(arrived(&project).len(), 1);
}

fn validate(dir: &Path, text: &str) -> Vec<String> {
    fs::write(dir.join("beadle.yaml"), text).unwrap();
    let ran: Ran = beadle(dir)
        .args(["validate", "--format", "json"])
        .output()
        .unwrap()
        .into();
    let found = ran.json();
    let found = found["diagnostics"].as_array().unwrap();
    let code = |d: &Value| {
        format!(
            "{} {}",
            d["code"].as_str().unwrap(),
            d["range"]["start"]["line"]
        )
    };
    found.iter().map(code).collect()
}

#[test]
fn what_a_group_of_dingtalk_cannot_be_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let manifest = |provider: &str, chat: &str, notice: &str| {
        format!(
            "version: 1
providers:
  feishu: {{ app_id: cli_a1, app_secret: \"${{env:NOT_SET}}\" }}
  dingtalk: {{ app_key: k, app_secret: \"${{env:NOT_SET}}\"{provider} }}
tasklists: {{ release: {{ guid: d300a75f-c56a-4be9-80d1-e47653028ceb }} }}
chats: {{ ops: {{ {chat} }} }}
{notice}
"
        )
    };
    let good = "provider: dingtalk, id: cid1=";
    let notice = |more: &str| {
        format!(
            "recurring_notices: {{ a: {{ to: [ops], schedule: {{ cron: \"0 9 * * *\", timezone: UTC }}, {more} }} }}"
        )
    };
    let text = "message: { text: x }";
    for (provider, chat, rest, expected) in [
        (", robot_code: r", good, notice(text), ""),
        ("", good, notice(text), "no-robot 7"),
        (
            ", robot_code: r",
            "provider: dingtalk, id: oc_1",
            notice(text),
            "bad-id 6",
        ),
        (
            ", robot_code: r",
            "provider: dingtalk",
            notice(text),
            "missing-key 6",
        ),
        (
            ", robot_code: r",
            "provider: dingtalk, id: cid1=, protect: true",
            notice(text),
            "without-manage 6",
        ),
        (
            ", robot_code: r",
            good,
            notice(&format!("via: [feishu], {text}")),
            "nobody 7",
        ),
        (
            ", robot_code: r",
            good,
            notice(
                "message: { dingtalk: { msgtype: link, link: { messageUrl: \"https://a.b\", picUrl: \"@p\", title: t, text: x } } }",
            ),
            "only-to-people 7",
        ),
        (
            ", robot_code: r",
            good,
            notice(&format!("revoke_after: 1h, {text}")),
            "no-recall 7",
        ),
        (
            "",
            good,
            "tasklist_subscriptions: { s: { tasklist: release, subscribers: [ops], events: all } }"
                .to_owned(),
            "conversation-as-subscriber 7",
        ),
    ] {
        let found = validate(dir.path(), &manifest(provider, chat, &rest));
        let expected: Vec<_> = (!expected.is_empty())
            .then(|| expected.to_owned())
            .into_iter()
            .collect();
        assert_eq!(found, expected, "{provider} {chat} {rest}");
    }
}
