//! `--refresh`: chats and contact user groups are assumed to be as they were, as tasklists are.

use serde_json::{Value, json};

use super::{PROGRESS, chat, crew, declare, id_of, people, room, run, set, staffed, user_groups};
use crate::support::project::Project;

fn plan(project: &Project, more: &[&str]) -> Value {
    let mut args = vec!["plan", "--format", "json", "--refresh"];
    args.extend(more);
    project.clear_calls();
    project.beadle(&args).exits(0).json()
}

fn causes(plan: &Value) -> Vec<String> {
    let changes = plan["changes"].as_array().unwrap().iter();
    let word = |c: &Value, key: &str| c[key].as_str().unwrap().to_owned();
    changes
        .map(|c| format!("{} {}", word(c, "address"), word(c, "cause")))
        .collect()
}

#[test]
fn a_chat_is_read_when_it_is_to_be_changed_or_too_old() {
    let (project, all) = staffed(3);
    declare(&project, &[&room(""), &crew(&all, ""), PROGRESS]);
    run(&project, &[]).exits(0);
    // What was just made is read once, and then assumed.
    assert_eq!(causes(&plan(&project, &["auto"])), Vec::<String>::new());
    assert_ne!(project.calls(), Vec::<Value>::new());
    let assumed = plan(&project, &["auto"]);
    assert_eq!(causes(&assumed), Vec::<String>::new());
    assert_eq!(project.calls(), Vec::<Value>::new());
    let kinds: Vec<_> = assumed["refresh"]["assumed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["what"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["tasklist", "chat", "user_group"]);

    let made = chat(&project, "Operations");
    let path = format!("chats/{}", id_of(&made));
    project.control("POST", &path, &json!({"description": "Theirs"}));
    assert_eq!(causes(&plan(&project, &["auto"])), Vec::<String>::new());
    assert_eq!(causes(&plan(&project, &["never"])), Vec::<String>::new());
    assert_eq!(project.calls(), Vec::<Value>::new());
    let seen = plan(&project, &["auto", "--max-age", "0s"]);
    assert_eq!(causes(&seen), ["chat.room drifted"]);

    // What the files change is planned from what is live, and the rest is left alone.
    let fewer = &all[..2];
    declare(&project, &[&room(""), &crew(fewer, ""), PROGRESS]);
    project.clear_calls();
    run(&project, &["--refresh", "auto"]).exits(0);
    assert_eq!(people(&user_groups(&project, "Crew")[0]), set(fewer));
    assert_eq!(
        chat(&project, "Operations")["settings"]["description"],
        "Who runs it"
    );
    let lists = |c: &Value| c["operation"] == "listTasklistActivitySubscriptions";
    assert!(!project.calls().iter().any(lists));
    let after = plan(&project, &["auto", "--max-age", "0s"]);
    assert_eq!(causes(&after), Vec::<String>::new());
}
