//! Messages at DingTalk: work notifications to people, departments or everyone (`notification.rs`), and
//! messages of the app's robot to groups (`group.rs`).
//!
//! # Guarantees
//!
//! - Neither call has a key, so that each leaves once in a send; only what was refused before any effect
//!   (a dead token, a limit) is tried again within it.
//! - A notification to people or departments may be sent again on the same day in Shanghai with the
//!   same bytes: DingTalk drops what somebody has had already that day. One to everyone, and a
//!   message to a group, are never sent again by themselves.
//! - Whom DingTalk drops after it has said yes is told of in [`Receipt::refused`]: this is where its
//!   quotas show.
//!
//! # Assumptions
//!
//! - The same content is the same text of `msg`, and a day is one of Asia/Shanghai; the pages define
//!   neither.
//! - A text or a Markdown of a notification says the same in a group, as the robot's `sampleText` and
//!   `sampleMarkdown`.
//!
//! # Caveats
//!
//! - A notice that says the same twice a day reaches nobody the second time, and only the receipt
//!   shows it.
//! - Of somebody who has had the same content today DingTalk says that it drops it; after a repeat that
//!   means that the first attempt arrived.
//! - Who has a notification can be asked for up to 100 receivers. How many people are in a department is
//!   not told here, so it is asked for calls to named people alone, which are therefore calls of
//!   their own.
//! - Each call, of receipts too, is counted against the organisation's monthly allowance, as far as this
//!   ledger knows of it (`quota.rs`).
//! - A robot's message can neither be followed nor taken back here.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::{DingTalk, group, notification, quota};
use crate::engine::channel::{
    Channel, Job, Letter, Parcel, RecallRules, Receipt, Repeat, Sent, To, UploadError,
};
use crate::engine::polls::Rhythm;
use crate::engine::quota::Quota;
use crate::engine::{ApiError, Pending};
use crate::model::AppId;
use crate::model::quota::dingtalk::{ANSWERS_FOR, ASKED_AFTER};
use crate::vendors::limits::dingtalk::{SEND, SEND_TO_GROUP};

/// How long a notification can be taken back (page `notification-of-work-withdrawal`).
const RECALL: SignedDuration = SignedDuration::from_hours(24);

const NO_RECALL: &str = "beadle knows no way to take a robot's message back at DingTalk";

/// Each question is counted against the organisation's month, and none is answered after a day.
const RHYTHM: Rhythm = Rhythm {
    after: &ASKED_AFTER,
    every: None,
    window: ANSWERS_FOR,
};

impl DingTalk {
    fn pack_all(&self, letter: &Letter, to: &[To]) -> Result<Vec<Parcel>, String> {
        let to: BTreeSet<&To> = to.iter().collect();
        let mut chats = Vec::new();
        let mut recipients = Vec::new();
        for to in to {
            match to {
                To::Chat(chat) => chats.push(chat),
                To::Recipient(recipient) => recipients.push(recipient),
            }
        }
        let mut parcels = Vec::new();
        if !chats.is_empty() {
            let robot = self.agency.robot_code.as_deref();
            parcels.extend(group::parcels(robot, letter, &chats)?);
        }
        if !recipients.is_empty() {
            let agent = self.agency.agent_id;
            parcels.extend(notification::parcels(agent, letter, &recipients)?);
        }
        Ok(parcels)
    }

    async fn send_one(&self, parcel: &Parcel) -> Result<Sent, ApiError> {
        match parcel.operation.as_str() {
            SEND => notification::send(self, parcel).await,
            SEND_TO_GROUP => group::send(self, parcel).await,
            _ => Err(stranger(parcel)),
        }
    }

    async fn receipt_of(&self, parcel: &Parcel, message: &str) -> Result<Receipt, ApiError> {
        match parcel.operation.as_str() {
            SEND => notification::receipt(self, parcel, message).await,
            SEND_TO_GROUP => Ok(group::receipt()),
            _ => Err(stranger(parcel)),
        }
    }

    async fn recall_one(&self, parcel: &Parcel, message: &str) -> Result<(), ApiError> {
        match parcel.operation.as_str() {
            SEND => notification::recall(self, parcel, message).await,
            SEND_TO_GROUP => Err(ApiError::Unreachable(NO_RECALL.to_owned())),
            _ => Err(stranger(parcel)),
        }
    }
}

fn stranger(parcel: &Parcel) -> ApiError {
    let operation = &parcel.operation;
    ApiError::Unreachable(format!("this version of beadle does not know {operation}"))
}

impl Channel for DingTalk {
    fn app(&self) -> &AppId {
        &self.link.app
    }

    fn pack(&self, letter: &Letter, to: &[To], _: &str) -> Result<Vec<Parcel>, String> {
        self.pack_all(letter, to)
    }

    fn repeats(&self, parcel: &Parcel) -> Repeat {
        if parcel.operation == SEND && !notification::is_for_everyone(parcel) {
            Repeat::SameDay
        } else {
            Repeat::Never
        }
    }

    fn rhythm(&self, _: &Parcel) -> Rhythm {
        RHYTHM
    }

    fn send<'a>(&'a self, parcel: &'a Parcel) -> Pending<'a, Result<Sent, ApiError>> {
        Box::pin(self.send_one(parcel))
    }

    fn receipt<'a>(
        &'a self,
        parcel: &'a Parcel,
        message: &'a str,
    ) -> Pending<'a, Result<Receipt, ApiError>> {
        Box::pin(self.receipt_of(parcel, message))
    }

    fn recall<'a>(
        &'a self,
        parcel: &'a Parcel,
        message: &'a str,
    ) -> Pending<'a, Result<(), ApiError>> {
        Box::pin(self.recall_one(parcel, message))
    }

    fn recalls(&self, parcel: &Parcel) -> Result<RecallRules, String> {
        match parcel.operation.as_str() {
            SEND => Ok(RecallRules {
                within: Some(RECALL),
                repeats: false,
            }),
            SEND_TO_GROUP => Err(NO_RECALL.to_owned()),
            _ => Err(stranger(parcel).to_string()),
        }
    }

    fn quota(&self, parcel: &Parcel, job: Job, now: Timestamp) -> Quota {
        quota::quota(&self.link.app, self.agency.edition, parcel, job, now)
    }

    fn upload<'a>(&'a self, _: &'a [u8]) -> Pending<'a, Result<String, UploadError>> {
        Box::pin(async {
            let why = "beadle uploads no images to DingTalk; name the id of one that is there";
            Err(UploadError::Refused(ApiError::Unreachable(why.to_owned())))
        })
    }

    fn timeout_ms(&self) -> u64 {
        u64::try_from(self.old.timeout.as_millis()).unwrap_or(u64::MAX)
    }
}
