//! Live values as they were last read, and readers that assume them where that was asked for.
//!
//! # Guarantees
//!
//! - What a plan changes or binds was read for it: an assumed scope in which something is to be done is
//!   read after all, and the plan is made again ([`Sight::demand`]). Only a plan that was to read nothing
//!   ([`Refresh::Never`]) goes without, and nobody applies one.
//! - What was never read is not taken for empty: where nothing may be read, it is unread.
//!
//! # Caveats
//!
//! What somebody does outside to an assumed scope is not seen before the scope is read again.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::directory::{Directory, Sighting};
use super::people::Directories;
use super::refresh::{Live, Readers};
use super::{ApiError, Object, Pending, Reader, RemoteTasklist};
use crate::model::group::Recipient;
use crate::model::manifest::{Manifest, TasklistTarget};
use crate::model::{AppId, ChatId, Collection, Name, RemoteId, TasklistGuid};
use crate::plan::live::Binding;
use crate::plan::{Action, Change, Plan, Record, Resolution};

/// How long a snapshot is believed unless somebody says otherwise.
pub const MAX_AGE: SignedDuration = SignedDuration::from_hours(24);

/// How long a snapshot is kept that nobody has made anew.
pub const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What is read in one piece.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The names of the tasklists that the app can read.
    Tasklists,
    /// Everything in a tasklist; of chats and contact user groups their names.
    All(Collection),
    /// One chat or contact user group in full.
    One(Collection, RemoteId),
}

/// What a scope held.
#[derive(Clone, PartialEq, Eq)]
pub enum Seen {
    /// Tasklists.
    Tasklists(Vec<RemoteTasklist>),
    /// Objects.
    Objects(Vec<Object>),
    /// One object; none when the vendor had said that it is gone.
    Object(Option<Object>),
}

/// The people in a chat are personal data.
impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Seen::Tasklists(all) => write!(f, "Tasklists({})", all.len()),
            Seen::Objects(all) => write!(f, "Objects({})", all.len()),
            Seen::Object(one) => write!(f, "Object({})", one.is_some()),
        }
    }
}

/// A scope as it was last read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Whose reach decided what was seen.
    pub app: AppId,
    /// What was read.
    pub scope: Scope,
    /// What it held.
    pub seen: Seen,
    /// When it was read.
    pub at: Timestamp,
}

/// What is read, and what is assumed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refresh {
    /// Everything is read.
    #[default]
    Always,
    /// Snapshots up to this age are assumed, save where something is to be done; the rest is read.
    Auto(SignedDuration),
    /// Snapshots of any age are assumed, save where something is to be done; the rest stays unread.
    Changes,
    /// Snapshots of any age are assumed; the rest stays unread.
    Never,
}

/// What one run has of the live side: what it assumes and what it has read.
pub struct Sight {
    refresh: Refresh,
    now: Timestamp,
    known: Mutex<HashMap<(AppId, Scope), Known>>,
}

enum Known {
    /// A snapshot that nobody has asked for yet.
    Kept(Snapshot),
    /// One that was taken for what is.
    Assumed(Snapshot),
    /// It is to be read.
    Demanded,
    /// Read in this run.
    Read(Seen),
    /// Asked for in this run, without an answer.
    Unread(ApiError),
}

/// What becomes of a question.
enum Answer {
    Known(Result<Seen, ApiError>),
    Ask,
    Leave,
}

impl Sight {
    /// Begins with what the ledger kept.
    #[must_use]
    pub fn new(refresh: Refresh, kept: Vec<Snapshot>, now: Timestamp) -> Arc<Self> {
        let known = kept
            .into_iter()
            .map(|one| ((one.app.clone(), one.scope.clone()), Known::Kept(one)));
        Arc::new(Self {
            refresh,
            now,
            known: Mutex::new(known.collect()),
        })
    }

    /// Sees only what is live.
    #[must_use]
    pub fn live(now: Timestamp) -> Arc<Self> {
        Self::new(Refresh::Always, Vec::new(), now)
    }

    /// Whether vendors are asked anything at all.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.refresh != Refresh::Never
    }

    /// The same readers, who assume what may be assumed.
    #[must_use]
    pub fn readers(self: &Arc<Self>, readers: &Readers) -> Readers {
        let seeing = |inner: &Arc<dyn Reader>| -> Arc<dyn Reader> {
            Arc::new(Seeing {
                inner: Arc::clone(inner),
                sight: Arc::clone(self),
            })
        };
        let each = readers.iter();
        each.map(|(key, inner)| (key.clone(), seeing(inner)))
            .collect()
    }

    /// The same directories, who say nothing where nothing is asked.
    #[must_use]
    pub fn directories(&self, directories: &Directories) -> Directories {
        if self.asks() {
            return directories.clone();
        }
        let silent = |inner: &Arc<dyn Directory>| -> Arc<dyn Directory> {
            Arc::new(Silent(Arc::clone(inner)))
        };
        let each = directories.iter();
        each.map(|(key, inner)| (key.clone(), silent(inner)))
            .collect()
    }

    /// Asks for scopes to be read that were assumed; whether there were any. The plan has to be made again
    /// then.
    pub fn demand(&self, scopes: &BTreeSet<(AppId, Scope)>) -> bool {
        if !matches!(self.refresh, Refresh::Auto(_) | Refresh::Changes) {
            return false;
        }
        let mut known = self.known();
        let mut any = false;
        for key in scopes {
            if let Some(one @ Known::Assumed(_)) = known.get_mut(key) {
                *one = Known::Demanded;
                any = true;
            }
        }
        any
    }

    /// What was read in this run.
    #[must_use]
    pub fn read(&self) -> Vec<Snapshot> {
        let known = self.known();
        let mut read: Vec<Snapshot> = known
            .iter()
            .filter_map(|((app, scope), one)| match one {
                Known::Read(seen) => Some(Snapshot {
                    app: app.clone(),
                    scope: scope.clone(),
                    seen: seen.clone(),
                    at: self.now,
                }),
                Known::Kept(_) | Known::Assumed(_) | Known::Demanded | Known::Unread(_) => None,
            })
            .collect();
        read.sort_by(|a, b| (&a.app, &a.scope).cmp(&(&b.app, &b.scope)));
        read
    }

    /// What was assumed, with when it was read.
    #[must_use]
    pub fn assumed(&self) -> Vec<(Scope, Timestamp)> {
        let known = self.known();
        let assumed = known.values().filter_map(|one| match one {
            Known::Assumed(snapshot) => Some((snapshot.scope.clone(), snapshot.at)),
            Known::Kept(_) | Known::Demanded | Known::Read(_) | Known::Unread(_) => None,
        });
        let mut assumed: Vec<_> = assumed.collect();
        assumed.sort();
        assumed
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<(AppId, Scope), Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, key: &(AppId, Scope)) -> Answer {
        let believed = |at: Timestamp| match self.refresh {
            Refresh::Always => false,
            Refresh::Auto(max_age) => at <= self.now && self.now.duration_since(at) <= max_age,
            Refresh::Changes | Refresh::Never => true,
        };
        let unknown = match self.refresh {
            Refresh::Always | Refresh::Auto(_) => Answer::Ask,
            Refresh::Changes | Refresh::Never => Answer::Leave,
        };
        let mut known = self.known();
        let Some(one) = known.get_mut(key) else {
            return unknown;
        };
        match one {
            // Whoever reads everything has a reason to read something twice.
            Known::Read(_) | Known::Unread(_) if self.refresh == Refresh::Always => Answer::Ask,
            Known::Read(seen) => Answer::Known(Ok(seen.clone())),
            Known::Unread(error) => Answer::Known(Err(error.clone())),
            Known::Kept(snapshot) | Known::Assumed(snapshot) if believed(snapshot.at) => {
                let snapshot = snapshot.clone();
                let seen = snapshot.seen.clone();
                *one = Known::Assumed(snapshot);
                Answer::Known(Ok(seen))
            }
            Known::Demanded => Answer::Ask,
            Known::Kept(_) | Known::Assumed(_) => unknown,
        }
    }

    /// What is known, or what asking says.
    async fn see(
        &self,
        app: &AppId,
        scope: Scope,
        ask: Pending<'_, Result<Seen, ApiError>>,
    ) -> Result<Seen, ApiError> {
        let key = (app.clone(), scope);
        match self.answer(&key) {
            Answer::Known(known) => return known,
            Answer::Leave => return Err(unasked()),
            Answer::Ask => {}
        }
        let answer = ask.await;
        let mut known = self.known();
        match &answer {
            Ok(seen) => known.insert(key, Known::Read(seen.clone())),
            // What cannot be read now is not believed to be as it was.
            Err(error) => known.insert(key, Known::Unread(error.clone())),
        };
        answer
    }
}

/// Why something is unread that nobody asked about.
fn unasked() -> ApiError {
    ApiError::Unreachable("nothing is kept of it, and nothing was to be read".to_owned())
}

/// A reader that assumes what its sight lets it.
struct Seeing {
    inner: Arc<dyn Reader>,
    sight: Arc<Sight>,
}

impl Seeing {
    async fn objects(
        &self,
        collection: Collection,
        ask: Pending<'_, Result<Vec<Object>, ApiError>>,
    ) -> Result<Vec<Object>, ApiError> {
        let ask = Box::pin(async { ask.await.map(Seen::Objects) });
        let scope = Scope::All(collection);
        match self.sight.see(self.inner.app(), scope, ask).await? {
            Seen::Objects(objects) => Ok(objects),
            Seen::Tasklists(_) | Seen::Object(_) => Err(unasked()),
        }
    }
}

impl Reader for Seeing {
    fn app(&self) -> &AppId {
        self.inner.app()
    }

    fn tasklists(&self) -> Pending<'_, Result<Vec<RemoteTasklist>, ApiError>> {
        Box::pin(async {
            let ask = Box::pin(async { self.inner.tasklists().await.map(Seen::Tasklists) });
            let sight = &self.sight;
            match sight.see(self.inner.app(), Scope::Tasklists, ask).await? {
                Seen::Tasklists(all) => Ok(all),
                Seen::Objects(_) | Seen::Object(_) => Err(unasked()),
            }
        })
    }

    fn tasklist<'a>(
        &'a self,
        guid: &'a TasklistGuid,
    ) -> Pending<'a, Result<RemoteTasklist, ApiError>> {
        match self.sight.asks() {
            true => self.inner.tasklist(guid),
            false => Box::pin(async { Err(unasked()) }),
        }
    }

    fn subscriptions<'a>(
        &'a self,
        tasklist: &'a TasklistGuid,
    ) -> Pending<'a, Result<Vec<Object>, ApiError>> {
        let collection = Collection::Tasklist(tasklist.clone());
        Box::pin(self.objects(collection, self.inner.subscriptions(tasklist)))
    }

    fn is_in_chat<'a>(&'a self, chat: &'a ChatId) -> Pending<'a, Result<bool, ApiError>> {
        match self.sight.asks() {
            true => self.inner.is_in_chat(chat),
            false => Box::pin(async { Err(unasked()) }),
        }
    }

    fn catalog<'a>(
        &'a self,
        collection: &'a Collection,
    ) -> Pending<'a, Result<Vec<Object>, ApiError>> {
        Box::pin(self.objects(collection.clone(), self.inner.catalog(collection)))
    }

    fn object<'a>(
        &'a self,
        collection: &'a Collection,
        id: &'a RemoteId,
    ) -> Pending<'a, Result<Option<Object>, ApiError>> {
        Box::pin(async move {
            let ask = Box::pin(async { self.inner.object(collection, id).await.map(Seen::Object) });
            let scope = Scope::One(collection.clone(), id.clone());
            match self.sight.see(self.inner.app(), scope, ask).await? {
                Seen::Object(object) => Ok(object),
                Seen::Tasklists(_) | Seen::Objects(_) => Err(unasked()),
            }
        })
    }
}

/// A directory that is not asked.
struct Silent(Arc<dyn Directory>);

impl Directory for Silent {
    fn app(&self) -> &AppId {
        self.0.app()
    }

    fn at_once(&self) -> usize {
        self.0.at_once()
    }

    fn look_up<'a>(&'a self, _: &'a [Recipient]) -> Pending<'a, Result<Vec<Sighting>, ApiError>> {
        Box::pin(async { Err(unasked()) })
    }
}

/// The scopes in which a plan does something, or takes something for ours or for gone: to a vendor, or in
/// what the ledger has bound.
#[must_use]
pub fn touched(
    plan: &Plan,
    manifest: &Manifest,
    live: &Live,
    bindings: &[Binding],
    readers: &Readers,
) -> BTreeSet<(AppId, Scope)> {
    let mut touched = changed(plan, readers);
    for record in &plan.records {
        match record {
            Record::Bind {
                provider,
                collection,
                id,
                ..
            } => add(&mut touched, readers, provider, collection, Some(id)),
            Record::Unbind { address, .. } => {
                if let Some(bound) = bindings.iter().find(|b| b.address == *address) {
                    let Binding { provider, id, .. } = bound;
                    add(&mut touched, readers, provider, &bound.collection, Some(id));
                }
            }
            Record::Move { .. } => {}
        }
    }
    // Which tasklist it is was looked up by name.
    let by_name = live.tasklists.iter().filter_map(|(key, found)| {
        let named = matches!(manifest.tasklists[key].target, TasklistTarget::Named(_));
        let Resolution::Found(collection) = found else {
            return None;
        };
        let app = readers.get(&manifest.tasklists[key].provider)?.app();
        let place = (app.clone(), Scope::All(collection.clone()));
        (named && touched.contains(&place)).then(|| (app.clone(), Scope::Tasklists))
    });
    let by_name: Vec<_> = by_name.collect();
    touched.extend(by_name);
    touched
}

/// The scopes that a plan changes at a vendor.
#[must_use]
pub fn changed(plan: &Plan, readers: &Readers) -> BTreeSet<(AppId, Scope)> {
    let mut changed = BTreeSet::new();
    for change in &plan.changes {
        let id = match &change.action {
            Action::Create { .. } => None,
            Action::Update { id, .. }
            | Action::Delete { id, .. }
            | Action::Adopt { id, .. }
            | Action::Forget { id, .. } => Some(id),
            Action::Replace {
                id,
                old_collection,
                old_provider,
                ..
            } => {
                add(
                    &mut changed,
                    readers,
                    old_provider,
                    old_collection,
                    Some(id),
                );
                Some(id)
            }
        };
        let Change {
            provider,
            collection,
            ..
        } = change;
        add(&mut changed, readers, provider, collection, id);
    }
    changed
}

fn add(
    scopes: &mut BTreeSet<(AppId, Scope)>,
    readers: &Readers,
    provider: &Name,
    collection: &Collection,
    id: Option<&RemoteId>,
) {
    let Some(app) = readers.get(provider).map(|reader| reader.app()) else {
        return;
    };
    let one = match collection {
        Collection::Ledger => return,
        Collection::Tasklist(_) => None,
        Collection::Chats | Collection::UserGroups => id,
    };
    scopes.insert((app.clone(), Scope::All(collection.clone())));
    scopes.extend(one.map(|id| {
        let scope = Scope::One(collection.clone(), id.clone());
        (app.clone(), scope)
    }));
}
