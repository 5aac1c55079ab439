//! Recurring notices: what is said to whom, and when.
//!
//! A notice is registered in the ledger as [`Notice::fields`] and read back by [`Registered::read`], so
//! that the runner fires what was applied and not what a file says by then.

mod after;

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use serde_json::{Value as Json, json};

pub use after::{After, ENOUGH, OnUnknown, People, TRACKED, Track, teller};

use super::diagnostic::{Source, Sources, has_errors};
use super::message::Message;
use super::schedule::Schedule;
use super::{Address, ChatId, Field, Fields, Name, Span, Value, parse, schedule};

/// How much later than it fires a notice is sent when it does not say.
pub const LATE: SignedDuration = SignedDuration::from_mins(15);

/// Whom a notice is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// The people of a group.
    Group(Name),
    /// A chat of Feishu; what stands for it where beadle keeps it.
    Chat(ChatId),
    /// A group at DingTalk, by the provider whose robot is in it.
    Conversation(Name, ChatId),
}

impl Target {
    /// Such as `group oncall` or `chat oc_a0553e`.
    fn to_text(&self) -> String {
        match self {
            Target::Group(name) => format!("group {name}"),
            Target::Chat(chat) => format!("chat {chat}"),
            Target::Conversation(provider, id) => format!("conversation {provider} {id}"),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text.split_once(' ')? {
            ("group", name) => Name::new(name).ok().map(Target::Group),
            ("chat", id) => Some(Target::Chat(ChatId::new(id))),
            ("conversation", rest) => {
                let (provider, id) = rest.split_once(' ')?;
                let provider = Name::new(provider).ok()?;
                Some(Target::Conversation(provider, ChatId::new(id)))
            }
            _ => None,
        }
    }
}

/// A declared notice.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Its address.
    pub address: Address,
    /// Whom it is for, each with the word that names it.
    pub to: BTreeMap<Target, Span>,
    /// The providers by which it goes out; all that its recipients are at, where nothing is said.
    pub via: BTreeSet<Name>,
    /// When it fires.
    pub schedule: Schedule,
    /// What is written for that.
    pub schedule_source: Json,
    /// What is written for the calendars that it may go by.
    pub calendars: Json,
    /// What it says.
    pub message: Message,
    /// The variables that its templates name.
    pub vars: BTreeMap<String, String>,
    /// How much later than it fires it is still sent.
    pub late: SignedDuration,
    /// Where `late` stands, if it does.
    pub late_span: Option<Span>,
    /// What follows a send.
    pub after: After,
    /// Whether there is consent to a large audience.
    pub is_large: bool,
    /// Whether it is sent.
    pub enabled: bool,
    /// Whether deleting it is refused.
    pub protect: bool,
    /// Its former name.
    pub moved_from: Option<Name>,
    /// Where its key stands.
    pub span: Span,
    /// Where `to` stands.
    pub to_span: Span,
    /// Where `schedule` stands.
    pub schedule_span: Span,
}

fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

fn targets(targets: &BTreeMap<Target, Span>) -> Value {
    Value::Items(targets.keys().map(Target::to_text).collect())
}

impl Notice {
    /// What is compared and registered.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let mut message = self.message.to_value();
        if !self.vars.is_empty() {
            message = json!({ "message": message, "vars": self.vars });
        }
        let calendars = match self.schedule_source.get("calendar") {
            Some(Json::String(name)) if name != "cn" => self.calendars.to_string(),
            _ => String::new(),
        };
        let after = &self.after;
        let revoke_after = after.revoke_after.map(|(time, _)| format!("{time:#}"));
        let track = after.track.as_ref().map(|(track, _)| track.to_text());
        let (revoke_after, track) = (revoke_after.unwrap_or_default(), track.unwrap_or_default());
        // What says nothing else is as it was before these fields were known.
        let on_unknown = match after.on_unknown {
            OnUnknown::Hold => "",
            OnUnknown::Resend => OnUnknown::Resend.as_str(),
        };
        let people = match after.people.0 {
            People::Together => BTreeSet::new(),
            People::Messages => BTreeSet::from([People::Messages.as_str().to_owned()]),
        };
        [
            (Field::Enabled, Value::Flag(self.enabled)),
            (Field::To, targets(&self.to)),
            (
                Field::Via,
                Value::Items(self.via.iter().map(ToString::to_string).collect()),
            ),
            (Field::Schedule, text(self.schedule_source.to_string())),
            (Field::Calendars, text(calendars)),
            (Field::Message, text(message.to_string())),
            (Field::Late, text(format!("{:#}", self.late))),
            (
                Field::Audience,
                text(if self.is_large { "large" } else { "" }),
            ),
            (Field::RevokeAfter, text(revoke_after)),
            (Field::Track, text(track)),
            (Field::OnProblem, targets(&after.on_problem)),
            (Field::People, Value::Items(people)),
            (Field::OnUnknown, text(on_unknown)),
        ]
        .into_iter()
        .collect()
    }
}

/// A notice as it was registered.
#[derive(Clone, Debug)]
pub struct Registered {
    /// Whether it is sent.
    pub enabled: bool,
    /// Whom it is for.
    pub to: BTreeSet<Target>,
    /// The providers by which it goes out.
    pub via: BTreeSet<Name>,
    /// When it fires.
    pub schedule: Schedule,
    /// What it says.
    pub message: Message,
    /// The variables that its templates name.
    pub vars: BTreeMap<String, String>,
    /// How much later than it fires it is still sent.
    pub late: SignedDuration,
    /// After what time it is taken back.
    pub revoke_after: Option<SignedDuration>,
    /// How it is followed who has read it.
    pub track: Option<Track<BTreeSet<Target>>>,
    /// Who is told when an occurrence went wrong.
    pub on_problem: BTreeSet<Target>,
    /// How it gets to people.
    pub people: People,
    /// What follows an unknown send.
    pub on_unknown: OnUnknown,
}

impl Registered {
    /// Reads what [`Notice::fields`] made.
    ///
    /// # Errors
    ///
    /// When it is not as this beadle writes it, in words.
    pub fn read(fields: &Fields) -> Result<Self, String> {
        let of = |field: Field| match fields.get(field) {
            Some(Value::Text(text)) => Ok(text.as_str()),
            _ => Err(format!("`{field}` is missing")),
        };
        let json = |field: Field, text: &str| -> Result<Json, String> {
            serde_json::from_str(text).map_err(|error| format!("`{field}` cannot be read: {error}"))
        };
        let mut message = json(Field::Message, of(Field::Message)?)?;
        let mut vars = BTreeMap::new();
        if let (Some(inner), Some(Json::Object(all))) =
            (message.get("message"), message.get("vars"))
        {
            let all = all
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), value.as_str()?)));
            vars = all.map(|(key, value)| (key, value.to_owned())).collect();
            message = inner.clone();
        }
        let (read, found) = parse::stored_message(&message);
        let message = match read {
            Some(message) if !has_errors(&found) => message,
            _ => return Err(first("message", &found)),
        };
        let late = of(Field::Late)?;
        // These were not there in the first notices that were registered.
        let later = |field: Field| match fields.get(field) {
            Some(Value::Text(text)) => text.as_str(),
            _ => "",
        };
        let revoke_after = match later(Field::RevokeAfter) {
            "" => None,
            time => Some(
                time.parse()
                    .map_err(|error| format!("`revoke_after` cannot be read: {error}"))?,
            ),
        };
        let each = fields
            .items(Field::People)
            .contains(People::Messages.as_str());
        Ok(Self {
            enabled: fields.get(Field::Enabled) == Some(&Value::Flag(true)),
            to: read_targets(fields, Field::To),
            revoke_after,
            track: after::read(later(Field::Track))?,
            on_problem: read_targets(fields, Field::OnProblem),
            people: match each {
                true => People::Messages,
                false => People::Together,
            },
            on_unknown: match later(Field::OnUnknown) == OnUnknown::Resend.as_str() {
                true => OnUnknown::Resend,
                false => OnUnknown::Hold,
            },
            via: fields
                .items(Field::Via)
                .iter()
                .filter_map(|name| Name::new(name).ok())
                .collect(),
            schedule: stored_schedule(of(Field::Schedule)?, of(Field::Calendars)?)?,
            message,
            vars,
            late: late
                .parse()
                .map_err(|error| format!("`late` cannot be read: {error}"))?,
        })
    }
}

fn read_targets(fields: &Fields, field: Field) -> BTreeSet<Target> {
    let words = fields.items(field).iter();
    words.filter_map(|word| Target::parse(word)).collect()
}

fn stored_schedule(schedule: &str, calendars: &str) -> Result<Schedule, String> {
    let calendars = if calendars.is_empty() {
        "{}"
    } else {
        calendars
    };
    // JSON is YAML.
    let text = format!("{{\"schedules\": {{\"s\": {schedule}}}, \"calendars\": {calendars}}}");
    let text = text.replace('\u{7f}', "\\u007f").replace("${", "$${");
    let sources = Sources(vec![Source {
        name: "schedule".to_owned(),
        text,
        marked: false,
    }]);
    let read = schedule::read::file(&sources, super::diagnostic::FileId(0));
    let mut schedules = read.schedules;
    match schedules.pop_first() {
        Some((_, schedule)) if !has_errors(&read.diagnostics) => Ok(schedule),
        _ => Err(first("schedule", &read.diagnostics)),
    }
}

fn first(what: &str, found: &[super::Diagnostic]) -> String {
    let why = found.first().map_or("it is empty", |d| d.summary.as_str());
    format!("the {what} cannot be read: {why}")
}
