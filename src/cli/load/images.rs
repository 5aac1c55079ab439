//! Images that stand as files in the project: read, held against what Feishu takes, known by their digest.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{inside, read_bytes};
use crate::model::Diagnostic;
use crate::model::manifest::Manifest;
use crate::model::message::image::{MAX_IMAGE_BYTES, inspect};
use crate::model::message::{Body, ImageSource};

/// Looks at every image that a notice names, so that its digest is a part of what is registered.
pub(super) fn look_at(dir: &Path, manifest: &mut Manifest, found: &mut Vec<Diagnostic>) {
    let mut known: BTreeMap<String, Result<String, String>> = BTreeMap::new();
    for notice in manifest.notices.values_mut() {
        let neutral = notice.message.neutral.as_mut();
        let Some(Body::Image(ImageSource::File { path, digest, span })) =
            neutral.map(|neutral| &mut neutral.body)
        else {
            continue;
        };
        let seen = known.entry(path.clone()).or_insert_with(|| {
            let (digest, _) = image(dir, path)?;
            Ok(digest)
        });
        let bad = |summary: String, help: &str| {
            let bad = Diagnostic::error("bad-image", *span, summary);
            bad.help(help).address(notice.address.clone())
        };
        match seen {
            Ok(seen) if digest.is_empty() || digest == seen => digest.clone_from(seen),
            Ok(_) => found.push(bad(
                format!("{path:?} is not the image that its digest names"),
                "Leave the digest out: beadle notes it.",
            )),
            Err(why) => found.push(bad(
                format!("{path:?} cannot be sent: {why}"),
                "Feishu takes JPEG, PNG, WebP, GIF, BMP, ICO, TIFF and HEIC up to 10 MB, of at most 12000 × 12000 \
                 pixels, a GIF of 2000 × 2000.",
            )),
        }
    }
}

/// An image of the project with its digest, or why it cannot be sent.
pub(in crate::cli) fn image(dir: &Path, path: &str) -> Result<(String, Vec<u8>), String> {
    let full = inside(dir, path)?;
    let bytes = read_bytes(&full, MAX_IMAGE_BYTES as u64)?;
    inspect(&bytes).map_err(|why| why.to_string())?;
    let mut digest = String::with_capacity(64);
    for byte in Sha256::digest(&bytes) {
        let _ = write!(digest, "{byte:02x}");
    }
    Ok((digest, bytes))
}
