//! `export`: live objects as YAML, with their ids, so that a Git repo can pin everything.

mod asked;
mod document;
mod kept;
mod names;
mod tasklists;

use std::collections::{BTreeMap, BTreeSet};

use self::asked::{Asked, Posting};
use self::document::{ChatBlock, Document, ProviderBlock};
use self::kept::Surroundings;
use super::Result;
use crate::cli::ExitStatus;
use crate::cli::args::{Export, Format, Global};
use crate::cli::error::Failure;
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::ledger::Access;
use crate::model::manifest::{LedgerUrl, Manifest, Vendor};
use crate::model::{ChatId, Collection, Name};

pub(super) async fn run(global: &Global, args: &Export, ui: &Ui) -> Result {
    super::only(ui, "export", &[Format::Human])?;
    let session = Session::open(global, ui, Access::Read).await?;
    let manifest = &session.manifest;
    let bindings = session.ledger.bindings().await?;
    let known = asked::known(manifest, &bindings);

    let mut objects = Asked::new(&session, &known);
    let (mut keys, mut guids) = (BTreeSet::new(), Vec::new());
    for word in args.what.iter().collect::<BTreeSet<_>>() {
        if let Some(key) = tasklists::key_of(manifest, word) {
            keys.insert(key);
        } else if !objects.word(word).await? {
            guids.push(word);
        }
    }
    let mut is_whole = true;
    for (flag, collection) in [
        (args.chats, Collection::Chats),
        (args.user_groups, Collection::UserGroups),
    ] {
        if flag {
            is_whole &= objects.all(&collection, ui).await;
        }
    }
    if args.what.is_empty() && !args.chats && !args.user_groups {
        keys.extend(manifest.tasklists.keys().cloned());
        objects.declared();
    }
    let wanted = objects.wanted;
    if args.resources_only && manifest.ledger == LedgerUrl::None && !wanted.is_empty() {
        return Err(Failure::new(
            "a project with `ledger: none` keeps no chats and no contact user groups",
        )
        .hint("Leave `--resources-only` out; what is written is a project with a ledger."));
    }
    let mut chosen = tasklists::by_key(&session, &keys).await?;
    for guid in guids {
        chosen.push(tasklists::by_guid(&session, guid).await?);
    }
    if chosen.is_empty() && wanted.is_empty() && is_whole {
        return Err(Failure::new("there is nothing to export").hint(
            "Name a tasklist by its guid or a chat by its id: `beadle export d300a75f-…`, or pass `--chats` or `--user-groups`.",
        ));
    }
    tasklists::name(&mut chosen, manifest);

    let (read, is_read) = tasklists::read(&session, &chosen, ui).await;
    let mut posting = Posting::new();
    let mut posts = |chat: &ChatId, provider: &Name| {
        let of = posting.entry(chat.clone()).or_default();
        of.insert(provider.clone());
    };
    for (tasklist, objects) in &read {
        for chat in objects.iter().flat_map(tasklists::subscribers) {
            posts(chat, &tasklist.provider);
        }
    }
    if args.resources_only {
        for subscription in &manifest.subscriptions {
            let provider = &manifest.tasklists[&subscription.tasklist].provider;
            for chat in subscription.subscribers.keys() {
                posts(chat, provider);
            }
        }
    }
    let (live, is_live) = asked::read(&session, wanted, &posting, ui).await;
    is_whole &= is_read && is_live;
    let around = Surroundings {
        manifest,
        known: &known,
        posting,
        resources_only: args.resources_only,
    };
    let live = kept::fitting(live, &around, ui);
    let mut document = Document::default();
    let called = kept::write(&mut document, &live, &around);
    let word = |chat: &ChatId, provider: &Name| -> String {
        let mut references = manifest.chats.iter();
        let reference = references.find(|(_, known)| known.id == *chat);
        let written = called.get(chat).cloned();
        written
            .or_else(|| reference.map(|(name, _)| name.to_string()))
            .or_else(|| {
                let kept = args.resources_only.then(|| asked::declared(&known, chat));
                kept.flatten()
                    .filter(|(_, p)| *p == provider)
                    .map(|(name, _)| name.to_string())
            })
            .unwrap_or_else(|| chat.to_string())
    };
    let sides = (manifest, &bindings[..]);
    tasklists::write(&mut document, &read, sides, args.resources_only, &word, ui);
    if !args.resources_only {
        document.version = Some(1);
        document.project = Some(manifest.project.to_string()).filter(|p| p != "default");
        let tasklists = chosen.iter().map(|tasklist| &tasklist.provider);
        document.providers = providers(&session, tasklists.chain(live.iter().map(|l| &l.provider)));
        refer(&mut document, manifest);
    }
    let yaml = serde_yaml::to_string(&document)
        .map_err(|error| Failure::new("the YAML could not be written").because(error))?;
    ui.print(&yaml);
    session.close().await;
    Ok(if is_whole {
        ExitStatus::Done
    } else {
        ExitStatus::Failed
    })
}

/// Adds the references that the written subscriptions name.
fn refer(document: &mut Document, manifest: &Manifest) {
    let subscriptions = document.tasklist_subscriptions.values();
    let named: BTreeSet<&String> = subscriptions.flat_map(|s| &s.subscribers).collect();
    for (name, chat) in &manifest.chats {
        let name = name.to_string();
        if named.contains(&name) && !document.chats.contains_key(&name) {
            let block = ChatBlock {
                id: chat.id.to_string(),
                provider: None,
                manage: None,
            };
            document.chats.insert(name, block);
        }
    }
}

/// The providers that are needed, without their secrets.
fn providers<'a>(
    session: &Session,
    needed: impl Iterator<Item = &'a Name>,
) -> BTreeMap<String, ProviderBlock> {
    needed
        .filter_map(|key| session.providers.get(key).map(|p| (key, p)))
        .filter(|(_, p)| p.vendor == Vendor::Feishu)
        .map(|(key, p)| {
            let variable: String = key
                .as_str()
                .chars()
                .map(|c| {
                    if c.is_ascii_alphanumeric() {
                        c.to_ascii_uppercase()
                    } else {
                        '_'
                    }
                })
                .collect();
            let block = ProviderBlock {
                vendor: (key.as_str() != "feishu").then_some("feishu"),
                base_url: p.base_url.clone(),
                app_id: p.app.to_string(),
                app_secret: format!("${{env:{variable}_APP_SECRET}}"),
            };
            (key.to_string(), block)
        })
        .collect()
}
