//! The text form of a fault.

use std::str::FromStr;

use super::{Bend, Deed, Fault, FaultParseError, Kind, Skew, Span, Spoil, When};
use crate::sandbox::vendor::endpoints;

const KINDS: [&str; 31] = [
    "lost-reply",
    "cut-off",
    "refuse",
    "5xx",
    "5xx-after",
    "429",
    "quota",
    "code",
    "html",
    "truncated",
    "empty",
    "enormous",
    "stalled",
    "slow",
    "hold-before",
    "hold-after",
    "token-expiry",
    "unreadable",
    "read-lag",
    "reordered",
    "duplicated",
    "nulls",
    "unknown-values",
    "clock-skew",
    "edited",
    "deleted",
    "revoked",
    "bot-removed",
    "partial",
    "stuck",
    "over-quota",
];

/// Kinds that change the world, and by default do it once.
const CHANGES: [&str; 5] = [
    "token-expiry",
    "edited",
    "deleted",
    "revoked",
    "bot-removed",
];

pub(super) fn kind_names() -> String {
    KINDS.join(", ")
}

pub(super) fn operation_names() -> String {
    let names: Vec<&str> = endpoints().map(|row| row.operation).collect();
    names.join(", ")
}

impl FromStr for Fault {
    type Err = FaultParseError;

    fn from_str(text: &str) -> Result<Fault, FaultParseError> {
        let (name, rest) = text.split_once('@').ok_or(FaultParseError::NoOperation)?;
        if !KINDS.contains(&name) {
            return Err(FaultParseError::UnknownKind(name.to_owned()));
        }
        let mut parts = rest.split(',');
        let target = parts.next().unwrap_or_default();
        let (operation, first_calls) = match target.split_once(':') {
            Some((operation, calls)) => (operation, Some(calls)),
            None => (target, None),
        };
        let mut calls = first_calls.map(span).transpose()?.into_iter().collect();
        let mut keys = Keys {
            kind: name,
            left: Vec::new(),
        };
        for part in parts {
            match part.split_once('=') {
                Some(pair) => keys.left.push(pair),
                None => Vec::push(&mut calls, span(part)?),
            }
        }
        if calls.is_empty() {
            calls.push(if CHANGES.contains(&name) {
                ONCE
            } else {
                ALWAYS
            });
        }
        let kind = kind_of(name, &mut keys)?;
        let chance = keys.number::<f64>("p")?;
        if let Some(chance) = chance.filter(|chance| !(0.0..=1.0).contains(chance)) {
            return Err(bad_value("p", &chance.to_string()));
        }
        let tasklist = keys.take("tasklist").map(str::to_owned);
        keys.finish()?;
        let operation = known_operation(operation)?;
        let misplaced = endpoints()
            .find(|row| Some(row.operation) == operation)
            .filter(|row| !kind.suits(row));
        if let Some(row) = misplaced {
            return Err(FaultParseError::Misplaced {
                kind: name.to_owned(),
                operation: row.operation.to_owned(),
            });
        }
        Ok(Fault {
            text: text.to_owned(),
            kind,
            operation,
            calls,
            chance,
            tasklist,
        })
    }
}

const ALWAYS: Span = Span {
    first: 1,
    last: u64::MAX,
    step: 1,
};
const ONCE: Span = Span {
    first: 1,
    last: 1,
    step: 1,
};

fn known_operation(name: &str) -> Result<Option<&'static str>, FaultParseError> {
    if name == "*" {
        return Ok(None);
    }
    endpoints()
        .map(|row| row.operation)
        .find(|operation| *operation == name)
        .map(Some)
        .ok_or_else(|| FaultParseError::UnknownOperation(name.to_owned()))
}

fn span(text: &str) -> Result<Span, FaultParseError> {
    let bad = || FaultParseError::BadCalls(text.to_owned());
    let number = |text: &str| match text.parse::<u64>() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(bad()),
    };
    let (range, step) = match text.split_once('/') {
        None => (text, 1),
        Some((range, step)) => (range, number(step)?),
    };
    let span = match range.split_once('-') {
        _ if text == "*" => ALWAYS,
        None => {
            let only = number(range)?;
            Span {
                first: only,
                last: only,
                step,
            }
        }
        Some((first, "")) => Span {
            first: number(first)?,
            last: u64::MAX,
            step,
        },
        Some((first, last)) => Span {
            first: number(first)?,
            last: number(last)?,
            step,
        },
    };
    if span.first > span.last {
        return Err(bad());
    }
    Ok(span)
}

fn kind_of(name: &str, keys: &mut Keys<'_>) -> Result<Kind, FaultParseError> {
    use When::{After, Before};
    Ok(match name {
        "lost-reply" => Kind::LostReply,
        "cut-off" => Kind::CutOff,
        "refuse" => Kind::Refuse {
            status: keys.status()?,
        },
        "5xx" | "5xx-after" => Kind::ServerError {
            status: keys.status()?.unwrap_or(500),
            when: if name == "5xx" { Before } else { After },
        },
        "429" => Kind::Throttle {
            reset: match keys.take("reset") {
                None => Some("1".to_owned()),
                Some("none") => None,
                Some(text) if text.bytes().all(|b| (b' '..=b'~').contains(&b)) => {
                    Some(text.to_owned())
                }
                Some(text) => return Err(bad_value("reset", text)),
            },
        },
        "quota" => Kind::Quota,
        "code" => Kind::Code {
            code: keys.code()?,
            status: keys.status()?.unwrap_or(400),
            when: keys.when(Before)?,
        },
        "html" => Kind::Html {
            status: keys.status()?.unwrap_or(502),
            when: keys.when(Before)?,
        },
        "truncated" => Kind::Truncated {
            when: keys.when(After)?,
        },
        "empty" => Kind::Empty {
            status: keys.status()?.unwrap_or(200),
            when: keys.when(After)?,
        },
        "enormous" => Kind::Enormous {
            bytes: keys.number("bytes")?.unwrap_or(64 * 1024 * 1024),
            when: keys.when(After)?,
        },
        "stalled" => Kind::Stalled {
            when: keys.when(After)?,
        },
        "slow" => Kind::Slow {
            ms: keys.number("ms")?.unwrap_or(3000),
            when: keys.when(After)?,
        },
        "hold-before" => Kind::Hold { when: Before },
        "hold-after" => Kind::Hold { when: After },
        "token-expiry" => Kind::TokenExpiry,
        "unreadable" => Kind::Unreadable,
        "read-lag" => Kind::ReadLag {
            ms: keys.number("ms")?.unwrap_or(2000),
        },
        "reordered" => Kind::Bend(Bend::Reordered),
        "duplicated" => Kind::Bend(Bend::Duplicated),
        "nulls" => Kind::Bend(Bend::Nulls),
        "unknown-values" => Kind::Bend(Bend::UnknownValues),
        "clock-skew" => Kind::Skew(Skew {
            seconds: keys.number("seconds")?.unwrap_or(3600),
            tolerance: keys.number("tolerance")?.unwrap_or(300),
        }),
        "edited" => Kind::Deed {
            deed: Deed::Edit {
                field: keys.take("field").unwrap_or("name").to_owned(),
            },
            when: keys.when(Before)?,
        },
        "deleted" => Kind::Deed {
            deed: Deed::Delete,
            when: keys.when(Before)?,
        },
        "revoked" => Kind::Deed {
            deed: Deed::Revoke,
            when: keys.when(Before)?,
        },
        "bot-removed" => Kind::Deed {
            deed: Deed::RemoveBot {
                chat: keys.take("chat").map(str::to_owned),
            },
            when: keys.when(Before)?,
        },
        "partial" => Kind::Spoil(Spoil::Partial),
        "stuck" => Kind::Spoil(Spoil::Stuck),
        "over-quota" => Kind::Spoil(Spoil::OverQuota),
        other => return Err(FaultParseError::UnknownKind(other.to_owned())),
    })
}

/// The pairs of a fault's text that nobody has asked for yet.
struct Keys<'a> {
    kind: &'a str,
    left: Vec<(&'a str, &'a str)>,
}

impl<'a> Keys<'a> {
    fn take(&mut self, key: &str) -> Option<&'a str> {
        let at = self.left.iter().position(|(name, _)| *name == key)?;
        Some(self.left.remove(at).1)
    }

    fn number<T: FromStr>(&mut self, key: &str) -> Result<Option<T>, FaultParseError> {
        self.take(key)
            .map(|text| text.parse().map_err(|_| bad_value(key, text)))
            .transpose()
    }

    fn status(&mut self) -> Result<Option<u16>, FaultParseError> {
        match self.number::<u16>("status")? {
            Some(status) if !(200..=599).contains(&status) => {
                Err(bad_value("status", &status.to_string()))
            }
            other => Ok(other),
        }
    }

    /// A number, or words with dots between them.
    fn code(&mut self) -> Result<String, FaultParseError> {
        let text = self.take("code").unwrap_or_default();
        let is_word =
            |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphabetic());
        if text.parse::<i64>().is_ok() || text.split('.').all(is_word) {
            Ok(text.to_owned())
        } else {
            Err(bad_value("code", text))
        }
    }

    fn when(&mut self, default: When) -> Result<When, FaultParseError> {
        match self.take("when") {
            None => Ok(default),
            Some("before") => Ok(When::Before),
            Some("after") => Ok(When::After),
            Some(text) => Err(bad_value("when", text)),
        }
    }

    fn finish(self) -> Result<(), FaultParseError> {
        match self.left.first() {
            Some((key, _)) => Err(FaultParseError::UnknownKey {
                kind: self.kind.to_owned(),
                key: (*key).to_owned(),
            }),
            None => Ok(()),
        }
    }
}

fn bad_value(key: &str, value: &str) -> FaultParseError {
    FaultParseError::BadValue {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}
