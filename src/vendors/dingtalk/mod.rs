//! DingTalk: who is behind a user id or a mobile number, whether a department is there, and messages.
//!
//! It lists nobody. Start at [`DingTalk::look_up_all`], or for messages at `channel.rs`, which says what
//! once means here; `call.rs` makes a request and reads what every answer has, `wire.rs` has the shapes,
//! `codes.rs` the words.
//!
//! # Assumptions
//!
//! - A number is asked for without the code of mainland China, and with `+` and its code elsewhere. The
//!   page (`query-users-by-phone-number`) shows numbers of mainland China only.
//!
//! # Caveats
//!
//! - Whether somebody has activated DingTalk, and is in the app's range, is told by user id alone.
//! - One call tells of one person, and twenty are allowed in a second: a thousand people take a minute.

mod call;
mod channel;
mod codes;
mod group;
mod notification;
mod quota;
mod token;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::Url;
use secrecy::SecretString;
use serde::Serialize;

use self::wire::{Department, DepartmentQuery, Found, MobileQuery, User, UserQuery};
use super::calls::{self, Link, Members, member};
use super::http::{Http, checked_base};
use super::limits::dingtalk::{GET_DEPARTMENT, GET_USER, GET_USER_BY_MOBILE, ROWS, rate, row};
use super::pace::Pace;
use super::redact::Secrets;
use super::token::Tokens;
use super::{BuildError, Settings};
use crate::engine::health::Heard;
use jiff::Timestamp;

use crate::engine::health::Allowances;
use crate::engine::{ApiError, Directory, Health, Pending, Sighting};
use crate::model::AppId;
use crate::model::group::Recipient;
use crate::model::manifest::Edition;

/// The host of the newer calls, which gives tokens.
const NEW: &str = "api.dingtalk.com";

/// The host of the older calls, which knows people.
const OLD: &str = "oapi.dingtalk.com";

/// A token with less to live is renewed, as the guide to server calls advises.
const EARLY: Duration = Duration::from_secs(10 * 60);

/// The longest number that may be asked for (the SDK's check).
const LONGEST_NUMBER: usize = 15;

/// What DingTalk has to be told of an app besides its key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agency {
    /// The organisation's edition of DingTalk, which decides what may be called.
    pub edition: Edition,
    /// The app's number, as which its notices are sent; without one it sends none.
    pub agent_id: Option<u64>,
    /// The app's robot, as which it sends to groups; without one it sends to none.
    pub robot_code: Option<String>,
}

/// A client of DingTalk.
pub(super) struct DingTalk {
    link: Link,
    agency: Agency,
    new: Http,
    old: Http,
    tokens: Tokens<SecretString>,
    concurrency: usize,
}

impl DingTalk {
    pub(super) fn new(settings: Settings, agency: Agency) -> Result<Self, BuildError> {
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
        let base = checked_base(&base_url, &[NEW, OLD], &allow_hosts)?;
        let http = |base| Http::new(base, connect_timeout, timeout, authorities.as_deref());
        let per_second = per_second(agency.edition);
        let rate = |row: &_| rate(row, per_second);
        Ok(Self {
            link: Link {
                app,
                secrets: Secrets::new(secret),
                pace: Pace::with_rates(&ROWS, rate, paced, concurrency),
                patience,
                manner: call::MANNER,
                signs_by: None,
            },
            agency,
            new: http(at_host(&base, NEW))?,
            old: http(at_host(&base, OLD))?,
            tokens: Tokens::new(EARLY),
            concurrency: concurrency.max(1),
        })
    }

    async fn look_up_all(&self, recipients: &[Recipient]) -> Result<Vec<Sighting>, ApiError> {
        let each: BTreeSet<Recipient> = recipients.iter().cloned().collect();
        let seen: BTreeMap<Recipient, Sighting> = stream::iter(each)
            .map(|recipient| async move {
                let sighting = self.look_up_one(&recipient).await?;
                Ok::<_, ApiError>((recipient, sighting))
            })
            .buffer_unordered(self.concurrency)
            .try_collect()
            .await?;
        Ok(recipients.iter().map(|r| seen[r].clone()).collect())
    }

    async fn look_up_one(&self, recipient: &Recipient) -> Result<Sighting, ApiError> {
        match recipient {
            Recipient::Everyone => Ok(Sighting::Many),
            Recipient::UserId(id) => self.user(id).await,
            Recipient::Mobile(number) => self.mobile(number).await,
            Recipient::Department(id) => match id.parse() {
                Ok(number) => self.department(number).await,
                Err(_) => Ok(unseen(
                    "is no department of DingTalk, whose departments are numbers",
                )),
            },
            Recipient::OpenDepartment(_)
            | Recipient::OpenId(_)
            | Recipient::UnionId(_)
            | Recipient::Email(_) => Ok(unseen(
                "cannot be looked up at DingTalk, which knows people by user id or mobile number, \
                 and departments by number",
            )),
        }
    }

    async fn user(&self, id: &str) -> Result<Sighting, ApiError> {
        let read = |members| {
            let user: User = member(members, "result")?;
            if !user.userid.eq_ignore_ascii_case(id) {
                return Err("it is about another user".to_owned());
            }
            Ok(if user.active {
                person(&user.userid)
            } else {
                unseen("has not activated DingTalk, so that no message gets there")
            })
        };
        self.ask(GET_USER, &UserQuery { userid: id }, read).await
    }

    async fn mobile(&self, number: &str) -> Result<Sighting, ApiError> {
        let mobile = number.strip_prefix("+86").unwrap_or(number);
        if mobile.len() > LONGEST_NUMBER {
            return Ok(unseen(
                "is longer than a number that DingTalk looks up, which has at most 15 characters",
            ));
        }
        let read = |members| {
            let found: Found = member(members, "result")?;
            Ok(person(&found.userid))
        };
        let query = MobileQuery { mobile };
        self.ask(GET_USER_BY_MOBILE, &query, read).await
    }

    async fn department(&self, id: i64) -> Result<Sighting, ApiError> {
        let read = |members| {
            let department: Department = member(members, "result")?;
            if department.dept_id != id {
                return Err("it is about another department".to_owned());
            }
            Ok(Sighting::Many)
        };
        let query = DepartmentQuery { dept_id: id };
        self.ask(GET_DEPARTMENT, &query, read).await
    }

    /// Asks about somebody. A refusal that means "not here" is a sighting too.
    async fn ask(
        &self,
        operation: &'static str,
        query: &impl Serialize,
        read: impl Fn(Members) -> Result<Sighting, String>,
    ) -> Result<Sighting, ApiError> {
        match calls::read(self, row(operation), &json(query), read).await {
            Err(ApiError::Refused(answer)) => {
                let absence = answer.code.and_then(|code| codes::absence(operation, code));
                absence.map(unseen).ok_or(ApiError::Refused(answer))
            }
            told => told,
        }
    }
}

impl Health for DingTalk {
    fn sign_in(&self) -> Pending<'_, Result<(), ApiError>> {
        Box::pin(calls::sign_in(self))
    }

    fn allowances(&self, now: Timestamp) -> Allowances {
        quota::allowances(&self.link.app, self.agency.edition, now)
    }

    fn clock(&self) -> Option<Heard> {
        self.new.clock()
    }
}

impl Directory for DingTalk {
    fn app(&self) -> &AppId {
        &self.link.app
    }

    fn at_once(&self) -> usize {
        1
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
    serde_json::to_string(body).expect("text, numbers and flags become JSON")
}

fn person(userid: &str) -> Sighting {
    Sighting::Person(Recipient::UserId(userid.into()))
}

fn unseen(words: &str) -> Sighting {
    Sighting::Unseen(words.to_owned())
}

/// The other of DingTalk's own hosts, or the same server where it is not DingTalk's.
fn at_host(base: &Url, host: &str) -> Url {
    let mut url = base.clone();
    let own = base.host_str().map(|host| host.trim_end_matches('.'));
    if own.is_some_and(|own| [NEW, OLD].contains(&own)) {
        url.set_host(Some(host)).expect("a name is a host");
    }
    url
}

/// What an edition may call of one API (`x-rate-limit` of the contract).
fn per_second(edition: Edition) -> u32 {
    match edition {
        Edition::Standard => 20,
        Edition::Professional => 40,
        Edition::Dedicated => 60,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_goes_to_the_host_that_serves_it() {
        for (base, new, old) in [
            (
                "https://api.dingtalk.com",
                "https://api.dingtalk.com/",
                "https://oapi.dingtalk.com/",
            ),
            (
                "https://OAPI.dingtalk.com:8443/",
                "https://api.dingtalk.com:8443/",
                "https://oapi.dingtalk.com:8443/",
            ),
            (
                "https://gateway.example/dingtalk",
                "https://gateway.example/dingtalk",
                "https://gateway.example/dingtalk",
            ),
        ] {
            let base = Url::parse(base).unwrap();
            assert_eq!(at_host(&base, NEW).as_str(), new);
            assert_eq!(at_host(&base, OLD).as_str(), old);
        }
    }

    #[test]
    fn editions_may_call_what_the_contract_says() {
        let contract = include_str!("../../../tests/fixtures/vendors/dingtalk.openapi.yaml");
        let contract: serde_json::Value = serde_yaml::from_str(contract).unwrap();
        let told = &contract["x-rate-limit"]["per_app_and_api_per_second"];
        for edition in Edition::ALL {
            assert_eq!(told[edition.as_str()], per_second(edition));
        }
    }
}
