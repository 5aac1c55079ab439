//! What somebody found who tried to break it from outside.

use serde_json::{Value, json};

use super::*;

#[test]
fn a_chat_that_another_block_names_by_its_id_is_not_dissolved() {
    let (project, all) = staffed(2);
    declare(
        &project,
        &[&room("on_delete: dissolve"), &team(&all), PROGRESS],
    );
    run(&project, &[]).exits(0);
    let id = id_of(&chat(&project, "Operations")).to_owned();
    let reference = format!("chats:\n  room: {{ id: {id} }}\n");
    declare(&project, &[&reference, &team(&all), PROGRESS]);
    run(&project, &["--allow-deletes"]).exits(0);
    assert_eq!(chats(&project, "Operations").len(), 1);
    assert_eq!(count(&project, "dissolveChat"), 0);
    converged(&project);
}

#[test]
fn nobody_is_added_while_somebody_who_is_left_out_cannot_be_told() {
    let (project, all) = staffed(3);
    let out = "exclude: { feishu: { emails: [nobody@example.com] } }";
    let group = team(&all).replace("} }", &format!("}}, {out} }}"));
    declare(&project, &[&room(""), &group]);
    let plan = project.beadle(&["plan"]).exits(1);
    assert!(
        plan.stderr.contains("nobody@example.com"),
        "{}",
        plan.stderr
    );
    assert!(plan.stderr.contains("beadle.yaml:"), "{}", plan.stderr);
    run(&project, &[]).exits(1);
    assert_eq!(chats(&project, "Operations").len(), 0);
    assert_eq!(count(&project, "createChat"), 0);
}

#[test]
fn a_block_that_got_another_name_makes_no_second_object() {
    let (project, all) = staffed(2);
    declare(&project, &[&room(""), &crew(&all, "")]);
    run(&project, &[]).exits(0);
    project.clear_calls();
    let renamed = room("").replace("  room:", "  hall:");
    declare(&project, &[&renamed, &crew(&all, "")]);
    let refused = run(&project, &[]).exits(1);
    assert!(
        refused.stderr.contains("moved_from: room"),
        "{}",
        refused.stderr
    );
    let group = crew(&all, "").replace("  team:", "  people:");
    let chat_of = room("").replace("[team]", "[people]");
    declare(&project, &[&chat_of, &group]);
    let refused = run(&project, &["--allow-deletes"]).exits(1);
    assert!(
        refused.stderr.contains("moved_from: team"),
        "{}",
        refused.stderr
    );
    assert_eq!(project.writes(), Vec::<Value>::new());
    let moved = group.replace("  people: {", "  people: { moved_from: team,");
    declare(&project, &[&chat_of, &moved]);
    run(&project, &[]).exits(0);
    assert_eq!(user_groups(&project, "Crew").len(), 1);
    converged(&project);
}

#[test]
fn a_contact_user_group_that_somebody_made_is_not_deleted_unasked() {
    let (project, all) = staffed(2);
    let theirs = json!({"name": "Crew", "users": all});
    project.control("POST", "user_groups", &theirs);
    declare(&project, &[&crew(&all, "")]);
    run(&project, &[]).exits(0);
    declare(&project, &[&team(&all)]);
    let refused = run(&project, &[]).exits(1);
    assert!(
        refused.stderr.contains("--allow-deletes"),
        "{}",
        refused.stderr
    );
    assert_eq!(user_groups(&project, "Crew").len(), 1);
    run(&project, &["--allow-deletes"]).exits(0);
    assert_eq!(user_groups(&project, "Crew").len(), 0);
}

#[test]
fn whom_the_vendor_hides_for_a_while_is_ours_all_the_same() {
    let (project, all) = staffed(3);
    declare(&project, &[&crew(&all[..2], "")]);
    run(&project, &[]).exits(0);
    let path = format!("users/{}", all[1]);
    project.control("POST", &path, &json!({"out_of_scope": true}));
    declare(&project, &[&crew(&all, "")]);
    // Somebody is added meanwhile, and the hidden one cannot be.
    project.beadle(&["apply", "--auto-approve"]);
    project.control("POST", &path, &json!({"out_of_scope": false}));
    let rest = [all[0].clone(), all[2].clone()];
    declare(&project, &[&crew(&rest, "")]);
    run(&project, &[]).exits(0);
    assert_eq!(people(&user_groups(&project, "Crew")[0]), set(&rest));
}

#[test]
fn what_becomes_of_a_chat_is_shown_as_it_was_before() {
    let (project, all) = staffed(1);
    declare(&project, &[&room(""), &team(&all)]);
    run(&project, &[]).exits(0);
    declare(&project, &[&room("on_delete: dissolve"), &team(&all)]);
    let plan = project.beadle(&["plan"]).exits(0);
    let shown = "on_delete: \"keep\" → \"dissolve\"";
    assert!(plan.stdout.contains(shown), "{}", plan.stdout);
}

#[test]
fn validate_online_sees_a_chat_that_is_gone() {
    let (project, all) = staffed(1);
    let theirs = json!({"chat_id": "oc_theirs", "name": "Theirs"});
    project.control("POST", "chats", &theirs);
    let chats = "chats:\n  room: { id: oc_theirs }\n";
    declare(&project, &[chats, &team(&all), PROGRESS]);
    run(&project, &[]).exits(0);
    let fine = project.beadle(&["validate", "--online"]).exits(0);
    assert!(
        fine.stdout.contains("everything that it names"),
        "{}",
        fine.stdout
    );
    project.control("DELETE", "chats/oc_theirs", &Value::Null);
    let told = project.beadle(&["validate", "--online"]).exits(0);
    assert!(told.stderr.contains("oc_theirs"), "{}", told.stderr);
    assert_eq!(told.stdout, "Valid, with 1 warning.\n");
}
