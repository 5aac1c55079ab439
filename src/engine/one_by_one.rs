//! Reads what is read object by object: managed chats and contact user groups.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};

use super::refresh::Readers;
use super::{ApiError, Object, Reader};
use crate::model::manifest::Manifest;
use crate::model::{Address, Collection, Name, RemoteId};
use crate::plan::Choice;
use crate::plan::live::{Binding, Kept, Reading, Roster};

/// How many readings are under way at once; the HTTP client has bounds of its own per app.
const CONCURRENCY: usize = 64;

/// A declared chat or contact user group, as far as reading needs it.
struct Wanted<'a> {
    address: &'a Address,
    former: Option<Address>,
    provider: &'a Name,
    collection: Collection,
    pin: Option<&'a RemoteId>,
    name: &'a str,
}

fn wanted(manifest: &Manifest) -> Vec<Wanted<'_>> {
    let chats = manifest.managed_chats.values().map(|chat| Wanted {
        address: &chat.address,
        former: chat
            .moved_from
            .as_ref()
            .map(|name| Address::new(chat.address.kind, name.clone())),
        provider: &chat.provider,
        collection: Collection::Chats,
        pin: chat.id.as_ref(),
        name: &chat.name,
    });
    let groups = manifest.groups.values().flat_map(|group| {
        group
            .user_groups
            .iter()
            .map(move |(provider, kept)| Wanted {
                address: &kept.address,
                former: group.moved_from.as_ref().map(|name| Address {
                    name: name.clone(),
                    ..kept.address.clone()
                }),
                provider,
                collection: Collection::UserGroups,
                pin: kept.id.as_ref(),
                name: &kept.name,
            })
    });
    chats.chain(groups).collect()
}

/// Reads every chat and contact user group that is bound or pinned, and lists what there is where
/// something declared is neither.
pub async fn read(
    manifest: &Manifest,
    bindings: &[Binding],
    choice: &Choice,
    readers: &Readers,
    rosters: BTreeMap<Address, Roster>,
) -> Kept {
    let by_address: BTreeMap<&Address, &Binding> = bindings
        .iter()
        .filter(|b| matches!(b.collection, Collection::Chats | Collection::UserGroups))
        .map(|b| (&b.address, b))
        .collect();
    let mut ids: BTreeMap<(Collection, RemoteId), Name> = by_address
        .values()
        .filter(|b| choice.selects(&b.address))
        .map(|b| ((b.collection.clone(), b.id.clone()), b.provider.clone()))
        .collect();
    let mut names: BTreeMap<(Name, Collection), BTreeSet<&str>> = BTreeMap::new();
    let declared = if choice.destroy {
        Vec::new()
    } else {
        wanted(manifest)
    };
    for one in declared.iter().filter(|one| choice.selects(one.address)) {
        let bound = by_address.get(one.address);
        let bound = bound.or_else(|| {
            one.former
                .as_ref()
                .and_then(|former| by_address.get(former))
        });
        if let Some(id) = bound.map(|b| &b.id).or(one.pin) {
            // The binding may carry a key that the provider no longer has.
            ids.insert((one.collection.clone(), id.clone()), one.provider.clone());
        } else {
            let of = names
                .entry((one.provider.clone(), one.collection.clone()))
                .or_default();
            of.insert(one.name);
            of.extend(one.former.as_ref().map(|former| former.name.as_str()));
        }
    }
    let mut kept = Kept {
        rosters,
        ..Kept::default()
    };
    let mut readings = stream::iter(ids)
        .map(|((collection, id), provider)| async move {
            let reading = match readers.get(&provider) {
                Some(reader) => match reader.object(&collection, &id).await {
                    Ok(Some(object)) => Reading::Found(object),
                    Ok(None) => Reading::Gone,
                    Err(error) => Reading::Unread(error.with_hint()),
                },
                None => Reading::Unread(format!(
                    "the manifest has no provider `{provider}` any more"
                )),
            };
            ((collection, id), reading)
        })
        .buffer_unordered(CONCURRENCY);
    while let Some((key, reading)) = readings.next().await {
        kept.readings.insert(key, reading);
    }
    for ((provider, collection), names) in names {
        let reading = match readers.get(&provider) {
            Some(reader) => match catalog(reader.as_ref(), &collection, &names).await {
                Ok(objects) => Reading::Found(objects),
                Err(error) => Reading::Unread(error.with_hint()),
            },
            None => Reading::Unread(format!("the manifest has no provider `{provider}`")),
        };
        kept.catalogs.insert((provider, collection), reading);
    }
    kept
}

/// What there is under these names, in full.
async fn catalog(
    reader: &dyn Reader,
    collection: &Collection,
    names: &BTreeSet<&str>,
) -> Result<Vec<Object>, ApiError> {
    let all = reader.catalog(collection).await?;
    let named = all
        .into_iter()
        .filter(|o| o.fields.name().is_some_and(|name| names.contains(name)));
    let mut full = Vec::new();
    for object in named {
        full.extend(reader.object(collection, &object.id).await?);
    }
    Ok(full)
}
