//! Images for messages (page `im-v1/image/create`). Only the app that uploaded one can send it.

use super::Feishu;
use super::call::Ask;
use super::wire::{UploadedImage, data};
use crate::engine::ApiError;
use crate::vendors::http::Form;
use crate::vendors::limits::UPLOAD_IMAGE;

/// The most bytes of an image, whichever kilobytes are meant.
const MOST: usize = 10 * 1024 * 1024;

/// Uploads an image. At worst a repeat makes a second key, which does no harm.
pub(super) async fn upload(feishu: &Feishu, image: &[u8]) -> Result<String, ApiError> {
    if image.is_empty() || image.len() > MOST {
        let bytes = image.len();
        return Err(ApiError::Unreachable(format!(
            "the image was not sent: Feishu takes up to {MOST} bytes, and it has {bytes}"
        )));
    }
    let form = Form::new(&[("image_type", "message")], ("image", image));
    let ask = Ask::new(UPLOAD_IMAGE).form(&form);
    let uploaded: UploadedImage = feishu.call(&ask, data).await?;
    Ok(uploaded.image_key)
}
