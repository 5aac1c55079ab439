//! Images in files: checked, uploaded once for each app, and registered by what they look like.

use serde_json::{Value, json};

use crate::support::project::{Project, ROOM, Ran};

/// A PNG of that many pixels as far as its header goes; more bytes make another image.
fn png(width: u32, height: u32, more: usize) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend([8, 6, 0, 0, 0]);
    bytes.extend(vec![7; more]);
    bytes
}

fn write(project: &Project, name: &str, bytes: &[u8]) {
    std::fs::write(project.path().join(name), bytes).unwrap();
}

/// A project whose notice sends an image to a chat and to a person.
fn project() -> Project {
    let project = Project::empty();
    let people = json!({"open_id": "ou_ada", "name": "Ada"});
    project.control("POST", "users", &people);
    project.write(
        "beadle.yaml",
        &format!(
            "version: 1\n{}chats:\n  room: {{ id: {ROOM} }}\nrecipient_groups:\n  team: {{ feishu: {{ users: [ou_ada] }} }}\n\
             recurring_notices:\n  picture:\n    to: [team, room]\n    via: [feishu]\n    \
             schedule: {{ cron: \"0 10 * * *\", timezone: UTC }}\n    message: {{ image: {{ file: poster.png }} }}\n",
            project.providers()
        ),
    );
    project
}

fn day(days: i64) -> String {
    let day = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * (days + 1));
    day.strftime("%Y-%m-%dT").to_string()
}

fn tick(project: &Project, days: i64, time: &str) -> Ran {
    let now = format!("{}{time}Z", day(days));
    project.beadle(&["tick", "--now", &now])
}

fn uploads(project: &Project) -> usize {
    let calls = project.calls();
    let is_one = |call: &&Value| call["operation"] == "uploadImage";
    calls.iter().filter(is_one).count()
}

fn apply(project: &Project) {
    project.beadle(&["apply", "--auto-approve"]).exits(0);
}

/// The image keys that arrived.
fn arrived(project: &Project) -> Vec<String> {
    project.control("POST", "advance", &json!({"seconds": 60}));
    let inbox = project.control("GET", "inbox", &Value::Null).to_string();
    let parts = inbox.split("img_").skip(1);
    let keys = parts.map(|rest| {
        rest.chars()
            .take_while(|c| c.is_alphanumeric() || "_-".contains(*c))
            .collect()
    });
    keys.collect()
}

#[test]
fn an_image_is_uploaded_once_and_a_changed_one_is_a_change() {
    let project = project();
    write(&project, "poster.png", &png(100, 50, 1));
    apply(&project);
    let still = project.beadle(&["plan", "--detailed-exitcode"]).exits(0);
    assert!(
        still.stdout.contains("0 to update") || still.stdout.contains("No changes"),
        "{}",
        still.stdout
    );
    // Not every day that is ticked is sent: the first ones are before the apply.
    tick(&project, 0, "10:00:00");
    assert_eq!(uploads(&project), 1);
    tick(&project, 1, "10:00:00");
    tick(&project, 2, "10:00:00");
    assert_eq!(uploads(&project), 1);
    let first = arrived(&project);
    assert!(first.len() >= 4, "{first:?}");
    assert!(first.iter().all(|key| *key == first[0]), "{first:?}");
    // What was applied is what is sent: the changed file is no such thing, and is not needed any more.
    write(&project, "poster.png", &png(100, 50, 2));
    tick(&project, 3, "10:00:00").exits(0);
    assert_eq!(uploads(&project), 1);
    let plan = project.beadle(&["plan"]).exits(0);
    assert!(
        plan.stdout.contains("poster.png#sha256:"),
        "{}",
        plan.stdout
    );
    assert!(plan.stdout.contains("1 to update"), "{}", plan.stdout);
    apply(&project);
    tick(&project, 4, "10:00:00").exits(0);
    assert_eq!(uploads(&project), 2);
    let second = arrived(&project);
    assert!(second.iter().any(|key| *key != first[0]), "{second:?}");
}

#[test]
fn an_image_that_is_not_there_any_more_refuses_the_occurrence_and_says_so() {
    let project = project();
    write(&project, "poster.png", &png(100, 50, 1));
    apply(&project);
    write(&project, "poster.png", &png(100, 50, 2));
    tick(&project, 0, "10:00:00").exits(1);
    tick(&project, 1, "10:00:00").exits(1);
    let history = project.beadle(&["notice", "history"]).exits(0);
    assert!(
        history.stdout.contains("is not the one that was applied"),
        "{}",
        history.stdout
    );
    assert_eq!(uploads(&project), 0);
    assert_eq!(arrived(&project), Vec::<String>::new());
}

#[test]
fn what_feishu_would_refuse_is_found_at_its_place() {
    let project = project();
    for (bytes, why) in [
        (None, "it does not exist"),
        (Some(Vec::new()), "the image is empty"),
        (Some(b"not an image".to_vec()), "this is no jpeg"),
        (Some(png(12_001, 5, 1)), "12001 × 5"),
        (Some(png(5, 5, 10_000_000)), "more than"),
    ] {
        match bytes {
            Some(bytes) => write(&project, "poster.png", &bytes),
            None => assert!(!project.path().join("poster.png").exists()),
        }
        let ran = project.beadle(&["validate"]).exits(1);
        assert!(ran.stderr.contains("error[bad-image]"), "{}", ran.stderr);
        assert!(ran.stderr.contains("beadle.yaml:13:31"), "{}", ran.stderr);
        assert!(
            ran.stderr.to_lowercase().contains(why),
            "{why}: {}",
            ran.stderr
        );
    }
    let text = project.read("beadle.yaml");
    project.write("beadle.yaml", &text.replace("poster.png", "../poster.png"));
    let ran = project.beadle(&["validate"]).exits(1);
    assert!(
        ran.stderr.contains("is no file inside the project"),
        "{}",
        ran.stderr
    );
    // DingTalk takes none of it, and says what it takes.
    write(&project, "poster.png", &png(5, 5, 1));
    let dingtalk = text
        .replace("via: [feishu]", "via: [feishu, dingtalk]")
        .replace("users: [ou_ada] } }", "users: [ou_ada] }, dingtalk: { users: [ada] } }")
        .replace("chats:", "  dingtalk: { app_key: k, app_secret: \"${env:FEISHU_APP_SECRET}\", agent_id: 7 }\nchats:");
    project.write("beadle.yaml", &dingtalk);
    let ran = project.beadle(&["validate"]).exits(1);
    assert!(ran.stderr.contains("media_id"), "{}", ran.stderr);
}

/// The outcome and the reason of each occurrence of a day, newest first.
fn outcomes(project: &Project) -> Vec<(String, String)> {
    let told = project.beadle(&["notice", "history", "--format", "json"]);
    let told = told.exits(0).json();
    let word = |one: &Value, key: &str| one[key].as_str().unwrap().to_owned();
    let all = told["occurrences"].as_array().unwrap().iter();
    all.map(|one| (word(one, "outcome"), word(one, "reason")))
        .collect()
}

/// A tick that waits for no vendor for long.
fn quick_tick(project: &Project, days: i64, time: &str) -> Ran {
    let now = format!("{}{time}Z", day(days));
    project.beadle(&[
        "tick",
        "--now",
        &now,
        "--timeout",
        "1s",
        "--retry-wait",
        "1ms",
    ])
}

#[test]
fn an_upload_that_fails_and_may_succeed_is_tried_again_and_the_notice_sent() {
    std::thread::scope(|scope| {
        for (fault, uploaded) in [
            ("refuse", 0),
            ("5xx", 0),
            ("html", 0),
            ("429", 0),
            ("stalled", 1),
            ("lost-reply", 1),
        ] {
            scope.spawn(move || {
                let project = project();
                write(&project, "poster.png", &png(100, 50, 1));
                apply(&project);
                project.fault(&format!("{fault}@uploadImage"));
                let waits = quick_tick(&project, 0, "10:00:00").exits(1);
                assert!(
                    waits
                        .stderr
                        .contains("not sent yet: its image is not uploaded:"),
                    "{fault}: {}",
                    waits.stderr
                );
                assert!(
                    waits.stderr.contains("tried again from")
                        && waits.stdout.contains("1 not sent yet"),
                    "{fault}: {waits:?}"
                );
                assert_eq!(outcomes(&project), [], "{fault}");
                assert_eq!(arrived(&project), Vec::<String>::new(), "{fault}");
                project.release();
                project.no_faults();
                let before = uploads(&project);
                assert!(uploaded <= before, "{fault}");
                if fault == "stalled" {
                    assert_eq!(before, 1, "others do not wait for it twice");
                }
                quick_tick(&project, 0, "10:09:00").exits(0);
                assert_eq!(uploads(&project), before + 1, "{fault}");
                assert_eq!(arrived(&project).len(), 2, "{fault}");
                // What is known to have worked is not done again.
                project.fault("5xx@uploadImage");
                quick_tick(&project, 1, "10:00:00").exits(0);
                assert_eq!(uploads(&project), before + 1, "{fault}");
                assert_eq!(arrived(&project).len(), 4, "{fault}");
                let sent: Vec<_> = outcomes(&project).into_iter().map(|(end, _)| end).collect();
                assert_eq!(sent, ["sent", "sent"], "{fault}");
            });
        }
    });
}

#[test]
fn an_image_that_cannot_be_uploaded_in_time_is_missed_and_says_why() {
    let project = project();
    write(&project, "poster.png", &png(100, 50, 1));
    apply(&project);
    project.fault("5xx@uploadImage");
    for time in ["10:00:00", "10:05:00", "10:15:00"] {
        quick_tick(&project, 0, time).exits(1);
        assert_eq!(outcomes(&project), [], "{time}");
    }
    quick_tick(&project, 0, "10:15:01").exits(1);
    let [(outcome, reason)] = &outcomes(&project)[..] else {
        panic!("{:?}", outcomes(&project));
    };
    assert_eq!(outcome, "missed");
    assert!(
        reason.starts_with("too late; its image is not uploaded: uploadImage: unknown outcome"),
        "{reason}"
    );
    // It is over: what works from now on is for the next day.
    project.no_faults();
    quick_tick(&project, 0, "10:16:00").exits(0);
    assert_eq!(arrived(&project), Vec::<String>::new());
    quick_tick(&project, 1, "10:00:00").exits(0);
    assert_eq!(arrived(&project).len(), 2);
}

#[test]
fn an_image_that_feishu_refuses_for_what_it_is_ends_the_occurrence_at_once() {
    for (code, why) in [(234_011, "image"), (234_002, "im:resource")] {
        let project = project();
        write(&project, "poster.png", &png(100, 50, 1));
        apply(&project);
        project.fault(&format!("code@uploadImage,code={code}"));
        quick_tick(&project, 0, "10:00:00").exits(1);
        let [(outcome, reason)] = &outcomes(&project)[..] else {
            panic!("{:?}", outcomes(&project));
        };
        assert_eq!(outcome, "refused");
        assert!(reason.contains("uploadImage: refused"), "{reason}");
        assert!(reason.contains(why), "{reason}");
        assert_eq!(uploads(&project), 1);
    }
}

#[test]
fn where_feishu_cannot_be_reached_an_image_waits_with_its_notice() {
    let mut project = project();
    write(&project, "poster.png", &png(100, 50, 1));
    apply(&project);
    project.stop_sandbox();
    let waits = quick_tick(&project, 0, "10:00:00").exits(1);
    assert!(waits.stderr.contains("not sent yet"), "{}", waits.stderr);
    let by_hand = project.beadle(&[
        "notice",
        "send",
        "recurring_notice.picture",
        "--auto-approve",
        "--retry-wait",
        "1ms",
    ]);
    let by_hand = by_hand.exits(1);
    assert!(
        by_hand.stderr.contains("try again later"),
        "{}",
        by_hand.stderr
    );
    project.restart_sandbox();
    quick_tick(&project, 0, "10:01:00").exits(0);
    assert_eq!(arrived(&project).len(), 2);
    assert_eq!(outcomes(&project).len(), 1);
}
