//! What `simulate` lists is what comes: an example, ticked through two weeks.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use jiff::civil::{Date, Weekday};
use jiff::{Timestamp, ToSpan};
use serde_json::Value;

use crate::examples::sandbox_says;
use crate::support::project::{Ran, beadle};

fn run(dir: &Path, args: &[&str]) -> Ran {
    beadle(dir).args(args).output().unwrap().into()
}

/// How many messages of a text came by a vendor to people, or to a chat.
type Came = BTreeMap<(String, &'static str, String), u64>;

fn came(inbox: &Value) -> Came {
    let mut came = Came::new();
    for (side, kind) in [("people", "person"), ("chats", "chat")] {
        for message in inbox[side]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|one| one["messages"].as_array().unwrap())
        {
            let vendor = message["vendor"].as_str().unwrap().to_owned();
            let text = message["text"].as_str().unwrap();
            // What differs from week to week is the day of the meeting.
            let day = text
                .split("**")
                .nth(1)
                .unwrap_or_else(|| panic!("{text}"))
                .to_owned();
            *came.entry((vendor, kind, day)).or_default() += 1;
        }
    }
    came
}

#[test]
fn the_inbox_holds_what_was_simulated() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/notices/beadle.yaml");
    let text = fs::read_to_string(example).unwrap();
    // A holiday from a Wednesday to the Friday after it, with the Saturday to make up for it.
    let zone = beadle::model::zone::SHANGHAI.clone();
    let tomorrow = (Timestamp::now() + 24.hours()).to_zoned(zone).date();
    let mut days = (1..).map(|n| tomorrow + n.days());
    let holiday: Date = days
        .find(|day| day.weekday() == Weekday::Wednesday)
        .unwrap();
    let (friday, saturday) = (holiday + 2.days(), holiday + 3.days());
    let calendar = format!(
        "  company: {{ holidays: [{holiday}..{friday}], workdays: [{saturday}], covers: {} }}",
        holiday + 400.days()
    );
    let lines = text
        .lines()
        .map(|line| match line.starts_with("  company:") {
            true => calendar.as_str(),
            false => line,
        });
    let lines: Vec<_> = lines.collect();
    assert!(
        lines.contains(&calendar.as_str()),
        "the example has the calendar `company`"
    );
    fs::write(dir.join("beadle.yaml"), lines.join("\n")).unwrap();

    let (from, to) = (tomorrow, tomorrow + 14.days());
    let simulated = run(
        dir,
        &[
            "simulate",
            "--format",
            "json",
            "--from",
            &from.to_string(),
            "--to",
            &to.to_string(),
        ],
    )
    .exits(0)
    .json();
    let occurrences = simulated["occurrences"].as_array().unwrap();
    let fires: Vec<&str> = occurrences
        .iter()
        .filter_map(|o| o["fires_at"].as_str())
        .collect();
    assert_eq!(
        fires[0],
        format!("{saturday}T02:00:00Z"),
        "moved to the Saturday: {simulated:#}"
    );

    let mut expected = Came::new();
    let mut calls = 0;
    for occurrence in occurrences.iter().filter(|o| o["outcome"] == "sent") {
        let local: jiff::civil::DateTime = occurrence["local"].as_str().unwrap().parse().unwrap();
        let day = (local + 1.days()).strftime("%m-%d").to_string();
        for delivery in occurrence["deliveries"].as_array().unwrap() {
            let vendor = delivery["vendor"].as_str().unwrap().to_owned();
            calls += delivery["calls"].as_u64().unwrap();
            for (kind, key) in [("person", "people"), ("chat", "chats")] {
                let count = delivery[key].as_u64().unwrap();
                if count > 0 {
                    *expected
                        .entry((vendor.clone(), kind, day.clone()))
                        .or_default() += count;
                }
            }
        }
    }

    run(dir, &["apply", "--sandbox", "--auto-approve"]).exits(0);
    let mut day = from;
    while day < to {
        // Before it is due, when it is due, and again.
        for time in ["01:59:00", "02:00:00", "02:05:00"] {
            let now = format!("{day}T{time}Z");
            if time == "02:00:00" || fires.iter().any(|at| at.starts_with(&day.to_string())) {
                run(dir, &["tick", "--sandbox", "--now", &now]).exits(0);
            }
        }
        day = day.tomorrow().unwrap();
    }
    assert_eq!(came(&sandbox_says(dir, "inbox")), expected);
    let log = sandbox_says(dir, "calls");
    let sends = [
        "createMessage",
        "batchSendMessage",
        "dingtalk.sendWorkNotification",
    ];
    let sent = log["calls"].as_array().unwrap().iter();
    let sent: Vec<_> = sent
        .filter(|call| sends.contains(&call["operation"].as_str().unwrap_or_default()))
        .collect();
    assert_eq!(u64::try_from(sent.len()).unwrap(), calls, "{sent:#?}");
}
