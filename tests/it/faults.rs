//! What goes wrong on the wire or behind our back during an apply: the outcome is clear, the rest is
//! done, and the next apply converges.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::project::{ONCALL, Project, RELEASE, ROOM, Ran};

const PROGRESS: &str = "  progress:
    tasklist: release
    subscribers: [release-room]
    events: [task.added]
";

const CREATE: &str = "createTasklistActivitySubscription";
const PATCH: &str = "patchTasklistActivitySubscription";
const DELETE: &str = "deleteTasklistActivitySubscription";
const LIST: &str = "listTasklistActivitySubscriptions";
const ROADMAP: &str = "0b4f1b0e-6d3e-4a55-9a4a-3f0b8d5e7c11";

fn apply(project: &Project, more: &[&str]) -> Command {
    let mut command = project.command(&["apply", "--auto-approve", "--allow-deletes"]);
    command
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(project: &Project, more: &[&str]) -> Ran {
    apply(project, more).output().unwrap().into()
}

fn end(child: Child) -> Ran {
    child.wait_with_output().unwrap().into()
}

fn converged(project: &Project) {
    project.beadle(&["plan", "--detailed-exitcode"]).exits(0);
}

fn named(name: &str) -> String {
    PROGRESS.replace("progress", name)
}

/// Adds the tasklist `roadmap` to the usual manifest.
fn declare_two(project: &Project, subscriptions: &str) {
    let text = project.manifest(subscriptions);
    let two = format!("tasklists:\n  roadmap: {{ guid: {ROADMAP} }}\n");
    project.write("beadle.yaml", &text.replacen("tasklists:\n", &two, 1));
}

fn with_roadmap() -> Project {
    let project = Project::empty();
    let roadmap = json!({"guid": ROADMAP, "name": "Roadmap"});
    project.control("POST", "tasklists", &roadmap);
    project
}

fn calls_of(project: &Project, operation: &str) -> Vec<Value> {
    let mut calls = project.calls();
    calls.retain(|call| call["operation"] == operation);
    calls
}

fn effects(project: &Project, operation: &str) -> usize {
    let calls = calls_of(project, operation);
    calls.iter().filter(|call| call["effect"] == true).count()
}

fn only_id(project: &Project) -> String {
    let live = project.live(RELEASE);
    assert_eq!(live.len(), 1);
    live[0]["guid"].as_str().unwrap().to_owned()
}

/// Runs each case in a thread of its own: most of their time they wait.
fn each<T: Send>(cases: impl IntoIterator<Item = T>, run: impl Fn(T) + Sync) {
    let run = &run;
    std::thread::scope(|scope| {
        for case in cases {
            scope.spawn(move || run(case));
        }
    });
}

#[test]
fn a_lost_reply_leads_to_one_object_and_no_doubt_in_the_end() {
    let edited = PROGRESS.replace("task.added", "due.set");
    let operations = [
        (CREATE, "", PROGRESS),
        (PATCH, PROGRESS, &edited),
        (DELETE, PROGRESS, ""),
    ];
    let losses = [
        "lost-reply@OP:1",
        "cut-off@OP:1",
        "truncated@OP:1",
        "html@OP:1,when=after",
        "5xx-after@OP:1",
        "5xx-after@OP:1,status=504",
    ];
    let cases = operations
        .iter()
        .flat_map(|operation| losses.map(|loss| (operation, loss)));
    each(cases, |((operation, start, goal), loss)| {
        let project = Project::new(start);
        run(&project, &[]).exits(0);
        project.clear_calls();
        project.declare(goal);
        project.fault(&loss.replace("OP", operation));
        let applied = run(&project, &[]).exits(0);
        let context = format!("{loss} {operation}\n{}", applied.stderr);
        // The contract lets a patch be repeated: the same bytes, the same object.
        let times = if *operation == PATCH { 2 } else { 1 };
        assert_eq!(effects(&project, operation), times, "{context}");
        let calls = calls_of(&project, operation);
        assert!(
            calls
                .iter()
                .all(|call| call["body"] == calls[0]["body"] && call["path"] == calls[0]["path"]),
            "{context}"
        );
        if *operation == CREATE {
            assert_eq!(
                calls_of(&project, CREATE).len(),
                1,
                "never sent again: {context}"
            );
            assert!(applied.stderr.contains("had taken effect"), "{context}");
        }
        project.clear_calls();
        converged(&project);
        run(&project, &[]).exits(0);
        assert_eq!(project.writes(), Vec::<Value>::new(), "{context}");
        let expected = if goal.is_empty() {
            &[][..]
        } else {
            &["progress"]
        };
        assert_eq!(project.live_names(RELEASE), expected, "{context}");
    });
}

#[test]
fn a_create_of_which_nothing_is_known_is_sent_once_and_settled_by_the_next_apply() {
    // With its effect, but no reading shows it yet; and without.
    let lag = format!("read-lag@{LIST},ms=60000");
    let cases = [
        (&["lost-reply@OP:1", &lag][..], "had taken effect", 1),
        (&["5xx@OP:1"], "had not taken effect", 2),
        (&["5xx@OP:1,status=504"], "had not taken effect", 2),
        (&["html@OP:1,status=502"], "had not taken effect", 2),
        (&["refuse@OP:1"], "had not taken effect", 2),
    ];
    each(cases, |(faults, words, calls)| {
        let project = Project::new(PROGRESS);
        for fault in faults {
            project.fault(&fault.replace("OP", CREATE));
        }
        let first = apply(&project, &[])
            .env("BEADLE_TIMEOUT", "2s")
            .output()
            .unwrap();
        let first = Ran::from(first).exits(1);
        assert_eq!(
            first.last_line(),
            "Apply: 0 applied, 1 unknown.",
            "{faults:?}"
        );
        assert_eq!(calls_of(&project, CREATE).len(), 1, "{faults:?}");
        project.no_faults();
        // Looking changes nothing about it.
        let plan = project
            .beadle(&["plan", "--format", "json"])
            .exits(0)
            .json();
        assert_eq!(plan["unsettled"][0]["operation"], CREATE);
        assert_eq!(plan["changes"], json!([]), "{faults:?}");
        let second = run(&project, &[]).exits(0);
        assert!(
            second.stderr.contains(words),
            "{faults:?}\n{}",
            second.stderr
        );
        assert_eq!(calls_of(&project, CREATE).len(), calls, "{faults:?}");
        assert_eq!(effects(&project, CREATE), 1, "{faults:?}");
        assert_eq!(project.live_names(RELEASE), ["progress"]);
        converged(&project);
    });
}

#[test]
fn readings_that_lag_behind_a_write_neither_double_it_nor_lose_it() {
    // Declared still, under another name by now, or no more: what was made a moment ago and is not
    // listed yet is not gone.
    let renamed = PROGRESS.replace("progress:", "advance:\n    moved_from: progress");
    let cases = [PROGRESS, &renamed, ""];
    each(cases, |goal| {
        let project = Project::new(PROGRESS);
        run(&project, &[]).exits(0);
        project.fault(&format!("read-lag@{LIST},ms=2000"));
        project.declare(goal);
        let next = apply(&project, &[])
            .env("BEADLE_SETTLE_GRACE", "3s")
            .output()
            .unwrap();
        let next = Ran::from(next).exits(0);
        assert_eq!(calls_of(&project, CREATE).len(), 1, "{}", next.stderr);
        let left = match goal {
            "" => 0,
            _ => 1,
        };
        assert_eq!(project.live(RELEASE).len(), left, "{}", next.stderr);
        project.no_faults();
        converged(&project);
    });
}

#[test]
fn a_wrong_secret_changes_nothing_and_shows_nowhere() {
    let project = Project::new(PROGRESS);
    let secret = "s3cret-of-somebody-else";
    for args in [
        &["apply", "--auto-approve", "-vv"][..],
        &["plan", "-vv", "--out", "saved.plan"],
        &["plan", "--format", "json"],
        &[
            "apply",
            "--auto-approve",
            "--format",
            "json",
            "-vv",
            "--log-format",
            "json",
        ],
    ] {
        let ran = project
            .command(args)
            .env("FEISHU_APP_SECRET", secret)
            .output()
            .unwrap();
        let ran = Ran::from(ran).exits(1);
        assert!(
            format!("{}{}", ran.stdout, ran.stderr).contains("app_secret"),
            "{args:?}: {ran:?}"
        );
        assert_secret_free(&project, &ran, secret);
    }
    assert_eq!(project.writes(), Vec::<Value>::new());
    run(&project, &[]).exits(0);
    converged(&project);
}

/// Fails when a secret or a token is in any output, or in any file but the environment's.
fn assert_secret_free(project: &Project, ran: &Ran, secret: &str) {
    let mut places = vec![
        ("stdout".to_owned(), ran.stdout.clone().into_bytes()),
        ("stderr".to_owned(), ran.stderr.clone().into_bytes()),
    ];
    let mut folders = vec![project.path()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                places.push((path.display().to_string(), std::fs::read(path).unwrap()));
            }
        }
    }
    for (place, bytes) in places {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(secret), "the secret is in {place}");
        // The sandbox's tokens are `t-` and 32 hexadecimal digits.
        let token = text.match_indices("t-").any(|(at, _)| {
            let rest: Vec<char> = text[at + 2..].chars().take(32).collect();
            rest.len() == 32 && rest.iter().all(char::is_ascii_hexdigit)
        });
        assert!(!token, "a token is in {place}");
        assert!(!text.contains("Bearer "), "a header is in {place}");
    }
}

#[test]
fn secrets_are_in_no_output_log_ledger_or_plan() {
    let project = Project::new(PROGRESS);
    let saved = project
        .beadle(&["plan", "--out", "saved.plan", "-vv"])
        .exits(0);
    assert_secret_free(&project, &saved, "sandbox-secret");
    assert!(
        project.read("saved.plan").contains("progress"),
        "the search looks into it"
    );
    project.fault("html@getTenantAccessTokenInternal:1");
    project.fault(&format!("token-expiry@{CREATE}:1"));
    let applied = run(&project, &["saved.plan", "-vv"]);
    assert_secret_free(&project, &applied, "sandbox-secret");
    let applied = applied.exits(0);
    assert!(
        applied.stderr.contains(CREATE),
        "the log tells of calls: {}",
        applied.stderr
    );
    for args in [
        &["history", "--format", "json", "-vv"][..],
        &["state", "list", "-vv"],
        &["export", "-vv"],
    ] {
        let ran = project.beadle(args).exits(0);
        assert_secret_free(&project, &ran, "sandbox-secret");
    }
}

#[test]
fn a_token_that_expires_on_the_way_is_renewed_and_no_call_is_doubled() {
    let edited = PROGRESS.replace("task.added", "due.set");
    let steps = [
        (LIST, PROGRESS, PROGRESS),
        (CREATE, "", PROGRESS),
        (PATCH, PROGRESS, &edited),
        (DELETE, PROGRESS, ""),
    ];
    each(steps, |(operation, start, goal)| {
        let project = Project::new(start);
        run(&project, &[]).exits(0);
        project.clear_calls();
        project.declare(goal);
        project.fault(&format!("token-expiry@{operation}:1"));
        run(&project, &[]).exits(0);
        let calls = calls_of(&project, operation);
        assert_ne!(calls[0]["code"], 0, "the first was refused");
        if operation != LIST {
            assert_eq!((calls.len(), effects(&project, operation)), (2, 1));
        }
        converged(&project);
    });
}

#[test]
fn a_storm_of_429_is_waited_out() {
    each(["none", "1", "soon", "-5", "0", "0.5s", "nan"], |reset| {
        let project = Project::new(&format!("{PROGRESS}{}", named("second")));
        // The token's call, the plan's and the apply's reading, a create: each is met.
        for operation in [
            "getTenantAccessTokenInternal:1",
            &format!("{LIST}:1,3"),
            &format!("{CREATE}:1,3"),
        ] {
            project.fault(&format!("429@{operation},reset={reset}"));
        }
        run(&project, &[]).exits(0);
        assert_eq!(
            (calls_of(&project, CREATE).len(), effects(&project, CREATE)),
            (4, 2),
            "{reset}"
        );
        assert_eq!(project.live_names(RELEASE), ["progress", "second"]);
        converged(&project);
    });
}

/// At the same time, because each of them knocks until its patience is at an end.
#[test]
fn a_vendor_that_stays_away_leaves_a_clear_word_and_holds_up_nothing_else() {
    let cases: [fn(); 3] = [
        a_429_storm_without_an_end_is_a_refusal_and_the_rest_is_done,
        a_provider_that_refuses_connections_holds_up_nothing_else,
        a_vendor_that_dies_with_a_call_is_asked_again_when_it_is_back,
    ];
    each(cases, |case| case());
}

fn a_429_storm_without_an_end_is_a_refusal_and_the_rest_is_done() {
    let project = with_roadmap();
    declare_two(
        &project,
        &format!(
            "{PROGRESS}{}",
            named("other").replace("release\n", "roadmap\n")
        ),
    );
    project.fault(&format!("429@{CREATE},reset=none,tasklist={RELEASE}"));
    let storm = run(&project, &[]).exits(1);
    assert_eq!(
        storm.last_line(),
        "Apply: 1 applied, 1 failed.",
        "{}",
        storm.stderr
    );
    assert!(storm.stderr.contains("99991400"), "{}", storm.stderr);
    assert_eq!(project.live_names(RELEASE), Vec::<String>::new());
    assert_eq!(project.live_names(ROADMAP), ["other"]);
    project.no_faults();
    let next = run(&project, &[]).exits(0);
    assert!(
        !next.stderr.contains("Settled"),
        "a refusal leaves no doubt: {}",
        next.stderr
    );
    assert_eq!(
        (effects(&project, CREATE), project.live(RELEASE).len()),
        (2, 1)
    );
    converged(&project);
}

#[test]
fn a_used_up_quota_is_not_knocked_at_again() {
    let project = Project::new(&format!("{PROGRESS}{}", named("second")));
    project.fault(&format!("quota@{CREATE}:1"));
    let refused = run(&project, &[]).exits(1);
    assert!(
        refused.stderr.contains("99991403") && refused.stderr.contains("quota"),
        "{}",
        refused.stderr
    );
    assert_eq!(refused.last_line(), "Apply: 1 applied, 1 failed.");
    assert_eq!(calls_of(&project, CREATE).len(), 2, "one each");
    run(&project, &[]).exits(0);
    assert_eq!(effects(&project, CREATE), 2);
    converged(&project);
}

#[test]
fn a_flapping_vendor_is_overcome_without_a_double() {
    let project = Project::empty();
    let names = ["one", "two", "three", "four", "five", "six"];
    project.declare(&names.map(named).concat());
    project.fault("5xx@*,p=0.15,status=503");
    project.fault(&format!("5xx-after@{CREATE},p=0.3"));
    project.fault(&format!("lost-reply@{CREATE},p=0.3"));
    let flap = apply(&project, &[])
        .env("BEADLE_TIMEOUT", "2s")
        .output()
        .unwrap();
    let flap = Ran::from(flap);
    assert_eq!(
        calls_of(&project, CREATE).len(),
        names.len(),
        "each was sent once: {}",
        flap.stderr
    );
    project.no_faults();
    run(&project, &[]).exits(0);
    converged(&project);
    let mut wanted = names.map(str::to_owned);
    wanted.sort();
    assert_eq!(project.live_names(RELEASE), wanted);
    assert_eq!(effects(&project, CREATE), names.len());
}

#[test]
fn html_in_place_of_json_is_no_answer() {
    let project = Project::new(PROGRESS);
    // A sign-in page of somebody's proxy, in place of every reading: nothing is known, nothing done.
    project.fault(&format!("html@{LIST},status=403"));
    let ran = run(&project, &[]).exits(1);
    assert!(ran.stdout.contains("progress"), "{}", ran.stdout);
    assert_eq!(project.writes(), Vec::<Value>::new());
    project.no_faults();
    run(&project, &[]).exits(0);
    converged(&project);
    // Once something is bound, the page is not taken for an empty tasklist either.
    project.fault(&format!("html@{LIST},status=403"));
    project.declare("");
    run(&project, &[]).exits(1);
    project.no_faults();
    assert_eq!(project.live_names(RELEASE), ["progress"]);
    run(&project, &[]).exits(0);
    assert_eq!(project.live_names(RELEASE), Vec::<String>::new());
}

#[test]
fn one_tasklist_that_cannot_be_read_holds_up_nothing_else() {
    let project = with_roadmap();
    let roadmap = |name: &str| named(name).replace("release\n", "roadmap\n");
    declare_two(&project, &format!("{PROGRESS}{}", roadmap("kept")));
    run(&project, &[]).exits(0);
    let kept = project.live(ROADMAP);

    project.fault(&format!("unreadable@*,tasklist={ROADMAP}"));
    declare_two(
        &project,
        &format!(
            "{}{}",
            named("progress").replace("task.added", "due.set"),
            roadmap("new")
        ),
    );
    let ran = run(&project, &[]).exits(1);
    assert!(ran.last_line().contains("1 applied"), "{}", ran.stdout);
    assert!(ran.last_line().contains("unread"), "{}", ran.stdout);
    assert_eq!(project.live(RELEASE)[0]["include_keys"], json!([130]));
    assert_eq!(project.live(ROADMAP), kept);
    project.beadle(&["plan"]).exits(1);

    project.no_faults();
    run(&project, &[]).exits(0);
    assert_eq!(project.live_names(ROADMAP), ["new"]);
    converged(&project);
}

#[test]
fn a_chat_without_the_bot_is_named_with_its_place_and_fails_alone() {
    let project = Project::new(&format!(
        "{PROGRESS}{}",
        named("second").replace("release-room", "oncall-room")
    ));
    project.control(
        "DELETE",
        &format!("chats/{ONCALL}/members/cli_sandbox"),
        &Value::Null,
    );
    let plan = project.beadle(&["plan"]).exits(0);
    assert!(
        plan.stderr.contains("not in chat `oncall-room`"),
        "{}",
        plan.stderr
    );
    let line = project
        .read("beadle.yaml")
        .lines()
        .position(|l| l.contains("[oncall-room]"))
        .unwrap()
        + 1;
    assert!(
        plan.stderr.contains(&format!("beadle.yaml:{line}:")),
        "{}",
        plan.stderr
    );
    let ran = run(&project, &[]).exits(1);
    assert_eq!(ran.last_line(), "Apply: 1 applied, 1 failed.");
    assert_eq!(project.live_names(RELEASE), ["progress"]);
    let bot = json!({"app_id": "cli_sandbox"});
    project.control("POST", &format!("chats/{ONCALL}/members"), &bot);
    run(&project, &[]).exits(0);
    assert_eq!(project.live_names(RELEASE), ["progress", "second"]);
    converged(&project);
}

fn a_provider_that_refuses_connections_holds_up_nothing_else() {
    let project = with_roadmap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let subscriptions = format!(
        "{PROGRESS}{}",
        named("other").replace("release\n", "roadmap\n")
    );
    let write = |base_url: &str| {
        let text = project.manifest(&subscriptions);
        let two = format!(
            "  lark: {{ vendor: feishu, app_id: cli_sandbox, app_secret: \"${{env:FEISHU_APP_SECRET}}\", base_url: \"{base_url}\" }}\ntasklists:\n  roadmap: {{ guid: {ROADMAP}, provider: lark }}\n"
        );
        let text = text
            .replacen("tasklists:\n", &two, 1)
            .replace("{ guid: d300", "{ provider: feishu, guid: d300");
        project.write("beadle.yaml", &text);
    };
    write(&format!("http://{closed}"));
    let ran = run(&project, &[]).exits(1);
    assert_eq!(
        ran.last_line(),
        "Apply: 1 applied, 1 unread.",
        "{}",
        ran.stderr
    );
    assert!(ran.stdout.contains("not sent"), "{}", ran.stdout);
    assert_eq!(project.live_names(RELEASE), ["progress"]);
    write(&project.base_url());
    run(&project, &[]).exits(0);
    assert_eq!(project.live_names(ROADMAP), ["other"]);
    converged(&project);
}

fn a_vendor_that_dies_with_a_call_is_asked_again_when_it_is_back() {
    let mut project = Project::new(&format!("{PROGRESS}{}", named("second")));
    project.fault(&format!("hold-after@{CREATE}:1"));
    project.fault(&format!("lost-reply@{CREATE}:1"));
    let child = apply(&project, &[])
        .env("BEADLE_TIMEOUT", "1s")
        .spawn()
        .unwrap();
    project.wait_until_held(1);
    project.stop_sandbox();
    let ran = end(child).exits(1);
    assert!(
        ran.last_line().contains("1 failed, 1 unknown"),
        "{}",
        ran.stdout
    );
    project.restart_sandbox();
    let next = run(&project, &[]).exits(0);
    assert!(next.stderr.contains("had taken effect"), "{}", next.stderr);
    assert_eq!(project.live_names(RELEASE), ["progress", "second"]);
    assert_eq!(effects(&project, CREATE), 2);
    converged(&project);
}

/// Waits for a line of the child's talk.
fn wait_for_words(child: &mut Child, words: &str) {
    let talk = BufReader::new(child.stderr.as_mut().unwrap());
    for line in talk.lines() {
        if line.unwrap().contains(words) {
            return;
        }
    }
    panic!("the child never said {words:?}");
}

#[test]
fn an_interrupted_apply_finishes_and_journals_the_call_under_way_and_begins_no_other() {
    each(["INT", "TERM"], |signal| {
        let project = Project::new(&format!("{PROGRESS}{}", named("second")));
        project.fault(&format!("hold-after@{CREATE}:1"));
        let mut child = apply(&project, &[]).spawn().unwrap();
        project.wait_until_held(1);
        project.signal(&child, signal);
        wait_for_words(&mut child, "Stopping");
        project.release();
        let ran = end(child).exits(130);
        assert_eq!(ran.last_line(), "Apply: 1 applied, 1 skipped.");
        assert_eq!(project.writes().len(), 1);
        let plan = project
            .beadle(&["plan", "--format", "json"])
            .exits(0)
            .json();
        assert_eq!(plan["unsettled"], json!([]), "the answer was journalled");
        assert_eq!(plan["summary"]["create"], 1);

        let next = run(&project, &[]).exits(0);
        assert!(!next.stderr.contains("Settled"), "{}", next.stderr);
        assert_eq!(project.live_names(RELEASE), ["progress", "second"]);
        assert_eq!(project.writes().len(), 2);
        converged(&project);
    });
}

#[test]
fn a_second_interrupt_ends_at_once_and_the_next_apply_converges() {
    each(["hold-before", "hold-after"], |hold| {
        let project = Project::new(&format!("{PROGRESS}{}", named("second")));
        project.fault(&format!("{hold}@{CREATE}:1"));
        let mut child = apply(&project, &[])
            .env("BEADLE_TIMEOUT", "3s")
            .spawn()
            .unwrap();
        project.wait_until_held(1);
        project.signal(&child, "INT");
        wait_for_words(&mut child, "Stopping");
        project.signal(&child, "INT");
        // The call is still held: nobody waited for its answer.
        end(child).exits(130);
        project.release();
        project.no_faults();
        let next = run(&project, &[]).exits(0);
        assert!(next.stderr.contains("Settled"), "{}", next.stderr);
        assert_eq!(project.live_names(RELEASE), ["progress", "second"]);
        assert_eq!(effects(&project, CREATE), 2);
        converged(&project);
    });
}

/// Somebody's doing behind our back.
type Deed = fn(&Project);

fn deletes(project: &Project) {
    let id = only_id(project);
    project.control("DELETE", &format!("subscriptions/{id}"), &Value::Null);
}

fn edits(project: &Project) {
    let id = only_id(project);
    project.control(
        "POST",
        &format!("subscriptions/{id}"),
        &json!({"include_keys": [121]}),
    );
}

fn takes_the_name(project: &Project) {
    let body = json!({"name": "progress", "subscribers": [{"id": ROOM, "type": "chat"}], "include_keys": [121]});
    project.control("POST", &format!("tasklists/{RELEASE}/subscriptions"), &body);
}

const MEANWHILE: &[(&str, &str, Deed)] = &[
    ("", PROGRESS, takes_the_name),
    (PROGRESS, "edited", edits),
    (PROGRESS, "edited", deletes),
    (PROGRESS, "", edits),
];

fn goal(words: &str) -> String {
    match words {
        "edited" => PROGRESS.replace("task.added", "due.set"),
        other => other.to_owned(),
    }
}

#[test]
fn a_saved_plan_is_stale_once_somebody_has_been_at_it() {
    each(MEANWHILE, |(start, after, deed)| {
        let project = Project::new(start);
        run(&project, &[]).exits(0);
        project.declare(&goal(after));
        project
            .beadle(&["plan", "--allow-deletes", "--out", "saved.plan"])
            .exits(0);
        deed(&project);
        let live = project.live(RELEASE);
        project.clear_calls();
        let ran = Ran::from(project.command(&["apply", "saved.plan"]).output().unwrap()).exits(1);
        let takes_name = start.is_empty();
        // A name that somebody has taken needs consent before anything else.
        let words = if takes_name { "--adopt" } else { "stale" };
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
        assert_eq!(project.writes(), Vec::<Value>::new());
        assert_eq!(project.live(RELEASE), live);
    });
}

#[test]
fn what_moves_between_the_plan_and_the_write_is_left_alone() {
    each(MEANWHILE, |(start, after, deed)| {
        let project = Project::new(start);
        run(&project, &[]).exits(0);
        project.declare(&goal(after));
        project.clear_calls();
        // The plan's own reading is the first; the second is the one just before the write.
        project.fault(&format!("hold-before@{LIST}:2"));
        let child = apply(&project, &[]).spawn().unwrap();
        project.wait_until_held(1);
        deed(&project);
        let live = project.live(RELEASE);
        project.release();
        let ran = end(child).exits(1);
        assert!(ran.stderr.contains("stale"), "{}", ran.stderr);
        assert_eq!(project.writes(), Vec::<Value>::new());
        assert_eq!(project.live(RELEASE), live);
        if !start.is_empty() {
            run(&project, &[]).exits(0);
            converged(&project);
        }
    });
}

#[test]
fn what_a_replace_leaves_behind_is_not_deleted_once_somebody_has_edited_it() {
    let project = with_roadmap();
    declare_two(&project, PROGRESS);
    run(&project, &[]).exits(0);
    declare_two(&project, &PROGRESS.replace("release\n", "roadmap\n"));
    project.clear_calls();
    project.fault(&format!("hold-before@{CREATE}:1"));
    let child = apply(&project, &[]).spawn().unwrap();
    project.wait_until_held(1);
    edits(&project);
    project.release();
    let ran = end(child).exits(1);
    assert!(ran.stderr.contains("stale"), "{}", ran.stderr);
    assert_eq!(calls_of(&project, DELETE).len(), 0);
    assert_eq!(
        (project.live(RELEASE).len(), project.live(ROADMAP).len()),
        (1, 1)
    );
    // The next plan shows what it is now, and it goes.
    run(&project, &[]).exits(0);
    assert_eq!(
        (project.live(RELEASE).len(), project.live(ROADMAP).len()),
        (0, 1)
    );
    assert_eq!(effects(&project, CREATE), 1);
    converged(&project);
}

#[test]
fn many_objects_that_change_places_do_not_wait_for_each_other_for_ever() {
    let project = with_roadmap();
    let side = |letter: char, tasklist: &str| {
        let block =
            |n: u32| named(&format!("{letter}{n}")).replace("release\n", &format!("{tasklist}\n"));
        (0..17).map(block).collect::<String>()
    };
    declare_two(
        &project,
        &format!("{}{}", side('a', "release"), side('b', "roadmap")),
    );
    run(&project, &[]).exits(0);
    declare_two(
        &project,
        &format!("{}{}", side('a', "roadmap"), side('b', "release")),
    );
    let mut child = apply(&project, &[]).spawn().unwrap();
    let give_up = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while child.try_wait().unwrap().is_none() {
        if std::time::Instant::now() > give_up {
            child.kill().unwrap();
            panic!("it hangs");
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    end(child).exits(0);
    assert!(
        project
            .live_names(RELEASE)
            .iter()
            .all(|name| name.starts_with('b'))
    );
    assert_eq!(
        (project.live(RELEASE).len(), project.live(ROADMAP).len()),
        (17, 17)
    );
    assert_eq!(effects(&project, CREATE), 68);
    converged(&project);
}
