//! What must hold for notices on the day that somebody looks: whether they fire, what they will say, and
//! whom they reach.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::after;
use crate::model::Diagnostic;
use crate::model::forecast::{Audience, Audiences, Forecast, Forecasted, Reach, Tally};
use crate::model::group::{Known, Resolution, resolve};
use crate::model::manifest::{Manifest, Vendor};
use crate::model::message::{self, Context};
use crate::model::notice::{Notice, Target};
use crate::model::schedule::Event;

/// How many of the next firings are rendered.
const RENDERED: usize = 3;

/// How many days ahead a calendar has to be complete.
const AHEAD: i64 = 90;

/// How many days ahead what is sent is held against the vendors' quotas: what is left of a month, and all
/// of the next.
const COUNTED: SignedDuration = SignedDuration::from_hours(24 * 62);

/// How many firings are counted at most, so that validating many notices ends soon.
const MOST_COUNTED: usize = 20_000;

/// How many other notices are named in one finding.
const NAMED: usize = 3;

/// How many messages are rendered at most to find out which say the same.
const MOST_COMPARED: usize = 2_000;

/// Holds what every notice will send in the coming weeks against the quotas of the vendors.
///
/// # Caveats
///
/// Of very many firings only the first are counted, which is a finding of its own; `simulate` counts all of
/// a time.
#[must_use]
pub fn check_sending(manifest: &Manifest, now: Timestamp) -> Vec<Diagnostic> {
    let known = Known::new();
    let Ok(resolution) = resolve(&manifest.groups, &known) else {
        // A cycle, which was reported.
        return Vec::new();
    };
    let mut audiences = audiences(manifest, &resolution);
    let notices: Vec<_> = manifest
        .notices
        .values()
        .filter(|notice| notice.enabled)
        .map(|notice| Forecasted {
            notice,
            audience: audiences.of(notice.to.keys(), &notice.via),
        })
        .collect();
    let to = now.saturating_add(COUNTED).unwrap_or(Timestamp::MAX);
    let each = notices.iter().map(|one| (one.notice, now, to));
    let mut tally = Tally::new(manifest, &notices, MOST_COMPARED);
    let mut fired = vec![0_usize; notices.len()];
    let mut cut = None;
    for (count, occurrence) in Forecast::new(each, false).enumerate() {
        if count == MOST_COUNTED {
            tally.cut();
            cut = Some(uncounted(&notices, &fired, occurrence.event.at(), to));
            break;
        }
        fired[occurrence.notice] += 1;
        if let Event::Fires(firing) = occurrence.event {
            tally.fires(occurrence.notice, &firing);
        }
    }
    let mut found = tally.finish().0;
    found.extend(cut);
    found
}

/// Says that what fires from an instant on was not counted, at the notices that fire most.
fn uncounted(
    notices: &[Forecasted<'_>],
    fired: &[usize],
    from: Timestamp,
    to: Timestamp,
) -> Diagnostic {
    let mut most: Vec<_> = notices.iter().map(|one| one.notice).zip(fired).collect();
    most.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let day = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
    let end = to
        .saturating_add(SignedDuration::from_hours(24))
        .unwrap_or(to);
    let (first, others) = most.split_first().expect("something fired");
    let summary = format!(
        "there are more than {MOST_COUNTED} firings by {}: what fires from {} on is held against no quota of a vendor, \
         and the most are of this notice",
        day(to),
        day(from)
    );
    let mut found = Diagnostic::warning("quota-uncounted", first.0.schedule_span, summary)
        .help(format!(
            "Fire less often, or count the rest with `beadle simulate --from {} --to {}`.",
            day(from),
            day(end)
        ))
        .address(first.0.address.clone());
    for (notice, count) in others.iter().take(NAMED).filter(|(_, count)| **count > 0) {
        let words = format!("`{}` fires {count} times until then", notice.address);
        found = found.related(notice.schedule_span, words);
    }
    found
}

/// The audiences of a manifest's notices.
pub fn audiences<'a>(manifest: &'a Manifest, resolution: &'a Resolution<'a>) -> Audiences<'a> {
    let vendors = manifest.providers.iter();
    Audiences::new(resolution, vendors.map(|(name, p)| (name, p.vendor)))
}

/// Checks every notice as of an instant.
#[must_use]
pub fn check_notices(manifest: &Manifest, now: Timestamp) -> Vec<Diagnostic> {
    let known = Known::new();
    let Ok(resolution) = resolve(&manifest.groups, &known) else {
        // A cycle, which was reported.
        return Vec::new();
    };
    let mut audiences = audiences(manifest, &resolution);
    let mut found = Vec::new();
    for notice in manifest.notices.values() {
        let mut here = Vec::new();
        calendar(notice, now, &mut here);
        says(manifest, notice, now, &mut here);
        let reached = audiences.of(notice.to.keys(), &notice.via);
        audience(manifest, notice, &reached, &mut here);
        agents(manifest, notice, &reached, &mut here);
        after::check(manifest, notice, &reached, &resolution, now, &mut here);
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
        let name = notice.schedule_source["calendar"].as_str().unwrap_or("cn");
        let end = Date::new(wanted.year(), 12, 31).unwrap_or(wanted);
        let year = wanted.year();
        let help = match name {
            "cn" => format!(
                "Write the days that are missing under `calendars`, as in `calendars: {{ company: {{ extends: cn, holidays: [{year}-01-01], covers: {end} }} }}`, and `calendar: company` here."
            ),
            name => format!(
                "Add the `holidays` and `workdays` that are missing to the calendar `{name}`, and `covers: {end}`."
            ),
        };
        found.push(
            Diagnostic::error(
                "calendar-ends",
                notice.schedule_span,
                format!("its calendar `{name}` is complete until {until} only, and not for the next {AHEAD} days (until {wanted})"),
            )
            .help(help),
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
            Target::Conversation(..) => {
                to.insert((Vendor::DingTalk, true));
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

/// DingTalk sends to people as an app's number, and to groups as its robot.
fn agents(
    manifest: &Manifest,
    notice: &Notice,
    audience: &Audience<'_>,
    found: &mut Vec<Diagnostic>,
) {
    for reach in audience
        .iter()
        .filter(|reach| reach.vendor == Vendor::DingTalk)
    {
        let name = reach.provider;
        let Some(provider) = manifest.providers.get(name) else {
            continue;
        };
        if reach.has_people() && provider.agent_id.is_none() {
            let summary =
                format!("the provider `{name}` has no `agent_id`, as which DingTalk sends");
            found.push(Diagnostic::error("no-agent", notice.to_span, summary).help(
                "Add `agent_id:` to the provider; the app's page in the developer console has it.",
            ));
        }
        if !reach.chats.is_empty() && provider.robot_code.is_none() {
            let summary = format!(
                "the provider `{name}` has no `robot_code`, as which DingTalk sends to groups"
            );
            found.push(Diagnostic::error("no-robot", notice.to_span, summary).help(
                "Add `robot_code:` to the provider; the app's page in the developer console has it.",
            ));
        }
    }
}

/// A large audience needs consent.
fn audience(
    manifest: &Manifest,
    notice: &Notice,
    audience: &Audience<'_>,
    found: &mut Vec<Diagnostic>,
) {
    if notice.is_large {
        return;
    }
    let people: usize = audience.iter().map(Reach::named).sum();
    let many = audience.iter().find_map(|reach| match reach.everyone {
        true => Some("everyone".to_owned()),
        false => reach.departments.first().map(ToString::to_string),
    });
    let most = manifest.guards.recipients;
    let why = match many {
        Some(many) => format!("it goes to {many}"),
        None if people as u64 > most => {
            format!("it goes to {people} people, more than `guards.recipients` ({most})")
        }
        None => return,
    };
    found.push(
        Diagnostic::error("large-audience", notice.to_span, why)
            .help("Write `audience: large` to consent to that."),
    );
}
