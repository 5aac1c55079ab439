//! `comment github`: one comment on a pull request, however often it runs and whatever goes wrong.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use axum::http::Method;
use pulldown_cmark::{Event, Options, Parser, Tag};
use serde_json::{Value, json};

use crate::support::github::{Fault, Hub, REPOSITORY, TOKEN};
use crate::support::project::{Project, RELEASE, ROOM, Ran, beadle};

fn sub(name: &str, more: &str) -> String {
    format!(
        "  {name}: {{ tasklist: release, subscribers: [release-room], events: [task.added]{more} }}\n"
    )
}

/// Runs `comment github` as a workflow does for pull request 7.
fn comment_with(project: &Project, hub: &Hub, args: &[&str], env: &[(&str, &str)]) -> Ran {
    let mut all = vec!["comment", "github"];
    all.extend(args);
    let mut command = project.command(&all);
    command
        .env("GITHUB_API_URL", format!("http://{}", hub.addr))
        .env("GITHUB_REPOSITORY", REPOSITORY)
        .env("GITHUB_TOKEN", TOKEN)
        .env("GITHUB_REF", "refs/pull/7/merge");
    for (name, value) in env {
        if value.is_empty() {
            command.env_remove(name);
        } else {
            command.env(name, value);
        }
    }
    command.output().unwrap().into()
}

fn comment(project: &Project, hub: &Hub, args: &[&str]) -> Ran {
    comment_with(project, hub, args, &[])
}

fn said(project: &Project, text: &str) -> &'static str {
    project.write("said.md", text);
    "said.md"
}

#[test]
fn one_comment_is_made_changed_and_left() {
    let (project, hub) = (Project::new(&sub("a", "")), Hub::start());
    for n in 0..230 {
        hub.comment("octocat", "User", &format!("comment {n}"));
    }
    let file = said(&project, "first\n");
    let made = comment(&project, &hub, &[file]).exits(0);
    assert!(
        made.stdout.starts_with("Created: https://github.example/"),
        "{}",
        made.stdout
    );
    assert_eq!(hub.ours().len(), 1);
    assert!(
        hub.ours()[0].starts_with("<!-- beadle comment "),
        "{:?}",
        hub.ours()
    );
    let same = comment(&project, &hub, &[file]).exits(0);
    assert!(same.stdout.starts_with("As it was: "), "{}", same.stdout);
    hub.calls();
    said(&project, "second\n");
    let changed = comment(&project, &hub, &[file]).exits(0);
    assert!(
        changed.stdout.starts_with("Updated: "),
        "{}",
        changed.stdout
    );
    assert_eq!(hub.ours().len(), 1);
    assert!(hub.ours()[0].contains("second"), "{:?}", hub.ours());
    // 230 others on two pages, ours on the third.
    let writes = hub
        .calls()
        .into_iter()
        .filter(|c| !c.starts_with("GET "))
        .count();
    assert_eq!(writes, 1);
}

#[test]
fn a_comment_is_ours_by_marker_and_author() {
    let (project, hub) = (Project::new(&sub("a", "")), Hub::start());
    let file = said(&project, "text\n");
    comment(&project, &hub, &[file]).exits(0);
    let ours = hub.ours().remove(0);
    // Somebody plants the marker, or quotes it.
    hub.world().comments.clear();
    hub.comment("mallory", "User", &ours);
    hub.comment("github-actions[bot]", "Bot", &format!("> {ours}"));
    let made = comment(&project, &hub, &[file]).exits(0);
    assert!(made.stdout.starts_with("Created: "), "{}", made.stdout);
    assert_eq!(hub.world().comments.len(), 3);
    assert_eq!(hub.world().comments[0]["body"], json!(ours));
    // With a user's token it is the user's own comment that counts, and another's is none.
    hub.world().user = Some("li");
    let made = comment(&project, &hub, &[file]).exits(0);
    assert!(made.stdout.starts_with("Created: "), "{}", made.stdout);
    let kept = comment(&project, &hub, &[file]).exits(0);
    assert!(kept.stdout.starts_with("As it was: "), "{}", kept.stdout);
}

#[test]
fn each_folder_and_name_has_a_comment_of_its_own() {
    let (project, hub) = (Project::new(&sub("a", "")), Hub::start());
    project.write("other/beadle.yaml", &project.read("beadle.yaml"));
    let file = said(&project, "text\n");
    let workspace = project.path();
    let env = [("GITHUB_WORKSPACE", workspace.to_str().unwrap())];
    for args in [
        &[file][..],
        &[file, "-C", "other"],
        &[file, "-C", "./other/"],
        &[file, "--name", "staging"],
    ] {
        comment_with(&project, &hub, args, &env).exits(0);
    }
    let ours = hub.ours();
    assert_eq!(ours.len(), 3, "{ours:?}");
    assert!(ours[1].contains("in `other`"), "{ours:?}");
    assert!(ours[2].contains("`staging`"), "{ours:?}");
}

#[test]
fn a_lost_answer_makes_no_second_comment() {
    for fault in [
        Fault::DoneBut(502),
        Fault::DoneAndCut,
        Fault::Answer(502, "Bad Gateway"),
        Fault::Answer(500, "Oops"),
    ] {
        let (project, hub) = (Project::new(&sub("a", "")), Hub::start());
        let file = said(&project, "text\n");
        hub.fault(Method::POST, fault.clone());
        let made = comment(&project, &hub, &[file]).exits(0);
        assert!(made.stdout.starts_with("Created: "), "{}", made.stdout);
        assert_eq!(hub.ours().len(), 1, "{fault:?}");
    }
    // Lost twice over, the second time after it was made.
    let (project, hub) = (Project::new(&sub("a", "")), Hub::start());
    let file = said(&project, "text\n");
    hub.fault(Method::POST, Fault::Answer(503, "no"));
    hub.fault(Method::POST, Fault::DoneBut(503));
    comment(&project, &hub, &[file]).exits(0);
    assert_eq!(hub.ours().len(), 1);
    // And never made: nobody claims that it was not.
    let (project, hub) = (Project::new(&sub("a", "")), Hub::start());
    let file = said(&project, "text\n");
    for _ in 0..2 {
        hub.fault(Method::POST, Fault::Answer(503, "no"));
    }
    let lost = comment(&project, &hub, &[file]).exits(1);
    assert!(
        lost.stderr
            .contains("whether the comment was made is not known"),
        "{}",
        lost.stderr
    );
    let posts = hub
        .calls()
        .into_iter()
        .filter(|c| c.starts_with("POST "))
        .count();
    assert_eq!(posts, 2);
}

#[test]
fn a_connection_that_is_cut_in_the_middle_of_an_answer_makes_no_second_comment() {
    let (project, hub) = (Project::new(&sub("a", "")), Hub::start());
    let file = said(&project, "first\n");
    // Of the list, of the create and of the change.
    hub.fault(Method::GET, Fault::DoneAndHungUp);
    hub.fault(Method::POST, Fault::DoneAndHungUp);
    comment(&project, &hub, &[file]).exits(0);
    assert_eq!(hub.ours().len(), 1);
    said(&project, "second\n");
    hub.fault(Method::PATCH, Fault::DoneAndHungUp);
    comment(&project, &hub, &[file]).exits(0);
    assert_eq!(hub.ours().len(), 1);
    assert!(hub.ours()[0].contains("second"), "{:?}", hub.ours());
}

#[test]
fn whoever_dies_between_its_calls_leaves_one_comment_to_the_next() {
    let (project, hub) = (Project::new(&sub("a", "")), Hub::start());
    let dies_at = |method: Method| {
        hub.calls();
        hub.fault(method.clone(), Fault::DoneAndSilent);
        let mut command = project.command(&["comment", "github", "said.md"]);
        let mut child = command
            .env("GITHUB_API_URL", format!("http://{}", hub.addr))
            .env("GITHUB_REPOSITORY", REPOSITORY)
            .env("GITHUB_TOKEN", TOKEN)
            .env("GITHUB_REF", "refs/pull/7/merge")
            .spawn()
            .unwrap();
        let give_up = Instant::now() + Duration::from_secs(30);
        let begins = method.to_string();
        while !hub
            .world()
            .calls
            .iter()
            .any(|call| call.starts_with(&begins))
        {
            assert!(Instant::now() < give_up, "no {method} came");
            std::thread::sleep(Duration::from_millis(10));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    };
    said(&project, "first\n");
    dies_at(Method::GET);
    assert_eq!(hub.ours().len(), 0);
    dies_at(Method::POST);
    assert_eq!(hub.ours().len(), 1);
    comment(&project, &hub, &["said.md"]).exits(0);
    assert_eq!(hub.ours().len(), 1);
    said(&project, "second\n");
    dies_at(Method::PATCH);
    let again = comment(&project, &hub, &["said.md"]).exits(0);
    assert!(again.stdout.starts_with("As it was: "), "{}", again.stdout);
    assert_eq!(hub.ours().len(), 1);
    assert!(hub.ours()[0].contains("second"), "{:?}", hub.ours());
}

#[test]
fn what_may_be_repeated_is() {
    let (project, hub) = (Project::new(&sub("a", "")), Hub::start());
    let file = said(&project, "text\n");
    comment(&project, &hub, &[file]).exits(0);
    said(&project, "more\n");
    hub.fault(Method::GET, Fault::Answer(502, "Bad Gateway"));
    hub.fault(Method::GET, Fault::Limited("retry-after", "0".to_owned()));
    hub.fault(Method::PATCH, Fault::DoneBut(504));
    hub.fault(Method::PATCH, Fault::Limited("retry-after", "0".to_owned()));
    comment(&project, &hub, &[file]).exits(0);
    assert_eq!(hub.ours().len(), 1);
    assert!(hub.ours()[0].contains("more"));
}

#[test]
fn what_stands_in_the_way_is_said_with_what_to_do() {
    let (project, hub) = (Project::new(&sub("a", "")), Hub::start());
    let file = said(&project, "text\n");
    project.write("empty.md", "\n");
    project.write("broken.json", "{ \"plan\": ");
    project.write("else.json", "{ \"some\": 1 }");
    project.write(
        "fork.json",
        &json!({"pull_request": {"number": 7,
            "head": {"repo": {"full_name": "li/notices"}},
            "base": {"repo": {"full_name": REPOSITORY}}}})
        .to_string(),
    );
    let check =
        |args: &[&str], env: &[(&str, &str)], fault: Option<(Method, Fault)>, words: &[&str]| {
            hub.world().faults.extend(fault);
            let ran = comment_with(&project, &hub, args, env).exits(1);
            for word in words {
                assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
            }
            assert!(!ran.stderr.contains(TOKEN), "{}", ran.stderr);
            assert_eq!(hub.ours(), Vec::<String>::new());
            hub.world().faults.clear();
        };
    let refuse =
        |status: u16, words: &'static str| Some((Method::POST, Fault::Answer(status, words)));
    let by_app = "Resource not accessible by integration";
    let fork = ("GITHUB_EVENT_PATH", "fork.json");
    check(
        &[file],
        &[("GITHUB_TOKEN", "")],
        None,
        &["there is no token", "GITHUB_TOKEN"],
    );
    check(
        &[file],
        &[("GITHUB_TOKEN", ""), fork],
        None,
        &["there is no token", "from a fork"],
    );
    check(
        &[file],
        &[("GITHUB_TOKEN", "wrong")],
        None,
        &["Bad credentials", "not valid"],
    );
    check(
        &[file],
        &[],
        refuse(403, by_app),
        &[by_app, "pull-requests: write"],
    );
    check(
        &[file],
        &[fork],
        refuse(403, by_app),
        &[by_app, "from a fork"],
    );
    check(
        &[file, "--pr", "8"],
        &[],
        None,
        &["Not Found", "pull-requests: write"],
    );
    check(
        &[file],
        &[("GITHUB_REPOSITORY", "acme/other")],
        None,
        &["Not Found"],
    );
    check(
        &[file],
        &[("GITHUB_REPOSITORY", "acme")],
        None,
        &["is no repository `owner/name`"],
    );
    check(
        &[file],
        &[("GITHUB_REPOSITORY", "")],
        None,
        &["GITHUB_REPOSITORY"],
    );
    check(
        &[file],
        &[("GITHUB_REF", "refs/heads/main")],
        None,
        &["no pull request is known", "--pr N"],
    );
    let later = Some((
        Method::POST,
        Fault::Limited("x-ratelimit-reset", "4102444800".to_owned()),
    ));
    check(
        &[file],
        &[],
        later,
        &["takes no more calls until 2100-01-01T00:00:00Z", "later"],
    );
    check(
        &[file],
        &[("GITHUB_API_URL", "http://github.example/api")],
        None,
        &["github.example"],
    );
    check(
        &[file],
        &[("GITHUB_API_URL", "https://me:it@github.example/")],
        None,
        &["user or a password"],
    );
    check(
        &["nowhere.json"],
        &[],
        None,
        &["nowhere.json cannot be read"],
    );
    check(&["empty.md"], &[], None, &["empty.md is empty"]);
    check(&["broken.json"], &[], None, &["begins like JSON"]);
    check(&["else.json"], &[], None, &["neither a plan nor findings"]);
    check(&[], &[], None, &["standard input is empty"]);
}

#[test]
fn the_event_says_which_pull_request_is_meant() {
    let (project, hub) = (Project::new(&sub("a", "")), Hub::start());
    let file = said(&project, "text\n");
    for event in [
        json!({"pull_request": {"number": 7}}),
        json!({"issue": {"number": 7, "pull_request": {}}}),
        json!({"workflow_run": {"pull_requests": [{"number": 7}]}}),
    ] {
        project.write("event.json", &event.to_string());
        let env = [
            ("GITHUB_EVENT_PATH", "event.json"),
            ("GITHUB_REF", "refs/heads/main"),
        ];
        comment_with(&project, &hub, &[file], &env).exits(0);
    }
    assert_eq!(hub.ours().len(), 1);
}

#[test]
fn a_saved_plan_is_shown_with_its_digest_and_the_command_that_applies_it() {
    let (project, hub) = (Project::new(&(sub("a", "") + &sub("b", ""))), Hub::start());
    let target = "tasklist_subscription.a";
    project
        .beadle(&["plan", "--target", target, "--out", "plan.json"])
        .exits(0);
    let env = [("GITHUB_STEP_SUMMARY", "summary.md")];
    project.write("summary.md", "before\n");
    comment_with(&project, &hub, &["plan.json"], &env).exits(0);
    let body = hub.ours().remove(0);
    let saved: Value = serde_json::from_str(&project.read("plan.json")).unwrap();
    let digest = saved["plan"]["digest"].as_str().unwrap();
    assert!(body.contains(&format!("Digest: `{digest}`")), "{body}");
    let summary = project.read("summary.md");
    assert!(
        summary.starts_with("before\n<!-- beadle comment"),
        "{summary}"
    );
    assert!(summary.contains(digest), "{summary}");
    let command = body
        .lines()
        .find(|line| line.starts_with("beadle apply "))
        .unwrap();
    let args: Vec<&str> = command.split(' ').skip(1).collect();
    assert!(
        args.contains(&"--expect") && args.contains(&target),
        "{args:?}"
    );

    // What was reviewed is what is applied, and nothing else.
    let declared = project.read("beadle.yaml");
    project.write(
        "beadle.yaml",
        &declared.replacen("task.added", "due.set", 1),
    );
    let refused = project.beadle(&args).exits(1);
    assert!(
        refused.stderr.contains("the plan is not the one expected"),
        "{}",
        refused.stderr
    );
    assert_eq!(project.writes(), Vec::<Value>::new());
    project.write("beadle.yaml", &declared);
    project.beadle(&args).exits(0);
    assert_eq!(project.live_names(RELEASE), ["a"]);
    // Once done it is not what was reviewed any more.
    project.beadle(&args).exits(1);
}

#[test]
fn findings_are_annotated_at_their_lines_and_listed() {
    let (project, hub) = (
        Project::new(&sub("a", "").replace("release-room", "relase-room")),
        Hub::start(),
    );
    let found = project.beadle(&["plan", "--format", "json"]).exits(1);
    project.write("found.json", &found.stdout);
    let ran = comment(&project, &hub, &["found.json"]).exits(0);
    let line = ran.stdout.lines().next().unwrap();
    assert!(line.starts_with("::error file=beadle.yaml,line="), "{line}");
    assert!(line.contains("title=unknown-chat"), "{line}");
    let body = hub.ours().remove(0);
    assert!(body.contains("### 1 error, 0 warnings"), "{body}");
    assert!(body.contains("relase-room"), "{body}");
}

#[test]
fn a_stranger_s_pull_request_is_checked_and_planned_without_any_secret() {
    let project = Project::new(&sub("a", ""));
    let bare =
        |args: &[&str]| -> Ran { beadle(&project.path()).args(args).output().unwrap().into() };
    bare(&["validate", "--format", "github"]).exits(0);
    let plan = bare(&["plan", "--sandbox", "--format", "markdown"]).exits(0);
    assert!(
        plan.stdout.contains("**create** `tasklist_subscription.a`"),
        "{}",
        plan.stdout
    );
    // The vendor heard nothing, and without the sandbox it takes the secret.
    assert_eq!(project.calls(), Vec::<Value>::new());
    bare(&["plan"]).exits(1);
    assert_eq!(project.calls(), Vec::<Value>::new());
}

#[test]
fn a_huge_and_hostile_plan_fits_and_stays_in_its_place() {
    let (project, hub) = (Project::empty(), Hub::start());
    let hostile = "</details> ```` **@all** #1 <!--";
    let mut subscriptions = String::new();
    for n in 0..45 {
        let _ = writeln!(
            subscriptions,
            "  s{n}: {{ tasklist: release, name: \"{n} {hostile}\", subscribers: [release-room], events: all }}"
        );
    }
    let mut notices = "recurring_notices:\n".to_owned();
    let text = "汉".repeat(1500);
    for n in 0..60 {
        let _ = writeln!(
            notices,
            "  n{n}: {{ to: [release-room], schedule: {{ at: [\"2030-01-01T09:00\"], timezone: Asia/Shanghai }}, message: {{ text: \"{n} {text}\" }} }}"
        );
    }
    project.write(
        "beadle.yaml",
        &(project.manifest(&subscriptions) + &notices),
    );
    for n in 0..5 {
        let body = json!({"name": format!("{} {hostile}", 100 + n), "subscribers": [{"id": ROOM, "type": "chat"}], "include_keys": [101]});
        project.control("POST", &format!("tasklists/{RELEASE}/subscriptions"), &body);
    }
    project.beadle(&["plan", "--out", "plan.json"]).exits(0);
    comment(&project, &hub, &["plan.json"]).exits(0);
    let printed = project
        .beadle(&["plan", "--format", "markdown"])
        .exits(0)
        .stdout;
    for body in [hub.ours().remove(0), printed] {
        assert!(body.len() <= 65_536, "{}", body.len());
        assert!(
            body.contains("of 105 changes are not shown here:"),
            "{body}"
        );
        assert!(body.contains("create `recurring_notice`"), "{body}");
        assert!(body.contains("Digest: `sha256:"), "{body}");
        // Outside of code nobody is called, nothing is linked, and no raw HTML but ours is there.
        let (mut code, mut html) = (0, String::new());
        for event in Parser::new_ext(
            &body,
            Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TABLES,
        ) {
            match event {
                Event::Start(Tag::CodeBlock(_)) => code += 1,
                Event::End(pulldown_cmark::TagEnd::CodeBlock) => code -= 1,
                Event::Text(text) if code == 0 => {
                    assert!(!text.contains("@all") && !text.contains("#1 "), "{text}");
                }
                Event::Html(more) | Event::InlineHtml(more) => html.push_str(&more),
                Event::Start(Tag::Link { .. } | Tag::Image { .. }) => panic!("a link: {body}"),
                _ => {}
            }
        }
        assert_eq!(
            html.matches("<details>").count(),
            html.matches("</details>").count()
        );
        assert_eq!(html.matches("<details>").count(), 1, "{html}");
    }
}
