//! `--refresh`: what of a plan was read, what was assumed, and how old that is; and the keeping of what was
//! read.

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::args::{Global, RefreshWhen, Refreshing};
use super::clock;
use super::error::Failure;
use super::session::{Session, open_ledger};
use super::text::{count, duration};
use crate::engine::ledger::Turn;
use crate::engine::snapshot::{MAX_AGE, Refresh, Scope, Sight};
use crate::ledger::Access;
use crate::model::Collection;

/// What `--refresh` and `--max-age` asked for, as it is kept in a saved plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RefreshOption {
    /// `--refresh`.
    when: RefreshWhen,
    /// `--max-age`, in seconds.
    max_age: i64,
}

impl RefreshOption {
    /// Reads the flags; none where everything is read.
    ///
    /// # Errors
    ///
    /// When they say nothing together.
    pub(super) fn asked(asked: Refreshing) -> Result<Option<Self>, Failure> {
        match (asked.refresh, asked.max_age) {
            (RefreshWhen::Always | RefreshWhen::Never, Some(_)) => Err(Failure::usage(
                "`--max-age` says how old what is assumed may be, so it goes with `--refresh auto`",
            )),
            (RefreshWhen::Always, None) => Ok(None),
            (when, max_age) => Ok(Some(Self {
                when,
                max_age: max_age.unwrap_or(MAX_AGE).as_secs(),
            })),
        }
    }

    /// The flags, as they are typed.
    pub(super) fn flags(self) -> String {
        match self.when {
            RefreshWhen::Always => String::new(),
            RefreshWhen::Never => " --refresh never".to_owned(),
            RefreshWhen::Auto if self.max_age == MAX_AGE.as_secs() => " --refresh auto".to_owned(),
            RefreshWhen::Auto => format!(" --refresh auto --max-age {}s", self.max_age),
        }
    }

    /// What a plan that is only shown reads.
    pub(super) fn for_plan(self) -> Refresh {
        match self.when {
            RefreshWhen::Always => Refresh::Always,
            RefreshWhen::Auto => Refresh::Auto(SignedDuration::from_secs(self.max_age)),
            RefreshWhen::Never => Refresh::Never,
        }
    }

    /// What a plan that is carried out reads.
    pub(super) fn for_apply(self) -> Refresh {
        match self.for_plan() {
            Refresh::Never => Refresh::Changes,
            other => other,
        }
    }
}

/// What was read, what was assumed, and how old it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefreshJson {
    /// `auto` or `never`.
    pub when: RefreshWhen,
    /// The present, by RFC 3339.
    pub at: String,
    /// What was read now.
    pub read: Vec<ReadJson>,
    /// What was assumed to be as it was.
    pub assumed: Vec<ReadJson>,
}

/// Something that is read in one piece.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReadJson {
    /// `tasklist`, `chat` or `user_group`; or `names`, the list of all tasklists, chats or user groups.
    pub what: String,
    /// Which: a guid or id; of names `tasklists`, `chats` or `user_groups`.
    pub id: String,
    /// When it was read, by RFC 3339.
    pub read_at: String,
}

impl ReadJson {
    fn new(scope: &Scope, at: Timestamp) -> Self {
        let kind = |collection: &Collection| match collection {
            Collection::Tasklist(_) => "tasklist",
            Collection::Chats => "chat",
            Collection::UserGroups => "user_group",
            Collection::Ledger => "ledger",
        };
        let (what, id) = match scope {
            Scope::Tasklists => ("names", "tasklists".to_owned()),
            Scope::All(Collection::Tasklist(guid)) => ("tasklist", guid.to_string()),
            Scope::All(collection) => ("names", format!("{}s", kind(collection))),
            Scope::One(collection, id) => (kind(collection), id.to_string()),
        };
        Self {
            what: what.to_owned(),
            id,
            read_at: seconds(at),
        }
    }
}

impl RefreshJson {
    pub(super) fn new(asked: RefreshOption, sight: &Sight, now: Timestamp) -> Self {
        let read = sight.read();
        let assumed = sight.assumed();
        Self {
            when: asked.when,
            at: seconds(now),
            read: read
                .iter()
                .map(|one| ReadJson::new(&one.scope, one.at))
                .collect(),
            assumed: assumed
                .iter()
                .map(|(scope, at)| ReadJson::new(scope, *at))
                .collect(),
        }
    }

    /// Both in a sentence or two.
    pub(super) fn sentence(&self) -> String {
        let read = match self.read.as_slice() {
            [] => "Read nothing now.".to_owned(),
            read => format!("Read now: {}.", kinds(read)),
        };
        if self.assumed.is_empty() {
            return read;
        }
        let at = |text: &str| text.parse::<Timestamp>().ok();
        let oldest = self.assumed.iter().filter_map(|one| at(&one.read_at)).min();
        let age = at(&self.at).zip(oldest).map(|(now, then)| {
            let age = now.duration_since(then).as_secs();
            format!(
                ", up to {} before",
                duration(u64::try_from(age).unwrap_or_default())
            )
        });
        format!(
            "{read} Assumed to be as last read{}: {}.",
            age.unwrap_or_default(),
            kinds(&self.assumed)
        )
    }
}

/// How many of each kind.
fn kinds(all: &[ReadJson]) -> String {
    let counted = [
        ("tasklist", "tasklist"),
        ("chat", "chat"),
        ("user_group", "user group"),
        ("names", "list of names"),
    ];
    let counted = counted.iter().filter_map(|(kind, noun)| {
        match all.iter().filter(|one| one.what == *kind).count() {
            0 => None,
            n if *noun == "list of names" && n > 1 => Some(format!("{n} lists of names")),
            n => Some(count(n, noun)),
        }
    });
    counted.collect::<Vec<_>>().join(", ")
}

fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The live side of a plan: with what is kept, where some of it may be assumed.
///
/// # Errors
///
/// When the ledger cannot be read, or nothing is kept that could be assumed.
pub(super) async fn sight(
    session: &Session,
    refresh: Refresh,
) -> Result<std::sync::Arc<Sight>, Failure> {
    let now = clock::now();
    if refresh == Refresh::Always {
        return Ok(Sight::live(now));
    }
    if !session.keeps() && refresh != Refresh::Always {
        let Refresh::Auto(_) = refresh else {
            return Err(Failure::new(
                "`ledger: none` keeps nothing, so `--refresh never` has nothing to go by",
            )
            .hint("Leave the flag out, or keep a ledger."));
        };
    }
    Ok(Sight::new(refresh, session.ledger.snapshots().await?, now))
}

/// Keeps what a plan has read, for the next one. A ledger that is not there, cannot be written, or is just
/// being written by an apply stays as it is: a plan does not fail for that.
pub(super) async fn keep(global: &Global, session: &Session, turn: Option<Turn>, sight: &Sight) {
    // Before the first apply there is nothing that anybody would compare with.
    let Some(turn) = turn.filter(|_| session.keeps()) else {
        return;
    };
    let read = sight.read();
    if read.is_empty() {
        return;
    }
    let kept = async {
        let (books, _) = open_ledger(global, &session.manifest, Access::Keep).await?;
        #[cfg(debug_assertions)]
        let books = super::crash::install_books(books);
        Ok::<_, Failure>(books.keep_snapshots(turn, &read).await?)
    };
    match kept.await {
        Ok(true) => {}
        Ok(false) => tracing::info!("what was read is not kept: an apply came in between"),
        Err(why) => tracing::info!("what was read is not kept: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(what: &str, at: &str) -> ReadJson {
        ReadJson {
            what: what.to_owned(),
            id: "x".to_owned(),
            read_at: at.to_owned(),
        }
    }

    #[test]
    fn what_was_read_and_assumed_is_one_sentence_each() {
        let now = "2026-12-01T10:00:00Z";
        let mut shown = RefreshJson {
            when: RefreshWhen::Auto,
            at: now.to_owned(),
            read: Vec::new(),
            assumed: vec![
                read("tasklist", "2026-12-01T09:59:00Z"),
                read("tasklist", "2026-12-01T07:48:00Z"),
                read("names", "2026-12-01T09:59:00Z"),
            ],
        };
        assert_eq!(
            shown.sentence(),
            "Read nothing now. Assumed to be as last read, up to 2 h 12 min before: 2 tasklists, 1 list of names."
        );
        shown.read = vec![read("chat", now)];
        shown.assumed.clear();
        assert_eq!(shown.sentence(), "Read now: 1 chat.");
    }
}
