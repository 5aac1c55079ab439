//! What a scalar can be read as.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::SecretString;
use serde_json::json;

use super::{Reader, Shape, inline_schema, or_interpolated};
use crate::model::diagnostic::Diagnostic;
use crate::model::interpolate::{self, Scope};
use crate::model::yaml::{NodeId, Yaml};

/// Text as typed: an unquoted `0123`, `1.20` or `no` stays what it looks like.
#[derive(Clone, Debug)]
pub(crate) struct Text(pub(crate) String);

inline_schema!(Text, "Text", json_schema!({ "type": ["string", "number"] }));

impl Shape for Text {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let (text, _) = reader.scalar(at, "text")?;
        Some(Text(text.into_owned()))
    }
}

/// Yes or no.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag(pub(crate) bool);

inline_schema!(Flag, "Flag", or_interpolated(json!({ "type": "boolean" })));

impl Shape for Flag {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let wanted = "true or false";
        let (text, quoted) = reader.scalar(at, wanted)?;
        match &*text {
            "true" | "True" | "TRUE" if !quoted => return Some(Flag(true)),
            "false" | "False" | "FALSE" if !quoted => return Some(Flag(false)),
            _ => {}
        }
        let help = if quoted {
            "Write it without quotes."
        } else {
            "YAML 1.2 knows only `true` and `false`."
        };
        reader.wrong(at, wanted, Some(help));
        None
    }
}

/// A whole number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole(pub(crate) u64);

inline_schema!(
    Whole,
    "Whole",
    or_interpolated(json!({ "type": "integer", "minimum": 0 }))
);

impl Shape for Whole {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let wanted = "a whole number";
        let (text, quoted) = reader.scalar(at, wanted)?;
        match text.parse::<u64>() {
            Ok(number) if !quoted && !text.starts_with('+') => Some(Whole(number)),
            _ => {
                reader.wrong(at, wanted, None);
                None
            }
        }
    }
}

/// A share such as `30%`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Percent(pub(crate) f64);

inline_schema!(
    Percent,
    "Percent",
    json_schema!({ "type": "string", "pattern": "^[0-9]{1,3}(\\.[0-9]+)?%$|\\$\\{" })
);

impl Shape for Percent {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let wanted = "a share such as `30%`";
        let (text, _) = reader.scalar(at, wanted)?;
        let digits = text
            .strip_suffix('%')
            .filter(|t| !t.is_empty() && t.chars().all(|c| c.is_ascii_digit() || c == '.'));
        match digits.and_then(|t| t.parse::<f64>().ok()) {
            Some(share) if (0.0..=100.0).contains(&share) => Some(Percent(share)),
            _ => {
                let help = "Write a number from 0 to 100 and a percent sign.";
                reader.wrong(at, wanted, Some(help));
                None
            }
        }
    }
}

/// A secret. Its text is in no message; absent when secrets are left alone.
#[derive(Clone, Debug)]
pub(crate) struct Secret(pub(crate) Option<SecretString>);

inline_schema!(
    Secret,
    "Secret",
    json_schema!({ "type": ["string", "number"] })
);

impl Shape for Secret {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let node = reader.tree.get(at);
        let text = match node {
            Yaml::Scalar { text, .. } if !node.is_null() => text,
            _ => {
                reader.wrong(at, "a secret such as `${env:NAME}`", None);
                return None;
            }
        };
        let span = reader.tree.span(at);
        if !interpolate::is_needed(text) {
            reader.push(
                Diagnostic::warning("written-secret", reader.tree.anchor_span(at).unwrap_or(span), "a secret is written into the file")
                    .help("Put it into the environment and write `${env:NAME}`, or into a file and write `${file:PATH}`."),
            );
        }
        let mut problems = Vec::new();
        if !reader.secrets {
            let good = interpolate::check_form(text, &mut problems);
            reader.report(at, problems);
            return good.then_some(Secret(None));
        }
        let value = reader
            .interpolator
            .expand(text, Scope::Secret, &mut problems);
        reader.report(at, problems);
        let value = value?;
        if value.is_empty() {
            reader.push(
                Diagnostic::error("empty-secret", span, format!("{} is empty", reader.what()))
                    .help("Check the variable or the file that it comes from."),
            );
            return None;
        }
        Some(Secret(Some(SecretString::from(value))))
    }
}
