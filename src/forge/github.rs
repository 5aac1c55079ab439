//! GitHub's comments on pull requests (pages `rest/issues/comments` and `rest/users/users`).
//!
//! # Guarantees
//!
//! - A comment is ours when it begins with our marker and is by us: by the user of the token, or, where
//!   the token is an app's and has no user, by some app. Nobody else's is touched.
//! - A comment is made again only after its answer was lost, the grace has passed, and the list of
//!   comments does not show it.
//!
//! # Caveats
//!
//! Two jobs that begin at the same instant may both find none. GitHub has no call that makes a comment
//! only where there is none; `concurrency` in the workflow keeps jobs apart.

use std::borrow::Cow;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Comment, ForgeError, How, Settings};
use crate::vendors::BuildError;
use crate::vendors::http::{Body, Http, Lost, Reply, Request, checked_base};

/// Where credentials may go besides what the environment says.
const HOST: &str = "api.github.com";

/// How many comments a page has, the most that GitHub gives.
const PER_PAGE: usize = 100;

/// How many pages are looked through. A pull request has at most 2,500 comments.
const PAGES: usize = 30;

/// How often a call is tried that may be repeated.
const TRIES: u32 = 4;

/// The longest wait that GitHub may ask for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A repository at GitHub.
pub struct GitHub {
    http: Http,
    headers: HeaderMap,
    owner: String,
    name: String,
    grace: Duration,
}

/// A comment as GitHub shows it.
#[derive(Clone, Debug, Deserialize)]
struct Shown {
    id: u64,
    body: Option<String>,
    html_url: String,
    user: Option<User>,
}

#[derive(Clone, Debug, Deserialize)]
struct User {
    login: String,
    #[serde(rename = "type", default)]
    kind: String,
}

/// How one attempt ended that did not succeed.
enum Failed {
    /// GitHub said no.
    Refused(ForgeError),
    /// Not taken, and welcome after a while.
    Later(Duration, ForgeError),
    /// Not one byte left.
    Unsent(String),
    /// It may have happened.
    Lost(String),
}

impl GitHub {
    /// Makes a client for one repository.
    ///
    /// # Errors
    ///
    /// When the address, the repository or the token make no sense.
    pub fn new(settings: &Settings) -> Result<Self, ForgeError> {
        let wrong = |why: String| ForgeError::Settings(why);
        // The address is the environment's, like the token, so its host is as good; it still has to be https.
        let host = reqwest::Url::parse(&settings.api).ok();
        let host = host.and_then(|url| url.host_str().map(str::to_owned));
        let allowed: Vec<String> = host.into_iter().collect();
        let base = checked_base(&settings.api, &[HOST], &allowed).map_err(|error| {
            let why = match error {
                BuildError::PlainText(host) => {
                    format!("plain http is for loopback only, not for {host}")
                }
                BuildError::Address(why) => why,
                error => error.to_string(),
            };
            wrong(format!(
                "GitHub cannot be asked at `{}`: {why}",
                settings.api
            ))
        })?;
        let parts: Vec<&str> = settings.repository.split('/').collect();
        let [owner, name] = parts.as_slice() else {
            return Err(wrong(format!(
                "`{}` is no repository `owner/name`",
                settings.repository
            )));
        };
        let mut token =
            HeaderValue::from_str(&format!("Bearer {}", settings.token.expose_secret().trim()))
                .map_err(|_| wrong("the token has characters that no token has".to_owned()))?;
        token.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, token);
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/vnd.github+json"),
        );
        headers.insert(
            "x-github-api-version",
            HeaderValue::from_static("2022-11-28"),
        );
        let connect = (settings.timeout / 3).max(Duration::from_millis(1));
        let http = Http::new(
            base,
            connect,
            settings.timeout,
            settings.authorities.as_deref(),
        )
        .map_err(|error| wrong(error.to_string()))?;
        Ok(Self {
            http,
            headers,
            owner: (*owner).to_owned(),
            name: (*name).to_owned(),
            grace: settings.grace,
        })
    }

    /// Makes one comment of a pull request say this. The text begins with the marker, by which the comment
    /// is found again.
    ///
    /// # Errors
    ///
    /// When the comment is not as it should be, or that is not known.
    pub async fn upsert(&self, pull: u64, marker: &str, body: &str) -> Result<Comment, ForgeError> {
        let me = self.me().await?;
        if let Some(found) = self.ours(pull, marker, me.as_deref()).await? {
            return self.update(&found, body).await;
        }
        let why = match self.create(pull, body).await? {
            Ok(comment) => return Ok(comment),
            Err(why) => why,
        };
        // From here on no error may sound as if nothing had been done.
        let unsure = |error: ForgeError| ForgeError::Unknown {
            why: format!("{why}; then {error}"),
        };
        // Perhaps it is there, and perhaps it comes to light in a while.
        for wait in [Duration::ZERO, self.grace] {
            tokio::time::sleep(wait).await;
            let found = self.ours(pull, marker, me.as_deref()).await;
            if let Some(found) = found.map_err(unsure)? {
                return Ok(Comment {
                    how: How::Created,
                    ..self.update(&found, body).await?
                });
            }
        }
        tracing::info!("the comment that was lost is not there, so it is made again: {why}");
        match self.create(pull, body).await? {
            Ok(comment) => Ok(comment),
            Err(why) => match self.ours(pull, marker, me.as_deref()).await? {
                Some(found) => Ok(Comment {
                    how: How::Created,
                    ..self.update(&found, body).await?
                }),
                None => Err(ForgeError::Unknown { why }),
            },
        }
    }

    /// The user of the token; none when the token is an app's.
    async fn me(&self) -> Result<Option<String>, ForgeError> {
        let what = "say who the token belongs to";
        match self.read(what, &["user"], &[]).await {
            Ok(reply) => {
                let user: User = parse(what, &reply)?;
                Ok(Some(user.login))
            }
            // "Resource not accessible by integration".
            Err(ForgeError::Refused {
                status: 403 | 404, ..
            }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Our comment, the oldest where there are several.
    async fn ours(
        &self,
        pull: u64,
        marker: &str,
        me: Option<&str>,
    ) -> Result<Option<Shown>, ForgeError> {
        let what = "list the comments of the pull request";
        let number = pull.to_string();
        let path = [
            "repos",
            &self.owner,
            &self.name,
            "issues",
            &number,
            "comments",
        ];
        for page in 1..=PAGES {
            let (size, page) = (PER_PAGE.to_string(), page.to_string());
            let query = [("per_page", size.as_str()), ("page", page.as_str())];
            let reply = self.read(what, &path, &query).await?;
            let shown: Vec<Shown> = parse(what, &reply)?;
            let is_last = shown.len() < PER_PAGE;
            let found = shown.into_iter().find(|comment| {
                let is_marked = comment.body.as_ref().is_some_and(|b| b.starts_with(marker));
                let by_us = comment.user.as_ref().is_some_and(|user| match me {
                    Some(me) => user.login == me,
                    None => user.kind == "Bot",
                });
                is_marked && by_us
            });
            if found.is_some() || is_last {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// What is written twice is written once: the same text over the same comment.
    async fn update(&self, found: &Shown, body: &str) -> Result<Comment, ForgeError> {
        let url = found.html_url.clone();
        // Line ends are the platform's to choose.
        let plain = |text: &str| text.replace("\r\n", "\n").trim_end().to_owned();
        if found.body.as_deref().map(plain) == Some(plain(body)) {
            let how = How::Unchanged;
            return Ok(Comment { how, url });
        }
        let id = found.id.to_string();
        let path = ["repos", &self.owner, &self.name, "issues", "comments", &id];
        let body = json!({ "body": body }).to_string();
        self.repeated("change its comment", Method::PATCH, &path, &[], Some(&body))
            .await?;
        let how = How::Updated;
        Ok(Comment { how, url })
    }

    /// Makes a comment, once: an inner error says why it is not known whether it was made.
    async fn create(&self, pull: u64, body: &str) -> Result<Result<Comment, String>, ForgeError> {
        let what = "comment on the pull request";
        let number = pull.to_string();
        let path = [
            "repos",
            &self.owner,
            &self.name,
            "issues",
            &number,
            "comments",
        ];
        let body = json!({ "body": body }).to_string();
        let made = Self::tried(what, async || {
            let made = self.once(what, Method::POST, &path, &[], Some(&body)).await;
            match made {
                // It may be there, so it is not made again.
                Err(Failed::Lost(why)) => Ok(Err(why)),
                made => made.map(Ok),
            }
        });
        Ok(made.await?.and_then(|reply| {
            let shown: Shown = parse(what, &reply).map_err(|error| error.to_string())?;
            Ok(Comment {
                how: How::Created,
                url: shown.html_url,
            })
        }))
    }

    /// Makes a call again and again, with waits between, until it is answered, refused, or tried too often.
    async fn tried<T>(
        what: &'static str,
        mut once: impl AsyncFnMut() -> Result<T, Failed>,
    ) -> Result<T, ForgeError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let (wait, error) = match once().await {
                Ok(done) => return Ok(done),
                Err(Failed::Refused(error)) => return Err(error),
                Err(Failed::Later(wait, error)) => (wait, error),
                Err(Failed::Unsent(why) | Failed::Lost(why)) => {
                    (backoff(attempt), ForgeError::Unanswered { what, why })
                }
            };
            if attempt >= TRIES || wait > PATIENCE {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn read(
        &self,
        what: &'static str,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Reply, ForgeError> {
        self.repeated(what, Method::GET, path, query, None).await
    }

    /// Makes a call that may be repeated until it is answered.
    async fn repeated(
        &self,
        what: &'static str,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&str>,
    ) -> Result<Reply, ForgeError> {
        let once = async || self.once(what, method.clone(), path, query, body).await;
        Self::tried(what, once).await
    }

    async fn once(
        &self,
        what: &'static str,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&str>,
    ) -> Result<Reply, Failed> {
        let url = self
            .http
            .url(path.iter().copied(), query)
            .map_err(|why| Failed::Refused(ForgeError::Settings(why)))?;
        let request = Request {
            method,
            url,
            headers: self.headers.clone(),
            body: body.map(|body| Body::Json(Cow::Borrowed(body))),
        };
        match self.http.exchange(request).await {
            Ok(reply) if (200..300).contains(&reply.status) => Ok(reply),
            Ok(reply) => Err(refusal(what, &reply)),
            Err(Lost::Unreachable(why)) => Err(Failed::Unsent(why)),
            Err(Lost::Unanswered { why, .. }) => Err(Failed::Lost(why)),
        }
    }
}

/// What an answer that is no success means.
fn refusal(what: &'static str, reply: &Reply) -> Failed {
    let header = |name: &str| {
        let value = reply.headers.get(name)?.to_str().ok()?;
        value.trim().parse::<u64>().ok()
    };
    let limited = reply.status == 429
        || (reply.status == 403
            && (header("retry-after").is_some() || header("x-ratelimit-remaining") == Some(0)));
    if limited {
        let reset = header("x-ratelimit-reset");
        let (wait, until) = match (header("retry-after"), reset) {
            (Some(seconds), _) => (Duration::from_secs(seconds), format!("for {seconds} s")),
            (None, Some(reset)) => {
                let at = i64::try_from(reset)
                    .ok()
                    .and_then(|s| jiff::Timestamp::from_second(s).ok());
                let at = at.map_or_else(|| reset.to_string(), |at| at.to_string());
                // Minutes as a rule: a job that waits for them helps nobody.
                (PATIENCE * 2, format!("until {at}"))
            }
            (None, None) => (PATIENCE * 2, "for a while".to_owned()),
        };
        return Failed::Later(wait, ForgeError::Limited { until });
    }
    if reply.status >= 500 || reply.status == 408 {
        return Failed::Lost(format!("HTTP {}", reply.status));
    }
    let told: Option<Value> = serde_json::from_slice(&reply.body).ok();
    let told = told.as_ref().and_then(|told| told.get("message")?.as_str());
    Failed::Refused(ForgeError::Refused {
        what,
        status: reply.status,
        why: told.unwrap_or("it gave no reason").to_owned(),
    })
}

fn backoff(attempt: u32) -> Duration {
    Duration::from_millis(200) * 2u32.pow(attempt.min(5) - 1)
}

fn parse<T: for<'de> Deserialize<'de>>(what: &'static str, reply: &Reply) -> Result<T, ForgeError> {
    serde_json::from_slice(&reply.body).map_err(|error| ForgeError::Unanswered {
        what,
        why: format!("its answer is not what GitHub answers: {error}"),
    })
}
