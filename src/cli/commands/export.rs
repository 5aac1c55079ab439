//! `export`: live objects as YAML, with their ids, so that a Git repo can pin everything.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Result;
use crate::cli::ExitStatus;
use crate::cli::args::{Export, Format, Global};
use crate::cli::error::Failure;
use crate::cli::session::Session;
use crate::cli::text::clean;
use crate::cli::ui::Ui;
use crate::engine::refresh::{list, refresh};
use crate::ledger::Access;
use crate::model::manifest::{Manifest, TasklistTarget, Vendor};
use crate::model::{ChatId, Collection, Field, Name, RemoteId, TasklistGuid, Value};
use crate::plan::live::{Binding, Object};
use crate::plan::{Choice, Listing, Resolution};

/// What is written, in the words of the manifest.
#[derive(Debug, Default, Serialize)]
struct Document {
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    providers: BTreeMap<String, ProviderBlock>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tasklists: BTreeMap<String, TasklistBlock>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    chats: BTreeMap<String, ChatBlock>,
    tasklist_subscriptions: BTreeMap<String, SubscriptionBlock>,
}

#[derive(Debug, Serialize)]
struct ProviderBlock {
    #[serde(skip_serializing_if = "Option::is_none")]
    vendor: Option<&'static str>,
    base_url: String,
    app_id: String,
    app_secret: String,
}

#[derive(Debug, Serialize)]
struct TasklistBlock {
    guid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
}

#[derive(Debug, Serialize)]
struct ChatBlock {
    id: String,
}

#[derive(Debug, Serialize)]
struct SubscriptionBlock {
    tasklist: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    subscribers: Vec<String>,
    events: Vec<EventItem>,
    enabled: bool,
    id: String,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum EventItem {
    Name(&'static str),
    Number(u32),
}

/// A tasklist to be exported.
struct Chosen {
    key: String,
    provider: Name,
    guid: TasklistGuid,
}

pub(super) async fn run(global: &Global, args: &Export, ui: &Ui) -> Result {
    super::only(ui, "export", &[Format::Human])?;
    let session = Session::open(global, ui, Access::Read).await?;
    let chosen = choose(&session, &args.tasklists).await?;
    let wanted = chosen
        .iter()
        .map(|c| (c.guid.clone().into(), c.provider.clone()))
        .collect();
    let listings = list(&wanted, &session.readers(), &|_, _| {}).await;
    let bindings = session.remembered().await?.bindings;

    let mut document = Document::default();
    let mut used = BTreeSet::new();
    let mut chats: BTreeSet<ChatId> = BTreeSet::new();
    let mut unread = false;
    for tasklist in &chosen {
        let objects = match &listings[&Collection::from(tasklist.guid.clone())] {
            Listing::Objects(objects) => objects,
            Listing::Unread(why) => {
                ui.say(&format!(
                    "Tasklist {} could not be read: {}.",
                    tasklist.key,
                    clean(why)
                ));
                unread = true;
                continue;
            }
        };
        if !args.resources_only
            || !session
                .manifest
                .tasklists
                .keys()
                .any(|k| k.as_str() == tasklist.key)
        {
            document
                .tasklists
                .insert(tasklist.key.clone(), block_of(tasklist, &session.manifest));
        }
        let mut names = BTreeSet::new();
        for object in objects {
            let live_name = object.fields.name().unwrap_or_default();
            if !live_name.chars().all(carries) {
                ui.say(&format!(
                    "Left out {} in tasklist {}: its name \"{}\" holds a character that a manifest cannot carry.",
                    clean(object.id.as_str()),
                    tasklist.key,
                    clean(live_name),
                ));
                continue;
            }
            if !names.insert(live_name) {
                ui.say(&format!(
                    "Left out {} in tasklist {}: another subscription there is named \"{}\" too, and a manifest cannot declare both.",
                    object.id,
                    tasklist.key,
                                        clean(live_name),
                ));
                continue;
            }
            if let Some(Value::Chats(subscribers)) = object.fields.get(Field::Subscribers) {
                chats.extend(subscribers.iter().cloned());
            }
            let name = resource_name(object, tasklist, &bindings, &mut used);
            document.tasklist_subscriptions.insert(
                name.clone(),
                subscription(object, tasklist, &name, &session.manifest),
            );
        }
    }
    if !args.resources_only {
        document.version = Some(1);
        document.project = Some(session.manifest.project.to_string()).filter(|p| p != "default");
        document.providers = providers(&session, &chosen);
        document.chats = session
            .manifest
            .chats
            .iter()
            .filter(|(_, chat)| chats.contains(&chat.id))
            .map(|(name, chat)| {
                (
                    name.to_string(),
                    ChatBlock {
                        id: chat.id.to_string(),
                    },
                )
            })
            .collect();
    }
    let yaml = serde_yaml::to_string(&document)
        .map_err(|error| Failure::new("the YAML could not be written").because(error))?;
    ui.print(&yaml);
    session.close().await;
    Ok(if unread {
        ExitStatus::Failed
    } else {
        ExitStatus::Done
    })
}

/// Finds the tasklists by key or guid; all that the manifest names when none is asked for.
async fn choose(session: &Session, asked: &[String]) -> Result<Vec<Chosen>> {
    let manifest = &session.manifest;
    let mut keys: Vec<Name> = Vec::new();
    let mut chosen = Vec::new();
    let asked: BTreeSet<&String> = asked.iter().collect();
    for word in asked.iter().copied() {
        let known = manifest.tasklists.iter().find(|(key, tasklist)| {
            key.as_str() == word
                || matches!(&tasklist.target, TasklistTarget::Guid(guid) if guid.as_str() == word)
        });
        match known {
            Some((key, _)) => keys.push(key.clone()),
            None => chosen.push(by_guid(session, word).await?),
        }
    }
    if asked.is_empty() {
        keys.extend(manifest.tasklists.keys().cloned());
    }
    let mut everything = manifest.clone();
    everything.subscriptions.clear();
    for (key, tasklist) in &mut everything.tasklists {
        tasklist.authoritative = keys.contains(key);
    }
    let live = refresh(
        &everything,
        &[],
        &Choice::default(),
        &session.readers(),
        BTreeMap::new(),
        &|_, _| {},
    )
    .await;
    if !live.diagnostics.is_empty() {
        return Err(session.findings(live.diagnostics));
    }
    for key in keys {
        match live.tasklists.get(&key) {
            Some(Resolution::Found(collection)) => {
                chosen.extend(collection.tasklist().map(|guid| Chosen {
                    key: key.to_string(),
                    provider: manifest.tasklists[&key].provider.clone(),
                    guid: guid.clone(),
                }));
            }
            Some(Resolution::Unread(why)) => {
                return Err(Failure::new(format!(
                    "tasklist `{key}` could not be looked up: {why}"
                )));
            }
            None => return Err(Failure::new(format!("tasklist `{key}` was not looked up"))),
        }
    }
    if chosen.is_empty() {
        return Err(Failure::new("there is no tasklist to export")
            .hint("Name one by its guid: `beadle export d300a75f-…`."));
    }
    Ok(chosen)
}

async fn by_guid(session: &Session, word: &str) -> Result<Chosen> {
    let guid = TasklistGuid::new(word);
    let mut whys = Vec::new();
    for (provider, writer) in &session.writers {
        match writer.tasklist(&guid).await {
            Ok(tasklist) => {
                let key = slug(&tasklist.name, "tasklist");
                return Ok(Chosen {
                    key,
                    provider: provider.clone(),
                    guid,
                });
            }
            Err(error) => whys.push(format!("provider `{provider}`: {error}")),
        }
    }
    Err(Failure::new(format!(
        "`{word}` is neither a tasklist key nor a tasklist that can be read: {}",
        whys.join("; ")
    )))
}

fn block_of(tasklist: &Chosen, manifest: &Manifest) -> TasklistBlock {
    let default = manifest.providers.len() == 1 || tasklist.provider.as_str() == "feishu";
    TasklistBlock {
        guid: tasklist.guid.to_string(),
        provider: (!default).then(|| tasklist.provider.to_string()),
    }
}

/// The providers that are needed, without their secrets.
fn providers(session: &Session, chosen: &[Chosen]) -> BTreeMap<String, ProviderBlock> {
    chosen
        .iter()
        .filter_map(|c| session.providers.get(&c.provider).map(|p| (&c.provider, p)))
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

/// The name of the bound resource, or one made from the object's name; never the same twice.
fn resource_name(
    object: &Object,
    tasklist: &Chosen,
    bindings: &[Binding],
    used: &mut BTreeSet<String>,
) -> String {
    let bound = bindings
        .iter()
        .find(|b| b.collection.tasklist() == Some(&tasklist.guid) && b.id == object.id);
    let base = match bound {
        Some(binding) => binding.address.name.to_string(),
        None => slug(object.fields.name().unwrap_or_default(), "subscription"),
    };
    let name = std::iter::once(base.clone())
        .chain((2..).map(|n| format!("{}-{n}", base.chars().take(58).collect::<String>())))
        .find(|name| !used.contains(name))
        .expect("numbers do not end");
    used.insert(name.clone());
    name
}

/// Whether a character comes back from YAML as it went in: no control character, no line separator
/// that some readers fold.
fn carries(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// The nearest text that is a name.
fn slug(text: &str, otherwise: &str) -> String {
    let spaced: String = text
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || c == '_' || c == '-' {
                c
            } else {
                ' '
            }
        })
        .collect();
    let joined: String = spaced
        .split_whitespace()
        .collect::<Vec<_>>()
        .join("-")
        .chars()
        .take(Name::MAX_CHARS)
        .collect();
    match Name::new(&joined) {
        Ok(name) => name.to_string(),
        Err(_) => otherwise.to_owned(),
    }
}

fn subscription(
    object: &Object,
    tasklist: &Chosen,
    resource: &str,
    manifest: &Manifest,
) -> SubscriptionBlock {
    let Object {
        id: RemoteId(id),
        fields,
    } = object;
    let chat_word = |chat: &ChatId| {
        manifest
            .chats
            .iter()
            .find(|(_, known)| known.id == *chat)
            .map_or_else(|| chat.to_string(), |(name, _)| name.to_string())
    };
    let subscribers = match fields.get(Field::Subscribers) {
        Some(Value::Chats(chats)) => chats.iter().map(chat_word).collect(),
        _ => Vec::new(),
    };
    let events = match fields.get(Field::Events) {
        Some(Value::Events(events)) => events
            .keys
            .iter()
            .map(|key| key.name().map_or(EventItem::Number(key.0), EventItem::Name))
            .collect(),
        _ => Vec::new(),
    };
    SubscriptionBlock {
        tasklist: tasklist.key.clone(),
        name: fields
            .name()
            .filter(|name| *name != resource)
            .map(|name| name.replace("${", "$${")),
        subscribers,
        events,
        enabled: matches!(fields.get(Field::Enabled), Some(Value::Flag(true)) | None),
        id: id.to_string(),
    }
}
