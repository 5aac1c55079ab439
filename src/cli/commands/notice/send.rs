//! `notice send`: one occurrence by hand, admitted and sent like any other.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::{Result, watch_signals};
use super::{approve, binding, carry};
use crate::cli::ExitStatus;
use crate::cli::args::{Format, Global, NoticeSend};
use crate::cli::error::Failure;
use crate::cli::images;
use crate::cli::json::FORMAT_VERSION;
use crate::cli::keeper::user;
use crate::cli::session::Session;
use crate::cli::text::{clean, count};
use crate::cli::ui::Ui;
use crate::engine::letters::{Posted, every_posted};
use crate::engine::outbox::{Admission, Key, NewDelivery, Outcome};
use crate::ledger::Access;
use crate::ledger::codec::sending::to_to_text;
use crate::model::Address;

pub(super) async fn run(global: &Global, args: &NoticeSend, ui: &Ui) -> Result {
    let stop = watch_signals(ui);
    let access = if args.dry_run {
        Access::Read
    } else {
        Access::Write
    };
    let session = Session::open(global, ui, access).await?;
    let notice = posted(&session, &args.address).await?;
    let now = Timestamp::now();
    let admission = notice.by_hand(&user(), args.to.as_deref(), now);
    let admission = admission.map_err(|why| {
        let failure = Failure::new(format!("{} is not sent: {why}", args.address));
        failure.hint("`beadle group show` lists who is in a group, `--dry-run` what would be sent.")
    })?;
    if args.dry_run {
        session.close().await;
        show(&args.address, &admission.deliveries, ui);
        return Ok(ExitStatus::Done);
    }
    let recipients: usize = admission.deliveries.iter().map(|d| d.parcel.to.len()).sum();
    let question = format!(
        "Send {} now to {}?",
        args.address,
        count(recipients, "recipient")
    );
    approve(args.auto_approve, question, "nothing is sent", ui).await?;
    let outcome = send(&session, &args.address, admission, &stop).await;
    session.close().await;
    let (key, end) = outcome?;
    let Some((outcome, reason)) = end else {
        ui.say(&format!("{key} is open: the next tick goes on with it."));
        return Ok(ExitStatus::Failed);
    };
    if ui.format() == Format::Json {
        ui.print_json(&json!({
            "format_version": FORMAT_VERSION,
            "occurrence": key.to_string(),
            "outcome": outcome.as_str(),
            "reason": reason,
        }));
    } else {
        let why = match reason.as_str() {
            "" => String::new(),
            reason => format!(": {}", clean(reason)),
        };
        ui.print(&format!("{key}: {}{why}\n", outcome.as_str()));
    }
    Ok(match outcome {
        Outcome::Sent => ExitStatus::Done,
        _ => ExitStatus::Failed,
    })
}

async fn posted(session: &Session, address: &Address) -> Result<Posted> {
    let bindings = session.ledger.bindings().await?;
    binding(session.outbox.as_ref(), address).await?;
    let vendors = session.manifest.providers.iter();
    let vendors = vendors.map(|(name, provider)| (name.clone(), provider.vendor));
    let images = images::keys(session, &session.dir, &bindings).await?;
    let (all, unreadable) = every_posted(
        &session.manifest.project,
        &bindings,
        &vendors.collect(),
        &session.channels,
        &session.directories,
        &[],
        &images,
    )
    .await;
    let found = all.into_iter().find(|notice| notice.address() == address);
    found.ok_or_else(|| {
        let why = unreadable.into_iter().find(|(of, _)| of == address);
        let why = why.map_or_else(String::new, |(_, why)| format!(": {}", clean(&why)));
        Failure::new(format!(
            "{address} was registered by another version of beadle{why}"
        ))
        .hint("Apply it again.")
    })
}

/// Admits it and sends what is open.
async fn send(
    session: &Session,
    notice: &Address,
    admission: Admission,
    stop: &crate::engine::right::Stop,
) -> Result<(Key, Option<(Outcome, String)>)> {
    let key = Key {
        notice: notice.clone(),
        nominal: admission.nominal,
    };
    // By hand nothing is dealt with that the schedule names.
    let until = Timestamp::UNIX_EPOCH;
    let new = session.outbox.admit(notice, until, &[admission]).await?;
    if new != [true] {
        return Err(Failure::new(format!("{key} is there already")).hint("Try once more."));
    }
    carry(session, stop).await?;
    let occurrence = session.outbox.occurrence(&key).await?;
    Ok((key, occurrence.and_then(|occurrence| occurrence.outcome)))
}

/// What would be sent, byte for byte.
fn show(address: &Address, deliveries: &[NewDelivery], ui: &Ui) {
    let to = |delivery: &NewDelivery| -> Vec<String> {
        delivery.parcel.to.iter().map(to_to_text).collect()
    };
    let unseen = |delivery: &NewDelivery| -> Vec<String> {
        let told = delivery.unseen.iter();
        told.map(|(who, why)| format!("{} {why}", to_to_text(who)))
            .collect()
    };
    if ui.format() == Format::Json {
        let shapes: Vec<_> = deliveries
            .iter()
            .map(|delivery| {
                let body = &delivery.parcel.body;
                json!({
                    "provider": delivery.provider.as_str(),
                    "app": delivery.app.as_str(),
                    "operation": delivery.parcel.operation,
                    "query": delivery.parcel.query,
                    "body": serde_json::from_str(body).unwrap_or(Value::String(body.clone())),
                    "to": to(delivery),
                    "unseen": unseen(delivery),
                })
            })
            .collect();
        return ui.print_json(&json!({
            "format_version": FORMAT_VERSION,
            "notice": address.to_string(),
            "deliveries": shapes,
        }));
    }
    let mut out = String::new();
    for delivery in deliveries {
        let query: String = delivery
            .parcel
            .query
            .iter()
            .map(|(name, value)| format!(" {name}={value}"))
            .collect();
        out += &format!(
            "{} {}{} to {}\n  {}\n",
            delivery.provider,
            delivery.parcel.operation,
            clean(&query),
            count(delivery.parcel.to.len(), "recipient"),
            clean(&to(delivery).join(", "))
        );
        for line in unseen(delivery) {
            out += &format!("  not to {}\n", clean(&line));
        }
        out += &format!("  {}\n", clean(&delivery.parcel.body));
    }
    ui.print(&out);
    ui.say("Nothing was sent.");
}
