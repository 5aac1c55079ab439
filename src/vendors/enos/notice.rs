//! Notice messages of the Application Portal (pages `notice_message_produce` and `notice_message_get`).
//!
//! Where the page contradicts itself, what is sent is what the contract chose.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use serde_json::{Map, Value};

use super::Enos;
use super::wire::{GetQuery, ProduceBody, Produced};
use crate::engine::channel::{Letter, Parcel, Receipt, Sent, To};
use crate::engine::{Answer, ApiError};
use crate::model::group::Recipient;
use crate::model::quota::enos::{NOTICES_A_CALL, USERS_A_NOTICE};
use crate::vendors::calls::{self, Effect, Members, text};
use crate::vendors::digest::digest;
use crate::vendors::limits::Row;
use crate::vendors::limits::enos::{GET_NOTICE, OLDER_GET_NOTICE, OLDER_PRODUCE, PRODUCE, row};

/// What a letter may say of a notice; all else is ours to say.
const FIELDS: [&str; 10] = [
    "appId",
    "appName",
    "url",
    "linkedAppId",
    "linkedMenuCode",
    "linkedStates",
    "header",
    "body",
    "tags",
    "features",
];

/// Cuts a letter into notices, and those into calls.
pub(super) fn parcels(
    app: &str,
    letter: &Letter,
    recipients: &BTreeSet<&Recipient>,
    key: &str,
) -> Result<Vec<Parcel>, String> {
    let content = content(app, letter)?;
    let mut users = Vec::new();
    for recipient in recipients {
        match recipient {
            Recipient::UserId(id) if !id.is_empty() => users.push((&**id, *recipient)),
            Recipient::Everyone => {}
            _ => return Err("EnOS knows people by user id alone".to_owned()),
        }
    }
    let id = format!(
        "beadle-{}",
        digest([key, &Value::from(content.clone()).to_string()])
    );
    let notice = |number: usize, targets: Option<Vec<&str>>| {
        let id = match number {
            0 => id.clone(),
            _ => format!("{id}-{}", number + 1),
        };
        let mut notice = Map::new();
        notice.insert("messageId".to_owned(), id.into());
        notice.insert("messageType".to_owned(), 1.into());
        notice.insert("targetType".to_owned(), u8::from(targets.is_some()).into());
        if let Some(targets) = targets {
            notice.insert("targets".to_owned(), targets.into());
        }
        notice.extend(content.clone());
        Value::Object(notice)
    };
    let parcel = |messages: Vec<Value>, to: BTreeSet<To>| Parcel {
        operation: PRODUCE.to_owned(),
        query: Vec::new(),
        body: super::json(&ProduceBody { messages }),
        to,
    };
    if recipients.contains(&Recipient::Everyone) {
        let to = recipients.iter().map(|r| To::Recipient((*r).clone()));
        return Ok(vec![parcel(vec![notice(0, None)], to.collect())]);
    }
    let slices: Vec<_> = users.chunks(USERS_A_NOTICE).enumerate().collect();
    let calls = slices.chunks(NOTICES_A_CALL).map(|slices| {
        let users = slices.iter().flat_map(|(_, users)| *users);
        let to = users.map(|(_, recipient)| To::Recipient((*recipient).clone()));
        let notices = slices.iter().map(|(number, users)| {
            let targets = users.iter().map(|(id, _)| *id).collect();
            notice(*number, Some(targets))
        });
        parcel(notices.collect(), to.collect())
    });
    Ok(calls.collect())
}

/// What a notice says, with the application that says it.
fn content(app: &str, letter: &Letter) -> Result<Map<String, Value>, String> {
    if letter.kind != "notice" {
        return Err(format!(
            "EnOS has notices alone; `{}` is none of its kinds",
            letter.kind
        ));
    }
    let Value::Object(content) = &letter.content else {
        return Err("the content of a notice is not a mapping".to_owned());
    };
    if let Some(name) = content.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        let fields = FIELDS.join(", ");
        return Err(format!(
            "a notice of EnOS has no `{name}` that could be set; it has {fields}"
        ));
    }
    let has = |name: &str| content.contains_key(name);
    if has("appId") && has("appName") {
        return Err("a notice has either `appId` or, of a foreign application, `appName`".into());
    }
    if !has("header") && !has("body") {
        return Err("a notice needs a `header` or a `body`".to_owned());
    }
    if (has("linkedMenuCode") || has("linkedStates")) && !has("linkedAppId") {
        return Err("a page of the portal needs its application, `linkedAppId`".to_owned());
    }
    let one = ["appName", "header", "body"];
    let many = ["tags", "features"];
    for (name, value) in content {
        let is_text = match name.as_str() {
            name if one.contains(&name) => is_text(value),
            name if many.contains(&name) => value
                .as_array()
                .is_some_and(|texts| texts.iter().all(is_text)),
            _ => value.as_str().is_some_and(|text| !text.is_empty()),
        };
        if !is_text {
            return Err(format!(
                "`{name}` of a notice is not as EnOS wants it; a text is \
                 {{defaultValue: …, i18nValue: {{en_US: …}}}}"
            ));
        }
    }
    let mut content = content.clone();
    if !content.contains_key("appId") && !content.contains_key("appName") {
        content.insert("appId".to_owned(), app.into());
    }
    Ok(content)
}

/// Whether it is a text with what is shown where a reader's language has none.
fn is_text(value: &Value) -> bool {
    let members = value.as_object();
    let known = members.is_some_and(|members| {
        let mut names = members.keys();
        names.all(|name| name == "defaultValue" || name == "i18nValue")
    });
    let default = value["defaultValue"].as_str();
    let others = match &value["i18nValue"] {
        Value::Null => !known || members.is_some_and(|members| !members.contains_key("i18nValue")),
        Value::Object(others) => others.iter().all(|(language, text)| {
            let (word, place) = language.split_once('_').unwrap_or_default();
            let lower = word.bytes().all(|b| b.is_ascii_lowercase());
            let upper = place.bytes().all(|b| b.is_ascii_uppercase());
            let lengths = (2..=3).contains(&word.len()) && place.len() == 2;
            lower && upper && lengths && text.is_string()
        }),
        _ => false,
    };
    known && others && default.is_some_and(|text| !text.is_empty())
}

/// The ids of the notices of a parcel.
fn ids(parcel: &Parcel) -> Vec<String> {
    let body: Option<Value> = serde_json::from_str(&parcel.body).ok();
    let messages = body.as_ref().and_then(|body| body["messages"].as_array());
    let id = |message: &Value| message["messageId"].as_str().map(str::to_owned);
    messages.into_iter().flatten().filter_map(id).collect()
}

pub(super) async fn send(client: &Enos, parcel: &Parcel) -> Result<Sent, ApiError> {
    let ids = ids(parcel);
    let Some(first) = ids.first().filter(|_| parcel.operation == PRODUCE) else {
        let operation = &parcel.operation;
        return Err(ApiError::Unreachable(format!(
            "this version of beadle does not know {operation} of such a body"
        )));
    };
    let rows = [row(PRODUCE), &OLDER_PRODUCE];
    let effect = Effect::Something;
    let produced = by_either_path(client, rows, &parcel.body, effect, Produced::read).await?;
    let answer = |message: &str| Answer {
        operation: PRODUCE.to_owned(),
        message: message.to_owned(),
        ..Answer::default()
    };
    match produced {
        Produced::Yes => {}
        Produced::No => {
            return Err(ApiError::Refused(Answer {
                hint: Some(
                    "Check the notice and its users; EnOS does not say what is wrong.".into(),
                ),
                ..answer("EnOS answers that it did not succeed")
            }));
        }
        Produced::Unsaid => {
            let why = "EnOS does not answer whether it succeeded";
            for id in &ids {
                match is_there(client, id).await {
                    Ok(true) => {}
                    Ok(false) => {
                        let why = format!("{why}, and does not show the notice");
                        return Err(ApiError::Unknown(answer(&why)));
                    }
                    Err(error) => {
                        let why = format!("{why}; looking for the notice: {error}");
                        return Err(ApiError::Unknown(answer(&why)));
                    }
                }
            }
        }
    }
    Ok(Sent {
        message: Some(first.clone()),
        invalid: Vec::new(),
    })
}

/// Whether the notices are there is all that EnOS tells.
pub(super) async fn receipt(client: &Enos, parcel: &Parcel) -> Result<Receipt, ApiError> {
    let mut is_done = true;
    for id in ids(parcel) {
        is_done = is_done && is_there(client, &id).await?;
    }
    Ok(Receipt {
        is_done,
        untold: Some(
            "EnOS does not tell who has a notice, and leaves out those whom it does not know"
                .to_owned(),
        ),
        ..Receipt::default()
    })
}

async fn is_there(client: &Enos, id: &str) -> Result<bool, ApiError> {
    let body = super::json(&GetQuery { message_id: id });
    let rows = [row(GET_NOTICE), &OLDER_GET_NOTICE];
    let read = |members: Members| Ok(shows(&members, id));
    by_either_path(client, rows, &body, Effect::Nothing, read).await
}

/// Whether an answer shows a notice: in a list, alone, or at its top.
fn shows(members: &Members, id: &str) -> bool {
    let is_it = |members: &Members| text(members, "messageId").is_some_and(|it| it == id);
    let data = members.get("data");
    let list = data.and_then(|data| data["messages"].as_array());
    let mut listed = list.into_iter().flatten().filter_map(Value::as_object);
    is_it(members) || data.and_then(Value::as_object).is_some_and(is_it) || listed.any(is_it)
}

/// Makes a call on the path that worked before, and where that is not served on the other one.
async fn by_either_path<T>(
    client: &Enos,
    rows: [&'static Row; 2],
    body: &str,
    effect: Effect,
    read: impl Fn(Members) -> Result<T, String>,
) -> Result<T, ApiError> {
    let is_older = client.serves_older_paths.load(Ordering::Relaxed);
    let [row, other] = if is_older { [rows[1], rows[0]] } else { rows };
    let first = calls::call(client, row, body, &read, effect).await;
    // A refusal is the portal's word, and a gateway that knows the path.
    let is_unserved = |answer: &Result<T, ApiError>| match answer {
        Err(ApiError::Unknown(answer)) => answer.status == Some(404),
        _ => false,
    };
    if !is_unserved(&first) {
        return first;
    }
    let second = calls::call(client, other, body, &read, effect).await;
    if is_unserved(&second) {
        return first;
    }
    client
        .serves_older_paths
        .store(!is_older, Ordering::Relaxed);
    second
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn letter() -> Letter {
        Letter::new("notice", json!({"header": {"defaultValue": "日报"}}))
    }

    fn users(count: usize) -> Vec<Recipient> {
        let user = |n| Recipient::UserId(format!("u{n:06}").into());
        (0..count).map(user).collect()
    }

    fn packed(letter: &Letter, to: &[Recipient], key: &str) -> Result<Vec<Parcel>, String> {
        parcels("app", letter, &to.iter().collect(), key)
    }

    #[test]
    fn bodies_are_exact() {
        let two = packed(&letter(), &users(2), "k").unwrap();
        let id = ids(&two[0]).remove(0);
        assert_eq!(
            two[0].body,
            format!(
                r#"{{"messages":[{{"messageId":"{id}","messageType":1,"targetType":1,"targets":["u000000","u000001"],"header":{{"defaultValue":"日报"}},"appId":"app"}}]}}"#
            )
        );
        let mut everyone = users(1);
        everyone.push(Recipient::Everyone);
        let all = packed(&letter(), &everyone, "k").unwrap();
        assert_eq!(
            all[0].body,
            format!(
                r#"{{"messages":[{{"messageId":"{id}","messageType":1,"targetType":0,"header":{{"defaultValue":"日报"}},"appId":"app"}}]}}"#
            )
        );
        assert_eq!((all.len(), all[0].to.len()), (1, 2));
    }

    #[test]
    fn an_id_stands_for_key_and_content() {
        let id = |letter: &Letter, key| ids(&packed(letter, &users(1), key).unwrap()[0]).remove(0);
        let first = id(&letter(), "k");
        assert_eq!(first, id(&letter(), "k"));
        assert_ne!(first, id(&letter(), "l"));
        let other = Letter::new("notice", json!({"header": {"defaultValue": "x"}}));
        assert_ne!(first, id(&other, "k"));
        // The contract's own cautious bound, with room for a number.
        assert!(first.len() < 100 && first.starts_with("beadle-"), "{first}");
    }

    #[test]
    fn a_call_has_at_most_a_hundred_notices() {
        let people = users(USERS_A_NOTICE * NOTICES_A_CALL + 1);
        let parcels = packed(&letter(), &people, "k").unwrap();
        let counts: Vec<_> = parcels.iter().map(|p| (ids(p).len(), p.to.len())).collect();
        assert_eq!(counts, [(100, 100_000), (1, 1)]);
        let all: BTreeSet<String> = parcels.iter().flat_map(ids).collect();
        assert_eq!(all.len(), 101);
    }

    #[test]
    fn what_enos_cannot_carry_is_refused_in_words() {
        let text = json!({"defaultValue": "x"});
        for (content, words) in [
            (json!({}), "`header` or a `body`"),
            (json!("x"), "not a mapping"),
            (json!({"body": "x"}), "`body` of a notice"),
            (json!({"body": {"i18nValue": {"en_US": "x"}}}), "`body`"),
            (
                json!({"body": {"defaultValue": "x", "i18nValue": {"en": "x"}}}),
                "`body`",
            ),
            (
                json!({"body": {"defaultValue": "x", "i18nValue": null}}),
                "`body`",
            ),
            (json!({"body": {"defaultValue": "x", "zh": "y"}}), "`body`"),
            (json!({"body": text, "tags": text}), "`tags`"),
            (json!({"body": text, "url": ""}), "`url`"),
            (json!({"body": text, "targets": ["u1"]}), "no `targets`"),
            (json!({"body": text, "messageId": "x"}), "no `messageId`"),
            (
                json!({"body": text, "appId": "a", "appName": text}),
                "either `appId`",
            ),
            (json!({"body": text, "linkedStates": "s"}), "`linkedAppId`"),
        ] {
            let why = packed(&Letter::new("notice", content), &users(1), "k").unwrap_err();
            assert!(why.contains(words), "{why}");
        }
        let kind = Letter::new("text", json!({"body": text}));
        assert!(
            packed(&kind, &users(1), "k")
                .unwrap_err()
                .contains("`text`")
        );
        let department = [Recipient::Department("7".into())];
        assert!(
            packed(&letter(), &department, "k")
                .unwrap_err()
                .contains("user id")
        );
    }

    #[test]
    fn a_notice_is_found_wherever_it_stands() {
        for (answer, there) in [
            (
                r#"{"code":0,"data":{"messages":[{"messageId":"m"}]}}"#,
                true,
            ),
            (r#"{"code":0,"data":{"messageId":"m"}}"#, true),
            (r#"{"code":0,"messageId":"m"}"#, true),
            (
                r#"{"code":0,"data":{"messages":[{"messageId":"n"},7]}}"#,
                false,
            ),
            (r#"{"code":0,"data":{"messages":[]}}"#, false),
            (r#"{"code":0,"data":null}"#, false),
            (r#"{"code":0}"#, false),
        ] {
            let members = serde_json::from_str(answer).unwrap();
            assert_eq!(shows(&members, "m"), there, "{answer}");
        }
    }
}
