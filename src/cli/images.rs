//! Images that stand as files in the project, uploaded to Feishu once for each app.
//!
//! # Guarantees
//!
//! - What is uploaded has the digest that was registered; a file that has changed since is not sent.
//! - A key that is remembered is used, however often the image is sent.
//!
//! # Caveats
//!
//! - A process that dies after an upload and before it has written down the key uploads again: at worst
//!   Feishu has the image twice, which does no harm.
//! - Whoever sends needs the file only until it is uploaded, and has to have it in its project folder.

use std::path::Path;

use super::clock;
use super::load::image;
use super::session::Session;
use crate::engine::channel::Channel;
use crate::engine::ledger::LedgerError;
use crate::engine::letters::{Images, Picture};
use crate::model::Name;
use crate::model::manifest::Vendor;

/// The keys of images by the apps that send them; those that are not uploaded yet are now.
pub(super) async fn keys(
    session: &Session,
    dir: &Path,
    pictures: &[Picture],
) -> Result<Images, LedgerError> {
    let mut images = known(session, pictures).await?;
    for (picture, channel) in by_channel(session, pictures) {
        let app = channel.app();
        let which = (app.clone(), picture.digest.clone());
        if images.contains_key(&which) {
            continue;
        }
        let key = match read(dir, &picture.path, &picture.digest) {
            Err(why) => Err(why),
            Ok(bytes) => match channel.upload(&bytes).await {
                Ok(key) => {
                    let (app, digest) = (app.as_str(), &picture.digest);
                    let kept = session
                        .outbox
                        .remember_image(app, digest, &key, clock::now());
                    Ok(kept.await?)
                }
                Err(error) => Err(error.with_hint()),
            },
        };
        images.insert(which, key);
    }
    Ok(images)
}

/// The keys of those images that are uploaded.
pub(super) async fn known(session: &Session, pictures: &[Picture]) -> Result<Images, LedgerError> {
    let mut images = Images::new();
    for (picture, channel) in by_channel(session, pictures) {
        let (app, digest) = (channel.app(), &picture.digest);
        if let Some(key) = session.outbox.image(app.as_str(), digest).await? {
            images.insert((app.clone(), digest.clone()), Ok(key));
        }
    }
    Ok(images)
}

/// Each image with each channel to which images can be uploaded.
fn by_channel<'a>(
    session: &'a Session,
    pictures: &'a [Picture],
) -> impl Iterator<Item = (&'a Picture, &'a dyn Channel)> {
    let takes = |provider: &&Name| {
        let provider = session.manifest.providers.get(*provider);
        provider.is_some_and(|provider| provider.vendor == Vendor::Feishu)
    };
    pictures.iter().flat_map(move |picture| {
        let via = picture.via.iter().filter(takes);
        via.filter_map(|provider| session.channels.get(provider))
            .map(move |channel| (picture, channel.as_ref()))
    })
}

fn read(dir: &Path, path: &str, digest: &str) -> Result<Vec<u8>, String> {
    let (found, bytes) =
        image(dir, path).map_err(|why| format!("the image {path:?} cannot be sent: {why}"))?;
    if found != digest {
        return Err(format!(
            "the image {path:?} is not the one that was applied; apply it, or put that one back"
        ));
    }
    Ok(bytes)
}
