//! Images: where one comes from, and what its bytes say about it.
//!
//! Reading the file, uploading it and remembering its key is the work of whoever sends. Feishu alone
//! takes uploads; DingTalk is given a media id.

use super::Template;
use crate::model::Span;

/// Where an image comes from.
#[derive(Clone, Debug)]
pub enum ImageSource {
    /// A key of Feishu, `img_…`.
    Key(Template),
    /// A file of the project, uploaded to Feishu and remembered by its digest.
    File {
        /// The path, relative to the project folder and inside it.
        path: String,
        /// The SHA-256 of its bytes, in hexadecimal; empty before somebody has looked.
        digest: String,
        /// Where it stands.
        span: Span,
    },
    /// A media id of DingTalk.
    Media(Template),
}

/// What stands between a path and a digest.
const MARK: &str = "#sha256:";

/// A path and a digest as one text, as they are registered: an image that changes is a change.
#[must_use]
pub fn file_to_text(path: &str, digest: &str) -> String {
    match digest {
        "" => path.to_owned(),
        digest => format!("{path}{MARK}{digest}"),
    }
}

/// The path and the digest of such a text.
#[must_use]
pub fn file_from_text(text: &str) -> (&str, &str) {
    text.rsplit_once(MARK).unwrap_or((text, ""))
}

/// The most bytes of an image (page `im-v1/image/create`).
pub const MAX_IMAGE_BYTES: usize = 10 * 1000 * 1000;

/// The most pixels of a side (page `im-v1/image/create`): of a GIF, and of the others.
const MAX_SIDE: [u32; 2] = [2000, 12_000];

/// What Feishu takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageKind {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP.
    Webp,
    /// GIF.
    Gif,
    /// BMP.
    Bmp,
    /// ICO.
    Ico,
    /// TIFF.
    Tiff,
    /// HEIC.
    Heic,
}

/// Why an image cannot be uploaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadImage {
    /// There is nothing in it.
    #[error("the image is empty")]
    Empty,
    /// It is too large.
    #[error("an image has at most {MAX_IMAGE_BYTES} bytes, this one has {0}")]
    TooLarge(usize),
    /// It is no image, or one that Feishu does not take.
    #[error("this is no JPEG, PNG, WebP, GIF, BMP, ICO, TIFF or HEIC image")]
    UnknownKind,
    /// It has too many pixels.
    #[error(
        "an image of this kind is at most {most} × {most} pixels, this one is {width} × {height}"
    )]
    TooManyPixels {
        /// Its width.
        width: u32,
        /// Its height.
        height: u32,
        /// The most either may be.
        most: u32,
    },
}

/// Checks the bytes of an image against what Feishu takes. The size in pixels of TIFF and HEIC, and of a
/// file that hides it, is not looked at.
///
/// # Errors
///
/// When Feishu would refuse it.
pub fn inspect(bytes: &[u8]) -> Result<ImageKind, BadImage> {
    if bytes.is_empty() {
        return Err(BadImage::Empty);
    }
    if bytes.len() > MAX_IMAGE_BYTES {
        return Err(BadImage::TooLarge(bytes.len()));
    }
    let kind = kind(bytes).ok_or(BadImage::UnknownKind)?;
    let most = MAX_SIDE[usize::from(kind != ImageKind::Gif)];
    match pixels(kind, bytes) {
        Some((width, height)) if width > most || height > most => Err(BadImage::TooManyPixels {
            width,
            height,
            most,
        }),
        _ => Ok(kind),
    }
}

fn kind(bytes: &[u8]) -> Option<ImageKind> {
    let begins = |magic: &[u8]| bytes.starts_with(magic);
    let at = |from: usize, magic: &[u8]| bytes.get(from..).is_some_and(|b| b.starts_with(magic));
    if begins(b"\xff\xd8\xff") {
        Some(ImageKind::Jpeg)
    } else if begins(b"\x89PNG\r\n\x1a\n") {
        Some(ImageKind::Png)
    } else if begins(b"RIFF") && at(8, b"WEBP") {
        Some(ImageKind::Webp)
    } else if begins(b"GIF87a") || begins(b"GIF89a") {
        Some(ImageKind::Gif)
    } else if begins(b"BM") {
        Some(ImageKind::Bmp)
    } else if begins(b"\0\0\x01\0") {
        Some(ImageKind::Ico)
    } else if begins(b"II*\0") || begins(b"MM\0*") {
        Some(ImageKind::Tiff)
    } else if [&b"ftypheic"[..], b"ftypheix", b"ftypmif1", b"ftyphevc"]
        .iter()
        .any(|brand| at(4, brand))
    {
        Some(ImageKind::Heic)
    } else {
        None
    }
}

fn pixels(kind: ImageKind, bytes: &[u8]) -> Option<(u32, u32)> {
    let big = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let little = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let short = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    match kind {
        ImageKind::Png => Some((big(16)?, big(20)?)),
        ImageKind::Gif => Some((short(6)?.into(), short(8)?.into())),
        // A BMP that stands on its head has a negative height.
        ImageKind::Bmp => Some((little(18)?, little(22)?.cast_signed().unsigned_abs())),
        ImageKind::Webp => webp(bytes),
        ImageKind::Jpeg => jpeg(bytes),
        ImageKind::Ico | ImageKind::Tiff | ImageKind::Heic => None,
    }
}

fn webp(bytes: &[u8]) -> Option<(u32, u32)> {
    let byte = |at: usize| bytes.get(at).map(|b| u32::from(*b));
    let three = |at: usize| Some(byte(at)? | byte(at + 1)? << 8 | byte(at + 2)? << 16);
    let two = |at: usize| Some(byte(at)? | byte(at + 1)? << 8);
    match bytes.get(12..16)? {
        b"VP8X" => Some((three(24)? + 1, three(27)? + 1)),
        b"VP8 " => Some((two(26)? & 0x3fff, two(28)? & 0x3fff)),
        b"VP8L" => {
            let bits = three(21)? | byte(24)? << 24;
            Some(((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1))
        }
        _ => None,
    }
}

/// Looks for the frame header among the segments.
fn jpeg(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut at = 2;
    loop {
        let [0xff, marker] = *bytes.get(at..at + 2)? else {
            return None;
        };
        match marker {
            0xff => at += 1,
            0x01 | 0xd0..=0xd7 => at += 2,
            0xc4 | 0xc8 | 0xcc => at = after(bytes, at)?,
            0xc0..=0xcf => {
                let side = |at: usize| {
                    let side = bytes.get(at..at + 2)?.try_into().ok()?;
                    Some(u32::from(u16::from_be_bytes(side)))
                };
                return Some((side(at + 7)?, side(at + 5)?));
            }
            0xd9 | 0xda => return None,
            _ => at = after(bytes, at)?,
        }
    }
}

fn after(bytes: &[u8], at: usize) -> Option<usize> {
    let length = u16::from_be_bytes(bytes.get(at + 2..at + 4)?.try_into().ok()?);
    (length >= 2).then(|| at + 2 + usize::from(length))
}
