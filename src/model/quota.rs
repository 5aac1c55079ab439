//! What vendors let one app send, as numbers: what a call takes, and what a minute, a day and a month do.
//!
//! Clients cut what they send by these numbers, and [`super::forecast`] holds schedules against them, so
//! that what is told before is what is done.

use super::manifest::Edition;

/// Feishu (pages `batch_send` and `im-v1/message/create`).
pub mod feishu {
    /// The most ids of one kind in a call of the batch.
    pub const IDS_A_CALL: usize = 200;
    /// The most messages that an app sends to people in a day.
    pub const MESSAGES_A_DAY: u64 = 500_000;
    /// The most messages that a chat gets in a second, whichever bots they are of.
    pub const TO_A_CHAT_A_SECOND: usize = 5;
}

/// DingTalk (page `asynchronous-sending-of-enterprise-session-messages` and its neighbours).
pub mod dingtalk {
    use jiff::SignedDuration;

    use super::Edition;

    /// The most people of a call. More than a hundred receivers cannot be asked about either.
    pub const PEOPLE_A_CALL: usize = 100;
    /// The most people of a call whose notice has a `status_bar`.
    pub const PEOPLE_OF_STATUS: usize = 5;
    /// The most departments of a call.
    pub const DEPARTMENTS_A_CALL: usize = 20;
    /// The most messages that one person gets of an app in a day.
    pub const TO_A_PERSON_A_DAY: usize = 500;
    /// The most messages that go to everyone in a day (error 41045).
    pub const TO_EVERYONE_A_DAY: usize = 3;
    /// The most receivers of an app in a minute.
    pub const RECEIVERS_A_MINUTE: usize = 5000;

    /// A minute of DingTalk's, which may begin at any second, and what a call may take from when it is counted
    /// until it arrives.
    pub const MINUTE: SignedDuration = SignedDuration::from_secs(70);
    /// How long after it was sent it is asked who has a notice that is followed: each question is counted
    /// against the organisation's month. Once more it is asked at the end.
    pub const ASKED_AFTER: [SignedDuration; 3] = [
        SignedDuration::from_mins(1),
        SignedDuration::from_mins(10),
        SignedDuration::from_mins(60),
    ];
    /// How long after it was sent DingTalk answers.
    pub const ANSWERS_FOR: SignedDuration = SignedDuration::from_hours(24);

    /// How often it is asked at most about one call, when it is followed for so long.
    #[must_use]
    pub fn questions(lasts: SignedDuration) -> u64 {
        let before = ASKED_AFTER.iter().filter(|after| **after < lasts);
        u64::try_from(before.count()).unwrap_or(0) + 1
    }

    /// The calls that an organisation makes in a calendar month; none where the pages give no number.
    #[must_use]
    pub fn calls_a_month(edition: Edition) -> Option<u64> {
        match edition {
            Edition::Standard => Some(5_000),
            Edition::Professional => Some(200_000),
            Edition::Dedicated => None,
        }
    }
}

/// EnOS (page `notice_message_produce`).
pub mod enos {
    /// The most users of a notice. The page gives no number.
    pub const USERS_A_NOTICE: usize = 1000;
    /// The most notices of a call.
    pub const NOTICES_A_CALL: usize = 100;
}
