//! Images for messages (page `im-v1/image/create`). Only the app that uploaded one can send it.

use super::Feishu;
use super::call::Ask;
use super::wire::{UploadedImage, data};
use crate::engine::ApiError;
use crate::engine::channel::UploadError;
use crate::vendors::http::Form;
use crate::vendors::limits::{self, Reaction, UPLOAD_IMAGE};

/// The most bytes of an image, whichever kilobytes are meant.
const MOST: usize = 10 * 1024 * 1024;

/// Uploads an image. At worst a repeat makes a second key, which does no harm: what is in doubt may be
/// tried again.
pub(super) async fn upload(feishu: &Feishu, image: &[u8]) -> Result<String, UploadError> {
    if image.is_empty() || image.len() > MOST {
        let bytes = image.len();
        return Err(UploadError::Refused(ApiError::Unreachable(format!(
            "Feishu takes images of up to {MOST} bytes, and this one has {bytes}"
        ))));
    }
    let form = Form::new(&[("image_type", "message")], ("image", image));
    let ask = Ask::new(UPLOAD_IMAGE).form(&form);
    match feishu.call(&ask, data).await {
        Ok(UploadedImage { image_key }) => Ok(image_key),
        Err(error) if passes(&error) => Err(UploadError::Later(error)),
        Err(error) => Err(UploadError::Refused(error)),
    }
}

/// Whether a failure has nothing to do with the image or the app.
fn passes(error: &ApiError) -> bool {
    let ApiError::Refused(answer) = error else {
        return true;
    };
    // A throttle that outlasted the retries, of this call or of the token's.
    let row = limits::row(&answer.operation);
    let reaction = row
        .zip(answer.code)
        .and_then(|(row, code)| row.reaction(code));
    matches!(
        reaction,
        Some(Reaction::AfterReset | Reaction::Backoff | Reaction::RefreshToken)
    )
}
