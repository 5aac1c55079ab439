//! A plan that dies while it keeps what it has read: then it has said nothing, what is kept is what was, or all
//! that it read, and the next plan is right.

use super::deaths::{Base, at_each_byte, at_each_commit, at_each_point, covers};
use super::*;

const PLAN: [&str; 5] = ["plan", "--refresh", "auto", "--max-age", "0s"];

fn changes(base: &Base, place: &Place, args: &[&str]) -> Vec<String> {
    let args = [args, &["--format", "json"]].concat();
    let plan = base.run(place, &args).exits(0).json();
    let all = plan["changes"].as_array().unwrap().iter();
    all.map(|change| format!("{} {}", change["address"], change["cause"]))
        .collect()
}

/// What is there after a plan that may have died.
fn planned(base: &Base, place: &Place, died: bool) {
    const DRIFTED: &str = "\"tasklist_subscription.progress\" \"drifted\"";
    let before = Place::File(base.file.clone()).rows("ours");
    let there = place.rows("ours");
    let others = |rows: &Rows| {
        let mut rows = rows.clone();
        rows.tables.retain(|table| table.name != "snapshot");
        rows
    };
    assert!(others(&there) == others(&before), "nothing else is kept");
    let is_kept = there.table("snapshot") != before.table("snapshot");
    assert!(is_kept || died);
    // By what is kept alone it is as that says, and by what is live as it is.
    let known = changes(base, place, &["plan", "--refresh", "never"]);
    let wanted: &[&str] = if is_kept { &[DRIFTED] } else { &[] };
    assert_eq!(known, wanted);
    assert_eq!(changes(base, place, &["plan"]), [DRIFTED]);
    assert_eq!(changes(base, place, &PLAN), [DRIFTED]);
    assert_eq!(
        changes(base, place, &["plan", "--refresh", "never"]),
        [DRIFTED],
        "it is kept now"
    );
}

#[test]
fn a_plan_that_dies_while_it_keeps_leaves_the_next_one_right() {
    let base = Base::new();
    // Somebody switches it off.
    let live = base.project.live(RELEASE);
    let path = format!("subscriptions/{}", live[0]["guid"].as_str().unwrap());
    base.project
        .control("POST", &path, &json!({"disabled": true}));
    for kind in [Kind::File, Kind::Server] {
        if base.ledger(kind).is_none() {
            continue;
        }
        let points = at_each_point(|run| {
            let place = base.ledger(kind).expect("there is one");
            let died = run(command(&base.project, "ours", &place, &PLAN));
            planned(&base, &place, died);
        });
        covers(&points, &["keep_snapshots"]);
    }
    let died = at_each_byte(|run| {
        let place = base.ledger(Kind::File).expect("a file");
        let died = run(command(&base.project, "ours", &place, &PLAN));
        planned(&base, &place, died);
    });
    assert!(died > 1, "{died}");
    if base.ledger(Kind::Server).is_none() {
        return;
    }
    let commits = at_each_commit(|run| {
        let place = base.ledger(Kind::Server).expect("there is one");
        let Place::Server(schema) = &place else {
            unreachable!()
        };
        let died = run(schema, &|url| {
            let mut plan = base.project.command(&PLAN);
            plan.env("BEADLE_DIR", "ours").env("BEADLE_LEDGER", url);
            plan
        });
        planned(&base, &place, died);
    });
    assert_eq!(commits, 1);
}
