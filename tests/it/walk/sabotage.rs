//! Each rule is broken on purpose, by somebody who steps in where beadle would have to be wrong, and the
//! walk sees it.

use serde_json::json;

use super::dice::Dice;
use super::manifest::{Declared, FIXED, TASKLISTS};
use super::rules::Rule;
use super::stage::Stage;
use super::{Moment, Sabotage, walk};

/// The first seed from there on whose scenario begins as wanted.
fn seed_with(wanted: impl Fn(&Declared) -> bool) -> u64 {
    (0..1000)
        .find(|seed| wanted(&Declared::first(&mut Dice::new(*seed))))
        .unwrap()
}

/// Walks scenarios until one is caught, which has to be at that rule.
#[track_caller]
fn caught(rule: Rule, wanted: impl Fn(&Declared) -> bool, sabotage: Sabotage<'_>) {
    let from = seed_with(wanted);
    for seed in from..from + 40 {
        if let Err((broken, transcript)) = walk(seed, sabotage) {
            assert_eq!(broken.rule, rule, "{}\n{transcript}", broken.what);
            return;
        }
    }
    panic!("nobody noticed");
}

fn path_of(tasklist: usize, guid: &str) -> String {
    let (_, list) = TASKLISTS[tasklist];
    format!("/open-apis/task/v2/tasklists/{list}/activity_subscriptions/{guid}")
}

fn has_subscriptions(declared: &Declared) -> bool {
    !declared.subscriptions.is_empty()
}

#[test]
fn a_call_outside_the_plan_is_caught() {
    caught(Rule::Planned, has_subscriptions, &|moment, stage| {
        if moment == Moment::AfterApply {
            let body = json!({"name": "not in the plan", "subscribers": [{"id": FIXED[0].1, "type": "chat"}], "include_keys": [100]});
            let path = path_of(0, "");
            stage.vendor("POST", path.trim_end_matches('/'), &body);
        }
    });
}

#[test]
fn a_world_that_stays_wrong_is_caught() {
    caught(Rule::Converges, has_subscriptions, &|moment, stage| {
        if moment == Moment::BeforeLastApply {
            // The vendor says yes to every write, and somebody takes it back at once.
            let faults = [
                "deleted@createTasklistActivitySubscription:1-,when=after",
                "5xx@listTasklistActivitySubscriptions:3-",
            ];
            stage.faults(&faults.map(str::to_owned));
        }
    });
}

#[test]
fn a_delete_of_what_is_somebodys_is_caught() {
    caught(Rule::OnlyOurs, |_| true, &|moment, stage| {
        if moment == Moment::AfterApply {
            let (guid, _) = stage.foreign[0].clone();
            stage.vendor("DELETE", &path_of(0, &guid), &json!({}));
        }
    });
}

fn in_ledger(stage: &Stage, sql: &str) {
    let ledger = rusqlite::Connection::open(stage.path(".beadle/ledger.db")).unwrap();
    ledger.execute_batch(sql).unwrap();
}

#[test]
fn an_instant_without_an_outcome_is_caught() {
    caught(
        Rule::OneOutcome,
        |d| d.notice.is_some(),
        &|moment, stage| {
            if moment == Moment::AfterTicks {
                in_ledger(
                    stage,
                    "DELETE FROM occurrence WHERE nominal LIKE '2030-01-01%'",
                );
            }
        },
    );
}

#[test]
fn a_ledger_that_forgets_what_it_has_sent_is_caught() {
    // What was sent is to be sent again.
    let forget = "UPDATE delivery SET state = 'pending', runner = NULL, expires = NULL;
                  UPDATE occurrence SET outcome = NULL, ended_at = NULL WHERE outcome = 'sent';";
    caught(Rule::SentOnce, |d| d.notice.is_some(), &|moment, stage| {
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
            stage.vendor(
                "PUT",
                &format!("/open-apis/im/v1/chats/{}", FIXED[0].1),
                &json!({"description": "x"}),
            );
        }
    });
}

#[test]
fn a_secret_that_is_written_down_is_caught() {
    caught(Rule::NoSecret, |_| true, &|moment, stage| {
        if moment == Moment::AfterTicks && stage.path(".beadle/ledger.db").exists() {
            let sql = format!(
                "CREATE TABLE IF NOT EXISTS leak (said TEXT); INSERT INTO leak VALUES ('{}');",
                stage.secret
            );
            in_ledger(stage, &sql);
        }
    });
}
