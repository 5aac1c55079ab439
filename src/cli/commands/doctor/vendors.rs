//! What the vendors tell: whether they take the credentials, whether the clocks agree, and whether the app
//! may do what the manifest asks of it.

use std::collections::{BTreeMap, BTreeSet};

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::here::Project;
use crate::cli::args::Global;
use crate::cli::checkup::Checkup;
use crate::cli::clock;
use crate::cli::session::{self, Connected};
use crate::cli::text::count;
use crate::cli::ui::Ui;
use crate::engine::outbox::Books;
use crate::engine::quota::{Over, Take};
use crate::engine::{ApiError, Health, Reader, RemoteTasklist};
use crate::model::group::Recipient;
use crate::model::manifest::{Manifest, TasklistTarget};
use crate::model::{ChatId, Collection, Name};

/// A tasklist, or what is wrong with what to do.
type Looked = Result<RemoteTasklist, (String, String)>;

/// Clocks that are further apart than this spoil signatures and what "late" means.
const SKEW: SignedDuration = SignedDuration::from_secs(30);

/// How many reads are under way at once.
const CONCURRENCY: usize = 16;

pub(super) async fn check(
    global: &Global,
    ui: &Ui,
    project: Option<Project>,
    books: Option<&dyn Books>,
    checkup: &mut Checkup,
) {
    let Some(mut project) = project else {
        for name in ["credentials", "clock", "scopes", "tasklists", "chats"] {
            checkup.unchecked(name, None, "no manifest names a provider");
        }
        return;
    };
    // A world for the occasion: the project's own stays as it is.
    let sandbox = match global.sandbox {
        false => None,
        true => match session::rehearsal(&mut project.manifest, ui).await {
            Ok(sandbox) => Some(sandbox),
            Err(failure) => {
                let help = "Run `beadle validate`, then this again.";
                return checkup.failed("sandbox", None, failure.to_string(), help);
            }
        },
    };
    for key in project.manifest.providers.keys() {
        provider(global, &project, key, sandbox.is_some(), books, checkup).await;
    }
    if project.manifest.providers.is_empty() {
        checkup.unchecked("credentials", None, "the manifest names no provider");
    }
    if let Some(sandbox) = sandbox {
        sandbox.stop().await;
    }
}

/// Everything about one provider. What fails first leaves the rest unchecked.
async fn provider(
    global: &Global,
    project: &Project,
    key: &Name,
    in_sandbox: bool,
    books: Option<&dyn Books>,
    checkup: &mut Checkup,
) {
    let manifest = &project.manifest;
    let subject = Some(key.as_str());
    let rest = |checkup: &mut Checkup, names: &[&str], why: &str| {
        for name in names {
            checkup.unchecked(name, subject, why);
        }
    };
    const ALL: [&str; 5] = ["credentials", "clock", "scopes", "tasklists", "chats"];
    if project.without_secret.contains(key) {
        return rest(checkup, &ALL, "its secret is missing");
    }
    let provider = &manifest.providers[key];
    let connected = match session::connect_one(global, key, provider, in_sandbox) {
        Ok(Some(connected)) => connected,
        Ok(None) => return rest(checkup, &ALL, "its secret is missing"),
        Err(failure) => {
            let help = failure
                .hint_text()
                .unwrap_or("Mend the provider's block.")
                .to_owned();
            checkup.failed("credentials", subject, failure.to_string(), help);
            return rest(checkup, &ALL[1..], "no client could be made");
        }
    };
    let Connected { writer, jobs } = connected;
    // To look is all that is needed.
    let reader = writer.map(|writer| writer as Arc<dyn Reader>);
    let signed_in = jobs.health.sign_in().await;
    let asked = Timestamp::now();
    let skew = jobs.health.clock().map(|heard| {
        let ago = SignedDuration::try_from(heard.ago).unwrap_or(SignedDuration::ZERO);
        (heard.said + ago).duration_since(asked)
    });
    match &signed_in {
        Ok(()) => {
            let app = jobs.directory.app();
            checkup.ok(
                "credentials",
                subject,
                format!("the vendor takes those of {}", app.as_str()),
            );
        }
        Err(error) => {
            checkup.failed("credentials", subject, error.to_string(), advice(error));
        }
    }
    compare_clocks(skew, subject, checkup);
    quotas(project, key, jobs.health.as_ref(), books, checkup).await;
    if signed_in.is_err() {
        return rest(checkup, &ALL[2..], "the app could not sign in");
    }
    scopes(manifest, key, reader.as_deref(), &jobs, checkup).await;
    if let Some(reader) = reader {
        tasklists(manifest, key, reader.as_ref(), checkup).await;
        chats(manifest, key, reader.as_ref(), checkup).await;
    }
}

/// What to do about a call that failed.
fn advice(error: &ApiError) -> String {
    if let Some(hint) = error.answer().and_then(|answer| answer.hint.clone()) {
        return hint;
    }
    match error {
        ApiError::Unreachable(_) => "Check the network, the proxy variables and `base_url`.",
        ApiError::Refused(_) => "Compare the app's id and secret with the vendor's console.",
        ApiError::Unknown(_) => "Try again; if it stays, quote the answer to the vendor's support.",
    }
    .to_owned()
}

fn compare_clocks(skew: Option<SignedDuration>, subject: Option<&str>, checkup: &mut Checkup) {
    let Some(skew) = skew else {
        return checkup.unchecked("clock", subject, "no answer told the vendor's time");
    };
    // The vendor's word is to the second, and the answer was under way.
    let seconds = skew.abs().as_secs();
    let side = if skew.is_negative() {
        "ahead of"
    } else {
        "behind"
    };
    if skew.abs() > SKEW {
        checkup.failed(
            "clock",
            subject,
            format!("this machine is {seconds} s {side} the vendor"),
            "Let this machine keep time by NTP: signatures, leases and `late` depend on it.",
        );
    } else {
        checkup.ok(
            "clock",
            subject,
            format!("within {} s of the vendor's", seconds.max(1)),
        );
    }
}

/// What is left of what the vendor lets the app send, where notices are sent through it.
async fn quotas(
    project: &Project,
    key: &Name,
    health: &dyn Health,
    books: Option<&dyn Books>,
    checkup: &mut Checkup,
) {
    let notices = project.manifest.notices.values();
    if !notices.into_iter().any(|notice| notice.via.contains(key)) {
        return;
    }
    let subject = Some(key.as_str());
    let now = clock::now();
    let allowances = health.allowances(now);
    let taken = match books {
        Some(books) => books.taken(&allowances.counted, now).await,
        None => Ok(vec![0; allowances.counted.len()]),
    };
    match taken {
        Ok(taken) => {
            for (take, taken) in allowances.counted.iter().zip(taken) {
                quota(take, taken, now, subject, checkup);
            }
        }
        Err(error) => checkup.unchecked("quota", subject, error.to_string()),
    }
    if !allowances.told.is_empty() {
        let told = allowances.told.join("; ");
        checkup.ok("limits", subject, format!("not counted here: {told}"));
    }
}

/// What is left of one allowance.
fn quota(take: &Take, taken: u64, now: Timestamp, subject: Option<&str>, checkup: &mut Checkup) {
    let left = take.most.saturating_sub(taken);
    let (_, ends) = take.kept(now);
    let until = ends.strftime("%Y-%m-%dT%H:%M:%SZ");
    let summary = match take.over {
        Over::Period { .. } => format!("{left} left of {}, until {until}", take.what),
        Over::Any(_) => format!("{left} left of {}", take.what),
    };
    if left == 0 {
        let help = format!(
            "Nothing more of it is sent before {until}: what is due waits, or is missed when that is later than its `late`."
        );
        checkup.failed("quota", subject, summary, help);
    } else if left < take.most / 5 {
        let help = "See `beadle simulate` for what is still to come, and send less, or have the allowance raised. Other apps of the organisation may take of it too.";
        checkup.warning("quota", subject, summary, help);
    } else {
        checkup.ok("quota", subject, summary);
    }
}

/// What the app may read, each tried once. What it may write shows only when something is written.
async fn scopes(
    manifest: &Manifest,
    key: &Name,
    reader: Option<&(dyn Reader + '_)>,
    jobs: &crate::vendors::Jobs,
    checkup: &mut Checkup,
) {
    let subject = Some(key.as_str());
    let mut tried = Vec::new();
    let mut wrong = Vec::new();
    let mut note = |what: &'static str, result: Result<(), ApiError>| match result {
        Ok(()) => tried.push(what),
        Err(error) => wrong.push((what, error)),
    };
    if let Some(person) = somebody(manifest, key) {
        let found = jobs.directory.look_up(std::slice::from_ref(&person)).await;
        note("look people up", found.map(drop));
    }
    if let Some(reader) = reader {
        let mut own = manifest.tasklists.values().filter(|t| t.provider == *key);
        if own.any(|t| matches!(t.target, TasklistTarget::Named(_))) {
            note("list tasklists", reader.tasklists().await.map(drop));
        }
        let keeps = manifest
            .groups
            .values()
            .any(|g| g.user_groups.contains_key(key));
        if keeps {
            note(
                "list contact user groups",
                reader.catalog(&Collection::UserGroups).await.map(drop),
            );
        }
        if manifest
            .managed_chats
            .values()
            .any(|chat| chat.provider == *key)
        {
            note(
                "list chats",
                reader.catalog(&Collection::Chats).await.map(drop),
            );
        }
    }
    for (what, error) in &wrong {
        let summary = format!("the app cannot {what}: {error}");
        checkup.failed("scopes", subject, summary, advice(error));
    }
    match (tried.is_empty(), wrong.is_empty()) {
        (true, true) => checkup.ok(
            "scopes",
            subject,
            "nothing in the manifest needs one to read",
        ),
        (false, _) => checkup.ok(
            "scopes",
            subject,
            format!(
                "the app can {}; the right to write shows when it is used",
                tried.join(", ")
            ),
        ),
        (true, false) => {}
    }
}

/// One person whom the manifest lists at a provider, for trying a look-up.
fn somebody(manifest: &Manifest, key: &Name) -> Option<Recipient> {
    let groups = manifest.groups.values();
    groups
        .filter_map(|group| group.people.get(key))
        .flat_map(|people| people.keys())
        .find(|recipient| **recipient != Recipient::Everyone)
        .cloned()
}

/// Whether the app sees each tasklist, and may change it.
async fn tasklists(manifest: &Manifest, key: &Name, reader: &dyn Reader, checkup: &mut Checkup) {
    let named: Vec<_> = manifest
        .tasklists
        .iter()
        .filter(|(_, t)| t.provider == *key)
        .collect();
    if named.is_empty() {
        return;
    }
    // Asked for once, however many are named.
    let by_name = match named
        .iter()
        .any(|(_, t)| matches!(t.target, TasklistTarget::Named(_)))
    {
        true => reader.tasklists().await,
        false => Ok(Vec::new()),
    };
    let by_name = &by_name;
    let mut answers: Vec<(&Name, Looked)> = stream::iter(named)
        .map(|(name, tasklist)| async move {
            let guid = match (&tasklist.target, by_name) {
                (TasklistTarget::Guid(guid), _) => guid.clone(),
                (TasklistTarget::Named(_), Err(error)) => {
                    return (name, Err((error.to_string(), advice(error))));
                }
                (TasklistTarget::Named(wanted), Ok(found)) => {
                    let mut hits = found.iter().filter(|t| t.name == *wanted);
                    match (hits.next(), hits.next()) {
                        (Some(hit), None) => hit.guid.clone(),
                        (hit, _) => {
                            let many = if hit.is_some() {
                                "several tasklists are"
                            } else {
                                "no tasklist that the app sees is"
                            };
                            let help = "Name it by `guid`, and add the app to it as an editor.";
                            return (
                                name,
                                Err((format!("{many} called `{wanted}`"), help.to_owned())),
                            );
                        }
                    }
                }
            };
            let found = reader.tasklist(&guid).await;
            (
                name,
                found.map_err(|error| (error.to_string(), advice(&error))),
            )
        })
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    answers.sort_by_key(|(name, _)| *name);
    let mut editable = 0;
    for (name, answer) in answers {
        let subject = Some(name.as_str());
        match answer {
            Err((why, help)) => checkup.failed("tasklist", subject, why, help),
            Ok(found) => match found.may_edit {
                Some(false) => checkup.failed(
                    "tasklist",
                    subject,
                    "the app sees it and may not change its subscriptions",
                    "Make the app an editor of the tasklist.",
                ),
                None => checkup.warning(
                    "tasklist",
                    subject,
                    "the app sees it; whether it may change it, the answer does not say",
                    "Make sure that the app is an editor of the tasklist.",
                ),
                Some(true) => editable += 1,
            },
        }
    }
    if editable > 0 {
        let of = count(editable, "tasklist");
        checkup.ok(
            "tasklists",
            Some(key.as_str()),
            format!("the app may change {of}"),
        );
    }
}

/// Whether the app's bot is in each chat that hears something.
async fn chats(manifest: &Manifest, key: &Name, reader: &dyn Reader, checkup: &mut Checkup) {
    let asked = heard_by(manifest, key);
    if asked.is_empty() {
        return;
    }
    let mut answers: Vec<_> = stream::iter(&asked)
        .map(|(chat, name)| async move { (name, chat, reader.is_in_chat(chat).await) })
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    answers.sort_by_key(|(name, ..)| *name);
    let mut inside = 0;
    for (name, chat, answer) in answers {
        let subject = Some(name.as_str());
        match answer {
            Ok(true) => inside += 1,
            Ok(false) => checkup.failed(
                "chat",
                subject,
                format!("the app's bot is not in {chat}, or the chat is gone"),
                "Add the bot to the chat, or name another one.",
            ),
            Err(error) => checkup.failed("chat", subject, error.to_string(), advice(&error)),
        }
    }
    if inside > 0 {
        let of = count(inside, "chat");
        checkup.ok(
            "chats",
            Some(key.as_str()),
            format!("the app's bot is in {of}"),
        );
    }
}

/// The chats of a provider that exist already and that something is sent to, with what to call them.
fn heard_by(manifest: &Manifest, key: &Name) -> BTreeMap<ChatId, String> {
    let mut asked: BTreeSet<ChatId> = BTreeSet::new();
    for subscription in &manifest.subscriptions {
        if manifest.tasklists[&subscription.tasklist].provider == *key {
            let ids = subscription.subscribers.keys();
            asked.extend(ids.filter(|id| id.pending().is_none()).cloned());
        }
    }
    let names: BTreeMap<&ChatId, &Name> = manifest
        .chats
        .iter()
        .map(|(name, chat)| (&chat.id, name))
        .collect();
    asked
        .into_iter()
        .map(|id| {
            let name = names
                .get(&id)
                .map_or_else(|| id.to_string(), |name| name.to_string());
            (id, name)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_that_runs_short_is_told_before_it_is_used_up() {
        let take = Take {
            name: "x".to_owned(),
            over: Over::Period {
                name: "2026-12".to_owned(),
                ends: "2026-12-31T16:00:00Z".parse().unwrap(),
            },
            amount: 0,
            most: 5_000,
            what: "the 5000 calls of a month".to_owned(),
        };
        for (taken, status) in [
            (0, "ok"),
            (4_000, "ok"),
            (4_001, "warning"),
            (5_000, "failed"),
            (6_000, "failed"),
        ] {
            let mut checkup = Checkup::default();
            let now = "2026-12-02T00:00:00Z".parse().unwrap();
            quota(&take, taken, now, Some("dingtalk"), &mut checkup);
            let found = serde_json::to_value(checkup.json()).unwrap();
            assert_eq!(found["checks"][0]["status"], status, "{taken}");
        }
    }

    #[test]
    fn clocks_that_are_far_apart_fail() {
        for (seconds, failed) in [(0, false), (-30, false), (31, true), (-90, true)] {
            let mut checkup = Checkup::default();
            compare_clocks(
                Some(SignedDuration::from_secs(seconds)),
                Some("feishu"),
                &mut checkup,
            );
            assert_eq!(checkup.has_failed(), failed, "{seconds}");
        }
    }
}
