//! What firings come to, held against what vendors let an app send.
//!
//! Firings are counted as they come, and judged when the minute, the day or the month that they are in is
//! over: memory is that of one day. DingTalk's days and months, and what is counted for Feishu, are those
//! of China, for the pages name no other.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;

use super::{Calls, Forecasted, Reach};
use crate::model::group::Recipient;
use crate::model::manifest::{Edition, Manifest, Vendor};
use crate::model::message::Target;
use crate::model::quota::{dingtalk, feishu};
use crate::model::schedule::Firing;
use crate::model::{ChatId, Diagnostic, Name};

/// Where DingTalk's days begin.
const CHINA: Offset = Offset::constant(8);

/// How many notices are named in one finding.
const NAMED: usize = 5;

/// What firings come to.
pub struct Tally<'a> {
    manifest: &'a Manifest,
    notices: &'a [Forecasted<'a>],
    providers: BTreeMap<&'a Name, Counts<'a>>,
    usage: BTreeMap<(&'a Name, Month), Calls>,
    /// The calls that send, by the notice too.
    of_notice: BTreeMap<(&'a Name, Month, usize), u64>,
    /// How many messages are still rendered to compare them.
    renders: usize,
    /// Whether there is more than was counted.
    is_cut: bool,
    found: Vec<Diagnostic>,
    said: HashSet<(&'static str, &'a Name, usize)>,
}

/// A year and a month.
type Month = (i16, i8);

/// The calls of one provider in one calendar month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage<'a> {
    /// The provider's key.
    pub provider: &'a Name,
    /// Its vendor.
    pub vendor: Vendor,
    /// The first day of the month.
    pub month: Date,
    /// The calls.
    pub calls: Calls,
    /// How many the organisation may make, where the vendor says so.
    pub allowance: Option<u64>,
}

/// What is counted of a provider.
struct Counts<'a> {
    day: Date,
    /// The firings of the day, each with its notice and its place in that notice's audience.
    today: Vec<(usize, usize, Firing)>,
    at: Timestamp,
    /// How many messages each chat gets at the present instant, with the notices.
    chats: HashMap<&'a ChatId, Vec<usize>>,
    /// The receivers of the present instant, with the notices.
    receivers: usize,
    receiving: Vec<usize>,
}

impl<'a> Tally<'a> {
    /// Counts firings of these notices. No more messages than `renders` are rendered to find out which
    /// say the same.
    #[must_use]
    pub fn new(manifest: &'a Manifest, notices: &'a [Forecasted<'a>], renders: usize) -> Self {
        Self {
            manifest,
            notices,
            providers: BTreeMap::new(),
            usage: BTreeMap::new(),
            of_notice: BTreeMap::new(),
            renders,
            is_cut: false,
            found: Vec::new(),
            said: HashSet::new(),
        }
    }

    /// Says that more will fire than is counted here.
    pub fn cut(&mut self) {
        self.is_cut = true;
    }

    /// Counts a firing.
    pub fn fires(&mut self, notice: usize, firing: &Firing) {
        let notices = self.notices;
        let forecasted = &notices[notice];
        let day = CHINA.to_datetime(firing.at).date();
        for (place, reach) in forecasted.audience.iter().enumerate() {
            if reach.is_empty() || reach.obstacle.is_some() {
                continue;
            }
            let calls = forecasted.calls(reach);
            let month = (day.year(), day.month());
            let used = self.usage.entry((reach.provider, month)).or_default();
            used.send += calls.send;
            used.follow += calls.follow;
            let of_notice = self.of_notice.entry((reach.provider, month, notice));
            *of_notice.or_default() += calls.send;
            let ended = match self.providers.get(reach.provider) {
                Some(counts) => (counts.at != firing.at, counts.day != day),
                None => (false, false),
            };
            if ended.0 {
                self.instant_ends(reach.provider);
            }
            if ended.1 {
                self.day_ends(reach.provider);
            }
            let counts = self.providers.entry(reach.provider).or_insert(Counts {
                day,
                today: Vec::new(),
                at: firing.at,
                chats: HashMap::new(),
                receivers: 0,
                receiving: Vec::new(),
            });
            (counts.day, counts.at) = (day, firing.at);
            counts.today.push((notice, place, *firing));
            for chat in &reach.chats {
                counts.chats.entry(chat).or_default().push(notice);
            }
            if reach.has_people() {
                counts.receivers += reach.named();
                counts.receiving.push(notice);
            }
        }
    }

    /// Ends the counting, and says what was found and what was used.
    #[must_use]
    pub fn finish(mut self) -> (Vec<Diagnostic>, Vec<Usage<'a>>) {
        let providers: Vec<&Name> = self.providers.keys().copied().collect();
        for provider in providers {
            self.instant_ends(provider);
            self.day_ends(provider);
        }
        let usage: Vec<Usage<'a>> = self
            .usage
            .iter()
            .filter_map(|((provider, (year, month)), calls)| {
                let at = self.manifest.providers.get(*provider)?;
                let allowance = match at.vendor {
                    Vendor::DingTalk => dingtalk::calls_a_month(at.edition),
                    Vendor::Feishu | Vendor::Enos => None,
                };
                Some(Usage {
                    provider,
                    vendor: at.vendor,
                    month: Date::new(*year, *month, 1).ok()?,
                    calls: *calls,
                    allowance,
                })
            })
            .collect();
        for used in &usage {
            self.month(used);
        }
        (self.found, usage)
    }

    /// Finds something about notices, the first of which is blamed. Each is told once of a provider.
    fn find(&mut self, provider: &'a Name, about: &[usize], found: Diagnostic) {
        let mut each: Vec<usize> = Vec::new();
        for notice in about {
            if !each.contains(notice) && each.len() <= NAMED {
                each.push(*notice);
            }
        }
        let Some((first, others)) = each.split_first() else {
            return;
        };
        if !self.said.insert((found.code, provider, *first)) {
            return;
        }
        let notices = self.notices;
        let mut found = found.address(notices[*first].notice.address.clone());
        for other in others.iter().take(NAMED) {
            let notice = notices[*other].notice;
            let words = format!("`{}` fires too", notice.address);
            found = found.related(notice.schedule_span, words);
        }
        self.found.push(found);
    }

    fn vendor(&self, provider: &Name) -> Option<(Vendor, Edition)> {
        let provider = self.manifest.providers.get(provider)?;
        Some((provider.vendor, provider.edition))
    }

    /// Judges what one instant came to.
    fn instant_ends(&mut self, provider: &'a Name) {
        let Some(counts) = self.providers.get_mut(provider) else {
            return;
        };
        let chats = std::mem::take(&mut counts.chats);
        let receivers = std::mem::take(&mut counts.receivers);
        let receiving = std::mem::take(&mut counts.receiving);
        let (at, notices) = (counts.at, self.notices);
        match self.vendor(provider) {
            Some((Vendor::Feishu, _)) => {
                let most = chats.into_values().max_by_key(Vec::len).unwrap_or_default();
                if most.len() > feishu::TO_A_CHAT_A_SECOND {
                    let summary = format!(
                        "{} notices go to one chat at {at}, and Feishu takes {} messages a second of all bots there",
                        most.len(),
                        feishu::TO_A_CHAT_A_SECOND
                    );
                    let place = notices[most[0]].notice.schedule_span;
                    let found = Diagnostic::warning("quota-chat", place, summary).help(
                        "They are sent one after another; let them fire at different minutes.",
                    );
                    self.find(provider, &most, found);
                }
            }
            Some((Vendor::DingTalk, _)) if receivers > dingtalk::RECEIVERS_A_MINUTE => {
                let minutes = receivers.div_ceil(dingtalk::RECEIVERS_A_MINUTE);
                let waits = i32::try_from(minutes - 1).unwrap_or(i32::MAX);
                let takes = dingtalk::MINUTE.saturating_mul(waits);
                let late = receiving.iter().map(|n| notices[*n].notice.late).min();
                let late = late.filter(|late| *late < takes);
                let summary = format!(
                    "{receivers} people get something at {at}, and DingTalk delivers to {} a minute and drops the rest",
                    dingtalk::RECEIVERS_A_MINUTE
                );
                let place = notices[receiving[0]].notice.schedule_span;
                let found = match late {
                    Some(late) => Diagnostic::error("quota-minute", place, summary).help(format!(
                        "Sending takes {takes:#}, and what has not left after {late:#} is not sent: write a longer `late`, name departments, or let notices fire at different minutes."
                    )),
                    None => Diagnostic::warning("quota-minute", place, summary).help(format!(
                        "Sending takes {minutes} minutes at least; name departments, or let notices fire at different minutes."
                    )),
                };
                self.find(provider, &receiving, found);
            }
            _ => {}
        }
    }

    /// Judges what one day came to.
    fn day_ends(&mut self, provider: &'a Name) {
        let Some(counts) = self.providers.get_mut(provider) else {
            return;
        };
        let today = std::mem::take(&mut counts.today);
        let day = counts.day;
        match self.vendor(provider) {
            Some((Vendor::DingTalk, _)) => {
                let to_people: Vec<_> = today
                    .into_iter()
                    .filter(|(notice, place, _)| self.reach(*notice, *place).has_people())
                    .collect();
                self.everyone(provider, day, &to_people);
                self.each_person(provider, day, &to_people);
                self.same_content(provider, day, &to_people);
            }
            Some((Vendor::Feishu, _)) => self.messages(provider, day, &today),
            _ => {}
        }
    }

    fn reach(&self, notice: usize, place: usize) -> &'a Reach<'a> {
        let notices = self.notices;
        &notices[notice].audience[place]
    }

    /// DingTalk: messages to everyone.
    fn everyone(&mut self, provider: &'a Name, day: Date, today: &[(usize, usize, Firing)]) {
        let all: Vec<usize> = today
            .iter()
            .filter(|(notice, place, _)| self.reach(*notice, *place).everyone)
            .map(|(notice, ..)| *notice)
            .collect();
        if all.len() <= dingtalk::TO_EVERYONE_A_DAY {
            return;
        }
        let summary = format!(
            "{} {} on {day}, and DingTalk delivers at most {} messages a day to everyone",
            subject(&all),
            times(all.len()),
            word(dingtalk::TO_EVERYONE_A_DAY)
        );
        let place = self.notices[all[0]].notice.schedule_span;
        let found = Diagnostic::error("quota-everyone", place, summary)
            .help("Fire less often, or name people and departments instead of everyone.");
        self.find(provider, &all, found);
    }

    /// DingTalk: messages of an app to one person.
    fn each_person(&mut self, provider: &'a Name, day: Date, today: &[(usize, usize, Firing)]) {
        let most = dingtalk::TO_A_PERSON_A_DAY;
        if today.len() <= most {
            return;
        }
        // Many notices are for the same people, who are looked through once.
        let mut firings: HashMap<*const Reach<'_>, (&Reach<'_>, usize, Vec<usize>)> =
            HashMap::new();
        for (notice, place, _) in today {
            let reach = self.reach(*notice, *place);
            let of_reach = firings.entry(std::ptr::from_ref(reach));
            let (_, count, notices) = of_reach.or_insert((reach, 0, Vec::new()));
            *count += 1;
            notices.push(*notice);
        }
        let mut to_all = 0;
        let mut each: HashMap<&Recipient, usize> = HashMap::new();
        for (reach, count, _) in firings.values() {
            if reach.everyone {
                to_all += count;
            }
            let named = reach.people.iter().chain(&reach.unresolved);
            for one in named.chain(&reach.departments) {
                *each.entry(one).or_default() += count;
            }
        }
        let person = each.into_iter().max_by_key(|(_, count)| *count);
        let count = to_all + person.map_or(0, |(_, count)| count);
        if count <= most {
            return;
        }
        let gets = |reach: &Reach<'_>| {
            let all = [&reach.people, &reach.unresolved, &reach.departments];
            let one = person.map(|(one, _)| one);
            reach.everyone || one.is_some_and(|one| all.iter().any(|some| some.contains(one)))
        };
        let mut of_each: BTreeMap<usize, usize> = BTreeMap::new();
        for (_, _, notices) in firings.values().filter(|(reach, ..)| gets(reach)) {
            for notice in notices {
                *of_each.entry(*notice).or_default() += 1;
            }
        }
        let blamed = of_each.into_iter();
        let blamed = most_first(blamed.map(|(n, count)| (Reverse(count), n)).collect());
        let summary = format!(
            "one person gets {count} messages on {day}, and DingTalk delivers at most {most} a day of one app"
        );
        let place = self.notices[blamed[0]].notice.schedule_span;
        let found = Diagnostic::error("quota-person", place, summary)
            .help("Fire less often, or send to a group chat.");
        self.find(provider, &blamed, found);
    }

    /// DingTalk: the same content, which is delivered once a day to one person.
    fn same_content(&mut self, provider: &'a Name, day: Date, today: &[(usize, usize, Firing)]) {
        if today.len() < 2 || self.renders < today.len() {
            return;
        }
        self.renders -= today.len();
        let mut same: BTreeMap<String, Vec<(usize, usize)>> = BTreeMap::new();
        for (notice, place, firing) in today {
            let reach = self.reach(*notice, *place);
            let said = self.notices[*notice].render(firing, reach, Target::People);
            if let Ok(said) = said {
                let content = format!("{} {}", said.kind, said.content);
                same.entry(content).or_default().push((*notice, *place));
            }
        }
        for alike in same.into_values().filter(|alike| alike.len() > 1) {
            self.alike(provider, day, &alike);
        }
    }

    /// Judges what says the same on one day.
    fn alike(&mut self, provider: &'a Name, day: Date, alike: &[(usize, usize)]) {
        let advice = "Put into it what differs, as in `{{ scheduled | date('%H:%M') }}`.";
        let mut times_of: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for one in alike {
            *times_of.entry(*one).or_default() += 1;
        }
        for ((notice, _), count) in times_of.iter().filter(|(_, count)| **count > 1) {
            let place = self.notices[*notice].notice.message.span;
            let summary = format!(
                "it says the same {count} times on {day}, and DingTalk delivers the same content once a day to one person"
            );
            let found = Diagnostic::error("same-content", place, summary).help(advice);
            self.find(provider, &[*notice], found);
        }
        // The first notice that each of these gets, that everyone gets, and whose people only DingTalk knows.
        let mut first_of: HashMap<&Recipient, usize> = HashMap::new();
        let (mut to_all, mut open, mut first) = (None, None, None);
        for (later, place) in times_of.into_keys() {
            let mine = self.reach(later, place);
            let named = mine.people.iter().chain(&mine.unresolved);
            let named = named.chain(&mine.departments).copied();
            let is_open = !mine.departments.is_empty() || !mine.unresolved.is_empty();
            let certain = match mine.everyone {
                true => first,
                false => {
                    to_all.or_else(|| named.clone().find_map(|one| first_of.get(one).copied()))
                }
            };
            let other = match (certain, is_open) {
                (Some(other), _) => Some((other, true)),
                (None, true) => first.map(|other| (other, false)),
                (None, false) => open.map(|other| (other, false)),
            };
            for one in named {
                first_of.entry(one).or_insert(later);
            }
            first = first.or(Some(later));
            to_all = to_all.or(mine.everyone.then_some(later));
            open = open.or(is_open.then_some(later));
            let Some((other, is_certain)) = other else {
                continue;
            };
            let notices = self.notices;
            let (message, first) = (&notices[later].notice.message, notices[other].notice);
            let summary = format!(
                "`{}` says the same on {day} to {}, and DingTalk delivers the same content once a day to one person",
                first.address,
                match is_certain {
                    true => "some of its people",
                    false => "people who may be the same",
                }
            );
            let found = match is_certain {
                true => Diagnostic::error("same-content", message.span, summary),
                false => Diagnostic::warning("same-content", message.span, summary),
            };
            let found = found
                .help(advice)
                .related(first.message.span, "said here too");
            self.find(provider, &[later], found);
        }
    }

    /// Feishu: messages of an app.
    fn messages(&mut self, provider: &'a Name, day: Date, today: &[(usize, usize, Firing)]) {
        let mut of_each: BTreeMap<usize, u64> = BTreeMap::new();
        for (notice, place, _) in today {
            let reach = self.reach(*notice, *place);
            let count = u64::try_from(reach.named() + reach.departments.len()).unwrap_or(0);
            *of_each.entry(*notice).or_default() += count;
        }
        let all: u64 = of_each.values().sum();
        if all <= feishu::MESSAGES_A_DAY {
            return;
        }
        let blamed = of_each.into_iter();
        let blamed = most_first(blamed.map(|(n, count)| (Reverse(count), n)).collect());
        let summary = format!(
            "people get {all} messages on {day}, and Feishu takes at most {} a day of one app",
            feishu::MESSAGES_A_DAY
        );
        let place = self.notices[blamed[0]].notice.schedule_span;
        let found = Diagnostic::error("quota-messages", place, summary)
            .help("Fire less often, send to chats, or use several apps.");
        self.find(provider, &blamed, found);
    }

    /// DingTalk: the organisation's calls in a month.
    fn month(&mut self, used: &Usage<'a>) {
        let Some(allowance) = used.allowance else {
            return;
        };
        let Calls { send, follow } = used.calls;
        if send + follow <= allowance {
            return;
        }
        let notices = self.notices;
        let month = (used.month.year(), used.month.month());
        let all = (used.provider, month, 0)..=(used.provider, month, usize::MAX);
        let of_notice = self.of_notice.range(all);
        let blamed = of_notice.map(|((.., notice), calls)| (Reverse(*calls), *notice));
        let blamed = most_first(blamed.collect());
        let Some(first) = blamed.first() else { return };
        let edition = self.vendor(used.provider).map_or("", |(_, e)| e.as_str());
        let summary = format!(
            "the notices of provider `{}` take {}{} calls in {} ({send} to send, {follow} that may follow), and the {edition} edition of DingTalk allows {allowance} a month",
            used.provider,
            if self.is_cut { "more than " } else { "" },
            send + follow,
            used.month.strftime("%Y-%m"),
        );
        let place = notices[*first].notice.schedule_span;
        let found = Diagnostic::error("quota-month", place, summary)
            .help("Fire less often, name departments instead of people, or say under `providers` which `edition` it is.");
        self.find(used.provider, &blamed, found);
    }
}

/// Notices by how much they weigh.
fn most_first<T: Ord>(mut weighed: Vec<(Reverse<T>, usize)>) -> Vec<usize> {
    weighed.sort();
    weighed.into_iter().map(|(_, notice)| notice).collect()
}

fn subject(notices: &[usize]) -> &'static str {
    match notices.iter().all(|notice| *notice == notices[0]) {
        true => "this notice fires",
        false => "notices to everyone fire",
    }
}

fn times(count: usize) -> String {
    format!("{} times", word(count))
}

/// A small number as a word.
fn word(number: usize) -> String {
    const WORDS: [&str; 10] = [
        "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    ];
    let word = WORDS.get(number).map(|word| (*word).to_owned());
    word.unwrap_or_else(|| number.to_string())
}
