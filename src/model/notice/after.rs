//! What follows a send: being followed, being taken back, and who hears when it went wrong.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use serde_json::{Value as Json, json};

use super::Target;
use crate::model::manifest::Vendor;
use crate::model::{Name, Span};

/// How long it is followed who has read a notice, where it does not say.
pub const TRACKED: SignedDuration = SignedDuration::from_hours(24);

/// The share of its people who have to have read a notice, in percent, where it does not say.
pub const ENOUGH: f64 = 80.0;

/// How a notice gets to people at Feishu.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum People {
    /// Many in a call.
    #[default]
    Together,
    /// A message each, which the vendor knows by its key, so that an unknown send can be repeated.
    Messages,
}

impl People {
    /// The word in YAML.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            People::Together => "together",
            People::Messages => "messages",
        }
    }
}

/// What follows a send whose outcome is unknown, where the vendor knows the message by no key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnknown {
    /// A person has to say what became of it.
    #[default]
    Hold,
    /// It is sent once more: rather twice than not at all.
    Resend,
}

impl OnUnknown {
    /// The word in YAML.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            OnUnknown::Hold => "hold",
            OnUnknown::Resend => "resend",
        }
    }
}

/// How it is followed who has read a notice. `T` is what is known of who gets the report.
#[derive(Clone, Debug, PartialEq)]
pub struct Track<T> {
    /// The share of its people, in percent, whose reading is enough.
    pub until: f64,
    /// How long it is followed at most, from when it fires.
    pub lasts: SignedDuration,
    /// Who gets the report at the end.
    pub report_to: T,
}

/// What is written about what follows a send, each with its place.
#[derive(Clone, Debug, Default)]
pub struct After {
    /// After what time it is taken back.
    pub revoke_after: Option<(SignedDuration, Span)>,
    /// How it is followed who has read it, and where its time stands, or the block.
    pub track: Option<(Track<BTreeMap<Target, Span>>, Span)>,
    /// Who is told when an occurrence went wrong.
    pub on_problem: BTreeMap<Target, Span>,
    /// How it gets to people, and where that stands.
    pub people: (People, Option<Span>),
    /// What follows an unknown send.
    pub on_unknown: OnUnknown,
}

/// The Feishu provider by which chats are told that are not the recipients of a notice: the one by which
/// the notice goes out, or else the one that is called `feishu`, or else the only one.
#[must_use]
pub fn teller<'a>(via: &BTreeSet<Name>, vendors: &'a BTreeMap<Name, Vendor>) -> Option<&'a Name> {
    let of_feishu: Vec<&Name> = vendors
        .iter()
        .filter(|(_, vendor)| **vendor == Vendor::Feishu)
        .map(|(name, _)| name)
        .collect();
    let mut ours = of_feishu.iter().filter(|name| via.contains(**name));
    match (ours.next(), ours.next(), of_feishu.as_slice()) {
        (Some(only), None, _) | (None, _, [only]) => Some(only),
        (None, _, all) => all.iter().find(|name| name.as_str() == "feishu").copied(),
        (Some(_), Some(_), _) => None,
    }
}

impl Track<BTreeMap<Target, Span>> {
    /// As one text, which [`read`] reads.
    pub(super) fn to_text(&self) -> String {
        let report_to: Vec<_> = self.report_to.keys().map(Target::to_text).collect();
        let lasts = format!("{:#}", self.lasts);
        json!({ "until": format!("{}%", self.until), "for": lasts, "report_to": report_to })
            .to_string()
    }
}

/// Reads what [`Track::to_text`] made; none of nothing.
pub(super) fn read(text: &str) -> Result<Option<Track<BTreeSet<Target>>>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let read = || {
        let json: Json = serde_json::from_str(text).ok()?;
        let until = json["until"].as_str()?.strip_suffix('%')?.parse().ok()?;
        let lasts = json["for"].as_str()?.parse().ok()?;
        let report_to = json["report_to"].as_array()?;
        let target = |to: &Json| Target::parse(to.as_str()?);
        Some(Track {
            until,
            lasts,
            report_to: report_to.iter().map(target).collect::<Option<_>>()?,
        })
    };
    match read() {
        Some(track) => Ok(Some(track)),
        None => Err("`track` cannot be read".to_owned()),
    }
}
