//! Uploading an image.
//!
//! Source: the page on im-v1/image. Where it is silent: MB count 1000 × 1000 bytes, the harsher
//! reading; formats whose head does not say how large a picture is are not measured. The bytes are
//! not kept.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Call;
use super::envelope::{Failure, Refusal, Success};
use crate::sandbox::people::Tenant;
use crate::sandbox::world::Moment;
use crate::sandbox::{multipart, picture};

const BYTES: usize = 10_000_000;

/// An image that somebody has uploaded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::sandbox) struct Image {
    /// The app that alone can send it.
    pub(in crate::sandbox) app: String,
    pub(in crate::sandbox) image_type: String,
    pub(in crate::sandbox) format: String,
    pub(in crate::sandbox) bytes: usize,
}

impl Image {
    pub(in crate::sandbox) const KIND: &str = "image";
}

/// `uploadImage`: each upload gets a key of its own.
pub(super) fn upload(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let no = |code, why: &str| Failure::from(Refusal::new(400, code, why));
    if Tenant::of(moment)?.bots_off {
        return Err(no(234007, "the bot capability is off"));
    }
    let parts = multipart::parts(call.headers, call.bytes)
        .ok_or_else(|| no(234001, "the body has to be multipart/form-data"))?;
    let part = |name| parts.iter().find(|part| part.name == name);
    let kind = part("image_type").and_then(|part| std::str::from_utf8(part.bytes).ok());
    let kind = kind
        .filter(|kind| ["message", "avatar"].contains(kind))
        .ok_or_else(|| no(234001, "image_type has to be message or avatar"))?;
    let file = part("image").ok_or_else(|| no(234001, "image is missing"))?;
    if file.bytes.is_empty() {
        return Err(no(234010, "the file is empty"));
    }
    if file.bytes.len() > BYTES {
        return Err(no(234006, "the file is larger than 10 MB"));
    }
    let picture = picture::read(file.bytes)
        .ok_or_else(|| no(234011, "the format of the image is not known"))?;
    let cap = match (kind, picture.format) {
        (_, "gif") => 2_000,
        ("avatar", _) => 4_096,
        _ => 12_000,
    };
    let (width, height) = picture.pixels.unwrap_or_default();
    if width.max(height) > cap {
        let why = format!("{width} x {height} is more than {cap} x {cap}");
        return Err(no(234039, &why));
    }
    let key = format!("img_v2_{}", uuid::Uuid::new_v4().simple());
    let image = Image {
        app: call.app.to_owned(),
        image_type: kind.to_owned(),
        format: picture.format.to_owned(),
        bytes: file.bytes.len(),
    };
    moment.insert(Image::KIND, &key, "", &image)?;
    Ok(Success::Data(json!({"image_key": key})))
}
