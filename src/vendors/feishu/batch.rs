//! One message to many people and departments (pages `batch_send` and those of `im-v1/batch_message`).
//!
//! It has no key, so that nothing tells a second one from a first.

use std::collections::BTreeSet;

use serde_json::Value;

use super::call::Ask;
use super::channel::obstacle;
use super::wire::{BatchBody, BatchReaders, BatchSent, Progress, data};
use super::{Feishu, json};
use crate::engine::ApiError;
use crate::engine::channel::{Parcel, Receipt, Sent, To};
use crate::model::group::Recipient;
use crate::model::quota::feishu::IDS_A_CALL;
use crate::vendors::limits::{BATCH_PROGRESS, BATCH_READ_USER, BATCH_SEND, RECALL_BATCH};

/// What is said of an id in one of the lists of those that are invalid.
const INVALID: &str = "is unknown to Feishu, of another app, or outside of the bot's availability \
                       range; Feishu does not tell these apart";

/// Cuts the recipients so that each call is full in every kind of id that is left.
pub(super) fn parcels(
    kind: &str,
    (name, content): &(&'static str, Value),
    recipients: &[&Recipient],
) -> Result<Vec<Parcel>, String> {
    let (mut departments, mut open, mut user, mut union) = (vec![], vec![], vec![], vec![]);
    for recipient in recipients {
        match (recipient, obstacle(recipient)) {
            (_, Some(why)) => return Err(why.to_owned()),
            (Recipient::Department(_) | Recipient::OpenDepartment(_), _) => {
                departments.push(*recipient);
            }
            (Recipient::OpenId(_), _) => open.push(*recipient),
            (Recipient::UnionId(_), _) => union.push(*recipient),
            _ => user.push(*recipient),
        }
    }
    let kinds = [departments, open, user, union];
    let calls = kinds.iter().map(|ids| ids.len().div_ceil(IDS_A_CALL)).max();
    let parcel = |call: usize| {
        let cut = |ids: &[&Recipient]| -> Vec<Recipient> {
            let ids = ids.chunks(IDS_A_CALL).nth(call).unwrap_or_default();
            ids.iter().map(|id| (*id).clone()).collect()
        };
        let cut = kinds.each_ref().map(|ids| cut(ids));
        let ids = cut
            .each_ref()
            .map(|ids| ids.iter().filter_map(Recipient::id).collect());
        let [department_ids, open_ids, user_ids, union_ids] = ids;
        let is_card = *name == "card";
        let body = BatchBody {
            department_ids,
            open_ids,
            user_ids,
            union_ids,
            msg_type: kind,
            content: (!is_card).then_some(content),
            card: is_card.then_some(content),
        };
        Parcel {
            operation: BATCH_SEND.to_owned(),
            query: Vec::new(),
            body: json(&body),
            to: cut.into_iter().flatten().map(To::Recipient).collect(),
        }
    };
    Ok((0..calls.unwrap_or_default()).map(parcel).collect())
}

pub(super) async fn send(feishu: &Feishu, parcel: &Parcel) -> Result<Sent, ApiError> {
    let ask = Ask::new(BATCH_SEND).body(Some(&parcel.body));
    let sent: BatchSent = feishu.call(&ask, data).await?;
    let departments = sent.invalid_department_ids.into_iter().map(|id| {
        let id: std::sync::Arc<str> = id.into();
        [
            Recipient::Department(id.clone()),
            Recipient::OpenDepartment(id),
        ]
    });
    // Both kinds of id come back in one list.
    let departments = departments.map(|[plain, open]| known(&parcel.to, plain, open));
    let people = sent
        .invalid_open_ids
        .into_iter()
        .map(|id| Recipient::OpenId(id.into()))
        .chain(
            sent.invalid_user_ids
                .into_iter()
                .map(|id| Recipient::UserId(id.into())),
        )
        .chain(
            sent.invalid_union_ids
                .into_iter()
                .map(|id| Recipient::UnionId(id.into())),
        );
    let invalid: BTreeSet<Recipient> = departments.chain(people).collect();
    let told = |recipient| (To::Recipient(recipient), INVALID.to_owned());
    Ok(Sent {
        message: Some(sent.message_id),
        invalid: invalid.into_iter().map(told).collect(),
    })
}

/// The one that the parcel has, or else the first.
fn known(to: &BTreeSet<To>, first: Recipient, second: Recipient) -> Recipient {
    let is_second = to.contains(&To::Recipient(second.clone()));
    if is_second { second } else { first }
}

pub(super) async fn receipt(feishu: &Feishu, id: &str) -> Result<Receipt, ApiError> {
    let ids = [id];
    let Progress { sent, recalled } = feishu
        .call(&Ask::new(BATCH_PROGRESS).ids(&ids), data)
        .await?;
    let ask = Ask::new(BATCH_READ_USER).ids(&ids);
    let BatchReaders { read_user } = feishu.call(&ask, data).await?;
    // None is valid until the job has begun, which may be long after the call.
    let valid = Some(sent.valid).filter(|valid| *valid > 0);
    Ok(Receipt {
        valid,
        delivered: valid.is_some().then_some(sent.success),
        // Two snapshots; readers only grow.
        read: Some(sent.read.max(read_user.read)),
        is_done: valid.is_some_and(|valid| sent.success >= valid),
        is_recalled: recalled.recall,
        ..Receipt::default()
    })
}

/// What a second recall is answered is not documented, so one that was asked for is not asked for again.
pub(super) async fn recall(feishu: &Feishu, id: &str) -> Result<(), ApiError> {
    let ids = [id];
    let ask = Ask::new(BATCH_PROGRESS).ids(&ids);
    let progress: Result<Progress, _> = feishu.call(&ask, data).await;
    if progress.is_ok_and(|progress| progress.recalled.recall) {
        return Ok(());
    }
    feishu
        .call(&Ask::new(RECALL_BATCH).ids(&ids), |_| Ok(()))
        .await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bodies(content: (&'static str, Value), kind: &str, to: &[Recipient]) -> Vec<String> {
        let to: Vec<_> = to.iter().collect();
        let parcels = parcels(kind, &content, &to).unwrap();
        parcels.into_iter().map(|parcel| parcel.body).collect()
    }

    #[test]
    fn bodies_are_exact() {
        let to = [
            Recipient::Department("dev".into()),
            Recipient::OpenDepartment("od-1".into()),
            Recipient::OpenId("ou_1".into()),
            Recipient::UnionId("on_1".into()),
            Recipient::UserId("u1".into()),
        ];
        let text = ("content", json!({"text": "早"}));
        assert_eq!(
            bodies(text, "text", &to),
            [
                r#"{"department_ids":["dev","od-1"],"open_ids":["ou_1"],"user_ids":["u1"],"union_ids":["on_1"],"msg_type":"text","content":{"text":"早"}}"#
            ]
        );
        let card = ("card", json!({"elements": []}));
        assert_eq!(
            bodies(card, "interactive", &to[2..3]),
            [r#"{"open_ids":["ou_1"],"msg_type":"interactive","card":{"elements":[]}}"#]
        );
    }

    #[test]
    fn each_call_is_full_in_every_kind() {
        let people = (0..401).map(|n| Recipient::OpenId(format!("ou_{n:03}").into()));
        let departments = (0..201).map(|n| Recipient::Department(format!("d{n}").into()));
        let to: Vec<Recipient> = people.chain(departments).collect();
        let to: Vec<&Recipient> = to.iter().collect();
        let content = ("content", json!({"text": "x"}));
        let parcels = parcels("text", &content, &to).unwrap();
        let sizes: Vec<_> = parcels.iter().map(|parcel| parcel.to.len()).collect();
        assert_eq!(sizes, [400, 201, 1]);
        let all: BTreeSet<&To> = parcels.iter().flat_map(|parcel| &parcel.to).collect();
        assert_eq!(all.len(), 602);
    }

    #[test]
    fn whom_no_batch_reaches_is_refused_without_being_named() {
        for recipient in [
            Recipient::Everyone,
            Recipient::Email("li@example.com".into()),
            Recipient::Mobile("+8613800000000".into()),
        ] {
            let content = ("content", json!({"text": "x"}));
            let why = parcels("text", &content, &[&recipient]).unwrap_err();
            assert!(
                !why.contains("example.com") && !why.contains("138"),
                "{why}"
            );
        }
    }
}
