//! Calls whose answer does not come, and calls that are refused.

use serde_json::Value;

use super::{
    APPLY, chats, converged, count, crew, declare, each, effects, ids, people, room, set, staffed,
    team, user_groups,
};
use crate::support::project::{Project, Ran};

/// What an operation is called for: the people and words before it and after.
struct Errand {
    operation: &'static str,
    start: Option<Crew>,
    goal: Option<Crew>,
}

/// A chat and a contact user group of these people.
#[derive(Clone)]
struct Crew {
    description: &'static str,
    people: std::ops::Range<u32>,
}

fn crew_of(description: &'static str, people: std::ops::Range<u32>) -> Option<Crew> {
    Some(Crew {
        description,
        people,
    })
}

fn errands() -> Vec<Errand> {
    let errand = |operation, start, goal| Errand {
        operation,
        start,
        goal,
    };
    let first = || crew_of("First", 0..4);
    let edited = || crew_of("Second", 0..4);
    vec![
        errand("createChat", None, first()),
        errand("createUserGroup", None, first()),
        errand("updateChat", first(), edited()),
        errand("patchUserGroup", first(), edited()),
        errand("addChatMembers", first(), crew_of("First", 0..6)),
        errand("batchAddUserGroupMembers", first(), crew_of("First", 0..6)),
        errand("removeChatMembers", first(), crew_of("First", 2..4)),
        errand(
            "batchRemoveUserGroupMembers",
            first(),
            crew_of("First", 2..4),
        ),
        errand("dissolveChat", first(), None),
        errand("deleteUserGroup", first(), None),
    ]
}

fn declare_crew(project: &Project, wanted: Option<&Crew>) {
    let Some(Crew {
        description,
        people,
    }) = wanted
    else {
        return declare(project, &[&team(&ids(0..4))]);
    };
    let chat = room("on_delete: dissolve").replace("Who runs it", description);
    let group = crew(
        &ids(people.clone()),
        &format!(", description: {description}"),
    );
    declare(project, &[&chat, &group]);
}

fn apply(project: &Project, timeout: &str) -> Ran {
    let mut command = project.command(&[APPLY, &["--allow-deletes"]].concat());
    let ran = command.env("BEADLE_TIMEOUT", timeout).output();
    ran.unwrap().into()
}

/// Fails unless the world is what was last declared, and nothing is left to do.
fn check(project: &Project, wanted: Option<&Crew>, context: &str) {
    let (chats, groups) = (chats(project, "Operations"), user_groups(project, "Crew"));
    match wanted {
        None => assert_eq!((chats.len(), groups.len()), (0, 0), "{context}"),
        Some(wanted) => {
            assert_eq!((chats.len(), groups.len()), (1, 1), "{context}");
            let expected = set(&ids(wanted.people.clone()));
            assert_eq!(people(&chats[0]), expected, "{context}");
            assert_eq!(people(&groups[0]), expected, "{context}");
            let described = &chats[0]["settings"]["description"];
            assert_eq!(described, wanted.description, "{context}");
            assert_eq!(groups[0]["description"], wanted.description, "{context}");
        }
    }
    project.clear_calls();
    converged(project);
    apply(project, "30s").exits(0);
    assert_eq!(project.writes(), Vec::<Value>::new(), "{context}");
}

/// Takes a sandbox to where the errand is the next thing to do, with that fault on.
fn begin(errand: &Errand, fault: &str) -> Project {
    let (project, _) = staffed(6);
    declare_crew(&project, errand.start.as_ref());
    apply(&project, "30s").exits(0);
    project.clear_calls();
    declare_crew(&project, errand.goal.as_ref());
    project.fault(&fault.replace("OP", errand.operation));
    project
}

fn with_faults<'a>(
    errands: &'a [Errand],
    faults: &'a [&'a str],
) -> impl Iterator<Item = (&'a Errand, &'a str)> {
    let all = errands.iter();
    all.flat_map(move |errand| faults.iter().map(move |fault| (errand, *fault)))
}

#[test]
fn a_lost_reply_to_any_call_leads_to_one_of_each_after_one_more_apply() {
    let faults = [
        "lost-reply@OP:1",
        "cut-off@OP:1",
        "truncated@OP:1",
        "html@OP:1,when=after",
        "5xx-after@OP:1,status=504",
    ];
    let errands = errands();
    each(with_faults(&errands, &faults), |(errand, fault)| {
        let project = begin(errand, fault);
        let first = apply(&project, "2s");
        let operation = errand.operation;
        let context = format!("{fault} {operation}\n{}{}", first.stdout, first.stderr);
        if operation == "createChat" {
            assert_eq!(count(&project, operation), 1, "never blindly: {context}");
        }
        let second = apply(&project, "30s");
        assert_eq!(second.status, Some(0), "{context}{second:?}");
        if operation.starts_with("create") {
            assert_eq!(effects(&project, operation), 1, "{context}");
        }
        check(&project, errand.goal.as_ref(), &context);
    });
}

#[test]
fn a_call_that_came_to_nothing_without_a_word_is_made_after_one_more_apply() {
    let faults = [
        "refuse@OP:1",
        "5xx@OP:1",
        "html@OP:1,status=502",
        "truncated@OP:1,when=before",
        "code@OP:1,code=232019",
    ];
    let errands = errands();
    each(with_faults(&errands, &faults), |(errand, fault)| {
        let project = begin(errand, fault);
        let first = apply(&project, "2s");
        let operation = errand.operation;
        let context = format!("{fault} {operation}\n{}{}", first.stdout, first.stderr);
        let second = apply(&project, "30s");
        assert_eq!(second.status, Some(0), "{context}{second:?}");
        assert!(effects(&project, operation) >= 1, "{context}");
        check(&project, errand.goal.as_ref(), &context);
    });
}

#[test]
fn a_throttle_is_waited_out_within_one_apply() {
    let faults = [
        "429@OP:1",
        "code@OP:1,code=99991400,status=400",
        "code@OP:1,code=232019",
        "token-expiry@OP:1",
    ];
    let errands = errands();
    // Elsewhere the contract does not know the code, or lets nobody repeat the call.
    let throttled = ["updateChat", "addChatMembers", "removeChatMembers"];
    let cases = with_faults(&errands, &faults).filter(|(errand, fault)| {
        !fault.contains("232019") || throttled.contains(&errand.operation)
    });
    each(cases, |(errand, fault)| {
        let project = begin(errand, fault);
        let first = apply(&project, "30s");
        let operation = errand.operation;
        let context = format!("{fault} {operation}\n{}{}", first.stdout, first.stderr);
        assert_eq!(first.status, Some(0), "{context}");
        assert_eq!(
            (count(&project, operation), effects(&project, operation)),
            (2, 1),
            "{context}"
        );
        check(&project, errand.goal.as_ref(), &context);
    });
}

#[test]
fn a_refusal_is_told_and_leaves_no_doubt() {
    let errands = errands();
    each(&errands, |errand| {
        let code = match errand.operation {
            "createChat" | "updateChat" => 232023,
            "addChatMembers" | "dissolveChat" => 232017,
            "removeChatMembers" => 232014,
            "createUserGroup" => 42010,
            _ => 42009,
        };
        let project = begin(errand, &format!("code@OP:1,code={code}"));
        let first = apply(&project, "30s").exits(1);
        let operation = errand.operation;
        let context = format!("{operation}\n{}{}", first.stdout, first.stderr);
        assert!(first.stderr.contains(&code.to_string()), "{context}");
        assert!(first.last_line().contains("1 failed"), "{context}");
        let second = apply(&project, "30s").exits(0);
        assert!(!second.stderr.contains("Settled"), "{context}");
        check(&project, errand.goal.as_ref(), &context);
    });
}

#[test]
fn a_lost_reply_about_people_of_whom_some_were_not_taken_forgets_nobody() {
    let operations = ["addChatMembers", "batchAddUserGroupMembers"];
    let cases = operations.iter().flat_map(|operation| {
        [("lost-reply", "OP:1"), ("5xx-after", "OP")].map(|f| (operation, f))
    });
    each(cases, |(operation, (kind, calls))| {
        let (project, _) = staffed(4);
        let with_bad = [ids(0..4), vec!["ou_nobody".to_owned()]].concat();
        let manifest = |people: &[String]| {
            declare(&project, &[&room(""), &crew(people, "")]);
        };
        manifest(&with_bad);
        project.fault(&format!("{kind}@{}", calls.replace("OP", operation)));
        let first = apply(&project, "2s").exits(1);
        project.no_faults();
        let context = format!("{kind} {operation}\n{first:?}");
        let second = apply(&project, "30s");
        assert_eq!(second.status, Some(1), "{context}{second:?}");
        assert!(second.stderr.contains("ou_nobody"), "{context}{second:?}");
        // They are ours, whatever came of the answer: delisted, they go.
        manifest(&ids(0..2));
        apply(&project, "30s").exits(0);
        let expected = set(&ids(0..2));
        assert_eq!(
            people(&chats(&project, "Operations")[0]),
            expected,
            "{context}"
        );
        assert_eq!(
            people(&user_groups(&project, "Crew")[0]),
            expected,
            "{context}"
        );
        converged(&project);
    });
}

#[test]
fn readings_that_lag_behind_neither_double_nor_lose_anything() {
    let steps = [
        (None, crew_of("First", 0..4)),
        (crew_of("First", 0..4), crew_of("Second", 2..6)),
    ];
    each(&steps, |(start, goal)| {
        let (project, _) = staffed(6);
        declare_crew(&project, start.as_ref());
        apply(&project, "30s").exits(0);
        project.fault("read-lag@*,ms=1500");
        declare_crew(&project, goal.as_ref());
        // However they end: they read what is not so any more.
        for _ in 0..3 {
            apply(&project, "30s");
        }
        project.no_faults();
        apply(&project, "30s").exits(0);
        assert_eq!(effects(&project, "createChat"), 1);
        assert_eq!(effects(&project, "createUserGroup"), 1);
        assert_eq!(effects(&project, "dissolveChat"), 0);
        assert_eq!(effects(&project, "deleteUserGroup"), 0);
        check(&project, goal.as_ref(), "lag");
    });
}

#[test]
fn a_plan_tells_of_a_chat_of_which_nothing_is_known_and_does_no_more() {
    let (project, people) = staffed(2);
    declare(&project, &[&room(""), &team(&people), super::PROGRESS]);
    project.fault("5xx@createChat:1");
    let first = apply(&project, "2s").exits(1);
    assert_eq!(first.last_line(), "Apply: 1 applied, 1 skipped, 1 unknown.");
    project.clear_calls();
    let plan = super::planned(&project);
    assert_eq!(plan["unsettled"][0]["operation"], "createChat", "{plan}");
    assert_eq!(plan["unsettled"][0]["address"], "chat.room");
    assert_eq!(plan["changes"], serde_json::json!([]), "{plan}");
    assert_eq!(project.writes(), Vec::<Value>::new());
    let second = apply(&project, "30s").exits(0);
    assert!(second.stderr.contains("had not taken effect"), "{second:?}");
    assert_eq!(chats(&project, "Operations").len(), 1);
    converged(&project);
}
