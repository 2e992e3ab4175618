//! What an input decodes to: compressed streams, archives, and the escapes that formats and senders put around text.
//!
//! Decoders are generous: they start anywhere and take what they get, because a reader might. They are bounded: by depth,
//! by number and size of forms, and by what a decompressor may write. Of long streams, blocks that repeat are kept once.

use super::{Limits, magic};
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha2::{Digest, Sha256};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hasher};
use std::io::Read;

/// An input, decoded in some way.
pub struct Form {
    /// How: `raw`, `gzip>base64`.
    pub label: String,
    /// What came out.
    pub bytes: Vec<u8>,
}

/// Everything that an input decodes to.
#[derive(Default)]
pub struct Forms {
    /// The input first.
    pub forms: Vec<Form>,
    /// Limits that were met.
    pub not_scanned: BTreeSet<String>,
}

/// Bytes, and whether they are all that there was.
type Decoded = (Vec<u8>, bool);

/// What decoding may still cost.
struct Work<'a> {
    limits: &'a Limits,
    /// Bytes that decompressors may still write, in all forms together.
    left: Cell<u64>,
    /// What no decoder here can open.
    missed: RefCell<BTreeSet<String>>,
}

impl Work<'_> {
    fn miss(&self, what: impl Into<String>) {
        self.missed.borrow_mut().insert(what.into());
    }
}

/// A way to decode: its name in labels, and what it makes of a form.
struct Decoder {
    name: &'static str,
    decode: fn(&[u8], &Work<'_>) -> Vec<Decoded>,
}

/// All ways. Escapes come first: they are cheap, and what they uncover is text.
const DECODERS: &[Decoder] = &[
    Decoder { name: "json", decode: |bytes, _| if is_json(bytes) { json(bytes) } else { Vec::new() } },
    Decoder { name: "hl7", decode: |bytes, _| hl7(bytes) },
    Decoder { name: "xml", decode: |bytes, _| xml(bytes) },
    Decoder { name: "percent", decode: |bytes, _| percent(bytes) },
    Decoder { name: "utf16le", decode: |bytes, _| utf16(bytes, 0) },
    Decoder { name: "utf16be", decode: |bytes, _| utf16(bytes, 1) },
    Decoder { name: "hex", decode: hex },
    Decoder { name: "base64", decode: base64 },
    Decoder { name: "gzip", decode: gzip },
    Decoder { name: "zstd", decode: zstd },
    Decoder { name: "zip", decode: zip },
    Decoder { name: "zlib", decode: zlib },
    Decoder { name: "deflate", decode: deflate },
    Decoder { name: "closed", decode: closed },
];

/// Starts of streams that are tried in one form.
const STREAMS_MAX: usize = 64;
/// Runs of base64 or hex that are decoded in one form.
const RUNS_MAX: usize = 4_000;

/// Decodes an input in all ways, and what comes out again.
pub fn all(input: &[u8], limits: &Limits) -> Forms {
    let mut made = Forms::default();
    let work = Work { limits, left: Cell::new(limits.streams_bytes_max), missed: RefCell::default() };
    let mut known = HashSet::new();
    let mut total = 0;
    let mut open = VecDeque::new();
    let first = input.get(..limits.form_bytes_max.max(limits.total_bytes_max)).unwrap_or(input);
    if first.len() < input.len() {
        made.not_scanned.insert(format!("only the first {} bytes were looked at", first.len()));
    }
    known.insert(Sha256::digest(first));
    open.push_back((String::new(), first.to_vec(), 0));
    while let Some((label, bytes, depth)) = open.pop_front() {
        total += bytes.len();
        for decoder in DECODERS {
            for (child, is_whole) in (decoder.decode)(&bytes, &work) {
                if !is_whole {
                    made.not_scanned.insert(format!("a {} stream is longer than what is looked at", decoder.name));
                }
                if child.is_empty() || !known.insert(Sha256::digest(&child)) {
                    continue;
                }
                if depth + 1 > limits.depth_max {
                    // Text that still decodes at this depth is no accident.
                    made.not_scanned.insert(format!("more than {} decodings within each other", limits.depth_max));
                    continue;
                }
                let waiting: usize = open.iter().map(|(_, bytes, _)| bytes.len()).sum();
                if made.forms.len() + open.len() + 2 > limits.forms_max
                    || total + waiting + child.len() > limits.total_bytes_max
                {
                    made.not_scanned.insert("more decoded forms than are looked at".to_owned());
                    continue;
                }
                let label =
                    if label.is_empty() { decoder.name.to_owned() } else { format!("{label}>{}", decoder.name) };
                open.push_back((label, child, depth + 1));
            }
        }
        let label = if label.is_empty() { "raw".to_owned() } else { label };
        made.forms.push(Form { label, bytes });
    }
    made.not_scanned.extend(work.missed.take());
    made
}

/// Positions of a pattern.
fn places<'a>(bytes: &'a [u8], needle: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let mut at = 0;
    std::iter::from_fn(move || {
        let found = bytes.get(at..)?.windows(needle.len()).position(|window| window == needle)?;
        at += found + 1;
        Some(at - 1)
    })
}

/// What a stream gives, blocks that repeat kept once. A stream that breaks off gives what it gave until then.
fn drain(reader: impl Read, work: &Work<'_>) -> Decoded {
    const BLOCK: usize = 4096;
    let mut reader = reader.take(work.limits.stream_bytes_max + 1);
    let mut kept = Vec::new();
    let mut seen: HashSet<(u64, u64)> = HashSet::new();
    let mut before = 0;
    // The last block, where it was not kept.
    let mut skipped: Vec<u8> = Vec::new();
    let mut total = 0;
    loop {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        let mut ended = false;
        while filled < BLOCK {
            match reader.read(&mut block[filled..]) {
                Ok(0) | Err(_) => {
                    ended = true;
                    break;
                }
                Ok(read) => filled += read,
            }
        }
        total += filled as u64;
        let left = work.left.get().checked_sub(filled as u64);
        work.left.set(left.unwrap_or(0));
        if left.is_none() {
            return (kept, false);
        }
        let mut hasher = DefaultHasher::new();
        hasher.write(&block[..filled]);
        let hash = hasher.finish();
        // With the block before it: what straddles the two is new where either is.
        if seen.insert((before, hash)) {
            kept.append(&mut skipped);
            kept.extend(&block[..filled]);
        } else {
            skipped.clear();
            skipped.extend(&block[..filled]);
        }
        before = hash;
        if ended {
            return (kept, total <= work.limits.stream_bytes_max);
        }
        if total > work.limits.stream_bytes_max || kept.len() > work.limits.form_bytes_max {
            return (kept, false);
        }
    }
}

fn gzip(bytes: &[u8], work: &Work<'_>) -> Vec<Decoded> {
    streams(bytes, b"\x1f\x8b\x08", |rest| drain(flate2::read::MultiGzDecoder::new(rest), work))
}

fn zstd(bytes: &[u8], work: &Work<'_>) -> Vec<Decoded> {
    streams(bytes, b"\x28\xb5\x2f\xfd", |rest| zstd_stream(rest, work))
}

fn zstd_stream(bytes: &[u8], work: &Work<'_>) -> Decoded {
    match zstd::stream::read::Decoder::new(bytes) {
        Ok(mut decoder) => match decoder.window_log_max(26) {
            Ok(()) => drain(decoder, work),
            Err(_) => (Vec::new(), false),
        },
        Err(_) => (Vec::new(), true),
    }
}

fn streams(bytes: &[u8], magic: &[u8], decode: impl Fn(&[u8]) -> Decoded) -> Vec<Decoded> {
    let mut made = Vec::new();
    let mut tried = 0;
    for at in places(bytes, magic) {
        tried += 1;
        if tried > STREAMS_MAX {
            made.push((Vec::new(), false));
            break;
        }
        made.push(decode(&bytes[at..]));
    }
    made
}

/// Members of a zip file, by their local headers: what no directory names is read by some readers.
fn zip(bytes: &[u8], work: &Work<'_>) -> Vec<Decoded> {
    let mut made = Vec::new();
    // Names may say who it is about.
    let mut names = Vec::new();
    for (tried, at) in places(bytes, b"PK\x03\x04").enumerate() {
        if tried >= STREAMS_MAX * 4 {
            made.push((Vec::new(), false));
            break;
        }
        let head = &bytes[at..];
        let short = |offset: usize| Some(u16::from_le_bytes(head.get(offset..offset + 2)?.try_into().ok()?));
        let long = |offset: usize| Some(u32::from_le_bytes(head.get(offset..offset + 4)?.try_into().ok()?));
        let (Some(method), Some(name), Some(extra), Some(size)) = (short(8), short(26), short(28), long(18)) else {
            continue;
        };
        let Some(body) = head.get(30 + usize::from(name) + usize::from(extra)..) else { continue };
        names.extend(&head[30..30 + usize::from(name)]);
        names.push(b'\n');
        if short(6).is_some_and(|flags| flags & 1 == 1) {
            work.miss("an encrypted member of a zip file");
            continue;
        }
        match method {
            // Stored members are seen in the archive itself; here their decoders get a clean start.
            0 => made.push(drain_stored(&body[..body.len().min(size as usize)], work)),
            8 => made.push(drain(flate2::read::DeflateDecoder::new(body), work)),
            93 => made.push(zstd_stream(body, work)),
            _ => work.miss(format!("a member of a zip file, packed by method {method}")),
        }
    }
    made.push((names, true));
    made
}

/// A stored member as far as it may be long. Members may quote the same bytes: together they cost what streams may.
fn drain_stored(body: &[u8], work: &Work<'_>) -> Decoded {
    let left = work.left.get();
    let length = body.len().min(work.limits.form_bytes_max).min(usize::try_from(left).unwrap_or(usize::MAX));
    work.left.set(left - length as u64);
    (body[..length].to_vec(), length == body.len())
}

/// Containers that nothing here opens, wherever they begin.
fn closed(bytes: &[u8], work: &Work<'_>) -> Vec<Decoded> {
    const STARTS: &[(&str, &[u8])] = &[
        ("an xz stream", b"\xfd7zXZ\0"),
        ("a bzip2 stream", b"1AY&SY"),
        ("a 7z archive", b"7z\xbc\xaf\x27\x1c"),
        ("a RAR archive", b"Rar!\x1a\x07"),
    ];
    for (name, start) in STARTS {
        let is_start = |at: usize| *name != "a bzip2 stream" || at >= 4 && bytes[at - 4..].starts_with(b"BZh");
        // A beginning with nothing behind it: a word of a dictionary.
        if places(bytes, start).any(|at| is_start(at) && bytes.len() - at > 16) {
            work.miss(format!("{name}, which is not unpacked here"));
        }
    }
    Vec::new()
}

/// zlib has too little of a beginning to look for it everywhere.
fn zlib(bytes: &[u8], work: &Work<'_>) -> Vec<Decoded> {
    match bytes {
        [first, second, ..] if first & 15 == 8 && u16::from_be_bytes([*first, *second]).is_multiple_of(31) => {
            vec![drain(flate2::read::ZlibDecoder::new(bytes), work)]
        }
        _ => Vec::new(),
    }
}

/// Raw deflate has no beginning at all: what begins a form and can be read for some bytes.
fn deflate(bytes: &[u8], work: &Work<'_>) -> Vec<Decoded> {
    // A block of type 3 does not exist.
    if bytes.len() < 3 || bytes[0] & 6 == 6 {
        return Vec::new();
    }
    let (text, is_whole) = drain(flate2::read::DeflateDecoder::new(bytes), work);
    // Junk decodes to some bytes now and then; a stream of meaning is printable, or goes on.
    if text.len() >= 8 && looks_like_something(&text) { vec![(text, is_whole)] } else { Vec::new() }
}

/// Whether decoded bytes are worth another look: text in some encoding, or the start of a stream that we know.
fn looks_like_something(bytes: &[u8]) -> bool {
    const STARTS: &[&[u8]] = &[
        b"\x1f\x8b",
        b"PK",
        b"\x28\xb5\x2f\xfd",
        b"\x78\x01",
        b"\x78\x5e",
        b"\x78\x9c",
        b"\x78\xda",
        b"\x89PNG",
        b"\xff\xd8\xff",
        b"GIF8",
        b"FMR\0",
        b"FIR\0",
        b"FAC\0",
        b"IIR\0",
        b"RIFF",
        b"II*\0",
        b"MM\0*",
        b"BM",
        b"\xff\xfe",
        b"\xfe\xff",
        b"%PDF-",
        b"\xfd7zXZ\0",
        b"BZh",
        b"7z\xbc\xaf",
    ];
    let sample = &bytes[..bytes.len().min(4096)];
    let printable = sample.iter().filter(|c| matches!(c, b'\t' | b'\n' | b'\r' | b' '..=b'~' | 0 | 0x80..)).count();
    let plain = sample.iter().filter(|c| matches!(c, b'\t' | b'\n' | b'\r' | b' '..=b'~' | 0)).count();
    STARTS.iter().any(|start| bytes.starts_with(start))
        || bytes.get(4..12).is_some_and(|brand| brand.starts_with(b"ftyp"))
        || (printable * 100 >= sample.len() * 95 && plain * 100 >= sample.len() * 60)
        || is_text(bytes)
        || begins_something(bytes)
}

/// UTF-8 in whatever script, without control characters; it may break off within the last one.
fn is_text(bytes: &[u8]) -> bool {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    text.len() >= 8 && !text.chars().any(is_control)
}

fn is_control(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r')
}

/// Runs of the alphabet, standard or for URLs, with or without padding and line breaks.
fn base64(bytes: &[u8], work: &Work<'_>) -> Vec<Decoded> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
    let is_digit = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/' | b'-' | b'_');
    let mut made = Vec::new();
    let mut read = Vec::new();
    for run in runs(bytes, |c| is_digit(c) || matches!(c, b'\r' | b'\n'), 12, RUNS_MAX, &mut made) {
        let mut digits: Vec<u8> = run.iter().copied().filter(|c| is_digit(*c)).collect();
        let url_safe = digits.iter().any(|c| matches!(c, b'-' | b'_'));
        if digits.len() % 4 == 1 {
            digits.pop();
        }
        let decoded = if url_safe { URL_SAFE.decode(&digits) } else { STANDARD.decode(&digits) };
        let Ok(decoded) = decoded else { continue };
        if is_text(&decoded) || begins_something(&decoded) {
            read.push(run.as_ptr_range());
        }
        if looks_like_something(&decoded) || !deflate(&decoded, work).is_empty() {
            made.push((decoded, true));
        }
    }
    let standard = Digits {
        is_digit: |c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/'),
        joiners: b" \t\r\n",
        size: 4,
        least: 15,
    };
    made.extend(shifted(bytes, &standard, &read, |digits| STANDARD.decode(digits).unwrap_or_default()));
    if bytes.iter().any(|c| matches!(c, b'-' | b'_')) {
        let url_safe = Digits {
            is_digit: |c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'),
            joiners: b" \t\r\n",
            size: 4,
            least: 15,
        };
        made.extend(shifted(bytes, &url_safe, &read, |digits| URL_SAFE.decode(digits).unwrap_or_default()));
    }
    made
}

/// Digits of an encoding.
struct Digits {
    is_digit: fn(u8) -> bool,
    /// What may stand between them.
    joiners: &'static [u8],
    /// So many stand for whole bytes.
    size: usize,
    /// Runs of fewer hold no identifier.
    least: usize,
}

/// Decodes runs from each of their first digits: letters of a word before them shift them. Runs are words, and what
/// white space joins; runs that were read as they are, are not read again. Of each shift the texts are kept, and whole
/// runs in which something else begins.
fn shifted(
    bytes: &[u8],
    digits: &Digits,
    read: &[std::ops::Range<*const u8>],
    decode: impl Fn(&[u8]) -> Vec<u8>,
) -> Vec<Decoded> {
    let mut made = Vec::new();
    for joins in [false, true] {
        let is_part = |c: u8| (digits.is_digit)(c) || joins && digits.joiners.contains(&c);
        let mut found: Vec<Vec<u8>> = Vec::new();
        for run in bytes.split(|c| !is_part(*c)).map(<[u8]>::trim_ascii).filter(|run| run.len() >= digits.least) {
            let place = run.as_ptr_range();
            let after = read.partition_point(|known| known.end < place.end);
            let is_read = read.get(after).is_some_and(|known| known.start <= place.start);
            let kept: Vec<u8> = run.iter().copied().filter(|c| (digits.is_digit)(*c)).collect();
            let is_new = joins == (kept.len() < run.len());
            if kept.len() >= digits.least && is_new && !is_read {
                found.push(kept);
            }
        }
        for shift in 0..digits.size {
            let mut texts = Vec::new();
            for run in &found {
                let run = &run[shift..];
                // One digit alone is no byte.
                let decoded = decode(&run[..run.len() - usize::from(run.len() % digits.size == 1)]);
                if begins_something(&decoded) {
                    made.push((decoded, true));
                } else {
                    texts_in(&decoded, &mut texts);
                }
            }
            if !texts.is_empty() {
                made.push((texts, true));
            }
        }
    }
    made
}

/// Whether a stream, an image or text in UTF-16 begins anywhere in it.
fn begins_something(bytes: &[u8]) -> bool {
    let is_start = |four: &[u8]| {
        matches!(
            four,
            [0x1f, 0x8b, 8, _]
                | [0x28, 0xb5, 0x2f, 0xfd]
                | [b'P', b'K', 3, 4]
                | [0xfd, b'7', b'z', b'X']
                | [b'7', b'z', 0xbc, 0xaf]
                | [b'%', b'P', b'D', b'F']
                | [0x89, b'P', b'N', b'G']
                | [0xff, 0xd8, 0xff, 0xe0 | 0xe1]
                | [b'G', b'I', b'F', b'8']
                | [0, 0, 0, 0x0c]
                | [b'F', b'M' | b'I', b'R', 0]
                | [b'F', b'A', b'C', 0]
                | [b'I', b'I', b'R', 0]
        )
    };
    let zeros = |odd: usize| bytes.iter().skip(odd).step_by(2).filter(|c| **c == 0).count();
    bytes.windows(4).any(is_start)
        || (bytes.len() >= 16 && zeros(0).max(zeros(1)) * 3 >= bytes.len())
        // What counts at the start of a form alone.
        || magic::is_in(&bytes[..bytes.len().min(256)])
}

/// Texts within decoded bytes that are long enough to say who somebody is, a line for each. Junk has hardly any.
fn texts_in(bytes: &[u8], texts: &mut Vec<u8>) {
    const SHORTEST: usize = 11;
    for chunk in bytes.utf8_chunks() {
        for text in chunk.valid().split(is_control).filter(|text| text.len() >= SHORTEST) {
            texts.extend(text.as_bytes());
            texts.push(b'\n');
        }
    }
}

/// Bytes of hexadecimal digits.
fn pairs(digits: &[u8]) -> Vec<u8> {
    digits.chunks_exact(2).filter_map(byte).collect()
}

fn hex(bytes: &[u8], work: &Work<'_>) -> Vec<Decoded> {
    let mut made = Vec::new();
    let mut read = Vec::new();
    for run in
        runs(bytes, |c| c.is_ascii_hexdigit() || matches!(c, b' ' | b'\r' | b'\n' | b':'), 16, RUNS_MAX, &mut made)
    {
        let digits: Vec<u8> = run.iter().copied().filter(u8::is_ascii_hexdigit).collect();
        let decoded = pairs(&digits);
        if is_text(&decoded) || begins_something(&decoded) {
            read.push(run.as_ptr_range());
        }
        if decoded.len() >= 8 && (looks_like_something(&decoded) || !deflate(&decoded, work).is_empty()) {
            made.push((decoded, true));
        }
    }
    let digits = Digits { is_digit: |c| c.is_ascii_hexdigit(), joiners: b" \t\r\n:", size: 2, least: 22 };
    made.extend(shifted(bytes, &digits, &read, pairs));
    made
}

/// Longest runs of bytes of a kind; too many of them are told in `made`.
fn runs<'a>(
    bytes: &'a [u8],
    is_part: impl Fn(u8) -> bool + 'a,
    shortest: usize,
    runs_max: usize,
    made: &mut Vec<Decoded>,
) -> Vec<&'a [u8]> {
    let mut found: Vec<&[u8]> =
        bytes.split(|c| !is_part(*c)).filter(|run| run.len() >= shortest).take(runs_max + 1).collect();
    if found.len() > runs_max {
        found.pop();
        made.push((Vec::new(), false));
    }
    found
}

/// Runs of text in UTF-16, wherever they begin. `high` is where the high byte stands: 0 behind the low one (little
/// endian), 1 before it.
fn utf16(bytes: &[u8], high: usize) -> Vec<Decoded> {
    let mut text = String::new();
    narrow(bytes, high, &mut text);
    wide(bytes, high, 0, &mut text);
    wide(bytes, high, 1, &mut text);
    if text.is_empty() { Vec::new() } else { vec![(text.into_bytes(), true)] }
}

fn unit(pair: &[u8], high: usize) -> u16 {
    match high {
        0 => u16::from_le_bytes([pair[0], pair[1]]),
        _ => u16::from_be_bytes([pair[0], pair[1]]),
    }
}

fn add_units(run: &[u8], high: usize, text: &mut String) {
    let units: Vec<u16> = run.chunks_exact(2).map(|pair| unit(pair, high)).collect();
    text.push_str(&String::from_utf16_lossy(&units));
    text.push('\n');
}

fn is_letter(unit: u16) -> bool {
    char::from_u32(unit.into()).is_some_and(char::is_alphanumeric)
}

/// Alphabets: their high bytes are control characters, which no other text has.
fn narrow(bytes: &[u8], high: usize, text: &mut String) {
    let is_text = |unit: u16| {
        matches!(unit, 9 | 10 | 13 | 0x20..=0x7e | 0xa0..=0x24f | 0x2013..=0x201e) || unit < 0x2000 && is_letter(unit)
    };
    let mut at = 0;
    while at + 1 < bytes.len() {
        let start = at;
        while at + 1 < bytes.len() && is_text(unit(&bytes[at..at + 2], high)) {
            at += 2;
        }
        if at - start >= 16 {
            add_units(&bytes[start..at], high, text);
        } else {
            at = start + 1;
        }
    }
}

/// Ideographs and syllables, with whatever stands between them. Two ASCII letters are one, too: what is other text is
/// none of these.
fn wide(bytes: &[u8], high: usize, shift: usize, text: &mut String) {
    let is_text = |pair: &[u8]| {
        let unit = unit(pair, high);
        matches!(unit, 9 | 10 | 13 | 0x20..=0x7e | 0x2013..=0x201e | 0x3000..=0x303f | 0xff00..=0xffef)
            || is_letter(unit)
    };
    let bytes = bytes.get(shift..).unwrap_or_default();
    let pairs = bytes.len() / 2;
    let mut at = 0;
    while at < pairs {
        let start = at;
        while at < pairs && is_text(&bytes[at * 2..at * 2 + 2]) {
            at += 1;
        }
        let run = &bytes[start * 2..at * 2];
        let is_wide = run.chunks_exact(2).any(|pair| unit(pair, high) >= 0x2e80);
        if run.len() >= 32 && is_wide && !is_other_text(run) {
            add_units(run, high, text);
        }
        at = at.max(start + 1);
    }
}

/// Whether bytes are text of one byte a letter, or UTF-8 that was cut anywhere.
fn is_other_text(bytes: &[u8]) -> bool {
    let ascii =
        bytes.chunks_exact(2).filter(|pair| pair.iter().all(|c| matches!(c, b'\t' | b'\n' | b'\r' | b' '..=b'~')));
    let cut = bytes.iter().take(3).take_while(|c| matches!(c, 0x80..=0xbf)).count();
    let is_utf8 = match std::str::from_utf8(&bytes[cut..]) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    is_utf8 || ascii.count() * 8 > bytes.len() * 3
}

fn percent(bytes: &[u8]) -> Vec<Decoded> {
    replaced(bytes, b'%', |rest| Some((vec![byte(rest.get(1..3)?)?], 3)))
}

/// Escapes of JSON, undone.
pub fn json_unescaped(bytes: &[u8]) -> Vec<u8> {
    json(bytes).pop().map_or_else(|| bytes.to_vec(), |(text, _)| text)
}

/// References of XML, undone.
pub fn xml_unescaped(bytes: &[u8]) -> Vec<u8> {
    xml(bytes).pop().map_or_else(|| bytes.to_vec(), |(text, _)| text)
}

/// Backslashes mean something else in HL7 v2: JSON has quotation marks, or at least `\u`.
fn is_json(bytes: &[u8]) -> bool {
    bytes.contains(&b'"') || bytes.windows(2).any(|pair| pair == b"\\u")
}

/// `\uXXXX` with pairs of surrogates, and the short ones.
fn json(bytes: &[u8]) -> Vec<Decoded> {
    replaced(bytes, b'\\', |rest| {
        let short = |c: u8| Some((vec![c], 2));
        match rest.get(1)? {
            b'"' => short(b'"'),
            b'/' => short(b'/'),
            b'\\' => short(b'\\'),
            b'n' => short(b'\n'),
            b'r' => short(b'\r'),
            b't' => short(b'\t'),
            b'u' => {
                let unit = |at: usize| {
                    let text = std::str::from_utf8(rest.get(at..at + 4)?).ok()?;
                    u16::from_str_radix(text, 16).ok()
                };
                let first = unit(2)?;
                let second = if rest.get(6..8) == Some(b"\\u") { unit(8) } else { None };
                let (text, length) = match second.map(|second| char::decode_utf16([first, second]).next()) {
                    Some(Some(Ok(c))) if (0xd800..0xdc00).contains(&first) => (c.to_string(), 12),
                    _ => (String::from_utf16_lossy(&[first]), 6),
                };
                Some((text.into_bytes(), length))
            }
            _ => None,
        }
    })
}

/// `\F\`, `\S\`, `\T\`, `\R\`, `\E\`, `\X…\`: HL7 v2.5.1, section 2.7; the delimiters are those of the field.
fn hl7(bytes: &[u8]) -> Vec<Decoded> {
    replaced(bytes, b'\\', |rest| {
        let end = rest.iter().skip(1).take(4096).position(|c| *c == b'\\')? + 1;
        let text = match &rest[1..end] {
            b"F" => vec![b'|'],
            b"S" => vec![b'^'],
            b"T" => vec![b'&'],
            b"R" => vec![b'~'],
            b"E" => vec![b'\\'],
            b".br" | b".BR" => vec![b'\n'],
            [b'X' | b'x', digits @ ..] if digits.len() % 2 == 0 => {
                digits.chunks_exact(2).map(byte).collect::<Option<_>>()?
            }
            _ => return None,
        };
        Some((text, end + 1))
    })
}

/// Numeric references and the five that XML has, with HTML's space.
fn xml(bytes: &[u8]) -> Vec<Decoded> {
    replaced(bytes, b'&', |rest| {
        let end = rest.iter().take(12).position(|c| *c == b';')?;
        let name = std::str::from_utf8(&rest[1..end]).ok()?;
        let number = match name.strip_prefix('#') {
            Some(number) => match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok(),
                None => number.parse().ok(),
            },
            None => None,
        };
        let c = match name {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            "nbsp" => ' ',
            _ => char::from_u32(number?)?,
        };
        Some((c.to_string().into_bytes(), end + 1))
    })
}

/// The form with everything replaced that begins with `mark` and is understood; nothing if nothing is.
fn replaced(bytes: &[u8], mark: u8, decode: impl Fn(&[u8]) -> Option<(Vec<u8>, usize)>) -> Vec<Decoded> {
    if !bytes.contains(&mark) {
        return Vec::new();
    }
    let mut text = Vec::with_capacity(bytes.len());
    let mut at = 0;
    let mut changed = false;
    while at < bytes.len() {
        match (bytes[at] == mark).then(|| decode(&bytes[at..])).flatten() {
            Some((decoded, length)) => {
                text.extend(decoded);
                at += length;
                changed = true;
            }
            None => {
                text.push(bytes[at]);
                at += 1;
            }
        }
    }
    if changed { vec![(text, true)] } else { Vec::new() }
}

fn byte(pair: &[u8]) -> Option<u8> {
    let digit = |c: u8| char::from(c).to_digit(16);
    Some((digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &[u8], label: &str, expected: &[u8]) {
        let forms = all(input, &Limits::default());
        let labels: Vec<&str> = forms.forms.iter().map(|form| form.label.as_str()).collect();
        let form = forms.forms.iter().find(|form| form.label == label);
        let form = form.unwrap_or_else(|| panic!("{:?}: no {label}, but {labels:?}", String::from_utf8_lossy(input)));
        assert_eq!(String::from_utf8_lossy(&form.bytes), String::from_utf8_lossy(expected), "{label}");
        assert!(forms.not_scanned.is_empty(), "{:?}", forms.not_scanned);
    }

    #[test]
    fn each_way_to_decode() {
        check(b"a", "raw", b"a");
        check(br"a\u0041\ud83d\ude00\/", "json", "aA😀/".as_bytes());
        check(br"a\F\\X4142\\E\", "hl7", br"a|AB\");
        check(b"&lt;&#65;&#x42;&unknown;", "xml", b"<AB&unknown;");
        check(b"%41%4", "percent", b"A%4");
        check(b"\xff\xfep\0a\0t\0i\0e\0n\0t\0s\0", "utf16le", b"patients\n");
        check(b"x\0p\0a\0t\0i\0e\0n\0t\0s", "utf16be", b"patients\n");
        check(b"<7061 7469656e74732e2e>", "hex", b"patients..");
        check(b"<cGF0aWVudHMg\r\nb2YgdGhlIHdhcmQ>", "base64", b"patients of the ward");
        check(b"%63GF0aWVudHMgb2YgdGhlIHdhcmQ%3D", "percent>base64", b"patients of the ward");
    }

    /// Whether something that is decoded holds the text.
    fn holds(input: &[u8], text: &[u8]) -> bool {
        all(input, &Limits::default()).forms.iter().any(|form| places(&form.bytes, text).next().is_some())
    }

    #[test]
    fn what_stands_around_it_shifts_nothing() {
        for input in [
            "Content-Transfer-Encoding: base64\r\n\r\nMjE5LTA5LTk5OTk=",
            "base64 MjE5LTA5LTk5OTk= of it",
            "dataMjE5LTA5LTk5OTk=",
            "data-MjE5LTA5LTk5OTk=",
            "x_MjE5LTA5LTk5OTk=/+",
            "MjE5LT\r\n\t A5LTk5OTk=",
            "data: 3231392d30392d39393939",
            "a3231392d30392d39393939",
            "be: 3231 392d\r\n\t3039 2d39 3939 39",
        ] {
            assert!(holds(input.as_bytes(), b"219-09-9999"), "{input:?}");
        }
    }

    #[test]
    fn no_script_and_no_image_is_dropped() {
        let standard = base64::engine::general_purpose::STANDARD;
        let cyrillic = "Пациент Ковальски поступил утром";
        let chinese = "病人李四今天上午入院治疗情况稳定明天可以出院回家休息";
        for text in [cyrillic, chinese] {
            assert!(holds(standard.encode(text).as_bytes(), text.as_bytes()), "{text}");
            assert!(holds(
                text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>().as_bytes(),
                text.as_bytes()
            ));
            for order in [u16::to_le_bytes, u16::to_be_bytes] {
                let wide: Vec<u8> = text.encode_utf16().flat_map(order).collect();
                assert!(holds(&wide, text.as_bytes()), "{text}");
                assert!(holds(&[b"\x01", wide.as_slice()].concat(), text.as_bytes()), "{text}");
            }
            // It is what it is, and nothing else.
            assert_eq!(all(text.as_bytes(), &Limits::default()).forms.len(), 1, "{text}");
        }
        let mut dicom = vec![0x80; 128];
        dicom.extend(b"DICM\x02\x00\x99\x98");
        let jpeg2000 = b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 \x81\x82\x83\x84";
        let pdf = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\x01\x02\x03\x04\x05\x06\x07\x08\x80\x81\x82\x83";
        for image in [dicom.as_slice(), jpeg2000, pdf] {
            assert!(holds(standard.encode(image).as_bytes(), image), "{image:?}");
            assert!(holds(format!("data {}", standard.encode(image)).as_bytes(), image), "{image:?}");
        }
    }

    /// Two spaces are a dagger in UTF-16, and two letters an ideograph.
    #[test]
    fn plain_text_is_no_other_text() {
        for text in
            [" ".repeat(64), "1 2 3 4 5 6 7 8 9 ".repeat(4), "words (of) a text. ".repeat(9), "Zoë über ".repeat(9)]
        {
            assert_eq!(all(text.as_bytes(), &Limits::default()).forms.len(), 1, "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_opened_is_told() {
        let member = |flags: u8, method: u8| {
            let start = [b"PK\x03\x04\x14\0", &[flags, 0, method, 0][..], &[0; 8], &[3, 0, 0, 0, 3, 0, 0, 0]].concat();
            [start.as_slice(), &[1, 0, 0, 0, b'm'], b"abc"].concat()
        };
        for (input, what) in [
            ([b"\xfd7zXZ\0".as_slice(), &[7; 32]].concat(), "xz"),
            ([b"BZh91AY&SY".as_slice(), &[7; 32]].concat(), "bzip2"),
            ([b"7z\xbc\xaf\x27\x1c".as_slice(), &[7; 32]].concat(), "7z"),
            (member(1, 8), "encrypted"),
            (member(0, 12), "method 12"),
        ] {
            let made = all(&input, &Limits::default());
            assert!(made.not_scanned.iter().any(|told| told.contains(what)), "{what}: {:?}", made.not_scanned);
            let packed = base64::engine::general_purpose::STANDARD.encode(&input);
            assert!(!all(packed.as_bytes(), &Limits::default()).not_scanned.is_empty(), "{what} in base64");
        }
        assert!(all(&member(0, 0), &Limits::default()).not_scanned.is_empty());
    }

    /// Members that quote the same bytes do not multiply them.
    #[test]
    fn headers_without_end_cost_what_the_limits_say() {
        let head = b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0";
        let input = [head.repeat(256), vec![0x9d; 1 << 20]].concat();
        let limits = Limits { form_bytes_max: 64 << 10, streams_bytes_max: 1 << 20, ..Limits::default() };
        let work = Work { limits: &limits, left: Cell::new(limits.streams_bytes_max), missed: RefCell::default() };
        let made = zip(&input, &work);
        assert!(made.iter().map(|(bytes, _)| bytes.len()).sum::<usize>() <= (1 << 20) + 256);
        assert!(made.iter().any(|(_, is_whole)| !is_whole));
    }

    /// What straddles two blocks is new where either is: between B and C.
    #[test]
    fn blocks_that_repeat_hide_nothing() {
        let blocks = [b'a', b'b', b'd', b'a', b'b', b'c'].map(|letter| [letter; 4096]);
        let (limits, input) = (Limits::default(), blocks.concat());
        let work = Work { limits: &limits, left: Cell::new(limits.streams_bytes_max), missed: RefCell::default() };
        let (kept, is_whole) = drain(input.as_slice(), &work);
        assert!(is_whole && places(&kept, b"bbcc").next().is_some());
    }

    #[test]
    fn bombs_cost_what_the_limits_say() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let zeros = vec![0; 1 << 20];
        for _ in 0..32 {
            std::io::Write::write_all(&mut encoder, &zeros).unwrap();
        }
        std::io::Write::write_all(&mut encoder, b"patient 219-09-9999").unwrap();
        let bomb = encoder.finish().unwrap();
        let forms = all(&bomb, &Limits::default());
        let form = forms.forms.iter().find(|form| form.label == "gzip").unwrap();
        assert!(form.bytes.len() < 64 << 10 && form.bytes.ends_with(b"219-09-9999"), "{}", form.bytes.len());
        assert!(forms.not_scanned.is_empty());
        let forms = all(&bomb, &Limits { stream_bytes_max: 1 << 20, ..Limits::default() });
        assert!(forms.not_scanned.iter().any(|what| what.contains("gzip")), "{:?}", forms.not_scanned);
    }
}
