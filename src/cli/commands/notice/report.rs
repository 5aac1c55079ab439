//! `notice report`: what became of an occurrence that is or was followed.

use jiff::tz::TimeZone;

use super::settle::missing;
use super::{Result, books, registered};
use crate::cli::ExitStatus;
use crate::cli::args::{Format, Global};
use crate::cli::error::Failure;
use crate::cli::report::{RefusalOfJson, ReportJson, human, markdown};
use crate::cli::text::clean;
use crate::cli::ui::Ui;
use crate::engine::outbox::{Books, Key};
use crate::engine::receipts::People;
use crate::engine::report::{Report, report};
use crate::ledger::Access;
use crate::ledger::codec::sending::to_to_text;
use crate::model::notice::Registered;

pub(super) async fn run(global: &Global, key: &Key, names: bool, ui: &Ui) -> Result {
    let formats = [Format::Human, Format::Json, Format::Markdown];
    super::super::only(ui, "notice report", &formats)?;
    let (books, _, _) = books(global, Access::Read, ui).await?;
    if books.occurrence(key).await?.is_none() {
        return Err(missing(key));
    }
    let following = books.following(key).await?.ok_or_else(|| {
        Failure::new(format!("{key} was not followed, so nobody has asked who has read it")).hint(
            "Give the notice `track: { until: 80%, for: 24h }` and apply it; occurrences are followed from \
             their first round on.",
        )
    })?;
    let deliveries = books.deliveries(key).await?;
    let readings = books.readings(key).await?;
    let told = report(&following, &deliveries, &readings);
    let people = if names {
        let people = books.people(key).await?;
        if people.is_empty() {
            ui.say("No names are kept: nobody has read it yet, or the following has ended.");
        }
        people
    } else {
        Default::default()
    };
    let zone = zone(books.as_ref(), key).await?;
    match ui.format() {
        Format::Json => {
            let mut shape = ReportJson::from(&told);
            for part in &mut shape.deliveries {
                let known = people.iter().find(|(id, _)| id.0 == part.delivery);
                if let Some((_, People { readers, refused })) = known {
                    part.readers = Some(readers.iter().map(ToString::to_string).collect());
                    let refusal = |(who, why): &(_, String)| RefusalOfJson {
                        recipient: to_to_text(who),
                        why: why.clone(),
                    };
                    part.refusals = Some(refused.iter().map(refusal).collect());
                }
            }
            ui.print_json(&shape);
        }
        Format::Markdown => ui.print(&(markdown(&told, &zone) + &named(&told, &people, "- "))),
        _ => ui.print(&(human(&told, &zone) + &named(&told, &people, "  "))),
    }
    Ok(ExitStatus::Done)
}

/// Who has read it and who does not get it, a line each.
fn named(
    told: &Report,
    people: &std::collections::BTreeMap<crate::engine::outbox::DeliveryId, People>,
    lead: &str,
) -> String {
    let mut out = String::new();
    for part in &told.parts {
        let Some(People { readers, refused }) = people.get(&part.delivery) else {
            continue;
        };
        for who in readers {
            out += &format!(
                "{lead}{} read by {}\n",
                part.provider,
                clean(&who.to_string())
            );
        }
        for (who, why) in refused {
            let (who, why) = (to_to_text(who), clean(why));
            out += &format!("{lead}{} {} {why}\n", part.provider, clean(&who));
        }
    }
    out
}

/// The zone of the notice, as long as it is registered.
async fn zone(books: &dyn Books, key: &Key) -> Result<TimeZone> {
    let all = registered(books).await?;
    let binding = all.iter().find(|binding| binding.address == key.notice);
    let notice = binding.and_then(|binding| Registered::read(&binding.applied).ok());
    Ok(notice.map_or(TimeZone::UTC, |notice| notice.schedule.zone().clone()))
}
