//! Images and biometric templates, by the numbers that they begin with.

use super::{Class, Found};

/// Images of so many pixels in either direction show nobody: a face takes 24 to be found by machines, and more by people.
const HARMLESS_PIXELS_MAX: u32 = 16;

/// How images and templates begin, and how large the image is. Short beginnings count only at the start of a form.
struct Magic {
    class: Class,
    start: &'static [u8],
    at: usize,
    anywhere: bool,
    is_harmless: fn(&[u8]) -> bool,
}

const MAGICS: &[Magic] = &[
    image(b"\x89PNG\r\n\x1a\n", 0, true, png),
    image(b"\xff\xd8\xff\xe0", 0, true, jpeg),
    image(b"\xff\xd8\xff\xe1", 0, true, jpeg),
    image(b"\xff\xd8\xff", 0, false, jpeg),
    image(b"GIF87a", 0, true, gif),
    image(b"GIF89a", 0, true, gif),
    image(b"II*\0", 0, false, never),
    image(b"MM\0*", 0, false, never),
    image(b"WEBP", 8, false, never),
    image(b"ftyphei", 4, false, never),
    image(b"ftypavif", 4, false, never),
    image(b"ftypmif1", 4, false, never),
    image(b"\0\0\0\x0cjP  \r\n\x87\n", 0, true, never),
    image(b"DICM", 128, false, never),
    image(b"\0\0\0\0", 6, false, |bytes| !is_bitmap(bytes) || bitmap(bytes)),
    // ISO/IEC 19794-2, -4, -5, -6: minutiae, finger, face, iris; also ANSI/INCITS 378, 381, 385.
    template(b"FMR\0"),
    template(b"FIR\0"),
    template(b"FAC\0"),
    template(b"IIR\0"),
];

const fn image(start: &'static [u8], at: usize, anywhere: bool, is_harmless: fn(&[u8]) -> bool) -> Magic {
    Magic { class: Class::Photo, start, at, anywhere, is_harmless }
}

const fn template(start: &'static [u8]) -> Magic {
    Magic { class: Class::Biometric, start, at: 0, anywhere: true, is_harmless: empty_template }
}

/// What begins like an image or a template of somebody.
pub fn find(bytes: &[u8], found: &mut Vec<Found>) {
    for magic in MAGICS {
        let length = magic.start.len();
        if magic.anywhere {
            let places = bytes.windows(length).enumerate().filter(|(_, window)| *window == magic.start);
            let outside = places.filter(|(at, _)| !(magic.is_harmless)(&bytes[*at..]));
            found.extend(outside.take(16).map(|(at, _)| (magic.class, at, at + length)));
        } else if bytes.get(magic.at..magic.at + length) == Some(magic.start) && !(magic.is_harmless)(bytes) {
            found.push((magic.class, 0, magic.at + length));
        }
    }
}

/// Whether bytes hold something that [`find`] finds.
pub fn is_in(bytes: &[u8]) -> bool {
    let mut found = Vec::new();
    find(bytes, &mut found);
    !found.is_empty()
}

fn never(_: &[u8]) -> bool {
    false
}

fn is_small(width: u32, height: u32) -> bool {
    width <= HARMLESS_PIXELS_MAX && height <= HARMLESS_PIXELS_MAX
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn png(bytes: &[u8]) -> bool {
    match (be32(bytes, 16), be32(bytes, 20)) {
        (Some(width), Some(height)) => is_small(width, height),
        // Nothing behind the beginning: a token of a dictionary.
        _ => bytes.len() < 16,
    }
}

fn gif(bytes: &[u8]) -> bool {
    match bytes.get(6..10) {
        Some(&[a, b, c, d]) => is_small(u16::from_le_bytes([a, b]).into(), u16::from_le_bytes([c, d]).into()),
        _ => bytes.len() < 7,
    }
}

/// The size stands in the frame header; segments before it are passed over.
fn jpeg(bytes: &[u8]) -> bool {
    let mut at = 2;
    for _ in 0..64 {
        let Some(&[0xff, marker, high, low]) = bytes.get(at..at + 4) else { return bytes.len() < 20 };
        if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
            let Some(&[a, b, c, d]) = bytes.get(at + 5..at + 9) else { return false };
            return is_small(u16::from_be_bytes([a, b]).into(), u16::from_be_bytes([c, d]).into());
        }
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
    }
    false
}

fn is_bitmap(bytes: &[u8]) -> bool {
    let header = bytes.get(14..18).map(|header| u32::from_le_bytes(header.try_into().unwrap_or_default()));
    bytes.starts_with(b"BM") && matches!(header, Some(12 | 40 | 52 | 56 | 64 | 108 | 124))
}

fn bitmap(bytes: &[u8]) -> bool {
    let long = |at: usize| bytes.get(at..at + 4).map(|four| i32::from_le_bytes(four.try_into().unwrap_or_default()));
    match (long(18), long(22)) {
        (Some(width), Some(height)) => is_small(width.unsigned_abs(), height.unsigned_abs()),
        _ => false,
    }
}

/// A template is harmless if it holds nothing: a header whose length field says that nothing follows. Minutiae records
/// have 24 bytes of header; ours for tests are shorter.
fn empty_template(bytes: &[u8]) -> bool {
    // Not followed by a version (` 20\0`, `020\0`, `030\0`): four letters in a row, not a template.
    let version = bytes.get(4..8);
    if !version
        .is_some_and(|v| matches!(v[0], b' ' | b'0') && v[1].is_ascii_digit() && v[2].is_ascii_digit() && v[3] == 0)
    {
        return true;
    }
    be32(bytes, 8).is_some_and(|length| length <= 24)
}
