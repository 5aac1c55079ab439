//! One apply at a time per project, and projects that share a ledger without touching each other.

use std::ops::Deref;
use std::process::{Child, Command, Stdio};

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::postgres::Schema;
use crate::support::project::{Project, RELEASE, Ran};

const PROGRESS: &str = "  progress:
    tasklist: release
    subscribers: [release-room]
    events: [task.added]
";

const CREATE: &str = "createTasklistActivitySubscription";
const LIST: &str = "listTasklistActivitySubscriptions";

/// Where a project keeps its ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    InAFile,
    OnAServer,
}

/// A test for each place.
macro_rules! in_both {
    ($($test:ident,)*) => {
        mod in_a_file {
            use super::Kept::InAFile;
            $(#[test] fn $test() { super::$test(InAFile); })*
        }

        mod on_a_server {
            use super::Kept::OnAServer;
            $(#[test] fn $test() { super::$test(OnAServer); })*
        }
    };
}

in_both! {
    a_second_apply_fails_and_names_the_holder_and_since_when,
    a_second_apply_that_waits_has_nothing_left_to_do,
    a_holder_that_sleeps_past_its_lease_wakes_up_and_writes_nothing,
    a_holder_that_sleeps_before_its_first_write_wakes_up_and_makes_no_call,
    a_broken_lease_stops_its_holder_and_lets_the_next_one_in,
    projects_on_one_ledger_do_not_reach_into_each_other,
    a_second_claim_on_an_object_names_both_and_writes_nothing,
    applies_of_two_projects_at_once_make_an_object_once,
}

/// A project, and the server that keeps its ledger where one does.
struct Site {
    project: Project,
    schema: Option<Schema>,
}

impl Deref for Site {
    type Target = Project;

    fn deref(&self) -> &Project {
        &self.project
    }
}

impl Site {
    /// None where a server is wanted and there is none.
    fn new(kept: Kept, subscriptions: &str) -> Option<Site> {
        let schema = match kept {
            Kept::InAFile => None,
            Kept::OnAServer => Some(Schema::new()?),
        };
        let project = Project::new(subscriptions);
        // A ledger that is shared knows a project by its name.
        let named = project.manifest(subscriptions);
        let named = named.replacen("version: 1\n", "version: 1\nproject: ours\n", 1);
        project.write("beadle.yaml", &named);
        Some(Site { project, schema })
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.project.command(args);
        if let Some(schema) = &self.schema {
            command.env("BEADLE_LEDGER", schema.url());
        }
        command
    }

    fn beadle(&self, args: &[&str]) -> Ran {
        self.command(args).output().unwrap().into()
    }

    /// Makes the lease look as if nobody had renewed it for long.
    fn age(&self) {
        let sql = "UPDATE lease SET expires = '2026-01-01T00:00:00.000000000Z'";
        match &self.schema {
            Some(schema) => schema.sql(sql),
            None => {
                let aged = self.file().execute(sql, []).unwrap();
                assert_eq!(aged, 1);
            }
        }
    }

    fn file(&self) -> Connection {
        Connection::open(self.path().join(".beadle/ledger.db")).unwrap()
    }

    /// Everything that is remembered of calls and objects, a row in a line.
    fn remembered(&self) -> Vec<String> {
        let columns = [
            (
                "binding",
                "address, collection, id, applied, updated_at",
                "address",
            ),
            (
                "journal",
                "entry, fence, operation, outcome, ended_at, detail, end_id",
                "entry",
            ),
        ];
        let mut rows = Vec::new();
        for (table, columns, order) in columns {
            rows.extend(match &self.schema {
                Some(schema) => schema.texts(&format!(
                    "SELECT json_build_array({columns})::text FROM {table} ORDER BY {order}"
                )),
                None => {
                    let sql = format!("SELECT json_array({columns}) FROM {table} ORDER BY {order}");
                    let file = self.file();
                    let mut statement = file.prepare(&sql).unwrap();
                    let found = statement.query_map([], |row| row.get(0)).unwrap();
                    found.map(Result::<String, _>::unwrap).collect()
                }
            });
        }
        rows
    }
}

fn apply(project: &Site, more: &[&str]) -> Command {
    let mut command = project.command(&["apply", "--auto-approve"]);
    command
        .args(more)
        .env("BEADLE_SETTLE_GRACE", "100ms")
        .env("BEADLE_TIMEOUT", "5s")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(project: &Site, more: &[&str]) -> Ran {
    apply(project, more).output().unwrap().into()
}

fn end(child: Child) -> Ran {
    child.wait_with_output().unwrap().into()
}

/// An apply whose create the vendor has carried out and not yet answered.
fn held_apply(project: &Site) -> Child {
    project.fault(&format!("hold-after@{CREATE}:1"));
    let child = apply(project, &[]).spawn().unwrap();
    project.wait_until_held(1);
    child
}

fn a_second_apply_fails_and_names_the_holder_and_since_when(kept: Kept) {
    let Some(project) = Site::new(kept, PROGRESS) else {
        return;
    };
    let first = held_apply(&project);
    let second = run(&project, &[]).exits(1);
    for part in [
        "tester",
        &format!("process {}", first.id()),
        "testhost",
        "since 20",
    ] {
        assert!(second.stderr.contains(part), "{part}: {}", second.stderr);
    }
    assert_eq!(
        project.writes().len(),
        1,
        "the second made no call that writes"
    );
    // A look is nobody's business but the looker's, and it says what is going on.
    let plan = project
        .beadle(&["plan", "--format", "json"])
        .exits(0)
        .json();
    let unsettled = plan["unsettled"][0].to_string();
    assert!(unsettled.contains(&first.id().to_string()), "{unsettled}");

    project.release();
    end(first).exits(0);
    project.beadle(&["plan", "--detailed-exitcode"]).exits(0);
    assert_eq!(project.live_names(RELEASE), ["progress"]);
}

fn a_second_apply_that_waits_has_nothing_left_to_do(kept: Kept) {
    let Some(project) = Site::new(kept, PROGRESS) else {
        return;
    };
    let first = held_apply(&project);
    let mut second = apply(&project, &["--lease-wait", "60s"]).spawn().unwrap();
    // It has looked at the lease once it says that it waits; the line comes before the first pause.
    let mut talk = std::io::BufReader::new(second.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut talk, &mut line).unwrap();
    assert!(line.starts_with("Waiting: "), "{line}");
    assert!(line.contains(&format!("process {}", first.id())), "{line}");
    assert_eq!(project.writes().len(), 1);

    project.release();
    end(first).exits(0);
    let second = end(second).exits(0);
    assert_eq!(second.last_line(), "Apply: 0 applied.");
    assert_eq!(project.writes().len(), 1);
    assert_eq!(project.live_names(RELEASE), ["progress"]);
}

#[test]
fn a_killed_holder_is_noticed_at_once() {
    let project = Site::new(Kept::InAFile, PROGRESS).unwrap();
    let mut first = held_apply(&project);
    first.kill().unwrap();
    first.wait().unwrap();
    let state = project.beadle(&["lease", "show"]).exits(0);
    assert!(
        state.stdout.contains("dead") || state.stderr.contains("dead"),
        "{state:?}"
    );
    // No waiting for the lease to run out: `--lease-wait` is nothing.
    let second = run(&project, &[]).exits(0);
    assert!(
        second.stderr.contains("had taken effect"),
        "{}",
        second.stderr
    );
    assert_eq!(project.live_names(RELEASE), ["progress"]);
    assert_eq!(project.writes().len(), 1);
}

fn a_holder_that_sleeps_past_its_lease_wakes_up_and_writes_nothing(kept: Kept) {
    let Some(project) = Site::new(
        kept,
        &format!("{PROGRESS}{}", PROGRESS.replace("progress", "second")),
    ) else {
        return;
    };
    let first = held_apply(&project);
    project.signal(&first, "STOP");
    // The lease outlives a call by half a minute, and a test has no such time: it ran out long ago.
    project.age();
    let second = run(&project, &[]).exits(0);
    assert!(
        second.stderr.contains("had taken effect"),
        "{}",
        second.stderr
    );
    assert_eq!(project.live_names(RELEASE), ["progress", "second"]);
    let (before, calls) = (project.remembered(), project.writes().len());

    project.release();
    project.signal(&first, "CONT");
    let first = end(first).exits(1);
    assert!(first.stderr.contains("lease"), "{}", first.stderr);
    assert_eq!(project.remembered(), before, "{}", first.stderr);
    assert_eq!(project.writes().len(), calls, "nor to the vendor");
    project.beadle(&["plan", "--detailed-exitcode"]).exits(0);
}

fn a_holder_that_sleeps_before_its_first_write_wakes_up_and_makes_no_call(kept: Kept) {
    let Some(project) = Site::new(kept, PROGRESS) else {
        return;
    };
    // The plan's own reading is the first, the one just before the write the second.
    project.fault(&format!("hold-after@{LIST}:2"));
    let first = apply(&project, &[]).spawn().unwrap();
    project.wait_until_held(1);
    project.signal(&first, "STOP");
    project.age();
    run(&project, &[]).exits(0);
    let (before, calls) = (project.remembered(), project.writes().len());
    assert_eq!(calls, 1);
    project.release();
    project.signal(&first, "CONT");
    end(first).exits(1);
    assert_eq!(project.remembered(), before);
    assert_eq!(project.writes().len(), calls);
    assert_eq!(project.live_names(RELEASE), ["progress"]);
}

fn a_broken_lease_stops_its_holder_and_lets_the_next_one_in(kept: Kept) {
    let Some(project) = Site::new(
        kept,
        &format!("{PROGRESS}{}", PROGRESS.replace("progress", "second")),
    ) else {
        return;
    };
    let first = held_apply(&project);
    run(&project, &[]).exits(1);
    project.beadle(&["lease", "break"]).exits(1);
    let broken = project
        .beadle(&["lease", "break", "--auto-approve"])
        .exits(0);
    let said = format!("{}{}", broken.stdout, broken.stderr);
    assert!(said.contains("tester"), "{said}");

    project.release();
    let first = end(first).exits(1);
    assert!(first.stderr.contains("broke"), "{}", first.stderr);
    assert_eq!(project.writes().len(), 1, "it went no further");
    let entries = project.remembered();
    assert!(
        entries[0].contains("null"),
        "its call is not settled: {entries:?}"
    );

    let next = run(&project, &[]).exits(0);
    assert!(next.stderr.contains("had taken effect"), "{}", next.stderr);
    assert_eq!(project.live_names(RELEASE), ["progress", "second"]);
    assert_eq!(project.writes().len(), 2);
    project.beadle(&["plan", "--detailed-exitcode"]).exits(0);
}

/// Two projects, `a` and `b`, in folders of one sandbox, with one ledger.
fn sharing(project: &Site, name: &str, subscriptions: &str) {
    let text = project.manifest(subscriptions);
    let ledger = match &project.schema {
        Some(schema) => schema.url(),
        None => "sqlite:../shared.db".to_owned(),
    };
    let head = format!("version: 1\nproject: {name}\nledger: {ledger}\n");
    project.write(
        &format!("{name}/beadle.yaml"),
        &text.replacen("version: 1\n", &head, 1),
    );
}

fn apply_in(project: &Site, dir: &str, more: &[&str]) -> Ran {
    let mut command = apply(project, more);
    command.env("BEADLE_DIR", dir);
    command.output().unwrap().into()
}

fn projects_on_one_ledger_do_not_reach_into_each_other(kept: Kept) {
    let Some(project) = Site::new(kept, "") else {
        return;
    };
    sharing(&project, "ours", PROGRESS);
    sharing(&project, "theirs", &PROGRESS.replace("progress", "advance"));
    apply_in(&project, "ours", &[]).exits(0);
    apply_in(&project, "theirs", &[]).exits(0);
    assert_eq!(project.live_names(RELEASE), ["advance", "progress"]);
    let theirs = project.live(RELEASE)[0].clone();

    // Nothing of theirs goes when everything of ours does, and their lease is no hindrance.
    project.fault(&format!("hold-after@{CREATE}:1"));
    sharing(
        &project,
        "theirs",
        &format!(
            "{}{}",
            PROGRESS.replace("progress", "advance"),
            PROGRESS.replace("progress", "more")
        ),
    );
    let mut their_apply = apply(&project, &[]);
    let their_apply = their_apply.env("BEADLE_DIR", "theirs").spawn().unwrap();
    project.wait_until_held(1);
    sharing(&project, "ours", "");
    apply_in(&project, "ours", &["--allow-deletes"]).exits(0);
    project.release();
    end(their_apply).exits(0);
    assert_eq!(project.live_names(RELEASE), ["advance", "more"]);
    assert_eq!(project.live(RELEASE)[0], theirs);
    for dir in ["ours", "theirs"] {
        let mut plan = project.command(&["plan", "--detailed-exitcode"]);
        Ran::from(plan.env("BEADLE_DIR", dir).output().unwrap()).exits(0);
    }
}

fn a_second_claim_on_an_object_names_both_and_writes_nothing(kept: Kept) {
    let Some(project) = Site::new(kept, "") else {
        return;
    };
    sharing(&project, "ours", PROGRESS);
    apply_in(&project, "ours", &[]).exits(0);
    let id = project.live(RELEASE)[0]["guid"]
        .as_str()
        .unwrap()
        .to_owned();
    project.clear_calls();
    // By name, by consent, by id, and by `import`.
    let mine = PROGRESS.replace("progress:", "mine:\n    name: progress");
    let pinned = mine.replace("name: progress", &format!("name: progress\n    id: {id}"));
    for (subscriptions, more) in [
        (&mine, &[][..]),
        (&mine, &["--adopt", "tasklist_subscription.mine"]),
        (&pinned, &[]),
    ] {
        sharing(&project, "theirs", subscriptions);
        let refused = apply_in(&project, "theirs", more).exits(1);
        for part in [
            "tasklist_subscription.progress",
            "`ours`",
            "tasklist_subscription.mine",
        ] {
            assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
        }
    }
    sharing(&project, "theirs", &mine);
    let mut import = project.command(&["import", "tasklist_subscription.mine", &id]);
    let import = Ran::from(import.env("BEADLE_DIR", "theirs").output().unwrap()).exits(1);
    assert!(import.stderr.contains("ours"), "{}", import.stderr);
    assert_eq!(project.writes(), Vec::<Value>::new());

    // Theirs to give: once they let go, it can be had.
    let mut forget = project.command(&["state", "forget", "tasklist_subscription.progress"]);
    Ran::from(forget.env("BEADLE_DIR", "ours").output().unwrap()).exits(0);
    apply_in(&project, "theirs", &[]).exits(0);
    assert_eq!(project.live(RELEASE)[0]["guid"], json!(id));
    assert_eq!(
        project.writes(),
        Vec::<Value>::new(),
        "it is equal in every field"
    );
}

fn applies_of_two_projects_at_once_make_an_object_once(kept: Kept) {
    let Some(project) = Site::new(kept, "") else {
        return;
    };
    for name in ["ours", "theirs"] {
        sharing(&project, name, PROGRESS);
    }
    // Made and not yet bound, it is found by the other one, under the same name.
    project.fault(&format!("hold-after@{CREATE}:1"));
    let mut ours = apply(&project, &[]);
    let ours = ours.env("BEADLE_DIR", "ours").spawn().unwrap();
    project.wait_until_held(1);
    apply_in(&project, "theirs", &[]).exits(0);
    project.release();
    let ours = end(ours).exits(1);
    assert!(ours.stderr.contains("theirs"), "{}", ours.stderr);
    assert_eq!(project.live_names(RELEASE), ["progress"]);
    let again = apply_in(&project, "ours", &[]).exits(1);
    assert!(again.stderr.contains("`theirs`"), "{}", again.stderr);
    assert_eq!(project.writes().len(), 1);
}
