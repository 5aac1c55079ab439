//! Images that stand as files in the project, uploaded to Feishu once for each app.
//!
//! # Guarantees
//!
//! - What is uploaded has the digest that was registered; a file that has changed since is not sent.
//! - A key that is remembered is used, however often the image is sent.
//! - An upload that fails and may succeed later keeps no other image from being uploaded.
//! - An upload keeps a round waiting for as long as one call may, with whatever is tried again on the way:
//!   what is not uploaded by then is so in a later round.
//!
//! # Caveats
//!
//! - A process that dies after an upload and before it has written down the key uploads again: at worst
//!   Feishu has the image twice, which does no harm.
//! - Whoever sends needs the file only until it is uploaded, and has to have it in its project folder.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::timeout;

use super::clock;
use super::load::image;
use super::session::Session;
use crate::engine::channel::{Channel, UploadError};
use crate::engine::ledger::LedgerError;
use crate::engine::letters::{Images, Picture};
use crate::engine::runner::Uncomposed;
use crate::model::manifest::Vendor;
use crate::model::{AppId, Name};

/// How many uploads are under way at once.
const CONCURRENCY: usize = 4;

/// The keys of images by the apps that send them. Those of `first` that are not uploaded yet are now; the
/// others too, unless an upload failed.
pub(super) async fn keys(
    session: &Session,
    dir: &Path,
    first: &[Picture],
    others: &[Picture],
) -> Result<Images, LedgerError> {
    let mut images = known(session, first).await?;
    images.extend(known(session, others).await?);
    for (pictures, at_once) in [(first, CONCURRENCY), (others, 1)] {
        let missing = missing(session, pictures, &images);
        let mut uploads = stream::iter(&missing)
            .map(|((app, _), (picture, channel))| upload(session, dir, app, picture, *channel))
            .buffer_unordered(at_once);
        while let Some((app, digest, key)) = uploads.next().await {
            let key = key?;
            let failed = matches!(key, Err(Uncomposed::Later(_)));
            images.insert((app, digest), key);
            // It may be the vendor, who is asked again soon: what is not due yet need not wait for it.
            if failed && at_once == 1 {
                return Ok(images);
            }
        }
    }
    Ok(images)
}

/// The images that an app does not know, each once.
fn missing<'a>(
    session: &'a Session,
    pictures: &'a [Picture],
    images: &Images,
) -> BTreeMap<(AppId, String), (&'a Picture, &'a dyn Channel)> {
    by_channel(session, pictures)
        .map(|(picture, channel)| {
            let which = (channel.app().clone(), picture.digest.clone());
            (which, (picture, channel))
        })
        .filter(|(which, _)| !images.contains_key(which))
        .collect()
}

/// Uploads an image and remembers its key.
async fn upload(
    session: &Session,
    dir: &Path,
    app: &AppId,
    picture: &Picture,
    channel: &dyn Channel,
) -> (
    AppId,
    String,
    Result<Result<String, Uncomposed>, LedgerError>,
) {
    let Picture { path, digest, .. } = picture;
    let uploaded = match read(dir, path, digest) {
        Err(why) => Err(Uncomposed::Refused(why)),
        Ok(bytes) => in_time(channel, &bytes).await,
    };
    let key = match uploaded {
        Ok(key) => {
            let outbox = session.outbox.as_ref();
            let kept = outbox.remember_image(app.as_str(), digest, &key, clock::now());
            kept.await.map(Ok)
        }
        Err(uncomposed) => Ok(Err(uncomposed)),
    };
    (app.clone(), digest.clone(), key)
}

/// The key of an image that is uploaded within the time of a call.
async fn in_time(channel: &dyn Channel, bytes: &[u8]) -> Result<String, Uncomposed> {
    let later = |why: String| Uncomposed::Later(format!("its image is not uploaded: {why}"));
    let most = Duration::from_millis(channel.timeout_ms());
    match timeout(most, channel.upload(bytes)).await {
        Ok(Ok(key)) => Ok(key),
        Ok(Err(UploadError::Refused(why))) => Err(Uncomposed::Refused(why.with_hint())),
        Ok(Err(UploadError::Later(why))) => Err(later(why.with_hint())),
        Err(_) => Err(later(format!("it took longer than {most:?}"))),
    }
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
