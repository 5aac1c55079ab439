//! `notice revoke`: takes back what was sent of an occurrence.

use serde_json::json;

use super::super::{Result, watch_signals};
use super::settle::missing;
use super::{approve, carry};
use crate::cli::ExitStatus;
use crate::cli::args::{Format, Global};
use crate::cli::clock;
use crate::cli::error::Failure;
use crate::cli::json::FORMAT_VERSION;
use crate::cli::keeper::user;
use crate::cli::session::Session;
use crate::cli::text::{clean, count};
use crate::cli::ui::Ui;
use crate::engine::afterwards::{Recall, RecallState};
use crate::engine::outbox::{Key, Purpose, State};
use crate::ledger::Access;

pub(super) async fn run(global: &Global, key: &Key, auto_approve: bool, ui: &Ui) -> Result {
    let stop = watch_signals(ui);
    let session = Session::open(global, ui, Access::Write).await?;
    let books = session.outbox.as_ref();
    if books.occurrence(key).await?.is_none() {
        return Err(missing(key));
    }
    let deliveries = books.deliveries(key).await?;
    let sent = deliveries.iter().filter(|delivery| {
        let open = !matches!(delivery.state, State::Refused | State::Cancelled);
        delivery.purpose == Purpose::Notice && open
    });
    let sent = sent.count();
    if sent == 0 {
        return Err(Failure::new(format!(
            "nothing of {key} was sent, so there is nothing to take back"
        )));
    }
    let question = format!("Take back {} of {key}?", count(sent, "delivery"));
    approve(auto_approve, question, "nothing is taken back", ui).await?;
    let asked = books.revoke(key, &user(), clock::now()).await?;
    if !asked {
        ui.say("It was asked for before; what is open of that is gone on with.");
    }
    carry(&session, &stop).await?;
    let recalls = books.recalls_of(key).await?;
    session.close().await;
    Ok(show(key, &recalls, ui))
}

fn show(key: &Key, recalls: &[Recall], ui: &Ui) -> ExitStatus {
    let good = |recall: &&Recall| recall.state == RecallState::Recalled;
    let back = recalls.iter().filter(good).count();
    if ui.format() == Format::Json {
        let shapes: Vec<_> = recalls.iter().map(to_json).collect();
        ui.print_json(&json!({
            "format_version": FORMAT_VERSION,
            "occurrence": key.to_string(),
            "recalls": shapes,
        }));
    } else {
        for recall in recalls.iter().filter(|recall| !good(recall)) {
            ui.say(&format!(
                "{} to {}: {}: {}",
                recall.delivery.what.provider,
                count(recall.delivery.what.parcel.to.len(), "recipient"),
                recall.state.as_str(),
                clean(&recall.detail)
            ));
        }
        ui.print(&format!("Taken back: {back} of {}.\n", recalls.len()));
    }
    if back == recalls.len() {
        ExitStatus::Done
    } else {
        ExitStatus::Failed
    }
}

pub(super) fn to_json(recall: &Recall) -> serde_json::Value {
    json!({
        "delivery": recall.delivery.id.0,
        "provider": recall.delivery.what.provider.as_str(),
        "state": recall.state.as_str(),
        "detail": recall.detail,
        "ended_at": recall.ended_at.map(|at| at.to_string()),
    })
}
