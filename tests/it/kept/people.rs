//! Who comes and goes, whom nobody sees, and what asks too much of people.

use serde_json::{Value, json};

use super::{
    PROGRESS, bound, chat, chats, converged, count, crew, declare, hire, id_of, operations, people,
    planned, room, run, set, staffed, team, user_groups,
};
use crate::support::project::{ONCALL, Project, RELEASE, Ran};

/// The chat `room`, what else its block says beside `manage`, and what it says there.
fn room_with(beside: &str, inside: &str) -> String {
    room(inside).replace("room: {", &format!("room: {{ {beside},"))
}

fn sole_chat(project: &Project) -> String {
    id_of(&chat(project, "Operations")).to_owned()
}

fn sole_group(project: &Project) -> String {
    let groups = user_groups(project, "Crew");
    assert_eq!(groups.len(), 1, "{groups:?}");
    id_of(&groups[0]).to_owned()
}

/// Somebody puts a person into the chat and the contact user group.
fn somebody_adds(project: &Project, person: &str) {
    let (chat, group) = (sole_chat(project), sole_group(project));
    for path in [
        format!("chats/{chat}/members"),
        format!("user_groups/{group}/members"),
    ] {
        project.control("POST", &path, &json!({"user": person}));
    }
}

fn somebody_removes(project: &Project, person: &str) {
    let (chat, group) = (sole_chat(project), sole_group(project));
    for path in [
        format!("chats/{chat}/members/{person}"),
        format!("user_groups/{group}/members/{person}"),
    ] {
        project.control("DELETE", &path, &Value::Null);
    }
}

#[track_caller]
fn both_hold<T: AsRef<str>>(project: &Project, expected: &[T]) {
    assert_eq!(people(&chat(project, "Operations")), set(expected));
    assert_eq!(people(&user_groups(project, "Crew")[0]), set(expected));
}

/// The change at that address in a plan.
fn change<'a>(plan: &'a Value, address: &str) -> &'a Value {
    let changes = plan["changes"].as_array().unwrap();
    let found = changes.iter().find(|c| c["address"] == address);
    found.unwrap_or_else(|| panic!("{address}: {plan}"))
}

fn said(ran: &Ran) -> String {
    format!("{}{}", ran.stdout, ran.stderr)
}

#[test]
fn whom_somebody_else_puts_there_stays_unless_others_are_to_go() {
    let (project, all) = staffed(4);
    declare(&project, &[&room(""), &crew(&all[..2], "")]);
    run(&project, &[]).exits(0);
    somebody_adds(&project, &all[3]);
    converged(&project);
    run(&project, &[]).exits(0);
    both_hold(&project, &[&all[0], &all[1], &all[3]]);

    // Listed and delisted again, a person of somebody's is still somebody's.
    project.clear_calls();
    declare(
        &project,
        &[&room(""), &crew(&[&all[0], &all[1], &all[2], &all[3]], "")],
    );
    run(&project, &[]).exits(0);
    let calls = project.calls();
    let added: Vec<_> = calls
        .iter()
        .filter(|c| c["operation"] == "addChatMembers")
        .map(|c| &c["body"]["id_list"])
        .collect();
    assert_eq!(added, [&json!([all[2]])]);
    declare(&project, &[&room(""), &crew(&all[..2], "")]);
    run(&project, &[]).exits(0);
    both_hold(&project, &[&all[0], &all[1], &all[3]]);
    converged(&project);

    let strict = [
        room("extra_members: remove"),
        crew(&all[..2], ", extra_members: remove"),
    ];
    declare(&project, &[&strict[0], &strict[1]]);
    let plan = planned(&project);
    assert_eq!(change(&plan, "chat.room")["cause"], "drifted", "{plan}");
    assert_eq!(
        change(&plan, "recipient_group.team/feishu")["cause"],
        "drifted"
    );
    run(&project, &[]).exits(0);
    both_hold(&project, &all[..2]);
    converged(&project);
}

#[test]
fn the_owner_of_a_chat_is_never_removed() {
    let (project, all) = staffed(4);
    declare(
        &project,
        &[&room("extra_members: remove"), &crew(&all[..2], "")],
    );
    run(&project, &[]).exits(0);
    somebody_adds(&project, &all[2]);
    somebody_adds(&project, &all[3]);
    let id = sole_chat(&project);
    project.control("POST", &format!("chats/{id}"), &json!({"owner": all[3]}));
    let plan = planned(&project);
    assert_eq!(change(&plan, "chat.room")["cause"], "drifted");
    run(&project, &[]).exits(0);
    assert_eq!(
        people(&chat(&project, "Operations")),
        set(&[&all[0], &all[1], &all[3]])
    );
    converged(&project);
    // Nor is one of ours who has become it, when delisted.
    project.control("POST", &format!("chats/{id}"), &json!({"owner": all[1]}));
    declare(
        &project,
        &[&room("extra_members: remove"), &crew(&all[..1], "")],
    );
    run(&project, &[]).exits(0);
    assert_eq!(people(&chat(&project, "Operations")), set(&all[..2]));
    converged(&project);
}

#[test]
fn whom_somebody_else_removes_comes_back_unless_ignored() {
    let (project, all) = staffed(3);
    declare(&project, &[&room(""), &crew(&all, "")]);
    run(&project, &[]).exits(0);
    somebody_removes(&project, &all[1]);
    let plan = planned(&project);
    for address in ["chat.room", "recipient_group.team/feishu"] {
        assert_eq!(change(&plan, address)["cause"], "drifted", "{plan}");
    }
    let text = project.beadle(&["plan"]).exits(0).stdout;
    assert_eq!(text.matches(&all[1]).count(), 2, "{text}");
    assert_eq!(text.matches(&all[0]).count(), 0, "{text}");
    let drift = project.beadle(&["plan", "--detailed-exitcode"]);
    drift.exits(2);

    declare(
        &project,
        &[
            &room_with("ignore: [members]", ""),
            &crew(&all, ", ignore: [members]"),
        ],
    );
    run(&project, &[]).exits(0);
    both_hold(&project, &[&all[0], &all[2]]);
    converged(&project);
    declare(&project, &[&room(""), &crew(&all, "")]);
    run(&project, &[]).exits(0);
    both_hold(&project, &all);
    converged(&project);
}

#[test]
fn a_name_or_description_that_somebody_edits_has_drifted() {
    let (project, all) = staffed(1);
    declare(&project, &[&room(""), &crew(&all, ", description: Us")]);
    run(&project, &[]).exits(0);
    let (chat_id, group_id) = (sole_chat(&project), sole_group(&project));
    let edit = json!({"name": "Chatter", "description": "Anything"});
    project.control("POST", &format!("chats/{chat_id}"), &edit);
    project.control("POST", &format!("user_groups/{group_id}"), &edit);
    let plan = planned(&project);
    for address in ["chat.room", "recipient_group.team/feishu"] {
        let change = change(&plan, address);
        assert_eq!(change["cause"], "drifted", "{plan}");
        assert_eq!(change["update_fields"], json!(["name", "description"]));
    }
    project.clear_calls();
    run(&project, &[]).exits(0);
    let mut made = operations(&project);
    made.sort();
    assert_eq!(made, ["patchUserGroup", "updateChat"]);
    assert_eq!(sole_chat(&project), chat_id);
    assert_eq!(sole_group(&project), group_id);
    converged(&project);
}

#[test]
fn one_bad_id_among_many_holds_nobody_up_and_is_named() {
    let (project, all) = staffed(62);
    let (left, hidden, unknown) = (&all[60], &all[61], "ou_nobody");
    let of = |who: &str| format!("users/{who}");
    project.control("POST", &of(left), &json!({"left": true}));
    project.control("POST", &of(hidden), &json!({"out_of_scope": true}));
    let mut wanted = all.clone();
    wanted.push(unknown.to_owned());
    declare(&project, &[&room(""), &crew(&wanted, ""), PROGRESS]);
    let first = run(&project, &[]).exits(1);
    both_hold(&project, &all[..60]);
    let words = said(&first);
    for who in [&**left, &**hidden, unknown] {
        assert!(words.contains(who), "{who}: {words}");
    }
    assert!(words.contains("out of the app's sight"), "{words}");
    assert!(words.contains("has left the organisation"), "{words}");
    assert!(words.contains("contact scope"), "{words}");
    assert!(words.contains("does not know them"), "{words}");
    let failures = words.lines().filter(|line| line.contains("failed: "));
    let failures: Vec<&str> = failures.collect();
    assert_eq!(failures.len(), 2, "{words}");
    for line in failures {
        assert_eq!(line.matches("ou_").count(), 3, "{line}");
    }
    // The chat is there, whoever is not in it.
    assert_eq!(project.live_names(RELEASE), ["progress"]);

    project.clear_calls();
    run(&project, &[]).exits(1);
    let mut asked = set(&[&**left, &**hidden, unknown]);
    let calls = project.calls();
    let of_chat: Vec<&Value> = calls
        .iter()
        .filter(|c| c["operation"] == "addChatMembers")
        .collect();
    assert_eq!(of_chat.len(), 1);
    for id in of_chat[0]["body"]["id_list"].as_array().unwrap() {
        assert!(asked.remove(id.as_str().unwrap()), "{id}");
    }
    assert_eq!(asked.len(), 0);
    assert_eq!(count(&project, "batchAddUserGroupMembers"), 1);
    assert_eq!(count(&project, "createChat"), 0);

    hire(&project, &[unknown.to_owned()]);
    project.control("POST", &of(left), &json!({"left": false}));
    project.control("POST", &of(hidden), &json!({"out_of_scope": false}));
    run(&project, &[]).exits(0);
    both_hold(&project, &wanted);
    converged(&project);
}

#[test]
fn nobody_goes_while_somebody_who_is_listed_is_not_seen() {
    let (project, all) = staffed(3);
    let with = |ids: &[String], mail: &str| {
        crew(ids, "").replace("users:", &format!("emails: [{mail}], users:"))
    };
    declare(&project, &[&room(""), &with(&all, "li@example.com")]);
    let first = run(&project, &[]);
    let words = said(&first);
    assert!(
        words.contains("not-seen") && words.contains("beadle.yaml:"),
        "{words}"
    );
    assert_eq!(first.status, Some(0), "{words}");
    both_hold(&project, &all);
    converged(&project);

    declare(&project, &[&room(""), &with(&all[..2], "li@example.com")]);
    project.clear_calls();
    let second = run(&project, &[]).exits(0);
    let words = said(&second);
    assert!(words.contains("nobody-removed"), "{words}");
    both_hold(&project, &all);
    assert_eq!(project.writes(), Vec::<Value>::new());

    // It was the one who is delisted: seen by the address, they stay.
    let address = json!({"email": "li@example.com"});
    project.control("POST", &format!("users/{}", all[2]), &address);
    let third = run(&project, &[]).exits(0);
    assert!(!said(&third).contains("not-seen"), "{}", said(&third));
    both_hold(&project, &all);
    converged(&project);
    declare(&project, &[&room(""), &crew(&all[..2], "")]);
    run(&project, &[]).exits(0);
    both_hold(&project, &all[..2]);
    converged(&project);
}

#[test]
fn a_look_up_is_remembered_and_addresses_are_in_no_log() {
    let (project, all) = staffed(2);
    let contact = json!({"email": "li@example.com", "mobile": "+8613800138000"});
    project.control("POST", &format!("users/{}", all[0]), &contact);
    let group = crew(&all[1..], "").replace(
        "users:",
        "emails: [li@example.com, nobody@example.com], mobiles: [\"+8613800138000\", \"+8613800138001\"], users:",
    );
    declare(&project, &[&room(""), &group]);
    let log = ["-vv", "--log-format", "json"];
    let plan = project.beadle(&[&["plan"][..], &log].concat()).exits(0);
    let applied = run(&project, &log).exits(0);
    both_hold(&project, &all);
    assert_eq!(count(&project, "batchGetUserIds"), 2);
    // Those who were found are not asked about again.
    project.clear_calls();
    let again = project.beadle(&[&["plan"][..], &log].concat()).exits(0);
    let calls = project.calls();
    let asked: Vec<_> = calls
        .iter()
        .filter(|c| c["operation"] == "batchGetUserIds")
        .map(|c| c["body"].to_string())
        .collect();
    assert!(
        asked
            .iter()
            .all(|body| !body.contains("li@example.com") && !body.contains("+8613800138000")),
        "{asked:?}"
    );
    let known = group
        .replace(", nobody@example.com", "")
        .replace(", \"+8613800138001\"", "");
    declare(&project, &[&room(""), &known]);
    run(&project, &log).exits(0);
    project.clear_calls();
    project.beadle(&["plan"]).exits(0);
    assert_eq!(count(&project, "batchGetUserIds"), 0);

    for ran in [&plan, &applied, &again] {
        let lines: Vec<&str> = ran.stderr.lines().filter(|l| l.starts_with('{')).collect();
        assert!(
            lines.iter().any(|line| line.contains("batchGetUserIds")),
            "the log tells of calls: {}",
            ran.stderr
        );
        for line in lines {
            for secret in ["li@example.com", "nobody@example.com", "1380013800"] {
                assert!(!line.contains(secret), "{line}");
            }
        }
    }
    let sql = rusqlite::Connection::open(project.path().join(".beadle/ledger.db")).unwrap();
    let mut rows = sql
        .prepare("SELECT coalesce(body, '') || sent || coalesce(detail, '') FROM journal")
        .unwrap();
    let rows: Vec<String> = rows
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(rows.iter().any(|row| row.contains(&all[0])), "{rows:?}");
    for row in rows {
        assert!(!row.contains('@') && !row.contains("1380013800"), "{row}");
    }
}

#[test]
fn half_of_a_chat_does_not_change_unasked() {
    let (project, all) = staffed(24);
    let refused = |blocks: &[&str], words: &str| {
        declare(&project, blocks);
        let world = project.control("GET", "world", &Value::Null);
        project.clear_calls();
        let ran = run(&project, &[]).exits(1);
        let said = said(&ran);
        assert!(
            said.contains("--allow-member-changes") && said.contains(words),
            "{said}"
        );
        assert_eq!(project.writes(), Vec::<Value>::new());
        assert_eq!(project.control("GET", "world", &Value::Null), world);
    };
    declare(&project, &[&room(""), &crew(&all[..12], "")]);
    run(&project, &[]).exits(0);
    // Too many go, all go, too many come; each of the three is named.
    for address in [
        "chat.room",
        "recipient_group.team/feishu",
        "recipient_group.team",
    ] {
        refused(&[&room(""), &crew(&all[..6], "")], address);
        refused(&[&room(""), &crew(&all, "")], address);
    }
    let nobody = room("").replace("[team]", "[]");
    refused(&[&nobody, &crew(&all[..12], "")], "chat.room");
    both_hold(&project, &all[..12]);

    declare(&project, &[&room(""), &crew(&all[..6], "")]);
    run(&project, &["--allow-member-changes"]).exits(0);
    both_hold(&project, &all[..6]);
    converged(&project);
    // Fewer than ten are a handful, and change as they like.
    declare(&project, &[&room(""), &crew(&all[5..6], "")]);
    run(&project, &[]).exits(0);
    both_hold(&project, &all[5..6]);
}

#[test]
fn half_of_a_registered_group_does_not_change_unasked() {
    let (project, all) = staffed(12);
    declare(&project, &[&team(&all)]);
    run(&project, &[]).exits(0);
    assert_eq!(bound(&project), ["recipient_group.team"]);
    declare(&project, &[&team(&all[..6])]);
    let refused = run(&project, &[]).exits(1);
    assert!(
        said(&refused).contains("--allow-member-changes")
            && said(&refused).contains("recipient_group.team"),
        "{refused:?}"
    );
    // Nothing of it was noted: the plan is as it was.
    assert_eq!(planned(&project)["summary"]["update"], 1);
    run(&project, &["--allow-member-changes"]).exits(0);
    converged(&project);
    assert_eq!(project.writes(), Vec::<Value>::new());
}

#[test]
fn a_contact_user_group_of_many_is_not_emptied_and_deleted_unasked() {
    let (project, all) = staffed(10);
    declare(&project, &[&crew(&all, "")]);
    run(&project, &[]).exits(0);
    declare(&project, &[&team(&all)]);
    project.clear_calls();
    let refused = run(&project, &[]).exits(1);
    assert!(said(&refused).contains("--allow-deletes"), "{refused:?}");
    assert_eq!(project.writes(), Vec::<Value>::new());
    run(&project, &["--allow-deletes"]).exits(0);
    assert_eq!(user_groups(&project, "Crew").len(), 0);
    converged(&project);
}

#[test]
fn a_chat_that_somebody_dissolved_is_made_again_only_when_asked() {
    let (project, all) = staffed(3);
    declare(&project, &[&room(""), &team(&all), PROGRESS]);
    run(&project, &[]).exits(0);
    let old = sole_chat(&project);
    project.control("DELETE", &format!("chats/{old}"), &Value::Null);
    project.clear_calls();
    let refused = run(&project, &[]).exits(1);
    assert!(
        said(&refused).contains("--recreate") && said(&refused).contains("chat.room"),
        "{refused:?}"
    );
    assert_eq!(project.writes(), Vec::<Value>::new());
    run(&project, &["--recreate", "chat.room"]).exits(0);
    let new = sole_chat(&project);
    assert_ne!(new, old);
    assert_eq!(people(&chat(&project, "Operations")), set(&all));
    let live = project.live(RELEASE);
    assert_eq!(live.len(), 1);
    let subscribers: Vec<_> = live[0]["subscribers"].as_array().unwrap().iter().collect();
    assert_eq!(subscribers.len(), 1);
    assert_eq!(subscribers[0]["id"], new);
    assert_eq!(count(&project, "createChat"), 1);
    converged(&project);
}

#[test]
fn a_chat_that_the_bot_is_not_in_is_not_read_and_holds_nothing_else_up() {
    let (project, all) = staffed(3);
    let other = format!(
        "  other: {{ tasklist: release, subscribers: [{ONCALL}], events: [task.added] }}\n"
    );
    declare(&project, &[&room(""), &crew(&all[..2], ""), PROGRESS]);
    run(&project, &[]).exits(0);
    let id = sole_chat(&project);
    project.control(
        "DELETE",
        &format!("chats/{id}/members/cli_sandbox"),
        &Value::Null,
    );
    project.clear_calls();
    declare(&project, &[&room(""), &crew(&all, ""), PROGRESS, &other]);
    let ran = run(&project, &[]).exits(1);
    assert!(
        said(&ran).contains("chat.room") && said(&ran).contains("bot"),
        "{ran:?}"
    );
    let mut made = operations(&project);
    made.sort();
    assert_eq!(
        made,
        [
            "batchAddUserGroupMembers",
            "createTasklistActivitySubscription"
        ]
    );
    assert_eq!(project.live_names(RELEASE), ["other", "progress"]);
    assert_eq!(people(&chat(&project, "Operations")), set(&all[..2]));
    project.control(
        "POST",
        &format!("chats/{id}/members"),
        &json!({"app_id": "cli_sandbox"}),
    );
    run(&project, &[]).exits(0);
    assert_eq!(people(&chat(&project, "Operations")), set(&all));
    converged(&project);
}

#[test]
fn what_posts_to_a_chat_that_could_not_be_made_waits_and_nothing_else_does() {
    let (project, all) = staffed(2);
    let other = format!(
        "  other: {{ tasklist: release, subscribers: [{ONCALL}], events: [task.added] }}\n"
    );
    declare(&project, &[&room(""), &team(&all), PROGRESS, &other]);
    project.fault("code@createChat:1,code=232023");
    let ran = run(&project, &[]).exits(1);
    assert_eq!(ran.last_line(), "Apply: 2 applied, 1 failed, 1 skipped.");
    let words = said(&ran);
    assert!(
        words.contains("tasklist_subscription.progress") && words.contains("232023"),
        "{words}"
    );
    assert_eq!(project.live_names(RELEASE), ["other"]);
    assert_eq!(chats(&project, "Operations").len(), 0);
    run(&project, &[]).exits(0);
    assert_eq!(project.live_names(RELEASE), ["other", "progress"]);
    converged(&project);
}

#[test]
fn whom_somebody_took_away_is_not_ours_when_somebody_brings_them_back() {
    // The apply in between has something else to do, or nothing at all.
    for somebody_comes in [true, false] {
        let (project, all) = staffed(3);
        let (stays, goes, comes) = (&all[0], &all[1], &all[2]);
        declare(&project, &[&room(""), &crew(&[stays, goes], "")]);
        run(&project, &[]).exits(0);
        somebody_removes(&project, goes);
        let mut listed = vec![stays];
        listed.extend(somebody_comes.then_some(comes));
        declare(&project, &[&room(""), &crew(&listed, "")]);
        run(&project, &[]).exits(0);
        both_hold(&project, &listed);
        somebody_adds(&project, goes);
        run(&project, &[]).exits(0);
        listed.push(goes);
        both_hold(&project, &listed);
        converged(&project);
    }
}

#[test]
fn who_has_left_is_named_until_delisted_and_is_in_nobodys_way() {
    let (project, all) = staffed(3);
    declare(&project, &[&room(""), &crew(&all, "")]);
    run(&project, &[]).exits(0);
    let left = format!("users/{}", all[2]);
    project.control("POST", &left, &json!({"left": true}));
    let ran = run(&project, &[]).exits(1);
    assert!(said(&ran).contains(&all[2]), "{ran:?}");
    declare(&project, &[&room(""), &crew(&all[..2], "")]);
    run(&project, &[]).exits(0);
    converged(&project);
    // Whoever has left does not keep the group from going.
    declare(&project, &[&room(""), &team(&all[..2])]);
    run(&project, &[]).exits(0);
    assert_eq!(user_groups(&project, "Crew").len(), 0);
}

#[test]
fn an_apply_that_is_interrupted_between_two_calls_goes_on_next_time() {
    let (project, all) = staffed(120);
    declare(&project, &[&room(""), &team(&all), PROGRESS]);
    project.fault("hold-after@addChatMembers:2");
    let child = project.start(super::APPLY);
    project.wait_until_held(1);
    project.signal(&child, "INT");
    // The word is out before the call is let go, or the third call might leave.
    let mut child = child;
    let talk = std::io::BufReader::new(child.stderr.as_mut().unwrap());
    let stopping = std::io::BufRead::lines(talk).any(|line| line.unwrap().contains("Stopping"));
    assert!(stopping);
    project.release();
    let ran = Ran::from(child.wait_with_output().unwrap()).exits(130);
    assert_eq!(count(&project, "addChatMembers"), 2, "{ran:?}");
    assert_eq!(people(&chat(&project, "Operations")).len(), 100);
    let next = run(&project, &[]).exits(0);
    assert!(!next.stderr.contains("Settled"), "{}", next.stderr);
    assert_eq!(count(&project, "addChatMembers"), 3);
    assert_eq!(people(&chat(&project, "Operations")), set(&all));
    assert_eq!(project.live_names(RELEASE), ["progress"]);
    converged(&project);
}

#[test]
fn while_people_cannot_be_looked_up_what_they_are_in_is_left_alone() {
    let (project, all) = staffed(3);
    let address = json!({"email": "li@example.com"});
    project.control("POST", &format!("users/{}", all[0]), &address);
    let other = format!(
        "  other: {{ tasklist: release, subscribers: [{ONCALL}], events: [task.added] }}\n"
    );
    declare(&project, &[&room(""), &crew(&all[1..], ""), PROGRESS]);
    run(&project, &[]).exits(0);
    let by_address = crew(&all[1..2], "").replace("users:", "emails: [li@example.com], users:");
    declare(&project, &[&room(""), &by_address, PROGRESS, &other]);
    project.fault("code@batchGetUserIds,code=99991672");
    project.clear_calls();
    let ran = run(&project, &[]).exits(1);
    let words = said(&ran);
    for word in ["chat.room", "recipient_group.team/feishu", "99991672"] {
        assert!(words.contains(word), "{word}: {words}");
    }
    both_hold(&project, &all[1..]);
    assert_eq!(operations(&project), ["createTasklistActivitySubscription"]);
    project.no_faults();
    run(&project, &[]).exits(0);
    both_hold(&project, &all[..2]);
    converged(&project);
}
