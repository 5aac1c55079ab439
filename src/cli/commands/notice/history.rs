//! `notice history`: what became of occurrences.

use jiff::Timestamp;
use serde_json::json;

use super::super::firing::tried_again;
use super::super::{Result, table};
use super::books;
use crate::cli::ExitStatus;
use crate::cli::args::{Format, Global};
use crate::cli::clock;
use crate::cli::json::FORMAT_VERSION;
use crate::cli::ui::Ui;
use crate::engine::afterwards::{RecallState, Settlement};
use crate::engine::outbox::{Books, Delivery, Occurrence};
use crate::engine::tries;
use crate::ledger::Access;
use crate::model::Address;

/// An occurrence with what people said of it, and how many of its deliveries were taken back.
pub(super) struct Told {
    pub(super) occurrence: Occurrence,
    pub(super) settlements: Vec<Settlement>,
    /// How many were taken back, of how many.
    pub(super) recalled: (usize, usize),
    /// When something of it is tried again.
    pub(super) next_try: Option<Timestamp>,
}

impl Told {
    pub(super) async fn read(books: &dyn Books, occurrence: Occurrence) -> Result<Self> {
        // Only what was held or is taken back has any.
        let settlements = books.settlements(&occurrence.key).await?;
        let recalls = match occurrence.revoke_at {
            Some(_) => books.recalls_of(&occurrence.key).await?,
            None => Vec::new(),
        };
        let next_try = match occurrence.outcome {
            Some(_) => None,
            None => next_try(&books.deliveries(&occurrence.key).await?),
        };
        let back = recalls.iter().filter(|r| r.state == RecallState::Recalled);
        Ok(Self {
            settlements,
            recalled: (back.count(), recalls.len()),
            next_try,
            occurrence,
        })
    }

    pub(super) fn outcome(&self) -> (&str, &str) {
        match &self.occurrence.outcome {
            Some((outcome, reason)) => (outcome.as_str(), reason),
            None => ("open", ""),
        }
    }

    /// What else there is to say of it, in a line.
    pub(super) fn remarks(&self) -> String {
        let mut parts = Vec::new();
        let reason = self.outcome().1;
        if !reason.is_empty() {
            parts.push(reason.to_owned());
        }
        if self.occurrence.count > 1 {
            let more = self.occurrence.count - 1;
            parts.push(format!("and {more} more until {}", self.occurrence.last));
        }
        if let Some(who) = &self.occurrence.sent_by {
            parts.push(format!("sent by hand by {who}"));
        }
        for settlement in &self.settlements {
            parts.push(format!(
                "settled as {} by {} at {}",
                settlement.word.as_str(),
                settlement.who,
                settlement.at.strftime("%Y-%m-%dT%H:%M:%SZ")
            ));
        }
        parts.extend(self.next_try.map(tried_again));
        if let (back, all @ 1..) = self.recalled {
            parts.push(format!("{back} of {all} taken back"));
        }
        parts.join("; ")
    }

    pub(super) fn to_json(&self) -> serde_json::Value {
        let Occurrence {
            key,
            last,
            count,
            at,
            admitted_at,
            outcome: _,
            revoke_at,
            revoked_by,
            sent_by,
        } = &self.occurrence;
        let (outcome, reason) = self.outcome();
        let settlements: Vec<_> = self
            .settlements
            .iter()
            .map(|settlement| {
                json!({
                    "word": settlement.word.as_str(),
                    "who": settlement.who,
                    "at": settlement.at.to_string(),
                    "held_for": settlement.held_for,
                })
            })
            .collect();
        json!({
            "occurrence": key.to_string(),
            "notice": key.notice.to_string(),
            "scheduled": key.nominal.to_string(),
            "last": last.to_string(),
            "count": count,
            "fires_at": at.to_string(),
            "admitted_at": admitted_at.to_string(),
            "outcome": outcome,
            "reason": reason,
            "sent_by": sent_by,
            "settlements": settlements,
            "revoke_at": revoke_at.map(|at| at.to_string()),
            "revoked_by": revoked_by,
            "recalled": self.recalled.0,
            "next_try": self.next_try.map(|at| at.to_string()),
        })
    }
}

/// When the first of these that were tried already is tried again.
pub(super) fn next_try(deliveries: &[Delivery]) -> Option<Timestamp> {
    let now = clock::now();
    let tried = deliveries.iter().filter(|delivery| delivery.attempts > 0);
    tried
        .filter_map(|delivery| tries::next(delivery, now))
        .min()
}

pub(super) async fn run(
    global: &Global,
    address: Option<&Address>,
    limit: usize,
    ui: &Ui,
) -> Result {
    let (books, ..) = books(global, Access::Read, ui).await?;
    let mut told = Vec::new();
    for occurrence in books.occurrences(address, limit).await? {
        told.push(Told::read(books.as_ref(), occurrence).await?);
    }
    if ui.format() == Format::Json {
        let occurrences: Vec<_> = told.iter().map(Told::to_json).collect();
        ui.print_json(&json!({
            "format_version": FORMAT_VERSION,
            "occurrences": occurrences,
        }));
    } else if told.is_empty() {
        ui.say("Nothing was due yet.");
    } else {
        let rows: Vec<_> = told
            .iter()
            .map(|told| {
                let key = &told.occurrence.key;
                vec![
                    key.nominal.to_string(),
                    key.notice.to_string(),
                    told.outcome().0.to_owned(),
                    told.remarks(),
                ]
            })
            .collect();
        ui.print(&table(&["SCHEDULED", "NOTICE", "OUTCOME", ""], &rows));
    }
    Ok(ExitStatus::Done)
}
