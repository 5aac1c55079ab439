//! Importing a chat or a contact user group, which are read by their id.

use std::collections::BTreeMap;

use super::super::Result;
use crate::cli::args::Import;
use crate::cli::clock;
use crate::cli::error::Failure;
use crate::cli::session::Session;
use crate::cli::text::clean;
use crate::engine::Object;
use crate::model::manifest::Manifest;
use crate::model::{
    Address, Collection, Field, Fields, Kind, Name, RemoteId, Value, is_chat_id, is_user_group_id,
};
use crate::plan::diff::applied_kept;
use crate::plan::live::{Binding, Roster};

/// What is declared, as far as importing needs it.
struct Declared<'a> {
    address: &'a Address,
    former: Option<Address>,
    provider: &'a Name,
    collection: Collection,
    /// The name of the thing in sentences.
    word: &'static str,
    pin: Option<&'a RemoteId>,
    protect: bool,
}

/// What the ledger is to remember of a chat or a contact user group.
pub(super) async fn find(session: &Session, args: &Import) -> Result<Binding> {
    let declared = match args.address.kind {
        Kind::Chat => chat(&session.manifest, &args.address)?,
        _ => user_group(&session.manifest, &args.address)?,
    };
    let id = checked_id(&declared, &args.id)?;
    let before = refuse_owned(session, &declared, &id).await?;
    let Declared {
        address,
        provider,
        collection,
        word,
        protect,
        ..
    } = declared;
    let Some(writer) = session.writers.get(provider) else {
        return Err(Failure::new(format!(
            "provider `{provider}` keeps no {word}s"
        )));
    };
    let all = match collection {
        Collection::Chats => "`beadle export --chats` writes those that the bot is in.",
        _ => "`beadle export --user-groups` writes those that the app sees.",
    };
    let object = match writer.object(&collection, &id).await {
        Ok(Some(object)) => object,
        Ok(None) => return Err(Failure::new(format!("{word} {id} is gone")).hint(all)),
        Err(error) => {
            let hint = error.answer().and_then(|answer| answer.hint.clone());
            let summary = format!("{word} {id} could not be read: {error}");
            return Err(Failure::new(clean(&summary)).hint(hint.as_deref().unwrap_or(all)));
        }
    };
    Ok(Binding {
        address: address.clone(),
        provider: provider.clone(),
        app: writer.app().clone(),
        applied: applied(&session.manifest, address, &object, before.as_ref()),
        collection,
        id,
        protect,
        updated_at: clock::now(),
    })
}

fn not_declared(address: &Address) -> Failure {
    let words = "Write its block first; `beadle export` writes one with the id.";
    Failure::new(format!("{address} is not declared")).hint(words)
}

fn chat<'a>(manifest: &'a Manifest, address: &Address) -> Result<Declared<'a>> {
    let name = &address.name;
    if address.instance.is_some() {
        return Err(
            Failure::new(format!("{address} is no address: a chat has no instances"))
                .hint(format!("Write `{}`.", address.resource())),
        );
    }
    if manifest.chats.contains_key(name) {
        return Err(Failure::new(format!(
            "{address} is a reference to a chat, which needs no binding"
        ))
        .hint("Add `manage:` to its block to have beadle keep the chat."));
    }
    let chat = manifest.managed_chats.get(name);
    let chat = chat.ok_or_else(|| not_declared(address))?;
    Ok(Declared {
        address: &chat.address,
        former: chat
            .moved_from
            .as_ref()
            .map(|name| Address::new(Kind::Chat, name.clone())),
        provider: &chat.provider,
        collection: Collection::Chats,
        word: "chat",
        pin: chat.id.as_ref(),
        protect: chat.protect,
    })
}

fn user_group<'a>(manifest: &'a Manifest, address: &Address) -> Result<Declared<'a>> {
    let group = manifest.groups.get(&address.name);
    let group = group.ok_or_else(|| not_declared(address))?;
    let mut covered = group
        .user_groups
        .iter()
        .filter(|(_, kept)| address.covers(&kept.address));
    let (provider, kept) = match (covered.next(), covered.next()) {
        (Some(only), None) => only,
        (Some(_), Some(_)) => {
            let all = group.user_groups.values();
            let names: Vec<_> = all.map(|kept| format!("`{}`", kept.address)).collect();
            return Err(
                Failure::new(format!("{address} is kept as several contact user groups"))
                    .hint(format!("Say which one: {}.", names.join(" or "))),
            );
        }
        (None, _) => return Err(without_user_group(address)),
    };
    Ok(Declared {
        address: &kept.address,
        former: group.moved_from.as_ref().map(|name| Address {
            name: name.clone(),
            ..kept.address.clone()
        }),
        provider,
        collection: Collection::UserGroups,
        word: "contact user group",
        pin: kept.id.as_ref(),
        protect: group.protect,
    })
}

fn without_user_group(address: &Address) -> Failure {
    match &address.instance {
        Some(provider) => Failure::new(format!(
            "{} has no `user_group` at provider `{provider}`",
            address.resource()
        ))
        .hint("Write `user_group:` in the provider's block of the group first."),
        None => Failure::new(format!(
            "{address} has no `user_group`, and is bound to nothing at a vendor"
        ))
        .hint("`beadle apply` registers it; there is nothing to import."),
    }
}

/// The id, if it can be one and is the one that the block pins.
fn checked_id(declared: &Declared<'_>, text: &str) -> Result<RemoteId> {
    let (good, form) = match declared.collection {
        Collection::Chats => (
            is_chat_id(text),
            "The open id of a chat begins with `oc_`, and has letters, digits, `-` and `_`, at most 100.",
        ),
        _ => (
            is_user_group_id(text),
            "A `group_id` has letters and digits, at most 64.",
        ),
    };
    let word = declared.word;
    if !good {
        return Err(
            Failure::new(format!("`{}` is not the id of a {word}", clean(text))).hint(form),
        );
    }
    match declared.pin {
        Some(pin) if pin.as_str() != text => Err(Failure::new(format!(
            "`id` pins {} to {pin}, so it cannot be bound to {text}",
            declared.address
        ))
        .hint("Correct `id` in its block, or remove it.")),
        _ => Ok(RemoteId::new(text)),
    }
}

/// Says so when the object or the resource is bound otherwise; the binding if it is bound like this.
async fn refuse_owned(
    session: &Session,
    declared: &Declared<'_>,
    id: &RemoteId,
) -> Result<Option<Binding>> {
    let bindings = session.ledger.bindings().await?;
    let is_it = |collection: &Collection, other: &RemoteId| {
        *collection == declared.collection && other == id
    };
    let address = declared.address;
    let here = bindings.iter().find(|b| b.address == *address);
    if let Some(bound) = here.filter(|bound| bound.id != *id) {
        return Err(
            Failure::new(format!("{address} is bound to {} already", bound.id))
                .hint("Let it go with `beadle state forget` first."),
        );
    }
    let mut others = bindings.iter().filter(|b| b.address != *address);
    if let Some(bound) = others.find(|b| is_it(&b.collection, &b.id)) {
        return Err(
            Failure::new(format!("{id} is bound to {} already", bound.address))
                .hint("Rename the binding with `beadle state move`."),
        );
    }
    let former = bindings
        .iter()
        .find(|b| Some(&b.address) == declared.former.as_ref());
    if let Some(former) = former {
        return Err(Failure::new(format!(
            "{}, the former name of {address}, is bound to {}",
            former.address, former.id
        ))
        .hint("Remove `moved_from`, or let it go with `beadle state forget`."));
    }
    let claims = session.ledger.claims().await?;
    if let Some(claim) = claims.iter().find(|c| is_it(&c.collection, &c.id)) {
        return Err(Failure::new(format!(
            "{id} is bound to {} of project `{}`",
            claim.address, claim.project
        ))
        .hint("An object has one owner: let it go there with `beadle state forget` first."));
    }
    Ok(here.cloned())
}

/// What counts as applied: what is live, so that what the manifest says otherwise shows as ahead.
fn applied(
    manifest: &Manifest,
    address: &Address,
    object: &Object,
    before: Option<&Binding>,
) -> Fields {
    let people = object.fields.items(Field::Members);
    let roster = Roster::Known {
        people: people.clone(),
        unseen: 0,
    };
    let rosters = BTreeMap::from([(address.clone(), roster)]);
    let applied = applied_kept(manifest, &rosters).remove(address);
    let mut applied = applied.expect("it is declared");
    for field in [Field::Name, Field::Description] {
        // What is ignored, or not declared, is not remembered.
        if let (Some(live), true) = (object.fields.get(field), applied.get(field).is_some()) {
            applied.set(field, live.clone());
        }
    }
    // Nobody, the first time: whoever is in it was put there by somebody else.
    let added = before.map(|before| before.applied.items(Field::Added));
    let added = added
        .into_iter()
        .flatten()
        .filter(|id| people.contains(*id));
    applied.set(Field::Added, Value::Items(added.cloned().collect()));
    applied
}
