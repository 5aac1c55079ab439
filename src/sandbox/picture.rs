//! What a picture is and how large, by its first bytes.

/// A picture whose format is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) format: &'static str,
    /// Width and height in pixels, where the head of the file says them plainly.
    pub(super) pixels: Option<(u32, u32)>,
}

/// The formats that Feishu's page lists. Nothing for any other file.
pub(super) fn read(bytes: &[u8]) -> Option<Picture> {
    let begins = |head: &[u8]| bytes.starts_with(head);
    let (format, pixels) = if begins(b"\x89PNG\r\n\x1a\n") {
        ("png", pair(big(bytes, 16, 4), big(bytes, 20, 4)))
    } else if begins(b"GIF87a") || begins(b"GIF89a") {
        ("gif", pair(little(bytes, 6, 2), little(bytes, 8, 2)))
    } else if begins(b"\xff\xd8\xff") {
        ("jpeg", jpeg(bytes))
    } else if begins(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        ("webp", webp(bytes))
    } else if begins(b"BM") {
        ("bmp", pair(little(bytes, 18, 4), little(bytes, 22, 4)))
    } else if begins(b"\0\0\x01\0") {
        let side = |at| little(bytes, at, 1).map(|side| if side == 0 { 256 } else { side });
        ("ico", pair(side(6), side(7)))
    } else if begins(b"II*\0") || begins(b"MM\0*") {
        ("tiff", None)
    } else if bytes.get(4..8) == Some(b"ftyp") && is_heic(bytes.get(8..12)?) {
        ("heic", None)
    } else {
        return None;
    };
    Some(Picture { format, pixels })
}

fn is_heic(brand: &[u8]) -> bool {
    [b"heic", b"heix", b"hevc", b"mif1", b"msf1"]
        .iter()
        .any(|known| known.as_slice() == brand)
}

fn pair(width: Option<u32>, height: Option<u32>) -> Option<(u32, u32)> {
    Some((width?, height?))
}

fn big(bytes: &[u8], at: usize, length: usize) -> Option<u32> {
    let digits = bytes.get(at..at + length)?.iter();
    Some(digits.fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
}

fn little(bytes: &[u8], at: usize, length: usize) -> Option<u32> {
    let digits = bytes.get(at..at + length)?.iter().rev();
    Some(digits.fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
}

/// The size stands in the first segment that begins a frame.
fn jpeg(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut at = 2;
    loop {
        let marker = big(bytes, at, 2)?;
        let frame =
            (0xffc0..=0xffcf).contains(&marker) && ![0xffc4, 0xffc8, 0xffcc].contains(&marker);
        if frame {
            return pair(big(bytes, at + 7, 2), big(bytes, at + 5, 2));
        }
        at += 2 + usize::try_from(big(bytes, at + 2, 2)?).ok()?;
    }
}

fn webp(bytes: &[u8]) -> Option<(u32, u32)> {
    match bytes.get(12..16)? {
        b"VP8 " => pair(
            little(bytes, 26, 2).map(|side| side & 0x3fff),
            little(bytes, 28, 2).map(|side| side & 0x3fff),
        ),
        b"VP8L" => {
            let bits = little(bytes, 21, 4)?;
            Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
        }
        b"VP8X" => pair(
            little(bytes, 24, 3).map(|side| side + 1),
            little(bytes, 27, 3).map(|side| side + 1),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_says_what_it_is_and_how_large() {
        let webp = |kind: &[u8], at: usize, size: &[u8]| {
            let mut bytes = b"RIFF\0\0\0\0WEBP".to_vec();
            bytes.extend(kind);
            bytes.resize(at, 0);
            bytes.extend(size);
            bytes
        };
        let mut bmp = b"BM".to_vec();
        bmp.resize(18, 0);
        bmp.extend([3, 0, 0, 0, 4, 0, 0, 0]);
        #[rustfmt::skip]
        let cases = [
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\x02\0\0\0\x03".to_vec(), "png", Some((258, 3))),
            (b"GIF89a\x02\x01\x03\0".to_vec(), "gif", Some((258, 3))),
            (b"\xff\xd8\xff\xe0\0\x04..\xff\xc2\0\x0b\x08\0\x03\x01\x02".to_vec(), "jpeg", Some((258, 3))),
            (webp(b"VP8 ", 26, &[2, 1, 3, 0]), "webp", Some((258, 3))),
            (webp(b"VP8L", 21, &[1, 0x80, 0, 0]), "webp", Some((2, 3))),
            (webp(b"VP8X", 24, &[1, 0, 0, 2, 0, 0]), "webp", Some((2, 3))),
            (bmp, "bmp", Some((3, 4))),
            (b"\0\0\x01\0\x01\0\0\x10".to_vec(), "ico", Some((256, 16))),
            (b"II*\0".to_vec(), "tiff", None),
            (b"\0\0\0\x18ftypheic".to_vec(), "heic", None),
            (b"\xff\xd8\xff\xe0\0\0".to_vec(), "jpeg", None),
        ];
        for (bytes, format, pixels) in cases {
            assert_eq!(read(&bytes), Some(Picture { format, pixels }), "{bytes:?}");
        }
        for bytes in [&b""[..], b"%PDF-1.7", b"<svg/>", b"\0\0\0\x18ftypmp42"] {
            assert_eq!(read(bytes), None);
        }
    }
}
