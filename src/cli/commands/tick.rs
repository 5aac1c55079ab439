//! `tick`: send what is due, and end.

use std::time::Duration;

use jiff::Timestamp;

use super::Result;
use super::firing::{self, Fired};
use crate::cli::ExitStatus;
use crate::cli::args::{Format, Global, Tick};
use crate::cli::clock;
use crate::cli::error::Failure;
use crate::cli::session::Session;
use crate::cli::text::count;
use crate::cli::ui::Ui;
use crate::engine::afterwards::RecallState;
use crate::engine::outbox::Outcome;
use crate::engine::right::Stop;
use crate::engine::runner::Round;
use crate::ledger::Access;
use crate::model::manifest::Provider;
use crate::model::{Field, Kind, Value};

/// A quota that has room again within this is waited for.
const SOON_ENOUGH: Duration = Duration::from_secs(90);

pub(super) async fn tick(global: &Global, args: &Tick, ui: &Ui) -> Result {
    super::only(ui, "tick", &super::HUMAN_JSON)?;
    let stop = super::watch_signals(ui);
    let access = match args.now {
        Some(_) => Access::Rehearse,
        None => Access::Write,
    };
    let session = Session::open(global, ui, access).await?;
    let is_real = |provider: &Provider| !provider.base_url.contains("://127.0.0.1:");
    if args.now.is_some() && session.manifest.providers.values().any(is_real) {
        return Err(Failure::usage(
            "`--now` rehearses, with `--sandbox` or providers at `http://127.0.0.1:PORT` only",
        ));
    }
    firing::keeps(&session)?;
    let runner = uuid::Uuid::new_v4().to_string();
    let fixed = args.now;
    let clock = move || fixed.unwrap_or_else(clock::now);
    let mut fired = Fired::read(&session, clock(), ui).await?;
    // What a notice that is gone has left open is still brought to its end.
    if fired.registered == 0 && session.outbox.undecided().await?.is_empty() {
        session.close().await;
        return Err(Failure::new(
            "the ledger holds no notice of this project, so nothing can be due",
        )
        .hint("Apply the manifest first, with this ledger."));
    }
    let roster = &mut fired.roster;
    let mut once = async || -> Result<Round> {
        Ok(firing::once(&session, roster, &runner, &stop, &clock, &|_| {}).await?)
    };
    let done = match fixed {
        Some(_) => once().await?,
        None => while_soon(once, &stop, &|words| ui.say(words)).await?,
    };
    firing::tell(&session, &done, ui).await?;
    let fine = is_fine(&done);
    let sent = fired.roster.len();
    let all_read = sent == fired.registered || disabled_only(&session, sent).await?;
    if ui.format() == Format::Human {
        summarise(&done, ui);
    }
    session.close().await;
    Ok(match (stop.is_asked(), fine && all_read) {
        (true, _) => ExitStatus::Interrupted,
        (false, true) => ExitStatus::Done,
        (false, false) => ExitStatus::Failed,
    })
}

/// Whether all that was due was sent or was not to be, and all that was to be taken back was.
fn is_fine(done: &Round) -> bool {
    let good = |outcome: &Outcome| matches!(outcome, Outcome::Sent | Outcome::Skipped);
    let back = |state: &RecallState| *state == RecallState::Recalled;
    done.open.is_empty()
        && done.waiting.is_empty()
        && done.ended.iter().all(|(_, outcome, _)| good(outcome))
        && done.recalls.iter().all(|(_, _, state, _)| back(state))
}

/// Does rounds until nothing waits for a quota that has room again before the next tick comes, as that of a
/// minute has.
async fn while_soon(
    mut once: impl AsyncFnMut() -> Result<Round>,
    stop: &Stop,
    say: &dyn Fn(&str),
) -> Result<Round> {
    let mut done = once().await?;
    while !stop.is_asked() && pass(done.waits.take(), stop, say).await {
        merge(&mut done, once().await?);
    }
    Ok(done)
}

/// Waits for a quota to have room again, if that is soon; says whether it has.
async fn pass(waits: Option<(Timestamp, String)>, stop: &Stop, say: &dyn Fn(&str)) -> bool {
    let Some((until, what)) = waits else {
        return false;
    };
    let left = Duration::try_from(until.duration_since(clock::now())).unwrap_or_default();
    if left > SOON_ENOUGH {
        return false;
    }
    say(&format!("Waiting until {until}: {what} are used up."));
    tokio::select! {
        () = stop.asked() => false,
        () = tokio::time::sleep(left) => true,
    }
}

/// Adds what a later round of the same tick has done.
fn merge(done: &mut Round, later: Round) {
    let Round {
        ended,
        open,
        waiting,
        recalls,
        unheard,
        waits,
        reports,
        tries,
        wakes,
    } = later;
    done.ended.extend(ended);
    done.recalls.extend(recalls);
    done.unheard.extend(unheard);
    done.reports.extend(reports);
    (done.tries, done.wakes) = (tries, wakes);
    (done.open, done.waiting, done.waits) = (open, waiting, waits);
}

/// Whether what is not fired is switched off, and not unreadable.
async fn disabled_only(session: &Session, fired: usize) -> Result<bool> {
    let bindings = session.ledger.bindings().await?;
    let off = bindings
        .iter()
        .filter(|b| b.address.kind == Kind::RecurringNotice)
        .filter(|b| b.applied.get(Field::Enabled) == Some(&Value::Flag(false)))
        .count();
    let all = bindings
        .iter()
        .filter(|b| b.address.kind == Kind::RecurringNotice);
    Ok(all.count() == fired + off)
}

fn summarise(done: &Round, ui: &Ui) {
    let mut parts: Vec<String> = Outcome::ALL
        .into_iter()
        .map(|outcome| {
            let n = done.ended.iter().filter(|(_, o, _)| *o == outcome).count();
            (n, outcome.as_str())
        })
        .filter(|(n, _)| *n > 0)
        .map(|(n, word)| format!("{n} {word}"))
        .collect();
    if !done.waiting.is_empty() {
        parts.push(format!("{} not sent yet", done.waiting.len()));
    }
    if !done.open.is_empty() {
        parts.push(format!("{} open", done.open.len()));
    }
    let words = match parts.is_empty() {
        true => "nothing is due".to_owned(),
        false => parts.join(", "),
    };
    let of = count(
        done.ended.len() + done.open.len() + done.waiting.len(),
        "occurrence",
    );
    ui.print(&match parts.is_empty() {
        true => format!("Tick: {words}.\n"),
        false => format!("Tick: {of}: {words}.\n"),
    });
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::engine::outbox::Key;

    fn key() -> Key {
        let text = "recurring_notice.review@2026-12-02T02:00:00Z";
        text.parse().expect("it is written so")
    }

    /// What a tick comes to, with how many rounds it took, where the first ones wait for so many seconds.
    async fn rounds(waits: &[i64], stop: &Stop) -> (Round, usize, usize) {
        let mut waits: VecDeque<i64> = waits.iter().copied().collect();
        let mut took = 0;
        let said = std::cell::Cell::new(0);
        let once = async || {
            took += 1;
            let mut round = Round::default();
            match waits.pop_front() {
                Some(seconds) => {
                    let until = clock::now() + jiff::SignedDuration::from_secs(seconds);
                    round.waits = Some((until, "the receivers of a minute".to_owned()));
                    round.open = vec![key()];
                }
                None => round.ended = vec![(key(), Outcome::Sent, String::new())],
            }
            Ok(round)
        };
        let done = while_soon(once, stop, &|_| said.set(said.get() + 1)).await;
        let Ok(done) = done else {
            panic!("no round fails")
        };
        (done, took, said.get())
    }

    #[tokio::test(start_paused = true)]
    async fn a_minute_that_is_full_is_waited_for_and_then_gone_on_with() {
        let began = tokio::time::Instant::now();
        let (done, took, said) = rounds(&[70, 70], &Stop::default()).await;
        assert_eq!((took, said), (3, 2));
        assert!(began.elapsed() > Duration::from_secs(138));
        // What a later round brought to its end is open no more.
        assert!(is_fine(&done), "{done:?}");
        assert_eq!(done.ended.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_longer_is_left_to_the_next_tick() {
        let began = tokio::time::Instant::now();
        let (done, took, said) = rounds(&[3_600], &Stop::default()).await;
        assert_eq!((took, said), (1, 0));
        assert!(began.elapsed() < Duration::from_secs(1));
        assert!(!is_fine(&done));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_asks_it_to_stop_does_not_wait() {
        let stop = Stop::default();
        let asking = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            stop.ask();
        };
        let began = tokio::time::Instant::now();
        let ((done, took, _), ()) = tokio::join!(rounds(&[70], &stop), asking);
        assert_eq!(took, 1);
        assert!(began.elapsed() < Duration::from_secs(6));
        assert!(!is_fine(&done));
    }
}
