//! From the first apply to the last: what is made, changed, let go of, dissolved and adopted.

use serde_json::{Value, json};

use super::{
    PROGRESS, bound, chat, chats, converged, count, crew, declare, id_of, operations, people,
    planned, room, run, set, staffed, team, user_groups,
};
use crate::support::project::RELEASE;

#[test]
fn a_chat_is_made_filled_posted_to_and_then_left_alone() {
    let (project, all) = staffed(3);
    declare(&project, &[&room(""), &crew(&all, ""), PROGRESS]);
    let plan = planned(&project);
    assert_eq!(plan["summary"]["create"], 4, "{plan}");
    let applied = run(&project, &[]).exits(0);
    assert_eq!(applied.last_line(), "Apply: 4 applied.");

    let made = chat(&project, "Operations");
    assert_eq!(people(&made), set(&all));
    assert_eq!(made["settings"]["description"], "Who runs it");
    assert_eq!(made["public"], false);
    let groups = user_groups(&project, "Crew");
    assert_eq!((groups.len(), people(&groups[0])), (1, set(&all)));
    let live = project.live(RELEASE);
    assert_eq!(live.len(), 1);
    assert_eq!(live[0]["subscribers"][0]["id"], made["chat_id"]);
    let creates = project.calls();
    let create = creates.iter().find(|c| c["operation"] == "createChat");
    let create = create.unwrap();
    assert_eq!(create["body"].get("user_id_list"), None, "it is made empty");
    let mark = create["body"]["description"].as_str().unwrap();
    assert!(mark.starts_with("beadle:"), "{mark}");
    assert_eq!(
        bound(&project),
        [
            "chat.room",
            "recipient_group.team",
            "recipient_group.team/feishu",
            "tasklist_subscription.progress"
        ]
    );

    converged(&project);
    project.clear_calls();
    run(&project, &[]).exits(0);
    assert_eq!(project.writes(), Vec::<Value>::new());
}

#[test]
fn a_chat_that_is_declared_no_more_lives_on() {
    let (project, all) = staffed(2);
    let subscription = "tasklist_subscriptions:\n  other: { tasklist: release, subscribers: [oc_2cefb2f014f8d0c6c2d2eb7bafb0e54f], events: [task.added] }\n";
    declare(&project, &[&room(""), &team(&all), PROGRESS]);
    run(&project, &[]).exits(0);
    let before = chat(&project, "Operations");
    project.clear_calls();
    declare(&project, &[subscription]);
    // A create and a delete after a reading; letting go of a chat takes no call.
    assert_eq!(planned(&project)["budget"]["calls"], 3);
    let applied = run(&project, &[]).exits(0);
    assert!(applied.stdout.contains("chat.room"), "{}", applied.stdout);
    assert_eq!(chat(&project, "Operations"), before);
    assert_eq!(project.live_names(RELEASE), ["other"]);
    assert_eq!(bound(&project), ["tasklist_subscription.other"]);
    assert_eq!(
        operations(&project)
            .iter()
            .filter(|o| o.contains("Chat"))
            .count(),
        0
    );
    converged(&project);
}

#[test]
fn a_chat_is_dissolved_when_asked_twice_and_nobody_posts_to_it_any_more() {
    let (project, all) = staffed(2);
    let keeper = team(&all);
    declare(&project, &[&room("on_delete: dissolve"), &keeper, PROGRESS]);
    run(&project, &[]).exits(0);
    project.clear_calls();
    declare(&project, &[&keeper]);
    let refused = run(&project, &[]).exits(1);
    assert!(
        refused.stderr.contains("--allow-deletes") || refused.stdout.contains("--allow-deletes"),
        "{refused:?}"
    );
    assert_eq!(project.writes(), Vec::<Value>::new());
    assert_eq!(chats(&project, "Operations").len(), 1);

    let delete = "deleteTasklistActivitySubscription";
    project.fault(&format!("code@{delete}:1,code=1470403,status=403"));
    let failed = run(&project, &["--allow-deletes"]).exits(1);
    assert_eq!(failed.last_line(), "Apply: 0 applied, 1 failed, 1 skipped.");
    assert_eq!(operations(&project), [delete]);
    assert_eq!(chats(&project, "Operations").len(), 1);
    project.clear_calls();
    run(&project, &["--allow-deletes"]).exits(0);
    assert_eq!(operations(&project), [delete, "dissolveChat"]);
    assert_eq!(chats(&project, "Operations").len(), 0);
    assert_eq!(bound(&project), ["recipient_group.team"]);
    converged(&project);
}

#[test]
fn what_becomes_of_a_chat_later_is_remembered_without_a_call() {
    let (project, all) = staffed(2);
    let keeper = team(&all);
    declare(&project, &[&room(""), &keeper]);
    run(&project, &[]).exits(0);
    project.clear_calls();
    declare(&project, &[&room("on_delete: dissolve"), &keeper]);
    let plan = planned(&project);
    assert_eq!(plan["changes"][0]["update_fields"], json!(["on_delete"]));
    assert_eq!(plan["changes"][0]["cause"], "ahead", "{plan}");
    let applied = run(&project, &[]).exits(0);
    assert!(applied.stdout.contains("on_delete"), "{}", applied.stdout);
    assert_eq!(project.writes(), Vec::<Value>::new());
    converged(&project);
    // The block is gone, and the ledger still knows.
    declare(&project, &[&keeper]);
    let plan = planned(&project);
    assert_eq!(plan["changes"][0]["action"], "delete", "{plan}");
    run(&project, &["--allow-deletes"]).exits(0);
    assert_eq!(operations(&project), ["dissolveChat"]);
}

#[test]
fn an_update_changes_what_differs_and_nothing_else() {
    let (project, all) = staffed(4);
    declare(
        &project,
        &[&room(""), &crew(&all[..3], ", description: Old")],
    );
    run(&project, &[]).exits(0);
    let id = id_of(&chat(&project, "Operations")).to_owned();
    project.clear_calls();
    let renamed = room("").replace("Operations", "Night shift");
    let other = crew(&all[1..], ", description: New");
    declare(&project, &[&renamed, &other]);
    run(&project, &[]).exits(0);
    let chat = chat(&project, "Night shift");
    assert_eq!((id_of(&chat), people(&chat)), (&*id, set(&all[1..])));
    assert_eq!(chat["settings"]["description"], "Who runs it");
    let groups = user_groups(&project, "Crew");
    assert_eq!(people(&groups[0]), set(&all[1..]));
    assert_eq!(groups[0]["description"], "New");
    let mut made = operations(&project);
    made.sort();
    assert_eq!(
        made,
        [
            "addChatMembers",
            "batchAddUserGroupMembers",
            "batchRemoveUserGroupMembers",
            "patchUserGroup",
            "removeChatMembers",
            "updateChat"
        ]
    );
    let calls = project.calls();
    let update = calls.iter().find(|c| c["operation"] == "updateChat");
    assert_eq!(update.unwrap()["body"], json!({"name": "Night shift"}));
    converged(&project);
}

#[test]
fn a_contact_user_group_that_is_declared_no_more_is_emptied_and_deleted() {
    let (project, all) = staffed(3);
    declare(&project, &[&crew(&all, "")]);
    run(&project, &[]).exits(0);
    project.clear_calls();
    declare(&project, &[&team(&all)]);
    run(&project, &[]).exits(0);
    assert_eq!(
        operations(&project),
        ["batchRemoveUserGroupMembers", "deleteUserGroup"]
    );
    assert_eq!(user_groups(&project, "Crew").len(), 0);
    assert_eq!(bound(&project), ["recipient_group.team"]);
    converged(&project);
}

#[test]
fn a_thousand_people_are_twenty_calls_and_ten() {
    let (project, all) = staffed(1_001);
    declare(&project, &[&room(""), &crew(&all[..1_000], "")]);
    let plan = planned(&project);
    assert_eq!(plan["budget"]["calls"], 33, "{plan}");
    run(&project, &[]).exits(0);
    assert_eq!(operations(&project).len(), 33);
    assert_eq!(count(&project, "addChatMembers"), 20);
    assert_eq!(count(&project, "batchAddUserGroupMembers"), 10);
    assert_eq!(people(&chat(&project, "Operations")), set(&all[..1_000]));
    assert_eq!(
        people(&user_groups(&project, "Crew")[0]),
        set(&all[..1_000])
    );
    converged(&project);

    project.clear_calls();
    declare(&project, &[&room(""), &crew(&all, "")]);
    let plan = project.beadle(&["plan"]).exits(0);
    assert_eq!(
        (
            plan.stdout.matches("+ 1 recipient").count(),
            plan.stdout.matches("+ 1 person").count(),
        ),
        (1, 2),
        "the group; the chat and the contact user group: {}",
        plan.stdout
    );
    run(&project, &[]).exits(0);
    let mut made = operations(&project);
    made.sort();
    assert_eq!(made, ["addChatMembers", "batchAddUserGroupMembers"]);
    converged(&project);
    project.clear_calls();
    declare(&project, &[&room(""), &crew(&all[1..], "")]);
    run(&project, &[]).exits(0);
    let mut made = operations(&project);
    made.sort();
    assert_eq!(made, ["batchRemoveUserGroupMembers", "removeChatMembers"]);
    converged(&project);
}

#[test]
fn a_group_and_its_chat_may_get_another_name() {
    let (project, all) = staffed(2);
    declare(&project, &[&room(""), &crew(&all, ""), PROGRESS]);
    run(&project, &[]).exits(0);
    project.clear_calls();
    let chat_block = room("").replace("  room: {", "  hall: { moved_from: room,");
    let chat_block = chat_block.replace("[team]", "[unit]");
    let group = crew(&all, "").replace("  team: {", "  unit: { moved_from: team,");
    declare(
        &project,
        &[&chat_block, &group, &PROGRESS.replace("[room]", "[hall]")],
    );
    run(&project, &[]).exits(0);
    assert_eq!(project.writes(), Vec::<Value>::new());
    assert_eq!(
        bound(&project),
        [
            "chat.hall",
            "recipient_group.unit",
            "recipient_group.unit/feishu",
            "tasklist_subscription.progress"
        ]
    );
    converged(&project);
}

#[test]
fn a_chat_that_is_pinned_is_adopted_and_what_is_equal_is_not_touched() {
    let (project, all) = staffed(3);
    let theirs = json!({"chat_id": "oc_theirs", "name": "Operations", "users": all[..2]});
    project.control("POST", "chats", &theirs);
    let pinned = room("").replace("room: {", "room: { id: oc_theirs,");
    declare(&project, &[&pinned, &team(&all), PROGRESS]);
    run(&project, &[]).exits(0);
    let calls = project.calls();
    let body = |operation: &str| {
        let mut of = calls.iter().filter(|c| c["operation"] == operation);
        let one = of.next().unwrap_or_else(|| panic!("no {operation}"));
        assert_eq!(of.next(), None, "{operation}");
        one["body"].clone()
    };
    assert_eq!(body("updateChat"), json!({"description": "Who runs it"}));
    assert_eq!(body("addChatMembers"), json!({"id_list": [all[2]]}));
    assert_eq!(count(&project, "createChat"), 0);
    assert_eq!(
        project.live(RELEASE)[0]["subscribers"][0]["id"],
        "oc_theirs"
    );
    converged(&project);
    project.clear_calls();

    // Who was there before beadle came is not beadle's to remove.
    declare(&project, &[&pinned, &team(&all[1..2]), PROGRESS]);
    run(&project, &[]).exits(0);
    let left = people(&chat(&project, "Operations"));
    assert_eq!(left, set(&all[..2]));
    converged(&project);
}

#[test]
fn an_equal_chat_of_the_same_name_is_bound_and_another_one_needs_consent() {
    let (project, all) = staffed(2);
    let theirs = json!({"chat_id": "oc_theirs", "name": "Operations", "users": all});
    project.control("POST", "chats", &theirs);
    declare(&project, &[&room(""), &team(&all)]);
    let refused = run(&project, &[]).exits(1);
    assert!(
        refused.stderr.contains("adopt-needs-consent") && refused.stderr.contains("id: oc_theirs"),
        "{}",
        refused.stderr
    );
    assert_eq!(project.writes(), Vec::<Value>::new());
    let equal = room("").replace("description: Who runs it, ", "");
    declare(&project, &[&equal, &team(&all)]);
    run(&project, &[]).exits(0);
    assert_eq!(project.writes(), Vec::<Value>::new());
    assert_eq!(bound(&project), ["chat.room", "recipient_group.team"]);
    converged(&project);

    // With consent the other one is taken over.
    let (project, all) = staffed(2);
    project.control("POST", "chats", &theirs);
    declare(&project, &[&room(""), &team(&all)]);
    run(&project, &["--adopt", "chat.room"]).exits(0);
    assert_eq!(operations(&project), ["updateChat"]);
    assert_eq!(
        chat(&project, "Operations")["settings"]["description"],
        "Who runs it"
    );
    converged(&project);
}

#[test]
fn two_chats_of_one_name_are_no_choice_of_ours() {
    let (project, all) = staffed(1);
    for id in ["oc_one", "oc_two"] {
        let theirs = json!({"chat_id": id, "name": "Operations"});
        project.control("POST", "chats", &theirs);
    }
    declare(&project, &[&room(""), &team(&all)]);
    let refused = run(&project, &[]).exits(1);
    assert!(
        refused.stderr.contains("oc_one, oc_two"),
        "{}",
        refused.stderr
    );
    assert_eq!(project.writes(), Vec::<Value>::new());
}

#[test]
fn two_projects_do_not_share_a_chat() {
    let (project, all) = staffed(1);
    let theirs = json!({"chat_id": "oc_theirs", "name": "Operations"});
    project.control("POST", "chats", &theirs);
    let pinned = room("").replace("room: {", "room: { id: oc_theirs,");
    let manifest = |name: &str| {
        format!(
            "version: 1\nproject: {name}\nledger: sqlite:../shared.db\n{}{pinned}{}",
            project.providers(),
            team(&all)
        )
    };
    project.write("one/beadle.yaml", &manifest("first"));
    project.write("two/beadle.yaml", &manifest("second"));
    project
        .beadle(&["-C", "one", "apply", "--auto-approve"])
        .exits(0);
    project.clear_calls();
    let second = project
        .beadle(&["-C", "two", "apply", "--auto-approve"])
        .exits(1);
    assert!(
        second.stderr.contains("chat.room of project `first`")
            && second.stderr.contains("oc_theirs"),
        "{}",
        second.stderr
    );
    assert_eq!(project.writes(), Vec::<Value>::new());
}

#[test]
fn a_managed_chat_needs_a_ledger() {
    let (project, all) = staffed(1);
    declare(&project, &["ledger: none\n", &room(""), &team(&all)]);
    for args in [&["validate"][..], &["plan"], super::APPLY] {
        let ran = project.beadle(args).exits(1);
        assert!(
            ran.stderr.contains("ledger") && ran.stderr.contains("room"),
            "{}",
            ran.stderr
        );
    }
    assert_eq!(project.calls(), Vec::<Value>::new());
}

#[test]
fn a_ledger_of_the_first_format_is_brought_forward_with_its_bindings() {
    let (project, all) = staffed(1);
    let subscription = "tasklist_subscriptions:\n  progress: { tasklist: release, subscribers: [oc_a0553eda9014c201e6969b478895c230], events: [task.added] }\n";
    let body = json!({"name": "progress", "include_keys": [100],
        "subscribers": [{"id": "oc_a0553eda9014c201e6969b478895c230", "type": "chat"}]});
    let path = format!("tasklists/{RELEASE}/subscriptions");
    let guid = project.control("POST", &path, &body)["guid"].clone();
    // Another name: without its binding it would be made a second time.
    let moved = subscription.replace("{ tasklist", "{ name: Progress, tasklist");
    declare(&project, &[&moved, &room(""), &team(&all)]);
    let first = include_str!("../../../src/ledger/migrations/0001_bindings_lease_journal.sql");
    std::fs::create_dir_all(project.path().join(".beadle")).unwrap();
    let file = project.path().join(".beadle/ledger.db");
    let sql = rusqlite::Connection::open(&file).unwrap();
    sql.execute_batch(first).unwrap();
    sql.pragma_update(None, "application_id", 0x6264_6c65)
        .unwrap();
    sql.pragma_update(None, "user_version", 1).unwrap();
    sql.execute(
        "INSERT INTO binding VALUES ('default', 'tasklist_subscription.progress', 'feishu',
            'cli_sandbox', ?1, ?2, '{}', 0, '2026-01-01T00:00:00.000000000Z')",
        [RELEASE, guid.as_str().unwrap()],
    )
    .unwrap();
    drop(sql);
    run(&project, &[]).exits(0);
    assert_eq!(count(&project, "createTasklistActivitySubscription"), 0);
    let live = project.live(RELEASE);
    assert_eq!(live.len(), 1);
    assert_eq!(
        (&live[0]["guid"], &live[0]["name"]),
        (&guid, &json!("Progress"))
    );
    assert_eq!(
        bound(&project),
        [
            "chat.room",
            "recipient_group.team",
            "tasklist_subscription.progress"
        ]
    );
    converged(&project);
}

#[test]
fn two_resources_do_not_share_one_object() {
    let (project, all) = staffed(1);
    let theirs = json!({"chat_id": "oc_theirs", "name": "Operations", "users": all});
    project.control("POST", "chats", &theirs);
    let twins = |ids: [&str; 2]| {
        let block = |(key, id): (&str, &str)| {
            format!("  {key}: {{ {id}manage: {{ name: Operations, members: [team] }} }}\n")
        };
        let both = ["one", "two"].into_iter().zip(ids).map(block);
        format!("chats:\n{}", both.collect::<String>())
    };
    let pin = "id: oc_theirs, ";
    for ids in [["", ""], [pin, ""], ["", pin], [pin, pin]] {
        declare(&project, &[&twins(ids), &team(&all)]);
        let refused = run(&project, &[]).exits(1);
        assert!(
            refused.stderr.contains("oc_theirs")
                && refused.stderr.contains("chat.one")
                && refused.stderr.contains("chat.two"),
            "{ids:?}: {}",
            refused.stderr
        );
        assert_eq!(project.writes(), Vec::<Value>::new());
    }
    // Nothing was bound on the way: one of them can have it.
    declare(
        &project,
        &[
            &room("").replace("description: Who runs it, ", ""),
            &team(&all),
        ],
    );
    run(&project, &[]).exits(0);
    assert_eq!(bound(&project), ["chat.room", "recipient_group.team"]);
}

#[test]
fn a_contact_user_group_of_the_same_name_is_bound_if_equal_and_else_needs_consent() {
    let (project, all) = staffed(2);
    let theirs = json!({"id": "theirs", "name": "Crew", "description": "Old", "users": all});
    project.control("POST", "user_groups", &theirs);
    declare(&project, &[&crew(&all, ", description: New")]);
    let refused = run(&project, &[]).exits(1);
    assert!(
        refused.stderr.contains("adopt-needs-consent") && refused.stderr.contains("id: theirs"),
        "{}",
        refused.stderr
    );
    // Feishu cannot clear a description, so none is as good as any.
    declare(&project, &[&crew(&all, "")]);
    run(&project, &[]).exits(0);
    assert_eq!(project.writes(), Vec::<Value>::new());
    converged(&project);
    declare(&project, &[&crew(&all, ", description: New")]);
    run(&project, &[]).exits(0);
    assert_eq!(operations(&project), ["patchUserGroup"]);
    declare(&project, &[&crew(&all, "")]);
    converged(&project);
    let group = &user_groups(&project, "Crew")[0];
    assert_eq!((id_of(group), people(group)), ("theirs", set(&all)));
}

#[test]
fn a_contact_user_group_that_somebody_deleted_is_made_again() {
    let (project, all) = staffed(2);
    declare(&project, &[&crew(&all, "")]);
    run(&project, &[]).exits(0);
    let old = id_of(&user_groups(&project, "Crew")[0]).to_owned();
    project.control("DELETE", &format!("user_groups/{old}"), &Value::Null);
    let plan = planned(&project);
    assert_eq!(plan["changes"][0]["cause"], "vanished", "{plan}");
    run(&project, &[]).exits(0);
    let groups = user_groups(&project, "Crew");
    assert_eq!((groups.len(), people(&groups[0])), (1, set(&all)));
    assert_ne!(id_of(&groups[0]), old);
    converged(&project);
}

#[test]
fn a_saved_plan_is_carried_out_as_it_is_or_not_at_all() {
    let (project, all) = staffed(3);
    declare(&project, &[&room(""), &crew(&all[..2], ""), PROGRESS]);
    project.beadle(&["plan", "--out", "first.plan"]).exits(0);
    project.beadle(&["apply", "first.plan"]).exits(0);
    converged(&project);

    declare(&project, &[&room(""), &crew(&all, ""), PROGRESS]);
    project.beadle(&["plan", "--out", "second.plan"]).exits(0);
    let id = id_of(&chat(&project, "Operations")).to_owned();
    let path = format!("chats/{id}/members");
    project.control("POST", &path, &json!({"user": all[2]}));
    project.clear_calls();
    let stale = project.beadle(&["apply", "second.plan"]).exits(1);
    assert!(stale.stderr.contains("stale"), "{}", stale.stderr);
    assert_eq!(project.writes(), Vec::<Value>::new());
}

#[test]
fn destroy_deletes_what_is_not_to_stay_and_lets_go_of_the_rest() {
    for (more, dissolved) in [("", false), ("on_delete: dissolve", true)] {
        let (project, all) = staffed(2);
        declare(&project, &[&room(more), &crew(&all, ""), PROGRESS]);
        run(&project, &[]).exits(0);
        project.clear_calls();
        let mut args = vec!["destroy", "--auto-approve"];
        if dissolved {
            let refused = project.beadle(&args).exits(1);
            assert!(
                refused.stderr.contains("--allow-deletes"),
                "{}",
                refused.stderr
            );
            assert_eq!(project.writes(), Vec::<Value>::new());
            args.push("--allow-deletes");
        }
        project.beadle(&args).exits(0);
        assert_eq!(chats(&project, "Operations").len(), usize::from(!dissolved));
        assert_eq!(user_groups(&project, "Crew").len(), 0);
        assert_eq!(project.live_names(RELEASE), Vec::<String>::new());
        assert_eq!(bound(&project), Vec::<String>::new());
        if dissolved {
            let order = operations(&project);
            let at = |name: &str| order.iter().position(|o| o == name);
            assert!(
                at("deleteTasklistActivitySubscription") < at("dissolveChat"),
                "{order:?}"
            );
        }
    }
}

#[test]
fn a_chat_may_be_imported_and_let_go_of_by_hand() {
    let (project, all) = staffed(3);
    let theirs = json!({"chat_id": "oc_theirs", "name": "Chatter", "users": all[..1]});
    project.control("POST", "chats", &theirs);
    declare(&project, &[&room(""), &team(&all), PROGRESS]);
    project
        .beadle(&["import", "chat.room", "oc_theirs"])
        .exits(0);
    assert_eq!(project.writes(), Vec::<Value>::new());
    run(&project, &[]).exits(0);
    assert_eq!(count(&project, "createChat"), 0);
    let chat = chat(&project, "Operations");
    assert_eq!((id_of(&chat), people(&chat)), ("oc_theirs", set(&all)));
    converged(&project);
    project.beadle(&["state", "forget", "chat.room"]).exits(0);
    // Equal, and so it is ours again.
    run(&project, &[]).exits(0);
    assert_eq!(count(&project, "createChat"), 0);
    assert!(bound(&project).contains(&"chat.room".to_owned()));
    converged(&project);
}

#[test]
fn what_posts_to_a_chat_that_is_left_out_is_left_alone_and_said_so() {
    let (project, all) = staffed(1);
    declare(&project, &[&room(""), &team(&all), PROGRESS]);
    let ran = run(&project, &["--exclude", "chat.room"]).exits(1);
    let words = format!("{}{}", ran.stdout, ran.stderr);
    assert!(
        words.contains("tasklist_subscription.progress")
            && words.contains("chat.room is not made yet, and is left out"),
        "{words}"
    );
    assert_eq!(project.writes(), Vec::<Value>::new());
    run(&project, &["--target", "chat.room"]).exits(0);
    assert_eq!(operations(&project).len(), 3);
    // It is there now, and what is left out is no hindrance.
    run(&project, &["--exclude", "chat.room"]).exits(0);
    assert_eq!(project.live_names(RELEASE), ["progress"]);
    converged(&project);
}
