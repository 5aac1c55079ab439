//! What is said about a notice to others than its recipients.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::book::Book;
use super::{Posted, What};
use crate::engine::outbox::{NewDelivery, Occurrence, Outcome};
use crate::engine::report::Report;
use crate::engine::runner::Uncomposed;
use crate::model::group::resolve;
use crate::model::notice::{Target, teller};
use crate::model::{Name, message, parse};

impl Posted {
    /// What those who hear of problems are sent about an occurrence.
    pub(super) fn word_of(&self, occurrence: &Occurrence) -> Result<Vec<NewDelivery>, String> {
        let Some((outcome, reason)) = &occurrence.outcome else {
            return Ok(Vec::new());
        };
        let zone = self.registered.schedule.zone();
        let due = occurrence.at.to_zoned(zone.clone());
        let mut said = format!(
            "{}, due {}: {}",
            self.address,
            due.strftime("%Y-%m-%d %H:%M %Z"),
            outcome.as_str()
        );
        if occurrence.count > 1 {
            said += &format!(", and {} more after it", occurrence.count - 1);
        }
        if !reason.is_empty() {
            said += &format!(" ({reason})");
        }
        said += &match outcome {
            Outcome::Held => format!(
                "\nbeadle notice settle {} --sent, --not-sent or --resend",
                occurrence.key
            ),
            _ => format!("\nbeadle notice show {}", occurrence.key),
        };
        let key = format!("{}/{}/problem", self.project, occurrence.key);
        self.say(said, occurrence.at, key, &self.registered.on_problem)
    }

    /// What those who get the report of an occurrence are sent.
    pub(super) fn report_of(&self, report: &Report) -> Result<Vec<NewDelivery>, String> {
        let Some(track) = &self.registered.track else {
            return Ok(Vec::new());
        };
        let following = &report.following;
        let mut said = report.lines(self.registered.schedule.zone()).join("\n");
        said += &format!("\nbeadle notice report {}", following.key);
        let key = format!("{}/{}/report", self.project, following.key);
        self.say(said, following.fired_at, key, &track.report_to)
    }

    /// What chats and people other than the recipients are sent, in our own words.
    fn say(
        &self,
        said: String,
        at: Timestamp,
        key: String,
        to: &BTreeSet<Target>,
    ) -> Result<Vec<NewDelivery>, String> {
        let text = serde_json::json!({ "title": "beadle", "text": "{{ vars.said }}" });
        let (message, _) = parse::stored_message(&text);
        let message = message.ok_or("our own words cannot be read")?;
        let what = What {
            message: &message,
            vars: &BTreeMap::from([("said".to_owned(), said)]),
            at,
            key,
        };
        let mut deliveries = Vec::new();
        let book = self.desk.book();
        for (provider, of) in self.told(&book, to)? {
            let reached = self.reached(provider, &of)?;
            for (to, kind) in [
                (&reached.chats, message::Target::Chat),
                (&reached.people, message::Target::People),
            ] {
                if !to.is_empty() {
                    let parcels = self.parcels(&what, provider, to, kind);
                    deliveries.extend(parcels.map_err(|uncomposed| match uncomposed {
                        Uncomposed::Refused(why) | Uncomposed::Later(why) => why,
                    })?);
                }
            }
        }
        Ok(deliveries)
    }

    /// By which provider each of these is told: a chat by one, a group's people by those of the notice
    /// where they are at any of them, and by all otherwise.
    fn told<'a>(
        &'a self,
        book: &'a Book,
        of: &BTreeSet<Target>,
    ) -> Result<BTreeMap<&'a Name, BTreeSet<Target>>, String> {
        let resolution = resolve(&book.groups, &book.known).map_err(|why| why.to_string())?;
        let mut told: BTreeMap<&Name, BTreeSet<Target>> = BTreeMap::new();
        for target in of {
            let by: BTreeSet<&Name> = match target {
                Target::Chat(_) => teller(&self.registered.via, &book.vendors)
                    .into_iter()
                    .collect(),
                Target::Conversation(by, _) => book.vendors.keys().filter(|p| *p == by).collect(),
                Target::Group(name) => {
                    let members = resolution.members(name.as_str());
                    let at = |provider: &&Name| members.iter().any(|m| m.provider == *provider);
                    let all: BTreeSet<&Name> = book.vendors.keys().filter(at).collect();
                    let ours = all.iter().filter(|p| self.registered.via.contains(**p));
                    let ours: BTreeSet<&Name> = ours.copied().collect();
                    if ours.is_empty() { all } else { ours }
                }
            };
            if by.is_empty() {
                return Err(match target {
                    Target::Group(name) => format!("nobody of the group `{name}` can be told"),
                    Target::Chat(_) => "no Feishu provider posts to the chat".to_owned(),
                    Target::Conversation(by, _) => {
                        format!("there is no provider `{by}` here, whose group is told")
                    }
                });
            }
            for provider in by {
                told.entry(provider).or_default().insert(target.clone());
            }
        }
        Ok(told)
    }
}
