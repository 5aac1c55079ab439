//! Bad input through the binary: one clear diagnostic with its place, exit status 1, no write made,
//! nothing lost. The reader's own tests go into the corners; these prove the whole way.

use serde_json::{Value, json};

use crate::support::project::{Project, RELEASE, ROOM};

const GOOD: &str =
    "  good: { tasklist: release, subscribers: [release-room], events: [task.added] }\n";

/// A project that was applied once, and is now given something bad.
struct Victim {
    project: Project,
    manifest: String,
    ledger: Vec<u8>,
    live: Vec<Value>,
}

impl Victim {
    fn new() -> Victim {
        let project = Project::new(GOOD);
        project.beadle(&["apply", "--auto-approve"]).exits(0);
        project.clear_calls();
        Victim {
            manifest: project.read("beadle.yaml"),
            ledger: project.bytes(".beadle/ledger.db"),
            live: project.live(RELEASE),
            project,
        }
    }

    /// The good manifest with a part of it replaced.
    #[track_caller]
    fn with(&self, from: &str, to: &str) -> String {
        assert!(self.manifest.contains(from), "{from}");
        self.manifest.replacen(from, to, 1)
    }

    /// Writes this manifest without its `«`, applies it, and expects it to be refused in just these
    /// words, pointing at where `«` stood.
    #[track_caller]
    fn refuses(&self, manifest: impl AsRef<str>, error: &str) {
        let manifest = manifest.as_ref();
        let (before, after) = manifest
            .split_once('«')
            .expect("a manifest marks the place");
        let (line, column) = before
            .rsplit_once('\n')
            .map_or((1, before), |(lines, last)| {
                (lines.matches('\n').count() + 2, last)
            });
        // A byte order mark is no character of the first line.
        let column = column.trim_start_matches('\u{feff}').chars().count() + 1;
        let text = format!("{before}{after}");
        self.refuses_bytes(text, error, &format!("beadle.yaml:{line}:{column}"));
    }

    /// The same for what is no text, or has no place.
    #[track_caller]
    fn refuses_bytes(&self, manifest: impl AsRef<[u8]>, error: &str, place: &str) {
        std::fs::write(self.project.path().join("beadle.yaml"), manifest).unwrap();
        self.refuses_as_it_stands(error, place);
    }

    /// Applies what stands in the folder and expects exactly one error, with these words, there.
    #[track_caller]
    fn refuses_as_it_stands(&self, error: &str, place: &str) {
        let ran = self.project.beadle(&["apply", "--auto-approve"]).exits(1);
        let errors: Vec<&str> = ran
            .stderr
            .lines()
            .filter(|l| l.starts_with("error"))
            .collect();
        assert_eq!(errors, [error], "\n{}", ran.stderr);
        let shown = ran
            .stderr
            .lines()
            .find_map(|l| l.trim_start().strip_prefix("--> "));
        assert_eq!(shown.unwrap_or_default(), place, "\n{}", ran.stderr);
        assert!(
            ran.stderr.contains("help: "),
            "it says what to do:\n{}",
            ran.stderr
        );
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
        assert_eq!(ran.stdout, "");
        self.nothing_happened();
    }

    #[track_caller]
    fn nothing_happened(&self) {
        assert_eq!(self.project.writes(), Vec::<Value>::new());
        assert!(
            self.project.bytes(".beadle/ledger.db") == self.ledger,
            "the ledger is as it was"
        );
        assert_eq!(self.project.live(RELEASE), self.live);
    }

    /// Puts the good manifest back: nothing has been lost.
    #[track_caller]
    fn recovers(&self) {
        self.project.write("beadle.yaml", &self.manifest);
        self.project
            .beadle(&["plan", "--detailed-exitcode"])
            .exits(0);
    }
}

#[test]
fn a_file_that_is_empty_unreadable_or_no_text_is_not_a_wish_to_delete() {
    let victim = Victim::new();
    victim.refuses("«", "error[empty-file]: this file is empty");
    victim.refuses("«# all gone\n", "error[empty-file]: this file is empty");
    victim.refuses_bytes(
        b"version: 1\nvars: { a: \"caf\xe9\" }\n",
        "error[not-utf8]: the byte 0xe9 is not UTF-8",
        "beadle.yaml:2:16",
    );
    victim.refuses_bytes(
        b"\xff\xfev\0e\0",
        "error[not-utf8]: this file is UTF-16, not UTF-8",
        "beadle.yaml:1:1",
    );
    let path = victim.project.path().join("beadle.yaml");
    std::fs::remove_file(&path).unwrap();
    victim.refuses_as_it_stands("error[no-project]: there is no beadle.yaml in `.`", "");
    std::fs::create_dir(&path).unwrap();
    victim.refuses_as_it_stands(
        "error[unreadable-file]: beadle.yaml cannot be read: it is a folder",
        "",
    );
    std::fs::remove_dir(&path).unwrap();
    victim.recovers();
}

#[test]
fn a_manifest_that_declares_nothing_deletes_nothing() {
    let victim = Victim::new();
    let head = victim
        .manifest
        .split("tasklist_subscriptions:")
        .next()
        .unwrap();
    for (manifest, words) in [
        (head.to_owned(), "the manifest declares no resource"),
        (
            format!("{head}tasklist_subscriptions: {{}}\n"),
            "the manifest declares no resource",
        ),
        (
            "version: 1\n".to_owned(),
            "the manifest has no provider `feishu` any more",
        ),
    ] {
        victim.project.write("beadle.yaml", &manifest);
        let ran = victim.project.beadle(&["apply", "--auto-approve"]).exits(1);
        assert!(ran.stdout.contains(words), "{}", ran.stdout);
        assert_eq!(victim.project.writes(), Vec::<Value>::new());
        assert_eq!(victim.project.live(RELEASE), victim.live);
    }
    victim.recovers();
}

#[test]
fn what_stands_twice_is_named_at_both_places() {
    let victim = Victim::new();
    victim.refuses(
        format!("{}«version: 1\n", victim.manifest),
        "error[duplicate-key]: the key `version` is given twice",
    );
    victim.refuses(
        format!("{}  «{}", victim.manifest, GOOD.trim_start()),
        "error[duplicate-key]: the key `good` is given twice",
    );
    victim
        .project
        .write("teams/a.yaml", &format!("tasklist_subscriptions:\n{GOOD}"));
    victim.project.write(
        "beadle.yaml",
        &victim.with("version: 1\n", "version: 1\ninclude: [\"teams/*.yaml\"]\n"),
    );
    let ran = victim.project.beadle(&["plan"]).exits(1);
    for place in ["beadle.yaml:11:3", "teams/a.yaml:2:3"] {
        assert!(ran.stderr.contains(place), "{}", ran.stderr);
    }
    assert!(
        ran.stderr.starts_with(
            "error[duplicate-address]: the address `tasklist_subscription.good` is declared twice"
        ),
        "{}",
        ran.stderr
    );
    victim.nothing_happened();
    victim.recovers();
}

#[test]
fn unknown_keys_and_wrong_types_are_refused_at_any_depth() {
    let victim = Victim::new();
    victim.refuses(
        victim.with("events:", "«event: all, events:"),
        "error[unknown-key]: there is no key `event` in `good`",
    );
    victim.refuses(
        victim.with("{ guid:", "{ «autoritative: true, guid:"),
        "error[unknown-key]: there is no key `autoritative` in `release`",
    );
    victim.refuses(
        "«- version: 1\n",
        "error[wrong-type]: the file must be a mapping, not a list",
    );
    victim.refuses(
        victim.with("version: 1", "version: «2"),
        "error[wrong-type]: `version` must be 1, not `2`",
    );
    victim.refuses(
        victim.with("[release-room]", "«release-room"),
        "error[wrong-type]: `subscribers` must be a list, not `release-room`",
    );
    victim.refuses(
        victim.with("events:", "enabled: «\"yes\", events:"),
        "error[wrong-type]: `enabled` must be true or false, not the text \"yes\"",
    );
    victim.refuses(
        victim.with("version: 1\n", "version: 1\nguards: { deletes: «50 }\n"),
        "error[wrong-type]: `deletes` must be a share such as `30%`, not `50`",
    );
    victim.recovers();
}

#[test]
fn tabs_are_refused_and_a_bom_or_crlf_shifts_no_place() {
    let victim = Victim::new();
    victim.refuses(
        victim.with("  release: {", "«\trelease: {"),
        "error[tab-indentation]: a tab indents this line",
    );
    let crlf = format!("\u{feff}{}", victim.manifest.replace('\n', "\r\n"));
    victim.refuses(
        crlf.replace("[release-room]", "[«relase-room]"),
        "error[unknown-chat]: there is no chat `relase-room`",
    );
    victim.refuses(
        format!("\u{feff}{}", victim.with("version: 1", "version: «7")),
        "error[wrong-type]: `version` must be 1, not `7`",
    );
    victim.project.write("beadle.yaml", &crlf);
    victim
        .project
        .beadle(&["plan", "--detailed-exitcode"])
        .exits(0);
    victim.recovers();
}

#[test]
fn bombs_depth_and_size_end_in_a_diagnostic() {
    let victim = Victim::new();
    let mut bomb = "version: 1\nvars:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..12 {
        let before = i - 1;
        bomb.push_str(&format!(
            "  a{i}: &a{i} [{}]\n",
            vec![format!("*a{before}"); 10].join(", ")
        ));
    }
    let ran = Bomb(&victim).run(&bomb);
    assert!(
        ran.starts_with("error[alias-expansion]: the aliases of this file stand for more than"),
        "{ran}"
    );
    let ran = Bomb(&victim).run("version: 1\nvars: &a [*a]\n");
    assert!(ran.starts_with("error[alias-inside-itself]"), "{ran}");
    let ran = Bomb(&victim).run(&format!(
        "version: 1\nvars: {}1{}\n",
        "{a: ".repeat(5000),
        "}".repeat(5000)
    ));
    assert!(ran.starts_with("error[too-deep]"), "{ran}");
    Bomb(&victim).run(&format!("version: 1\nvars: {}\n", "[".repeat(200_000)));
    let ran = Bomb(&victim).run(&format!("{}# {}\n", victim.manifest, "x".repeat(10 << 20)));
    assert!(
        ran.starts_with("error[too-large]: beadle.yaml has 104"),
        "{ran}"
    );
    victim.recovers();
}

/// A text that is too much; only its first line of complaint is of interest.
struct Bomb<'a>(&'a Victim);

impl Bomb<'_> {
    #[track_caller]
    fn run(self, manifest: &str) -> String {
        self.0.project.write("beadle.yaml", manifest);
        let ran = self.0.project.beadle(&["apply", "--auto-approve"]).exits(1);
        let errors = ran
            .stderr
            .lines()
            .filter(|l| l.starts_with("error"))
            .count();
        assert_eq!(errors, 1, "{}", ran.stderr);
        self.0.nothing_happened();
        ran.stderr
    }
}

#[test]
fn variables_that_are_unset_or_forbidden_are_refused_before_anything_is_sent() {
    let victim = Victim::new();
    let named = |value: &str| victim.with("events:", &format!("name: \"«{value}\", events:"));
    victim.refuses(
        named("${var:stage}"),
        "error[unset-variable]: the variable `stage` has no value",
    );
    victim.refuses(
        named("${env:FEISHU_APP_SECRET}"),
        "error[forbidden-variable]: `${env:FEISHU_APP_SECRET}` cannot be read here",
    );
    victim.refuses(
        named("${file:/etc/hostname}"),
        "error[unreadable-value-file]: the file `/etc/hostname` cannot be read here: it is outside of the project folder",
    );
    victim.refuses(
        named("${file:../world.db}"),
        "error[unreadable-value-file]: the file `../world.db` cannot be read here: it is outside of the project folder",
    );
    victim.refuses(
        victim.with("\"${env:FEISHU_APP_SECRET", "\"«${env:NO_SUCH_SECRET"),
        "error[unset-variable]: the environment variable NO_SUCH_SECRET is not set",
    );
    assert_eq!(
        victim.project.calls(),
        Vec::<Value>::new(),
        "not even a token was asked for"
    );
    victim.recovers();
}

#[test]
#[cfg(unix)]
fn a_link_does_not_lead_out_of_the_project() {
    let victim = Victim::new();
    std::os::unix::fs::symlink("/etc/hostname", victim.project.path().join("link")).unwrap();
    victim.refuses(
        victim.with("events:", "name: \"«${file:link}\", events:"),
        "error[unreadable-value-file]: the file `link` cannot be read here: it leads out of the project folder",
    );
    victim.refuses(
        victim.with("version: 1\n", "version: 1\ninclude: [«link]\n"),
        "error[include-outside]: link leads out of the project folder",
    );
    victim.recovers();
}

#[test]
fn credentials_stay_away_from_foreign_hosts() {
    let victim = Victim::new();
    let line = victim.manifest.lines().nth(2).unwrap().to_owned();
    let start = line.find("\"http://").unwrap();
    let at = |url: &str| {
        victim
            .manifest
            .replace(&line, &format!("{}«\"{url}\" }}", &line[..start]))
    };
    for (url, error) in [
        (
            "https://evil.example.com",
            "error[foreign-host]: credentials are not sent to `evil.example.com`, which is no host of feishu",
        ),
        (
            "https://open.feishu.cn.evil.example",
            "error[foreign-host]: credentials are not sent to `open.feishu.cn.evil.example`, which is no host of feishu",
        ),
        (
            "http://open.feishu.cn",
            "error[plain-http]: `http://open.feishu.cn` would send credentials in the clear",
        ),
        (
            "https://open.feishu.cn@evil.example",
            "error[bad-url]: `base_url` has a user in it",
        ),
        (
            "https://open.feishu.cn/x",
            "error[bad-url]: `base_url` has a path",
        ),
    ] {
        victim.refuses(at(url), error);
    }
    assert_eq!(victim.project.calls(), Vec::<Value>::new());
    victim.recovers();
}

#[test]
fn unknown_names_point_at_the_word() {
    let victim = Victim::new();
    victim.refuses(
        victim.with("[release-room]", "[oncall-room, «relase-room]"),
        "error[unknown-chat]: there is no chat `relase-room`",
    );
    victim.refuses(
        victim.with("tasklist: release,", "tasklist: «relase,"),
        "error[unknown-tasklist]: there is no tasklist `relase`",
    );
    victim.refuses(
        victim.with("[task.added]", "[task.completed, «task.add]"),
        "error[unknown-event]: there is no event `task.add`",
    );
    victim.refuses(
        victim.with("[task.added]", "[«task.deleted]"),
        "error[unknown-event]: there is no event `task.deleted` on the wire",
    );
    victim.refuses(
        victim.with("version: 1\n", "version: 1\ninclude: [«\"teams/*.yaml\"]\n"),
        "error[include-matches-nothing]: no file matches `teams/*.yaml`",
    );
    victim.recovers();
}

#[test]
fn the_vendors_limits_are_checked_before_the_network() {
    let victim = Victim::new();
    let chats: Vec<String> = (0..51).map(|i| format!("oc_{i:032}")).collect();
    victim.refuses(
        victim.with("[release-room]", &format!("«[{}]", chats.join(", "))),
        "error[too-many-subscribers]: a subscription has at most 50 subscribers, this one has 51",
    );
    let long =
        |letter: &str| victim.with("events:", &format!("name: «{}, events:", letter.repeat(51)));
    for letter in ["a", "项"] {
        victim.refuses(
            long(letter),
            "error[name-too-long]: a subscription's name has at most 50 characters, this one has 51",
        );
    }
    let many: String = (0..50)
        .map(|i| {
            format!(
                "  s{i:02}: {{ tasklist: release, subscribers: [release-room], events: all }}\n"
            )
        })
        .collect();
    victim.refuses(
        format!("{}{}", victim.manifest, many.replace("s49: { tasklist: ", "s49: { tasklist: «")),
        "error[too-many-subscriptions]: a tasklist has at most 50 subscriptions, and 51 are declared in `release`",
    );
    assert_eq!(victim.project.calls(), Vec::<Value>::new());
    // Fifty characters are fine, whatever their bytes.
    let fifty = victim.with("events:", &format!("name: {}, events:", "项".repeat(50)));
    victim.project.write("beadle.yaml", &fifty);
    victim.project.beadle(&["validate"]).exits(0);
    victim.recovers();
}

#[test]
fn a_tasklist_that_others_have_filled_is_refused() {
    let project = Project::new(GOOD);
    project.beadle(&["apply", "--auto-approve"]).exits(0);
    for i in 0..49 {
        let theirs = json!({"name": format!("theirs {i}"), "subscribers": [{"id": ROOM, "type": "chat"}], "include_keys": [101]});
        project.control(
            "POST",
            &format!("tasklists/{RELEASE}/subscriptions"),
            &theirs,
        );
    }
    project.clear_calls();
    project.declare(&format!(
        "{GOOD}  more: {{ tasklist: release, subscribers: [release-room], events: all }}\n"
    ));
    let ran = project.beadle(&["apply", "--auto-approve"]).exits(1);
    assert!(
        ran.stderr.contains("would hold 51 subscriptions, and Feishu allows 50: 50 are there now, 49 of them not ours")
            && ran.stderr.contains("--> beadle.yaml:11:"),
        "{}",
        ran.stderr
    );
    assert_eq!(project.writes(), Vec::<Value>::new());
    project.declare(GOOD);
    project.beadle(&["plan", "--detailed-exitcode"]).exits(0);
}

#[test]
fn one_name_or_one_guid_is_not_given_to_two() {
    let victim = Victim::new();
    victim.refuses(
        format!(
            "{}  twin: {{ tasklist: release, name: «good, subscribers: [release-room], events: all }}\n",
            victim.manifest
        ),
        "error[one-name-twice]: `tasklist_subscription.good` has the name `good` in the tasklist `release` too",
    );
    victim.refuses(
        victim.with(
            "chats:\n",
            &format!("  twice: {{ guid: «{RELEASE} }}\nchats:\n"),
        ),
        "error[one-guid-twice]: the tasklists `release` and `twice` have one guid",
    );
    // A key by name and one by guid show to be one only when the vendor is asked.
    victim.project.write(
        "beadle.yaml",
        &victim
            .manifest
            .replace("chats:\n", "  again: { name: Release }\nchats:\n")
            .replacen("tasklist: release,", "tasklists: [release, again],", 1),
    );
    let ran = victim.project.beadle(&["plan"]).exits(1);
    assert!(
        ran.stderr.contains("error[same-tasklist]: "),
        "{}",
        ran.stderr
    );
    victim.nothing_happened();
    victim.recovers();
}

#[test]
fn a_ledger_that_is_newer_corrupt_or_empty_stops_everything() {
    let victim = Victim::new();
    let path = victim.project.path().join(".beadle/ledger.db");
    // SQLite keeps `user_version` in bytes 60 to 63 of the file, the format of the ledger.
    let mut newer = victim.ledger.clone();
    newer[63] += 1;
    let empty: Vec<u8> = Vec::new();
    for (bytes, error) in [
        (newer, "error: the ledger: .beadle/ledger.db has format "),
        (
            b"garbage ".repeat(900),
            "error: the ledger: .beadle/ledger.db is damaged or not a ledger",
        ),
        (
            victim.ledger[..5000].to_vec(),
            "error: the ledger: .beadle/ledger.db is damaged or not a ledger",
        ),
        (
            empty,
            "error: the ledger: .beadle/ledger.db is damaged or not a ledger",
        ),
    ] {
        std::fs::write(&path, &bytes).unwrap();
        for command in [
            &["apply", "--auto-approve"][..],
            &["plan"],
            &["destroy", "--auto-approve"],
            &["state", "list"],
        ] {
            let ran = victim.project.beadle(command).exits(1);
            assert!(ran.stderr.starts_with(error), "{command:?}: {}", ran.stderr);
            assert_eq!(ran.stderr.matches("error").count(), 1, "{}", ran.stderr);
            assert!(ran.stderr.contains("\nhelp: "), "{}", ran.stderr);
            assert_eq!(
                std::fs::read(&path).unwrap(),
                bytes,
                "the file is as it was"
            );
        }
    }
    assert_eq!(victim.project.writes(), Vec::<Value>::new());
    std::fs::write(&path, &victim.ledger).unwrap();
    victim.recovers();
}

#[test]
#[cfg(unix)]
fn a_read_only_ledger_can_be_read_and_is_not_written_past() {
    use std::os::unix::fs::PermissionsExt;
    let victim = Victim::new();
    let folder = victim.project.path().join(".beadle");
    let (file, lock) = (folder.join("ledger.db"), folder.join("probe"));
    let set = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set(&file, 0o444);
    set(&folder, 0o555);
    // Permissions do not bind the superuser; there is nothing to see then.
    if std::fs::write(&lock, "").is_err() {
        victim
            .project
            .write("beadle.yaml", &victim.with("task.added", "due.set"));
        victim
            .project
            .beadle(&["plan", "--detailed-exitcode"])
            .exits(2);
        let ran = victim.project.beadle(&["apply", "--auto-approve"]).exits(1);
        assert!(ran.stderr.contains("cannot be written"), "{}", ran.stderr);
        victim.nothing_happened();
    }
    set(&folder, 0o755);
    set(&file, 0o644);
    victim.recovers();
}

#[test]
fn a_ledger_that_another_apply_holds_names_the_holder() {
    let victim = Victim::new();
    let slower = victim.with("task.added", "due.set");
    victim.project.write("beadle.yaml", &slower);
    victim
        .project
        .fault("hold-before@patchTasklistActivitySubscription");
    let first = victim.project.start(&["apply", "--auto-approve"]);
    while victim.project.control("GET", "faults", &Value::Null)["held"] != 1 {
        std::thread::yield_now();
    }
    let ran = victim.project.beadle(&["apply", "--auto-approve"]).exits(1);
    assert!(
        ran.stderr.starts_with(&format!(
            "error: the ledger: the lease is held by tester, process {} on ",
            first.id()
        )),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains(", since 2"), "{}", ran.stderr);
    assert!(ran.stderr.contains("--lease-wait"), "{}", ran.stderr);
    victim
        .project
        .beadle(&["plan", "--detailed-exitcode"])
        .exits(2);
    victim.project.control("POST", "release", &Value::Null);
    assert!(first.wait_with_output().unwrap().status.success());
    victim.project.no_faults();
    assert_eq!(victim.project.writes().len(), 1);
    victim
        .project
        .beadle(&["plan", "--detailed-exitcode"])
        .exits(0);
}

#[test]
fn all_mistakes_come_at_once_in_every_shape() {
    let project = Project::new(
        "  a: { tasklist: relase, subscribers: [nobody], events: [task.add] }
  b: { tasklist: release, subscribers: [release-room], events: all, nmae: x }
",
    );
    let ran = project.beadle(&["validate", "--format", "json"]).exits(1);
    let diagnostics = ran.json()["diagnostics"].clone();
    let found: Vec<(&str, u64, u64)> = diagnostics
        .as_array()
        .unwrap()
        .iter()
        .map(|d| {
            let start = &d["range"]["start"];
            assert_eq!(
                (&d["severity"], &d["range"]["file"]),
                (&json!("error"), &json!("beadle.yaml"))
            );
            (
                d["code"].as_str().unwrap(),
                start["line"].as_u64().unwrap(),
                start["column"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("unknown-tasklist", 10, 18),
            ("unknown-chat", 10, 40),
            ("unknown-event", 10, 58),
            ("unknown-key", 11, 69)
        ]
    );
    let github = project.beadle(&["validate", "--format", "github"]).exits(1);
    assert_eq!(github.stdout.lines().count(), 4);
    assert!(
        github.stdout.starts_with("::error file=beadle.yaml,line=10,col=18,endLine=10,endColumn=24,title=unknown-tasklist::"),
        "{}",
        github.stdout
    );
    assert_eq!(project.calls(), Vec::<Value>::new());
}
