//! `notice show`: a notice as it is registered, or everything about one occurrence.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::firing::tried_again;
use super::super::{Result, table};
use super::history::Told;
use super::settle::missing;
use super::{binding, books, pause_words, paused, revoke};
use crate::cli::ExitStatus;
use crate::cli::args::{Format, Global};
use crate::cli::clock;
use crate::cli::error::Failure;
use crate::cli::json::{self, FORMAT_VERSION};
use crate::cli::text::{clean, count};
use crate::cli::ui::Ui;
use crate::cli::whose::Whose;
use crate::engine::afterwards::Recall;
use crate::engine::outbox::{Delivery, DeliveryId, Key, Purpose};
use crate::engine::tries;
use crate::ledger::Access;
use crate::ledger::codec::sending::{state_to_text, to_to_text};
use crate::model::Address;

/// How many of a notice's occurrences are shown with it.
const LAST: usize = 5;

pub(super) async fn run(global: &Global, what: &str, ui: &Ui) -> Result {
    if what.contains('@') {
        let key: Key = what.parse().map_err(Failure::usage)?;
        return occurrence(global, &key, ui).await;
    }
    let address: Address = what.parse().map_err(|error| {
        Failure::usage(format!("{error}")).hint("Name a notice, or an occurrence as NOTICE@TIME.")
    })?;
    notice(global, &address, ui).await
}

async fn notice(global: &Global, address: &Address, ui: &Ui) -> Result {
    let (books, ..) = books(global, Access::Read, ui).await?;
    let binding = binding(books.as_ref(), address).await?;
    let now = clock::now();
    let pauses = books.pauses().await?;
    let pause = paused(&pauses, address, now);
    let mut told = Vec::new();
    for occurrence in books.occurrences(Some(address), LAST).await? {
        told.push(Told::read(books.as_ref(), occurrence).await?);
    }
    let fields = json::fields(&binding.applied);
    if ui.format() == Format::Json {
        let last: Vec<_> = told.iter().map(Told::to_json).collect();
        ui.print_json(&json!({
            "format_version": FORMAT_VERSION,
            "address": address.to_string(),
            "applied_at": binding.updated_at.to_string(),
            "fields": fields,
            "pause": pause.map(|pause| json!({
                "since": pause.since.to_string(),
                "until": pause.until.map(|until| until.to_string()),
                "who": pause.who,
            })),
            "occurrences": last,
        }));
        return Ok(ExitStatus::Done);
    }
    let mut out = format!("{address}, applied {}\n", binding.updated_at);
    if let Some(pause) = pause {
        out += &format!("{} by {}\n", pause_words(pause), clean(&pause.who));
    }
    for (field, value) in &fields {
        let value = match value {
            Value::String(text) if text.is_empty() => continue,
            Value::Array(items) if items.is_empty() => continue,
            Value::String(text) => clean(text),
            value => clean(&value.to_string()),
        };
        out += &format!("  {field}: {value}\n");
    }
    ui.print(&out);
    if !told.is_empty() {
        let rows: Vec<_> = told
            .iter()
            .map(|told| {
                let outcome = told.outcome().0.to_owned();
                vec![told.occurrence.key.to_string(), outcome, told.remarks()]
            })
            .collect();
        ui.print(&table(&["OCCURRENCE", "OUTCOME", ""], &rows));
    }
    Ok(ExitStatus::Done)
}

async fn occurrence(global: &Global, key: &Key, ui: &Ui) -> Result {
    let (books, manifest, sources) = books(global, Access::Read, ui).await?;
    let occurrence = books.occurrence(key).await?.ok_or_else(|| missing(key))?;
    let told = Told::read(books.as_ref(), occurrence).await?;
    let deliveries = books.deliveries(key).await?;
    let recalls = books.recalls_of(key).await?;
    let recalls: BTreeMap<DeliveryId, &Recall> = recalls
        .iter()
        .map(|recall| (recall.delivery.id, recall))
        .collect();
    let look_ups = books.look_ups().await?;
    let whose = Whose::new(&manifest, &sources, &look_ups);
    if ui.format() == Format::Json {
        let shapes: Vec<_> = deliveries
            .iter()
            .map(|delivery| to_json(delivery, recalls.get(&delivery.id).copied(), &whose))
            .collect();
        let mut shape = told.to_json();
        shape["format_version"] = json!(FORMAT_VERSION);
        shape["deliveries"] = json!(shapes);
        ui.print_json(&shape);
        return Ok(ExitStatus::Done);
    }
    let (outcome, _) = told.outcome();
    let mut out = format!("{key}: {outcome}\n");
    let remarks = told.remarks();
    if !remarks.is_empty() {
        out += &format!("  {}\n", clean(&remarks));
    }
    for delivery in &deliveries {
        out += &line(delivery, recalls.get(&delivery.id).copied());
        for (who, why) in &delivery.invalid {
            let place = whose.words(&delivery.what.provider, who);
            out += &format!("    {} {}{place}\n", clean(&to_to_text(who)), clean(why));
        }
    }
    ui.print(&out);
    Ok(ExitStatus::Done)
}

fn line(delivery: &Delivery, recall: Option<&Recall>) -> String {
    let what = match delivery.purpose {
        Purpose::Notice => "",
        Purpose::Problem => "word of the problem, ",
        Purpose::Report => "report, ",
    };
    let mut line = format!(
        "  {what}{} {} to {}: {}",
        delivery.what.provider,
        delivery.what.parcel.operation,
        count(delivery.what.parcel.to.len(), "recipient"),
        state_to_text(delivery.state)
    );
    if let Some(message) = &delivery.message {
        line += &format!(" as {}", clean(message));
    }
    if !matches!(delivery.detail.as_str(), "" | "ok") {
        line += &format!(": {}", clean(&delivery.detail));
    }
    if let Some(recall) = recall {
        line += &format!("; recall: {}", recall.state.as_str());
        if !matches!(recall.detail.as_str(), "" | "ok") {
            line += &format!(": {}", clean(&recall.detail));
        }
    }
    if let Some(at) = next_try(delivery) {
        line += &format!("; {}", tried_again(at));
    }
    line + "\n"
}

/// When what was tried already is tried again.
fn next_try(delivery: &Delivery) -> Option<Timestamp> {
    let at = tries::next(delivery, clock::now());
    at.filter(|_| delivery.attempts > 0)
}

fn to_json(delivery: &Delivery, recall: Option<&Recall>, whose: &Whose<'_>) -> Value {
    let provider = &delivery.what.provider;
    let invalid: Vec<_> = delivery
        .invalid
        .iter()
        .map(|(who, why)| {
            json!({
                "recipient": to_to_text(who),
                "why": why,
                "places": whose.places(provider, who),
            })
        })
        .collect();
    let to: Vec<_> = delivery.what.parcel.to.iter().map(to_to_text).collect();
    json!({
        "delivery": delivery.id.0,
        "purpose": delivery.purpose.as_str(),
        "provider": provider.as_str(),
        "app": delivery.what.app.as_str(),
        "operation": delivery.what.parcel.operation,
        "to": to,
        "state": state_to_text(delivery.state),
        "attempts": delivery.attempts,
        "first_at": delivery.first_at.map(|at| at.to_string()),
        "tried_at": delivery.tried_at.map(|at| at.to_string()),
        "next_try": next_try(delivery).map(|at| at.to_string()),
        "message": delivery.message,
        "detail": delivery.detail,
        "invalid": invalid,
        "recall": recall.map(revoke::to_json),
    })
}
