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

use jiff::Timestamp;

use super::load::image;
use super::session::Session;
use crate::engine::ledger::LedgerError;
use crate::engine::letters::Images;
use crate::model::manifest::Vendor;
use crate::model::message::{Body, ImageSource};
use crate::model::notice::Registered;
use crate::plan::live::Binding;

/// The keys of the images that registered notices send; those that are not uploaded yet are now.
pub(super) async fn keys(
    session: &Session,
    dir: &Path,
    bindings: &[Binding],
) -> Result<Images, LedgerError> {
    let mut images = Images::new();
    for binding in bindings {
        let Ok(registered) = Registered::read(&binding.applied) else {
            continue;
        };
        let Some(Body::Image(ImageSource::File { path, digest, .. })) = registered
            .message
            .neutral
            .as_ref()
            .map(|neutral| &neutral.body)
        else {
            continue;
        };
        for provider in &registered.via {
            let vendor = session.manifest.providers.get(provider).map(|p| p.vendor);
            let Some(channel) = session.channels.get(provider) else {
                continue;
            };
            let which = (channel.app().clone(), digest.clone());
            if vendor != Some(Vendor::Feishu) || images.contains_key(&which) {
                continue;
            }
            let app = channel.app().as_str();
            let key = match session.outbox.image(app, digest).await? {
                Some(key) => Ok(key),
                None => match read(dir, path, digest) {
                    Err(why) => Err(why),
                    Ok(bytes) => match channel.upload(&bytes).await {
                        Ok(key) => {
                            let now = Timestamp::now();
                            Ok(session
                                .outbox
                                .remember_image(app, digest, &key, now)
                                .await?)
                        }
                        Err(error) => Err(error.with_hint()),
                    },
                },
            };
            images.insert(which, key);
        }
    }
    Ok(images)
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
