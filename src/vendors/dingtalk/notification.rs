//! Work notifications (pages `asynchronous-sending-of-enterprise-session-messages` and its neighbours).
//!
//! Success means queued. Who has it is known later, of few receivers, and to those who ask.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::wire::{Notification, ProgressAnswer, RecallQuery, SendResult, Task, TaskQuery};
use super::{DingTalk, json};
use crate::engine::ApiError;
use crate::engine::channel::{Letter, Parcel, Receipt, Sent, To};
use crate::model::group::Recipient;
use crate::model::quota::dingtalk::{DEPARTMENTS_A_CALL, PEOPLE_A_CALL, PEOPLE_OF_STATUS};
use crate::vendors::calls::{self, Members, member};
use crate::vendors::limits::dingtalk::{RECALL, SEND, SEND_PROGRESS, SEND_RESULT, row};

/// The kinds of a notification (page `message-types-and-data-format`).
const KINDS: [&str; 8] = [
    "text",
    "image",
    "voice",
    "file",
    "link",
    "oa",
    "markdown",
    "action_card",
];

/// The most bytes of `msg` as a whole.
const BYTES: usize = 2048;

/// Cuts the recipients: people and departments in calls of their own, as only those to people can be
/// followed; everyone in one call that stands for all.
pub(super) fn parcels(
    agent_id: Option<u64>,
    letter: &Letter,
    recipients: &[&Recipient],
) -> Result<Vec<Parcel>, String> {
    let agent_id = agent_id.ok_or(
        "DingTalk sends notices as the app's agent; give the provider its `agent_id`".to_owned(),
    )?;
    let msg = msg(letter)?;
    let has_status = letter.content.get("status_bar").is_some();
    let has_status = has_status && letter.kind == "oa";
    let parcel = |notification: Notification<'_>, to: BTreeSet<To>| Parcel {
        operation: SEND.to_owned(),
        query: Vec::new(),
        body: json(&notification),
        to,
    };
    let notification = || Notification {
        agent_id,
        userid_list: None,
        dept_id_list: None,
        to_all_user: None,
        msg: &msg,
    };
    let mut users = Vec::new();
    let mut departments = Vec::new();
    for recipient in recipients {
        match recipient {
            Recipient::UserId(id) if id.is_empty() || id.len() > 64 || id.contains(',') => {
                return Err("a user id of DingTalk has 1 to 64 characters and no comma".to_owned());
            }
            Recipient::UserId(id) => users.push((&**id, *recipient)),
            Recipient::Department(id) if id.parse::<i64>().is_ok_and(|id| id > 0) => {
                departments.push((&**id, *recipient));
            }
            Recipient::Department(_) => {
                return Err("DingTalk's departments are numbers".to_owned());
            }
            Recipient::Everyone => {}
            Recipient::Mobile(_) => {
                return Err(
                    "DingTalk sends nothing to mobile numbers; look up whose they are".to_owned(),
                );
            }
            Recipient::OpenDepartment(_)
            | Recipient::OpenId(_)
            | Recipient::UnionId(_)
            | Recipient::Email(_) => {
                return Err(
                    "DingTalk knows people by user id, and departments by number".to_owned(),
                );
            }
        }
    }
    let is_for_everyone = recipients.contains(&&Recipient::Everyone);
    if has_status && (is_for_everyone || !departments.is_empty()) {
        return Err("a notice with a `status_bar` is for at most five people who are named".into());
    }
    if is_for_everyone {
        let to = recipients.iter().map(|r| To::Recipient((*r).clone()));
        let all = Notification {
            to_all_user: Some(true),
            ..notification()
        };
        return Ok(vec![parcel(all, to.collect())]);
    }
    let people = if has_status {
        PEOPLE_OF_STATUS
    } else {
        PEOPLE_A_CALL
    };
    let joined = |ids: &[(&str, &Recipient)]| {
        let to = ids.iter().map(|(_, r)| To::Recipient((*r).clone()));
        let ids: Vec<&str> = ids.iter().map(|(id, _)| *id).collect();
        (ids.join(","), to.collect::<BTreeSet<To>>())
    };
    let to_people = users.chunks(people).map(|ids| {
        let (ids, to) = joined(ids);
        let some = Notification {
            userid_list: Some(ids),
            ..notification()
        };
        parcel(some, to)
    });
    let to_departments = departments.chunks(DEPARTMENTS_A_CALL).map(|ids| {
        let (ids, to) = joined(ids);
        let some = Notification {
            dept_id_list: Some(ids),
            ..notification()
        };
        parcel(some, to)
    });
    Ok(to_people.chain(to_departments).collect())
}

/// The message as it is sent.
fn msg(letter: &Letter) -> Result<Value, String> {
    let kind = letter.kind.as_str();
    if !KINDS.contains(&kind) {
        let kinds = KINDS.join(", ");
        return Err(format!(
            "DingTalk has no notice of the kind `{kind}`; the kinds are {kinds}"
        ));
    }
    if !letter.content.is_object() {
        return Err(format!("the content of a `{kind}` is not a mapping"));
    }
    if has_control(&letter.content) {
        return Err("DingTalk takes no control characters in a notice".to_owned());
    }
    let mut msg = Map::new();
    msg.insert("msgtype".to_owned(), kind.into());
    msg.insert(kind.to_owned(), letter.content.clone());
    let msg = Value::Object(msg);
    let bytes = msg.to_string().len();
    if bytes > BYTES {
        return Err(format!(
            "a notice has at most {BYTES} bytes at DingTalk, and this one has {bytes}"
        ));
    }
    Ok(msg)
}

/// Whether there is a character that JSON can only write as `\uXXXX`, which DingTalk refuses (40033).
fn has_control(value: &Value) -> bool {
    let bad = |text: &str| {
        let plain = ['\n', '\r', '\t', '\u{8}', '\u{c}'];
        text.chars().any(|c| c < ' ' && !plain.contains(&c))
    };
    match value {
        Value::String(text) => bad(text),
        Value::Array(items) => items.iter().any(has_control),
        Value::Object(members) => members.iter().any(|(name, v)| bad(name) || has_control(v)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether a repeat would reach people who did not get the first attempt, and nothing says whom.
pub(super) fn is_for_everyone(parcel: &Parcel) -> bool {
    parcel.to.contains(&To::Recipient(Recipient::Everyone))
}

pub(super) async fn send(client: &DingTalk, parcel: &Parcel) -> Result<Sent, ApiError> {
    let read = |members: Members| {
        let task: Task =
            serde_json::from_value(members.into()).map_err(|_| "it names no task".to_owned())?;
        Ok(task.task_id)
    };
    let task = calls::write(client, row(SEND), &parcel.body, read).await?;
    Ok(Sent {
        message: Some(task.to_string()),
        invalid: Vec::new(),
    })
}

pub(super) async fn receipt(
    client: &DingTalk,
    parcel: &Parcel,
    message: &str,
) -> Result<Receipt, ApiError> {
    let (agent_id, task_id) = task(parcel, message).map_err(ApiError::Unreachable)?;
    let body = json(&TaskQuery { agent_id, task_id });
    let read = |members: Members| member(members, "progress");
    let progress: ProgressAnswer = calls::read(client, row(SEND_PROGRESS), &body, read).await?;
    let mut receipt = Receipt {
        is_done: progress.status == 2,
        ..Receipt::default()
    };
    let people = parcel.to.iter().filter(|to| is_user(to)).count();
    if people != parcel.to.len() || people > PEOPLE_A_CALL {
        receipt.untold = Some(
            "DingTalk tells who has a notice for at most 100 receivers, and not how many are in a \
             department: nobody can be asked about"
                .to_owned(),
        );
        return Ok(receipt);
    }
    // Before that its lists may be short, and nothing in them says so.
    if receipt.is_done {
        let read = |members: Members| member(members, "send_result");
        let result: SendResult = calls::read(client, row(SEND_RESULT), &body, read).await?;
        told(&mut receipt, &parcel.to, result);
    }
    Ok(receipt)
}

fn is_user(to: &To) -> bool {
    matches!(to, To::Recipient(Recipient::UserId(_)))
}

/// Turns the lists into a receipt.
fn told(receipt: &mut Receipt, to: &BTreeSet<To>, result: SendResult) {
    let named = |id: &str| -> To {
        let same = |to: &&To| match to {
            To::Recipient(Recipient::UserId(known)) => known.eq_ignore_ascii_case(id),
            _ => false,
        };
        let user = || To::Recipient(Recipient::UserId(id.into()));
        to.iter().find(same).cloned().unwrap_or_else(user)
    };
    let mut refused = std::collections::BTreeMap::new();
    for id in &result.invalid_user_id_list {
        let why = "is unknown to DingTalk, or outside of the app's range";
        refused.insert(named(id), why.to_owned());
    }
    for id in &result.failed_user_id_list {
        refused.insert(named(id), "DingTalk failed to deliver it".to_owned());
    }
    for id in &result.forbidden_user_id_list {
        refused.insert(named(id), "was dropped by DingTalk".to_owned());
    }
    // It says why, and may be there without the list before.
    for forbidden in &result.forbidden_list {
        let why = super::codes::dropped(&forbidden.code);
        refused.insert(named(&forbidden.userid), why);
    }
    for id in &result.invalid_dept_id_list {
        let department = Recipient::Department(id.to_string().into());
        let why = "is no department, or outside of the app's range";
        refused.insert(To::Recipient(department), why.to_owned());
    }
    let readers: BTreeSet<To> = result
        .read_user_id_list
        .iter()
        .map(|id| named(id))
        .collect();
    let unread = result.unread_user_id_list.iter().map(|id| named(id));
    let reached: BTreeSet<To> = readers.iter().cloned().chain(unread).collect();
    // Who has it has it, whatever another list says.
    refused.retain(|to, _| !reached.contains(to));
    let missing = to
        .iter()
        .filter(|to| !reached.contains(to) && !refused.contains_key(to));
    let missing = missing.count();
    let count = |number: usize| u64::try_from(number).ok();
    receipt.valid = count(to.len() - to.iter().filter(|to| refused.contains_key(to)).count());
    receipt.delivered = count(reached.len());
    receipt.read = count(readers.len());
    let person = |to| match to {
        To::Recipient(recipient) => Some(recipient),
        To::Chat(_) => None,
    };
    receipt.readers = readers.into_iter().filter_map(person).collect();
    receipt.refused = refused.into_iter().collect();
    if missing > 0 {
        receipt.untold = Some(format!(
            "DingTalk says nothing of {missing} of the receivers"
        ));
    }
}

pub(super) async fn recall(
    client: &DingTalk,
    parcel: &Parcel,
    message: &str,
) -> Result<(), ApiError> {
    let (agent_id, msg_task_id) = task(parcel, message).map_err(ApiError::Unreachable)?;
    let query = RecallQuery {
        agent_id,
        msg_task_id,
    };
    calls::write(client, row(RECALL), &json(&query), |_| Ok(())).await
}

/// The agent that sent a parcel, whatever the provider says now, and the number of its task.
fn task(parcel: &Parcel, message: &str) -> Result<(u64, u64), String> {
    let body: Option<Value> = serde_json::from_str(&parcel.body).ok();
    let agent = body.and_then(|body| body["agent_id"].as_u64());
    let task = agent.zip(message.parse().ok());
    task.ok_or_else(|| "this is no task of a DingTalk agent".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text() -> Letter {
        Letter::new("text", json!({"content": "早"}))
    }

    fn users(count: usize) -> Vec<Recipient> {
        let user = |n| Recipient::UserId(format!("u{n:03}").into());
        (0..count).map(user).collect()
    }

    fn packed(letter: &Letter, to: &[Recipient]) -> Result<Vec<Parcel>, String> {
        let to: Vec<_> = to.iter().collect();
        parcels(Some(781_348), letter, &to)
    }

    fn bodies(to: &[Recipient]) -> Vec<String> {
        let parcels = packed(&text(), to).unwrap();
        parcels.into_iter().map(|parcel| parcel.body).collect()
    }

    #[test]
    fn bodies_are_exact() {
        let department = |id: &str| Recipient::Department(id.into());
        let mut to = users(2);
        to.extend([department("7"), department("123")]);
        let msg = r#""msg":{"msgtype":"text","text":{"content":"早"}}"#;
        assert_eq!(
            bodies(&to),
            [
                format!(r#"{{"agent_id":781348,"userid_list":"u000,u001",{msg}}}"#),
                format!(r#"{{"agent_id":781348,"dept_id_list":"7,123",{msg}}}"#),
            ]
        );
        to.push(Recipient::Everyone);
        let all = packed(&text(), &to).unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(
            all[0].body,
            format!(r#"{{"agent_id":781348,"to_all_user":true,{msg}}}"#)
        );
        assert!(is_for_everyone(&all[0]) && all[0].to.len() == 5);
    }

    #[test]
    fn calls_are_cut_to_the_contracts_limits() {
        let departments = (1..=41).map(|n| Recipient::Department(n.to_string().into()));
        let to: Vec<Recipient> = users(201).into_iter().chain(departments).collect();
        let parcels = packed(&text(), &to).unwrap();
        let sizes: Vec<_> = parcels.iter().map(|parcel| parcel.to.len()).collect();
        assert_eq!(sizes, [100, 100, 1, 20, 20, 1]);
    }

    #[test]
    fn what_dingtalk_cannot_carry_is_refused_in_words() {
        let fit = "x".repeat(BYTES - r#"{"msgtype":"text","text":{"content":""}}"#.len());
        let letter = |content: &str| Letter::new("text", json!({"content": content}));
        assert!(packed(&letter(&fit), &users(1)).is_ok());
        for (letter, to, words) in [
            (letter(&format!("{fit}x")), users(1), "at most 2048 bytes"),
            (letter("a\u{1}b"), users(1), "control characters"),
            (Letter::new("post", json!({})), users(1), "kind `post`"),
            (Letter::new("text", json!("x")), users(1), "not a mapping"),
            (text(), vec![Recipient::UserId("a,b".into())], "no comma"),
            (text(), vec![Recipient::Department("x".into())], "numbers"),
            (
                text(),
                vec![Recipient::Mobile("+8613800000000".into())],
                "look up",
            ),
            (text(), vec![Recipient::OpenId("ou_1".into())], "user id"),
        ] {
            let why = packed(&letter, &to).unwrap_err();
            assert!(why.contains(words), "{why}");
            assert!(!why.contains("138"), "{why}");
        }
        assert!(packed(&letter("a\nb\\u0001"), &users(1)).is_ok());
        let nobody = parcels(None, &text(), &[&Recipient::Everyone]).unwrap_err();
        assert!(nobody.contains("`agent_id`"), "{nobody}");
    }

    #[test]
    fn a_status_is_for_five_people() {
        let oa = json!({"message_url": "https://x", "head": {"bgcolor": "FFBBBBBB", "text": "x"}, "status_bar": {"status_value": "open"}, "body": {}});
        let letter = Letter::new("oa", oa);
        assert_eq!(packed(&letter, &users(6)).unwrap().len(), 2);
        let department = Recipient::Department("7".into());
        for whom in [department, Recipient::Everyone] {
            assert!(packed(&letter, &[whom]).unwrap_err().contains("five"));
        }
    }

    fn receipt_of(people: usize, result: Value) -> Receipt {
        let mut receipt = Receipt::default();
        let to = users(people).into_iter().map(To::Recipient).collect();
        told(&mut receipt, &to, serde_json::from_value(result).unwrap());
        receipt
    }

    #[test]
    fn whom_dingtalk_dropped_is_refused_and_whom_it_does_not_name_is_unknown() {
        let receipt = receipt_of(
            7,
            json!({
                "invalid_user_id_list": ["u000"], "failed_user_id_list": ["u001"],
                "forbidden_user_id_list": ["u002"],
                "forbidden_list": [{"code": "143106", "count": 1, "userid": "u002"}, {"code": 143105, "count": 500, "userid": "u003"}],
                "read_user_id_list": ["U004"], "unread_user_id_list": ["u005"], "invalid_dept_id_list": null,
            }),
        );
        let refused = receipt.refused.iter().map(|(to, why)| match to {
            To::Recipient(recipient) => format!("{recipient}: {why}\n"),
            To::Chat(_) => unreachable!("no chat was sent to"),
        });
        insta::assert_snapshot!(refused.collect::<String>(), @r"
        user u000: is unknown to DingTalk, or outside of the app's range
        user u001: DingTalk failed to deliver it
        user u002: was dropped by DingTalk: has had the same content from this app today (code 143106)
        user u003: was dropped by DingTalk: has had as many notices of this app today as DingTalk allows (code 143105)
        ");
        assert_eq!((receipt.valid, receipt.delivered), (Some(3), Some(2)));
        assert_eq!(
            (receipt.read, receipt.readers),
            (Some(1), users(5).split_off(4))
        );
        let untold = receipt.untold.unwrap();
        assert!(untold.contains("nothing of 1 of"), "{untold}");
    }

    #[test]
    fn nothing_told_is_nobody_reached() {
        let receipt = receipt_of(2, json!({}));
        assert_eq!((receipt.valid, receipt.delivered), (Some(2), Some(0)));
        assert!(receipt.untold.unwrap().contains("nothing of 2"));
        let whole = receipt_of(1, json!({"read_user_id_list": ["u000"]}));
        assert_eq!((whole.delivered, whole.untold), (Some(1), None));
    }
}
