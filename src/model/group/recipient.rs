//! One recipient: somebody at a vendor, by one of the ids that the vendor knows.

use std::fmt;
use std::sync::Arc;

use crate::model::manifest::Vendor;

/// Who hears of something, at one provider.
///
/// Two recipients of one form are one only if they are equal. Recipients of different forms, and a
/// department and anybody, may stand for the same person; only the vendor can tell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Recipient {
    /// Everybody whom the vendor's app reaches (DingTalk, EnOS).
    Everyone,
    /// A department and those below it: a Feishu `department_id`, a DingTalk number.
    Department(Arc<str>),
    /// The same by a Feishu `open_department_id`, `od-…`.
    OpenDepartment(Arc<str>),
    /// A person by a Feishu `open_id`, `ou_…`, which differs from app to app.
    OpenId(Arc<str>),
    /// A person by a Feishu `union_id`, `on_…`.
    UnionId(Arc<str>),
    /// A person by the organisation's own id of them.
    UserId(Arc<str>),
    /// A person by e-mail address, in lower case.
    Email(Arc<str>),
    /// A person by mobile number: `+`, the country's code, digits.
    Mobile(Arc<str>),
}

/// Why a text names no recipient of the list that it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoRecipient {
    /// What it is, to follow the text: a lowercase fragment such as `is the id of a chat`.
    pub what: String,
    /// What to do: a sentence.
    pub help: &'static str,
}

/// The most characters of an id (DingTalk: page `message-corpconversation-asyncsend`; Feishu: the
/// longest member id of any page).
fn longest(vendor: Vendor) -> usize {
    match vendor {
        Vendor::DingTalk => 64,
        Vendor::Feishu | Vendor::Enos => 100,
    }
}

fn no<T>(what: impl Into<String>, help: &'static str) -> Result<T, NoRecipient> {
    let what = what.into();
    Err(NoRecipient { what, help })
}

impl Recipient {
    /// Reads a user's id. At Feishu its form tells the kind of id.
    ///
    /// # Errors
    ///
    /// When it is the id of something else, or none at all.
    pub fn user(vendor: Vendor, text: &str) -> Result<Self, NoRecipient> {
        if is_email(text) {
            return match vendor {
                Vendor::Feishu => no("is an e-mail address", "Write it under `emails`."),
                Vendor::DingTalk => no(
                    "is an e-mail address",
                    "DingTalk knows people by user id, or by mobile number under `mobiles`.",
                ),
                Vendor::Enos => no("is an e-mail address", "EnOS knows people by user id."),
            };
        }
        if text.starts_with('+') && normal_mobile(text).is_some() {
            return match vendor {
                Vendor::Enos => no("is a mobile number", "EnOS knows people by user id."),
                _ => no("is a mobile number", "Write it under `mobiles`."),
            };
        }
        match (foreign(text), vendor) {
            (Some(Form::OpenId), Vendor::Feishu) => is_id(vendor, text).map(Recipient::OpenId),
            (Some(Form::UnionId), Vendor::Feishu) => is_id(vendor, text).map(Recipient::UnionId),
            (Some(form), Vendor::Feishu) => no(form.what(), form.help()),
            // Elsewhere ids are free text, so only what is clearly Feishu's is taken for it.
            (Some(form), _) if form.is_certain(text) => no(
                format!("{} of Feishu", form.what()),
                "An id belongs to the vendor that gave it; write it under a Feishu provider.",
            ),
            _ => is_id(vendor, text).map(Recipient::UserId),
        }
    }

    /// Reads a department's id.
    ///
    /// # Errors
    ///
    /// When it is the id of something else, or none at all, or the root of Feishu's departments.
    pub fn department(vendor: Vendor, text: &str) -> Result<Self, NoRecipient> {
        if vendor == Vendor::DingTalk {
            let digits = !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
            return if digits && text.parse::<i64>().is_ok() {
                Ok(Recipient::Department(text.into()))
            } else {
                no(
                    "is not the id of a department",
                    "DingTalk's departments are numbers, such as 123.",
                )
            };
        }
        match foreign(text) {
            Some(Form::OpenDepartment) => is_id(vendor, text).map(Recipient::OpenDepartment),
            Some(Form::OpenId | Form::UnionId) => {
                no("is the id of a person", "Write it under `users`.")
            }
            Some(form) => no(form.what(), form.help()),
            None if text == "0" => no(
                "is the root of all departments",
                "Feishu does not send to the root; list the departments below it.",
            ),
            None => is_id(vendor, text).map(Recipient::Department),
        }
    }

    /// Reads an e-mail address; case is no difference.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn email(text: &str) -> Result<Self, NoRecipient> {
        if is_email(text) {
            Ok(Recipient::Email(text.to_lowercase().into()))
        } else {
            no(
                "is not an e-mail address",
                "Write it as in `li@example.com`.",
            )
        }
    }

    /// Reads a mobile number. Blanks, hyphens and brackets are no difference, nor is the code of
    /// mainland China, which vendors imply.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn mobile(text: &str) -> Result<Self, NoRecipient> {
        match normal_mobile(text) {
            Some(number) => Ok(Recipient::Mobile(number.into())),
            None => no(
                "is not a mobile number",
                "Write `+`, the country's code and the number, as in `+8613800000000`.",
            ),
        }
    }

    /// Reads what [`fmt::Display`] writes.
    #[must_use]
    pub fn parse(vendor: Vendor, text: &str) -> Option<Self> {
        match text.split_once(' ') {
            None if text == "everyone" => Some(Recipient::Everyone),
            Some(("user", id)) => Self::user(vendor, id).ok(),
            Some(("department", id)) => Self::department(vendor, id).ok(),
            Some(("email", id)) => Self::email(id).ok(),
            Some(("mobile", id)) => Self::mobile(id).ok(),
            _ => None,
        }
    }

    /// The id, address or number; nothing for everyone.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self {
            Recipient::Everyone => None,
            Recipient::Department(id)
            | Recipient::OpenDepartment(id)
            | Recipient::OpenId(id)
            | Recipient::UnionId(id)
            | Recipient::UserId(id)
            | Recipient::Email(id)
            | Recipient::Mobile(id) => Some(id),
        }
    }

    /// Whether it stands for one person, and not for however many.
    #[must_use]
    pub fn is_person(&self) -> bool {
        match self {
            Recipient::Everyone | Recipient::Department(_) | Recipient::OpenDepartment(_) => false,
            Recipient::OpenId(_)
            | Recipient::UnionId(_)
            | Recipient::UserId(_)
            | Recipient::Email(_)
            | Recipient::Mobile(_) => true,
        }
    }

    /// Whether both may stand for the same person, as far as can be told without asking the vendor.
    #[must_use]
    pub fn may_meet(&self, other: &Recipient) -> bool {
        let one_form = std::mem::discriminant(self) == std::mem::discriminant(other);
        self == other || !one_form || !self.is_person()
    }

    /// What it is, in a word: `user`, `email`, `mobile`, `department` or `everyone`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Recipient::Everyone => "everyone",
            Recipient::Department(_) | Recipient::OpenDepartment(_) => "department",
            Recipient::OpenId(_) | Recipient::UnionId(_) | Recipient::UserId(_) => "user",
            Recipient::Email(_) => "email",
            Recipient::Mobile(_) => "mobile",
        }
    }
}

/// Such as `user ou_18ea` or `everyone`. Within one vendor no two recipients have one text.
impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self.id() {
            Some(id) => write!(f, " {id}"),
            None => Ok(()),
        }
    }
}

/// The ids of Feishu that their beginnings tell apart.
#[derive(Clone, Copy)]
enum Form {
    OpenId,
    UnionId,
    Chat,
    App,
    OpenDepartment,
}

impl Form {
    const PREFIXES: [(Form, &str); 5] = [
        (Form::OpenId, "ou_"),
        (Form::UnionId, "on_"),
        (Form::Chat, "oc_"),
        (Form::App, "cli_"),
        (Form::OpenDepartment, "od-"),
    ];

    fn what(self) -> &'static str {
        match self {
            Form::OpenId | Form::UnionId => "is the id of a person",
            Form::Chat => "is the id of a chat",
            Form::App => "is the id of an app",
            Form::OpenDepartment => "is the id of a department",
        }
    }

    fn help(self) -> &'static str {
        match self {
            Form::OpenId | Form::UnionId => "Write it under `users`.",
            Form::Chat => "A group is people; a chat is a place, and is declared under `chats`.",
            Form::App => "List people; an app is named under `providers`.",
            Form::OpenDepartment => "Write it under `departments`.",
        }
    }

    /// Whether what follows the prefix looks as Feishu makes it.
    fn is_certain(self, text: &str) -> bool {
        let rest = Form::PREFIXES
            .iter()
            .find_map(|(_, prefix)| text.strip_prefix(prefix));
        rest.is_some_and(|rest| rest.len() >= 16 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
    }
}

fn foreign(text: &str) -> Option<Form> {
    let found = Form::PREFIXES
        .iter()
        .find(|(_, prefix)| text.starts_with(prefix));
    found.map(|(form, _)| *form)
}

fn is_id(vendor: Vendor, text: &str) -> Result<Arc<str>, NoRecipient> {
    let fits = |c: char| match vendor {
        Vendor::Feishu => c.is_ascii_alphanumeric() || "_-.".contains(c),
        // Lists of ids are joined with commas there.
        Vendor::DingTalk => c != ',' && !c.is_whitespace() && !c.is_control(),
        Vendor::Enos => !c.is_whitespace() && !c.is_control(),
    };
    let bare = Form::PREFIXES.iter().any(|(_, prefix)| *prefix == text);
    let good = !text.is_empty() && !bare && text.chars().all(fits);
    if good && text.chars().count() <= longest(vendor) {
        return Ok(text.into());
    }
    no(
        "is not an id",
        match vendor {
            Vendor::Feishu => "An id has letters, digits, `-`, `_` and `.`, at most 100.",
            Vendor::DingTalk => {
                "An id is one word without commas, of at most 64 characters; write one a list entry."
            }
            Vendor::Enos => "An id is one word of at most 100 characters.",
        },
    )
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let fits = |c: char| !c.is_whitespace() && !c.is_control() && !"@,;<>()\"".contains(c);
    text.len() <= 254
        && !local.is_empty()
        && domain.chars().all(fits)
        && local.chars().all(fits)
        && domain.split('.').count() > 1
        && domain.split('.').all(|label| !label.is_empty())
}

/// `+`, the country's code and digits, at most 15 of them (ITU E.164).
fn normal_mobile(text: &str) -> Option<String> {
    let (plus, rest) = match text.strip_prefix('+') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut digits = String::with_capacity(rest.len());
    for c in rest.chars() {
        match c {
            '0'..='9' => digits.push(c),
            ' ' | '-' | '(' | ')' => {}
            _ => return None,
        }
    }
    if plus {
        let fits = (7..=15).contains(&digits.len()) && !digits.starts_with('0');
        return fits.then(|| format!("+{digits}"));
    }
    // The vendors take a bare number for one of mainland China.
    (digits.len() == 11 && digits.starts_with('1')).then(|| format!("+86{digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_told_apart() {
        use Vendor::{DingTalk, Enos, Feishu};
        let hex = "18eac85d35a26f989317ad4f02e8bbbb";
        for (vendor, text, want) in [
            (Feishu, "ou_9", "OpenId(\"ou_9\")"),
            (Feishu, "on_9", "UnionId(\"on_9\")"),
            (Feishu, "7cdcc7c2", "UserId(\"7cdcc7c2\")"),
            (Feishu, "0123", "UserId(\"0123\")"),
            (Feishu, "oc_9", "is the id of a chat"),
            (Feishu, "cli_9", "is the id of an app"),
            (Feishu, "od-9", "is the id of a department"),
            (Feishu, "li@example.com", "is an e-mail address"),
            (Feishu, "+8613800000000", "is a mobile number"),
            (Feishu, "ou_", "is not an id"),
            (Feishu, "a b", "is not an id"),
            (Feishu, "", "is not an id"),
            (DingTalk, "on_call", "UserId(\"on_call\")"),
            (DingTalk, "张三", "UserId(\"张三\")"),
            (DingTalk, "a,b", "is not an id"),
            (
                DingTalk,
                &format!("ou_{hex}"),
                "is the id of a person of Feishu",
            ),
            (Enos, &format!("oc_{hex}"), "is the id of a chat of Feishu"),
            (Enos, "u123", "UserId(\"u123\")"),
            (Enos, "li@example.com", "is an e-mail address"),
        ] {
            let got = match Recipient::user(vendor, text) {
                Ok(recipient) => format!("{recipient:?}"),
                Err(no) => no.what,
            };
            assert_eq!(got, want, "{text}");
        }
    }

    #[test]
    fn mobiles_and_addresses_have_one_spelling() {
        for (text, want) in [
            ("+8613800000000", Some("+8613800000000")),
            ("13800000000", Some("+8613800000000")),
            ("+86 138-0000-0000", Some("+8613800000000")),
            ("+1 (415) 555 0100", Some("+14155550100")),
            ("4155550100", None),
            ("008613800000000", None),
            ("+0861380000", None),
            ("+86", None),
            ("+123456789012345678", None),
            ("138 x", None),
            ("", None),
        ] {
            let got = Recipient::mobile(text).ok();
            assert_eq!(got.as_ref().and_then(Recipient::id), want, "{text}");
        }
        for (text, want) in [
            ("Li@Example.com", Some("li@example.com")),
            ("li@example", None),
            ("li@@example.com", None),
            ("li@example.com,wu@example.com", None),
            ("@example.com", None),
            ("li@.com", None),
            ("li @example.com", None),
        ] {
            let got = Recipient::email(text).ok();
            assert_eq!(got.as_ref().and_then(Recipient::id), want, "{text}");
        }
    }

    #[test]
    fn a_recipient_reads_back_as_it_prints() {
        use Vendor::{DingTalk, Enos, Feishu};
        for (vendor, recipient) in [
            (Feishu, Recipient::user(Feishu, "ou_a")),
            (Feishu, Recipient::user(Feishu, "on_a")),
            (Feishu, Recipient::user(Feishu, "a")),
            (Feishu, Recipient::department(Feishu, "od-a")),
            (Feishu, Recipient::department(Feishu, "D1")),
            (Feishu, Recipient::email("a@example.com")),
            (Feishu, Recipient::mobile("13800000000")),
            (DingTalk, Recipient::user(DingTalk, "on_call")),
            (DingTalk, Recipient::department(DingTalk, "123")),
            (Enos, Ok(Recipient::Everyone)),
        ] {
            let recipient = recipient.unwrap();
            let back = Recipient::parse(vendor, &recipient.to_string());
            assert_eq!(back, Some(recipient));
        }
    }

    #[test]
    fn departments_are_no_roots_and_no_people() {
        use Vendor::{DingTalk, Feishu};
        for (vendor, text) in [
            (Feishu, "0"),
            (Feishu, "ou_a"),
            (Feishu, "oc_a"),
            (Feishu, "od-"),
            (DingTalk, "0"),
            (DingTalk, "od-a"),
            (DingTalk, "012"),
            (DingTalk, ""),
            (DingTalk, "99999999999999999999"),
        ] {
            assert!(Recipient::department(vendor, text).is_err(), "{text}");
        }
    }
}
