//! What must hold for what a notice says about what follows a send: the vendors decide what can be taken
//! back, and for how long they can be asked.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::model::forecast::{Audience, Reach};
use crate::model::group::Resolution;
use crate::model::manifest::{Manifest, Vendor};
use crate::model::notice::{Notice, People, Target, teller};
use crate::model::{Diagnostic, Name, Span};

/// The most people who get a message each: more would only be slow (5 a second to one chat or person).
const MESSAGES: usize = 20;

/// How long after it a message can be taken back: at DingTalk (page `notification-of-work-withdrawal`),
/// and at Feishu unless the tenant's administrator has set another time (pages `im-v1/message/delete` and
/// `im-v1/batch_message/delete`).
const RECALL: SignedDuration = SignedDuration::from_hours(24);

/// How many of the next firings are looked at for how close they are.
const FIRINGS: usize = 12;

/// Everything that is checked, with the findings of one notice. Its audience is worked out by whoever has
/// many notices for the same people.
pub(super) fn check(
    manifest: &Manifest,
    notice: &Notice,
    audience: &Audience<'_>,
    resolution: &Resolution<'_>,
    now: Timestamp,
    found: &mut Vec<Diagnostic>,
) {
    let channels = channels(notice, audience);
    late(notice, now, found);
    revoke(notice, &channels, found);
    track(notice, &channels, found);
    messages(notice, audience, found);
    if let Some((track, _)) = &notice.after.track {
        told(manifest, notice, resolution, &track.report_to, found);
    }
    told(
        manifest,
        notice,
        resolution,
        &notice.after.on_problem,
        found,
    );
}

/// A way by which a notice reaches somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Channel {
    /// Messages to chats, and to people who get one each.
    FeishuMessage,
    FeishuBatch,
    DingTalk,
    /// Messages of DingTalk's robot to groups.
    Robot,
    Enos,
}

impl Channel {
    fn name(self) -> &'static str {
        match self {
            Channel::FeishuMessage => "Feishu about messages to chats and to single people",
            Channel::FeishuBatch => "Feishu",
            Channel::DingTalk => "DingTalk",
            Channel::Robot => "DingTalk's robot",
            Channel::Enos => "EnOS",
        }
    }

    /// How long it can be asked who has read a message (pages `im-v1/message/read_users`,
    /// `im-v1/batch_message/read_user`, `gets-the-result-of-sending-messages-asynchronously-to-the-enterprise`).
    fn tells_for(self) -> Option<SignedDuration> {
        match self {
            Channel::FeishuMessage => Some(SignedDuration::from_hours(7 * 24)),
            Channel::FeishuBatch => Some(SignedDuration::from_hours(30 * 24)),
            Channel::DingTalk => Some(SignedDuration::from_hours(24)),
            Channel::Robot | Channel::Enos => None,
        }
    }
}

fn channels(notice: &Notice, audience: &Audience<'_>) -> BTreeSet<Channel> {
    let mut channels = BTreeSet::new();
    for target in notice.to.keys() {
        match target {
            Target::Chat(_) => channels.insert(Channel::FeishuMessage),
            Target::Conversation(..) => channels.insert(Channel::Robot),
            Target::Group(_) => false,
        };
    }
    let alone = notice.after.people.0 == People::Messages;
    for reach in audience.iter().filter(|reach| reach.has_people()) {
        let many = reach.everyone || !reach.departments.is_empty();
        match reach.vendor {
            Vendor::Feishu => {
                if alone && reach.named() > 0 {
                    channels.insert(Channel::FeishuMessage);
                }
                if !alone || many {
                    channels.insert(Channel::FeishuBatch);
                }
            }
            Vendor::DingTalk => {
                channels.insert(Channel::DingTalk);
            }
            Vendor::Enos => {
                channels.insert(Channel::Enos);
            }
        }
    }
    channels
}

/// An instant is overtaken by the next, however late it might still be sent.
fn late(notice: &Notice, now: Timestamp, found: &mut Vec<Diagnostic>) {
    let Some(span) = notice.late_span else { return };
    let mut firings = Vec::new();
    let mut after = now - SignedDuration::from_nanos(1);
    while firings.len() < FIRINGS
        && let Ok(Some(firing)) = notice.schedule.next(after)
    {
        after = firing.at.max(firing.nominal);
        firings.push(firing.at);
    }
    let steps = firings
        .windows(2)
        .map(|pair| pair[1].duration_since(pair[0]));
    let Some(period) = steps.filter(|step| step.is_positive()).min() else {
        return;
    };
    if notice.late > period {
        found.push(
            Diagnostic::error(
                "late-too-long",
                span,
                format!(
                    "`late` is {:#}, and the notice fires again after {period:#}",
                    notice.late
                ),
            )
            .help(format!(
                "Write at most `{period:#}`: the next firing overtakes one that is late."
            )),
        );
    }
}

fn revoke(notice: &Notice, channels: &BTreeSet<Channel>, found: &mut Vec<Diagnostic>) {
    let Some((time, span)) = notice.after.revoke_after else {
        return;
    };
    if channels.contains(&Channel::Enos) {
        found.push(
            Diagnostic::error("no-recall", span, "EnOS has no way to take a notice back").help(
                "Remove `revoke_after`, or write a notice of its own for the people at EnOS.",
            ),
        );
    }
    if channels.contains(&Channel::Robot) {
        found.push(
            Diagnostic::error(
                "no-recall",
                span,
                "a robot's message to a group at DingTalk is not taken back",
            )
            .help("Remove `revoke_after`, or write a notice of its own for the group."),
        );
    }
    let at_dingtalk = channels.contains(&Channel::DingTalk);
    if time <= RECALL
        || channels
            .iter()
            .all(|channel| matches!(channel, Channel::Enos | Channel::Robot))
    {
        return;
    }
    let told = if at_dingtalk {
        Diagnostic::error(
            "recall-too-late",
            span,
            "DingTalk takes a notice back within 24 hours",
        )
        .help("Write at most `24h`.")
    } else {
        Diagnostic::warning(
            "recall-too-late",
            span,
            "Feishu takes a message back within 24 hours, unless the administrator has set another time",
        )
        .help("Write at most `24h`, or have the time of recalls lengthened in the admin console.")
    };
    found.push(told);
}

fn track(notice: &Notice, channels: &BTreeSet<Channel>, found: &mut Vec<Diagnostic>) {
    let Some((track, span)) = &notice.after.track else {
        return;
    };
    let longest = channels.iter().filter_map(|c| c.tells_for()).max();
    let Some(longest) = longest else {
        if !channels.is_empty() {
            found.push(
                Diagnostic::error(
                    "untold",
                    *span,
                    format!("{} does not tell who has read a notice", names(channels)),
                )
                .help("Remove `track`."),
            );
        }
        return;
    };
    let words = |channel: &Channel, time: SignedDuration| {
        format!("{} can be asked for {}", channel.name(), days(time))
    };
    for channel in channels {
        match channel.tells_for() {
            None => found.push(
                Diagnostic::warning(
                    "untold",
                    *span,
                    format!(
                        "{} does not tell who has read a notice, so its people count as not known",
                        channel.name()
                    ),
                )
                .help("Nothing has to be done; the report says so."),
            ),
            Some(time) if track.lasts <= time => {}
            Some(time) if time == longest => {
                let summary = format!("{}, not for {:#}", words(channel, time), track.lasts);
                let help = format!("Write at most `{time:#}`.");
                found.push(Diagnostic::error("track-too-long", *span, summary).help(help));
            }
            Some(time) => {
                let summary = format!("{}; after that its part stands still", words(channel, time));
                let help =
                    "Write a shorter time, or leave it: the report says when each was asked last.";
                found.push(Diagnostic::warning("track-too-long", *span, summary).help(help));
            }
        }
    }
}

fn names(channels: &BTreeSet<Channel>) -> String {
    let names: Vec<_> = channels.iter().map(|channel| channel.name()).collect();
    names.join(" and ")
}

fn days(time: SignedDuration) -> String {
    match time.as_hours() {
        hours if hours > 24 => format!("{} days", hours / 24),
        hours => format!("{hours} hours"),
    }
}

/// A message each is for a few people, at Feishu.
fn messages(notice: &Notice, audience: &Audience<'_>, found: &mut Vec<Diagnostic>) {
    let (People::Messages, Some(span)) = notice.after.people else {
        return;
    };
    let at_feishu = audience.iter().filter(|r| r.vendor == Vendor::Feishu);
    let people: usize = at_feishu.map(Reach::named).sum();
    if people == 0 {
        found.push(
            Diagnostic::error(
                "messages-to-nobody",
                span,
                "it goes to nobody at Feishu, where people can get a message each",
            )
            .help("Remove `people`."),
        );
    } else if people > MESSAGES {
        found.push(
            Diagnostic::error(
                "messages-to-many",
                span,
                format!("it goes to {people} people at Feishu, and a message each is for at most {MESSAGES}"),
            )
            .help("Remove `people`, or post to a chat that they are in, which has the same promise."),
        );
    }
}

/// Who is told of something has to be reached somehow.
fn told(
    manifest: &Manifest,
    notice: &Notice,
    resolution: &Resolution<'_>,
    targets: &BTreeMap<Target, Span>,
    found: &mut Vec<Diagnostic>,
) {
    let vendors: BTreeMap<Name, Vendor> = manifest
        .providers
        .iter()
        .map(|(name, provider)| (name.clone(), provider.vendor))
        .collect();
    for (target, span) in targets {
        let (why, help) = match target {
            Target::Group(name) if resolution.is_empty(name.as_str()) => (
                format!("nobody is in the group `{name}`"),
                "List people in it, or name another.",
            ),
            Target::Chat(_) if teller(&notice.via, &vendors).is_none() => (
                "no Feishu provider can be told to post to the chat".to_owned(),
                "Add the one whose app is in the chat to `via`.",
            ),
            Target::Conversation(..) => (
                "a group at DingTalk cannot be told of something here".to_owned(),
                "Name a chat of Feishu, or a group of people.",
            ),
            Target::Group(_) | Target::Chat(_) => continue,
        };
        found.push(Diagnostic::error("nobody", *span, why).help(help));
    }
}
