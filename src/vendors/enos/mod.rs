//! EnOS: which user ids are in an OU, and notices to them.
//!
//! Of users it reads nothing but their ids. Start at [`Enos::look_up_all`], or for notices at
//! `channel.rs`, which says what once means here; `call.rs` signs a request and reads what every answer has, `sign.rs` has the digests, `wire.rs` the
//! shapes, `codes.rs` the words.
//!
//! # Caveats
//!
//! - Older deployments pass over the ids that are asked for and list the whole OU, a thousand users a
//!   page. Somebody who joins or leaves while the pages are read may be missed.

mod call;
mod channel;
mod codes;
mod notice;
mod sign;
mod token;
mod wire;

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::Serialize;

use self::call::Clock;
use self::wire::{PageQuery, Roster, RosterQuery};
use super::calls::{self, Link, Members, member};
use super::http::{Http, checked_base};
use super::limits::enos::{ROSTER, ROWS, row};
use super::pace::Pace;
use super::redact::Secrets;
use super::token::Tokens;
use super::{BuildError, Settings};
use crate::engine::health::Allowances;
use crate::engine::health::Heard;
use crate::engine::{Answer, ApiError, Directory, Health, Pending, Sighting};
use crate::model::AppId;
use crate::model::group::Recipient;

/// A token with less to live is renewed.
const EARLY: Duration = Duration::from_secs(5 * 60);

/// The most users of a page, and so the most that are asked for at once.
const PAGE: usize = 1000;

/// A client of EnOS.
pub(super) struct Enos {
    link: Link,
    http: Http,
    tokens: Tokens<SecretString>,
    org_id: String,
    clock: Clock,
    /// Whether this deployment has the notices where the sample of the vendor's page has them.
    serves_older_paths: AtomicBool,
}

impl Enos {
    pub(super) fn new(
        settings: Settings,
        org_id: &str,
        now: fn() -> Timestamp,
    ) -> Result<Self, BuildError> {
        let Settings {
            base_url,
            app,
            secret,
            allow_hosts,
            authorities,
            connect_timeout,
            timeout,
            concurrency,
            patience,
            paced,
        } = settings;
        // Every deployment has a gateway of its own, so all of them are strangers until allowed.
        let base = checked_base(&base_url, &[], &allow_hosts)?;
        Ok(Self {
            link: Link {
                app,
                secrets: Secrets::new(secret),
                pace: Pace::new(&ROWS, paced, concurrency),
                patience,
                manner: call::MANNER,
                signs_by: Some(now),
            },
            http: Http::new(base, connect_timeout, timeout, authorities.as_deref())?,
            tokens: Tokens::new(EARLY),
            org_id: org_id.to_owned(),
            clock: Clock::new(now),
            serves_older_paths: AtomicBool::new(false),
        })
    }

    async fn look_up_all(&self, recipients: &[Recipient]) -> Result<Vec<Sighting>, ApiError> {
        let asked: BTreeSet<&str> = recipients
            .iter()
            .filter_map(|recipient| match recipient {
                Recipient::UserId(id) => Some(&**id),
                _ => None,
            })
            .collect();
        let present = self.present(asked.into_iter().collect()).await?;
        let sighting = |recipient: &Recipient| match recipient {
            Recipient::Everyone => Sighting::Many,
            Recipient::UserId(id) if present.contains(&**id) => Sighting::Person(recipient.clone()),
            Recipient::UserId(_) => unseen(
                "is unknown to EnOS, or not in the OU; EnOS does not tell these apart, and leaves \
                 such users out of what is sent",
            ),
            _ => unseen("cannot be looked up at EnOS, which knows people by user id"),
        };
        Ok(recipients.iter().map(sighting).collect())
    }

    /// Which of these ids, sorted and each once, are in the OU; others may be in the answer too.
    async fn present(&self, asked: Vec<&str>) -> Result<BTreeSet<String>, ApiError> {
        let mut present = BTreeSet::new();
        for batch in asked.chunks(PAGE) {
            if self.read_pages(batch, &asked, &mut present).await? == Answered::Everybody {
                break;
            }
        }
        Ok(present)
    }

    /// Reads all pages of one request.
    async fn read_pages(
        &self,
        batch: &[&str],
        asked: &[&str],
        present: &mut BTreeSet<String>,
    ) -> Result<Answered, ApiError> {
        let mut answered = Answered::Batch;
        let mut page_no = 0;
        loop {
            let Roster { users, pagination } = self.page(batch, page_no).await?;
            let strange = |id: &str| batch.binary_search(&id).is_err();
            if users.iter().any(|user| strange(&user.user_id)) {
                answered = Answered::Everybody;
            }
            let count = users.len();
            let before = present.len();
            present.extend(users.into_iter().map(|user| user.user_id));
            page_no += 1;
            // The vendor gives no maximum, so a page may be smaller than it was asked for.
            let size = pagination
                .page_size
                .filter(|size| (1..=PAGE).contains(size));
            let size = size.unwrap_or(PAGE);
            let more = match pagination.total_elements {
                Some(total) => page_no.saturating_mul(size) < total,
                None => count >= size,
            };
            let wanted = match answered {
                Answered::Batch => batch,
                Answered::Everybody => asked,
            };
            if !more || count == 0 || wanted.iter().all(|id| present.contains(*id)) {
                return Ok(answered);
            }
            if present.len() == before {
                return Err(ApiError::Unknown(Answer {
                    operation: ROSTER.to_owned(),
                    message: "the pages of users go round".to_owned(),
                    ..Answer::default()
                }));
            }
        }
    }

    async fn page(&self, batch: &[&str], page_no: usize) -> Result<Roster, ApiError> {
        let query = RosterQuery {
            org_id: &self.org_id,
            pagination: PageQuery {
                page_no,
                page_size: PAGE,
            },
            user_ids: batch,
        };
        let body = json(&query);
        let read = |members: Members| member(members, "data");
        calls::read(self, row(ROSTER), &body, read).await
    }
}

/// Whom a request was answered with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answered {
    /// Those who were asked for.
    Batch,
    /// Everybody in the OU, as older deployments do.
    Everybody,
}

impl Health for Enos {
    fn sign_in(&self) -> Pending<'_, Result<(), ApiError>> {
        Box::pin(calls::sign_in(self))
    }

    fn allowances(&self, _: Timestamp) -> Allowances {
        // No page of the vendor's gives a number.
        Allowances::default()
    }

    fn clock(&self) -> Option<Heard> {
        self.http.clock()
    }
}

impl Directory for Enos {
    fn app(&self) -> &AppId {
        &self.link.app
    }

    fn at_once(&self) -> usize {
        PAGE
    }

    fn look_up<'a>(
        &'a self,
        recipients: &'a [Recipient],
    ) -> Pending<'a, Result<Vec<Sighting>, ApiError>> {
        Box::pin(self.look_up_all(recipients))
    }
}

/// A body. The same shape always makes the same bytes.
fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).expect("text and numbers become JSON")
}

fn unseen(words: &str) -> Sighting {
    Sighting::Unseen(words.to_owned())
}
