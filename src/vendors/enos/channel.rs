//! Messages at EnOS: notices in the portal of an OU, to some of its users or to everybody in it.
//!
//! # Guarantees
//!
//! - A notice has an id of ours, made of its letter's key and its content: EnOS delivers it to nobody
//!   who has it already, so that its bytes may be sent again at any time.
//! - Changed content makes another id, because EnOS passes over what a known id comes with.
//! - All notices of a call are taken or none is.
//! - An answer that does not say whether it succeeded is followed by a look at what is there.
//!
//! # Assumptions
//!
//! - Two calls with one id at one time make one notice.
//! - A gateway that answers 404 to the path of the page serves the call on the path of the page's sample,
//!   and had no effect.
//!
//! # Caveats
//!
//! - Users whom EnOS does not know, or who are not in the OU, are left out silently, and who has a notice
//!   is not told: people are to be looked up before.
//! - A notice cannot be changed or taken back.
//! - How many users a notice may have is not documented; more than a thousand get notices of their own
//!   with the same content, up to a hundred in a call.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::{Enos, notice};
use crate::engine::channel::{
    Channel, Job, Letter, Parcel, RecallRules, Receipt, Repeat, Sent, To, UploadError,
};
use crate::engine::polls::Rhythm;
use crate::engine::quota::Quota;
use crate::engine::{ApiError, Pending};
use crate::model::AppId;
use crate::vendors::limits::enos::PRODUCE;

const NO_RECALL: &str = "EnOS has no way to take a notice back";

/// Whether a notice is there is all that can be asked, and it is there at once.
const RHYTHM: Rhythm = Rhythm {
    after: &[
        SignedDuration::from_mins(1),
        SignedDuration::from_mins(10),
        SignedDuration::from_mins(60),
    ],
    every: None,
    window: SignedDuration::from_hours(30 * 24),
};

impl Enos {
    fn pack_all(&self, letter: &Letter, to: &[To], key: &str) -> Result<Vec<Parcel>, String> {
        let mut recipients = BTreeSet::new();
        for to in to {
            match to {
                To::Recipient(recipient) => recipients.insert(recipient),
                To::Chat(_) => {
                    return Err("EnOS has no chats; it sends to the users of an OU".to_owned());
                }
            };
        }
        notice::parcels(self.link.app.as_str(), letter, &recipients, key)
    }
}

impl Channel for Enos {
    fn app(&self) -> &AppId {
        &self.link.app
    }

    fn pack(&self, letter: &Letter, to: &[To], key: &str) -> Result<Vec<Parcel>, String> {
        self.pack_all(letter, to, key)
    }

    fn repeats(&self, parcel: &Parcel) -> Repeat {
        if parcel.operation == PRODUCE {
            Repeat::Always
        } else {
            Repeat::Never
        }
    }

    fn rhythm(&self, _: &Parcel) -> Rhythm {
        RHYTHM
    }

    fn send<'a>(&'a self, parcel: &'a Parcel) -> Pending<'a, Result<Sent, ApiError>> {
        Box::pin(notice::send(self, parcel))
    }

    fn receipt<'a>(
        &'a self,
        parcel: &'a Parcel,
        _: &'a str,
    ) -> Pending<'a, Result<Receipt, ApiError>> {
        Box::pin(notice::receipt(self, parcel))
    }

    fn recall<'a>(&'a self, _: &'a Parcel, _: &'a str) -> Pending<'a, Result<(), ApiError>> {
        Box::pin(async { Err(ApiError::Unreachable(NO_RECALL.to_owned())) })
    }

    fn recalls(&self, _: &Parcel) -> Result<RecallRules, String> {
        Err(NO_RECALL.to_owned())
    }

    fn quota(&self, _: &Parcel, _: Job, _: Timestamp) -> Quota {
        Quota::default()
    }

    fn upload<'a>(&'a self, _: &'a [u8]) -> Pending<'a, Result<String, UploadError>> {
        Box::pin(async {
            let why = "EnOS takes no images in notices".to_owned();
            Err(UploadError::Refused(ApiError::Unreachable(why)))
        })
    }

    fn timeout_ms(&self) -> u64 {
        u64::try_from(self.http.timeout.as_millis()).unwrap_or(u64::MAX)
    }
}
