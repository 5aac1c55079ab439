//! `notice send`: one occurrence by hand, admitted and sent like any other.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::{Result, watch_signals};
use super::{approve, binding, carry};
use crate::cli::ExitStatus;
use crate::cli::args::{Format, Global, NoticeSend};
use crate::cli::clock;
use crate::cli::error::Failure;
use crate::cli::images;
use crate::cli::json::FORMAT_VERSION;
use crate::cli::keeper::user;
use crate::cli::session::Session;
use crate::cli::text::{clean, count};
use crate::cli::ui::Ui;
use crate::engine::letters::{Desk, Images, Picture, Posted, posted};
use crate::engine::outbox::{Admission, Admitted, Key, NewDelivery, Outcome};
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
    let by_hand = |notice: &Posted| {
        let admission = notice.by_hand(&user(), args.to.as_deref(), clock::now());
        admission.map_err(|why| {
            let failure = Failure::new(format!("{} is not sent: {why}", args.address));
            failure.hint(
                "`beadle group show` lists who is in a group, `--dry-run` what would be sent.",
            )
        })
    };
    // Nothing is uploaded before somebody has said yes.
    let shown = one(&session, &args.address, true).await?;
    let admission = by_hand(&shown)?;
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
    let admission = match shown.image() {
        Some(_) => by_hand(&one(&session, &args.address, false).await?)?,
        None => admission,
    };
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

async fn one(session: &Session, address: &Address, is_shown: bool) -> Result<Posted> {
    let bindings = session.ledger.bindings().await?;
    binding(session.outbox.as_ref(), address).await?;
    let vendors = session.manifest.providers.iter();
    let vendors = vendors.map(|(name, provider)| (name.clone(), provider.vendor));
    let desk = Desk::new(&bindings, &vendors.collect());
    let project = &session.manifest.project;
    let (all, unreadable) = posted(project, &bindings, &session.channels, &desk);
    let found = all.into_iter().find(|notice| notice.address() == address);
    let pictures: Vec<_> = found.iter().filter_map(Posted::image).collect();
    let images = match is_shown {
        true => shown(session, &pictures).await?,
        false => images::keys(session, &session.dir, &pictures, &[]).await?,
    };
    desk.renew(&session.directories, Vec::new(), images).await;
    found.ok_or_else(|| {
        let why = unreadable.into_iter().find(|(of, _)| of == address);
        let why = why.map_or_else(String::new, |(_, why)| format!(": {}", clean(&why)));
        Failure::new(format!(
            "{address} was registered by another version of beadle{why}"
        ))
        .hint("Apply it again.")
    })
}

/// The keys of images for those who look only: what is not uploaded yet stays so.
async fn shown(session: &Session, pictures: &[Picture]) -> Result<Images> {
    let mut images = images::known(session, pictures).await?;
    for channel in session.channels.values() {
        for picture in pictures {
            let which = (channel.app().clone(), picture.digest.clone());
            let later = format!("(the key of {}, once it is uploaded)", picture.path);
            images.entry(which).or_insert(Ok(later));
        }
    }
    Ok(images)
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
    if new != Admitted::New(vec![true]) {
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
