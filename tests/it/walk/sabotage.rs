//! Each rule is broken on purpose, by somebody who steps in where beadle would have to be wrong, and the
//! walk sees it.

use serde_json::json;

use beadle::self_test::{
    Declared, FIXED_CHATS, Halt, Moment, Rule, Sabotage, Stage, TASKLISTS, declared_first, walk,
};

use super::LAB;

/// The first seed from there on whose scenario begins as wanted.
fn seed_with(wanted: impl Fn(&Declared) -> bool) -> u64 {
    (0..1000)
        .find(|seed| wanted(&declared_first(*seed)))
        .unwrap()
}

/// Walks scenarios until one is caught, which has to be at that rule.
#[track_caller]
fn caught(rule: Rule, wanted: impl Fn(&Declared) -> bool, sabotage: Sabotage<'_>) {
    let from = seed_with(wanted);
    for seed in from..from + 40 {
        let walked = walk(&LAB, seed, sabotage);
        match walked.end {
            Ok(()) => {}
            Err(Halt::Broken(broken)) => {
                assert_eq!(broken.rule, rule, "{}\n{}", broken.what, walked.transcript);
                return;
            }
            Err(Halt::Stage(error)) => panic!("{error}"),
        }
    }
    panic!("nobody noticed");
}

fn path_of(tasklist: usize, guid: &str) -> String {
    let (_, list) = TASKLISTS[tasklist];
    format!("/open-apis/task/v2/tasklists/{list}/activity_subscriptions/{guid}")
}

#[test]
fn a_call_outside_the_plan_is_caught() {
    caught(Rule::Planned, Declared::subscribes, &|moment, stage| {
        if moment == Moment::AfterApply {
            let body = json!({"name": "not in the plan", "subscribers": [{"id": FIXED_CHATS[0].1, "type": "chat"}], "include_keys": [100]});
            let path = path_of(0, "");
            let done = stage.vendor("POST", path.trim_end_matches('/'), &body);
            done.unwrap();
        }
    });
}

#[test]
fn a_world_that_stays_wrong_is_caught() {
    caught(Rule::Converges, Declared::subscribes, &|moment, stage| {
        if moment == Moment::BeforeLastApply {
            // The vendor says yes to every write, and somebody takes it back at once.
            let faults = [
                "deleted@createTasklistActivitySubscription:1-,when=after",
                "5xx@listTasklistActivitySubscriptions:3-",
            ];
            stage.faults(&faults.map(str::to_owned)).unwrap();
        }
    });
}

#[test]
fn a_delete_of_what_is_somebodys_is_caught() {
    caught(Rule::OnlyOurs, |_| true, &|moment, stage| {
        if moment == Moment::AfterApply {
            let path = path_of(0, stage.somebodys());
            stage.vendor("DELETE", &path, &json!({})).unwrap();
        }
    });
}

fn in_ledger(stage: &Stage<'_>, sql: &str) {
    let ledger = rusqlite::Connection::open(stage.path(".beadle/ledger.db")).unwrap();
    ledger.execute_batch(sql).unwrap();
}

#[test]
fn an_instant_without_an_outcome_is_caught() {
    caught(Rule::OneOutcome, Declared::sends, &|moment, stage| {
        if moment == Moment::AfterTicks {
            in_ledger(
                stage,
                "DELETE FROM occurrence WHERE nominal LIKE '2030-01-01%'",
            );
        }
    });
}

#[test]
fn a_ledger_that_forgets_what_it_has_sent_is_caught() {
    // What was sent is to be sent again.
    let forget = "UPDATE delivery SET state = 'pending', runner = NULL, expires = NULL,
                      attempts = 0, tried_at = NULL;
                  UPDATE occurrence SET outcome = NULL, ended_at = NULL WHERE outcome = 'sent';";
    caught(Rule::SentOnce, Declared::sends, &|moment, stage| {
        if moment == Moment::AfterTicks && stage.path(".beadle/ledger.db").exists() {
            in_ledger(stage, forget);
            // Whatever comes of it, the walk goes on.
            drop(stage.beadle(&["tick", "--now", "2030-01-01T10:00:01Z"]));
        }
    });
}

#[test]
fn a_write_of_a_command_that_reads_is_caught() {
    caught(Rule::ReadsOnly, |_| true, &|moment, stage| {
        if moment == Moment::WhileReading {
            let path = format!("/open-apis/im/v1/chats/{}", FIXED_CHATS[0].1);
            let done = stage.vendor("PUT", &path, &json!({"description": "x"}));
            done.unwrap();
        }
    });
}

#[test]
fn a_secret_that_is_written_down_is_caught() {
    caught(Rule::NoSecret, |_| true, &|moment, stage| {
        if moment == Moment::AfterTicks && stage.path(".beadle/ledger.db").exists() {
            let sql = format!(
                "CREATE TABLE IF NOT EXISTS leak (said TEXT); INSERT INTO leak VALUES ('{}');",
                stage.secret()
            );
            in_ledger(stage, &sql);
        }
    });
}
