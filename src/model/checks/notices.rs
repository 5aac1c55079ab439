//! What must hold for notices on the day that somebody looks: whether they fire, what they will say, and
//! whom they reach.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::after;
use crate::model::Diagnostic;
use crate::model::group::{Known, Resolution, resolve};
use crate::model::manifest::{Manifest, Vendor};
use crate::model::message::{self, Body, Context, ImageSource};
use crate::model::notice::{Notice, Target};

/// How many of the next firings are rendered.
const RENDERED: usize = 3;

/// How many days ahead a calendar has to be complete.
const AHEAD: i64 = 90;

/// Checks every notice as of an instant.
#[must_use]
pub fn check_notices(manifest: &Manifest, now: Timestamp) -> Vec<Diagnostic> {
    let known = Known::new();
    let Ok(resolution) = resolve(&manifest.groups, &known) else {
        // A cycle, which was reported.
        return Vec::new();
    };
    let mut found = Vec::new();
    for notice in manifest.notices.values() {
        let mut here = Vec::new();
        calendar(notice, now, &mut here);
        says(manifest, notice, now, &mut here);
        audience(manifest, notice, &resolution, &mut here);
        agents(manifest, notice, &mut here);
        after::check(manifest, notice, &resolution, now, &mut here);
        found.extend(here.into_iter().map(|d| d.address(notice.address.clone())));
    }
    found
}

fn calendar(notice: &Notice, now: Timestamp, found: &mut Vec<Diagnostic>) {
    let until = notice.schedule.calendar().and_then(|c| c.covers_until());
    let Some(until) = until else { return };
    let today = now.to_zoned(notice.schedule.zone().clone()).date();
    let wanted = today.saturating_add(AHEAD.days());
    if until < wanted {
        found.push(
            Diagnostic::error(
                "calendar-ends",
                notice.schedule_span,
                format!("its calendar is complete until {until} only, and not for the next {AHEAD} days"),
            )
            .help("Name a calendar of your own under `calendars` that extends this one, with the days that are missing and `covers:`."),
        );
    }
}

/// Renders what the next firings will say.
fn says(manifest: &Manifest, notice: &Notice, now: Timestamp, found: &mut Vec<Diagnostic>) {
    let mut firings = Vec::new();
    let mut after = now - SignedDuration::from_nanos(1);
    while firings.len() < RENDERED {
        match notice.schedule.next(after) {
            Ok(Some(firing)) => {
                after = firing.at.max(firing.nominal);
                firings.push(firing);
            }
            Ok(None) if firings.is_empty() => {
                found.push(
                    Diagnostic::warning(
                        "never-again",
                        notice.schedule_span,
                        "the schedule does not fire any more",
                    )
                    .help("Correct it, or remove the notice."),
                );
                break;
            }
            Ok(None) => break,
            Err(why) => {
                if firings.is_empty() {
                    found.push(
                        Diagnostic::error("never-fires", notice.schedule_span, why.to_string())
                            .help("Correct the rule; no year may have such a day."),
                    );
                }
                break;
            }
        }
    }
    let neutral = notice.message.neutral.as_ref();
    if let Some(neutral) = neutral
        && let Body::Image(ImageSource::File { .. }) = neutral.body
    {
        found.push(
            Diagnostic::error(
                "image-file",
                neutral.span,
                "an image in a file is not managed by this version",
            )
            .help("Upload it, and write its `img_…` key."),
        );
    }
    let to = vendors(manifest, notice);
    let zone: &TimeZone = notice.schedule.zone();
    let scheduled: Vec<_> = firings
        .iter()
        .map(|firing| firing.at.to_zoned(zone.clone()))
        .collect();
    let contexts: Vec<_> = scheduled
        .iter()
        .map(|scheduled| Context {
            scheduled,
            notice: &notice.address,
            vars: &notice.vars,
        })
        .collect();
    found.extend(message::check(&notice.message, &to, &contexts));
}

/// Each vendor and kind of receiver that a notice goes to.
fn vendors(manifest: &Manifest, notice: &Notice) -> Vec<(Vendor, message::Target)> {
    let mut to = BTreeSet::new();
    let at = |name| manifest.providers.get(name).map(|p| p.vendor);
    for target in notice.to.keys() {
        match target {
            Target::Chat(_) => {
                to.insert((Vendor::Feishu, true));
            }
            Target::Group(_) => to.extend(notice.via.iter().filter_map(at).map(|v| (v, false))),
        }
    }
    let kind = |is_chat| match is_chat {
        true => message::Target::Chat,
        false => message::Target::People,
    };
    to.into_iter()
        .map(|(vendor, is_chat)| (vendor, kind(is_chat)))
        .collect()
}

/// DingTalk sends as an app's number.
fn agents(manifest: &Manifest, notice: &Notice, found: &mut Vec<Diagnostic>) {
    for name in &notice.via {
        let provider = manifest.providers.get(name);
        if provider.is_some_and(|p| p.vendor == Vendor::DingTalk && p.agent_id.is_none()) {
            let summary =
                format!("the provider `{name}` has no `agent_id`, as which DingTalk sends");
            found.push(Diagnostic::error("no-agent", notice.to_span, summary).help(
                "Add `agent_id:` to the provider; the app's page in the developer console has it.",
            ));
        }
    }
}

/// A large audience needs consent.
fn audience(
    manifest: &Manifest,
    notice: &Notice,
    resolution: &Resolution<'_>,
    found: &mut Vec<Diagnostic>,
) {
    if notice.is_large {
        return;
    }
    let mut people = BTreeSet::new();
    let mut many = None;
    for target in notice.to.keys() {
        let Target::Group(name) = target else {
            continue;
        };
        for member in resolution.members(name.as_str()) {
            if !notice.via.contains(member.provider) {
                continue;
            }
            if !member.recipient.is_person() {
                many = Some(member.recipient.to_string());
            }
            people.insert((member.provider, member.recipient));
        }
    }
    let most = manifest.guards.recipients;
    let why = match many {
        Some(many) => format!("it goes to {many}"),
        None if people.len() as u64 > most => format!(
            "it goes to {} people, more than `guards.recipients` ({most})",
            people.len()
        ),
        None => return,
    };
    found.push(
        Diagnostic::error("large-audience", notice.to_span, why)
            .help("Write `audience: large` to consent to that."),
    );
}
