//! Inputs as people read them: FHIR JSON by structure, HL7 v2 by segment and field, compressed streams by their headers,
//! anything else as text or bytes. Shows every byte that matters, also of inputs that are no valid anything; output is
//! bounded, and nothing in it acts on a terminal.

use crate::symbols::printable;
use crate::target::{Abi, Calls, Function, Number};
use std::fmt::Write;

/// Longest value of one field or string shown, bytes of input.
const VALUE_BYTES_MAX: usize = 400;
/// Deepest indentation.
const INDENT_MAX: usize = 40;
/// Entries of one archive shown.
const ENTRIES_MAX: usize = 64;

/// A readable view of an input, at most about `chars_max` characters. `format` is a folder of `corpora/`; without one that
/// is known here, the bytes themselves tell. `None` where a hexdump says more.
pub fn decode(format: Option<&str>, abi: Abi, input: &[u8], chars_max: usize) -> Option<String> {
    let mut out = Out { text: String::new(), chars_max };
    let kind = kind(format, abi, input)?;
    let shown = match kind {
        Kind::Json => json(input, &mut out),
        Kind::Hl7 => hl7(input, &mut out),
        Kind::Compressed => compressed(input, &mut out),
        Kind::Text => text(input, &mut out),
    };
    if let Err(Full { at }) = shown {
        let _ = writeln!(out.text, "\n… {} of {} bytes not shown", input.len() - at.min(input.len()), input.len());
    }
    Some(out.text)
}

/// The calls that an input of the ABI `numeric` makes, one per line, as a programmer would write them.
pub fn calls(functions: &[Function], input: &[u8], chars_max: usize) -> String {
    let mut out = Out { text: String::new(), chars_max };
    let (mut calls, mut arguments) = (Calls::new(input), Vec::new());
    while let Some(index) = calls.next_call(functions, &mut arguments) {
        let arguments: Vec<String> = arguments.iter().map(Number::to_string).collect();
        let line = format!("{}({})\n", visible(functions[index].name.as_bytes()), arguments.join(", "));
        if out.push(&line, 0).is_err() {
            out.text.push_str("… more calls not shown\n");
            break;
        }
    }
    if out.text.is_empty() {
        out.text.push_str("⟨no calls⟩\n");
    }
    out.text
}

/// Rows of 16 bytes: offset, hex, text.
pub fn hexdump(input: &[u8], bytes_max: usize) -> String {
    let mut text = autoclave_reports::hexdump::text(&input[..input.len().min(bytes_max)]);
    if input.len() > bytes_max {
        let _ = writeln!(text, "… {} of {} bytes not shown", input.len() - bytes_max, input.len());
    }
    text
}

enum Kind {
    Json,
    Hl7,
    Compressed,
    Text,
}

fn kind(format: Option<&str>, abi: Abi, input: &[u8]) -> Option<Kind> {
    let start = input.trim_ascii_start();
    match format {
        _ if abi == Abi::Numeric => None,
        _ if input.is_empty() => None,
        Some(format) if format.contains("json") => Some(Kind::Json),
        Some(format) if format.starts_with("hl7") => Some(Kind::Hl7),
        Some("gzip" | "zlib" | "deflate" | "zip") => Some(Kind::Compressed),
        _ if start.starts_with(b"{") || start.starts_with(b"[") => Some(Kind::Json),
        _ if [&b"MSH"[..], b"FHS", b"BHS"].iter().any(|head| start.starts_with(head)) => Some(Kind::Hl7),
        _ if input.starts_with(b"\x1f\x8b") || input.starts_with(b"PK\x03\x04") => Some(Kind::Compressed),
        _ => {
            let plain = input.iter().filter(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()).count();
            (plain * 10 >= input.len() * 9).then_some(Kind::Text)
        }
    }
}

/// The view is as long as it may be; `at` is where in the input it stopped.
struct Full {
    at: usize,
}

struct Out {
    text: String,
    chars_max: usize,
}

impl Out {
    fn push(&mut self, text: &str, at: usize) -> Result<(), Full> {
        if self.text.len() + text.len() > self.chars_max {
            return Err(Full { at });
        }
        self.text.push_str(text);
        Ok(())
    }

    /// `label  value` on a line of its own.
    fn row(&mut self, depth: usize, label: &str, value: &str, at: usize) -> Result<(), Full> {
        self.push(&format!("{}{label:<14} {value}\n", "  ".repeat(depth.min(INDENT_MAX))), at)
    }
}

/// Valid UTF-8 as it is, all else as escapes: nothing acts, nothing is hidden. Cut at [`VALUE_BYTES_MAX`].
fn visible(bytes: &[u8]) -> String {
    let mut text = String::new();
    let (shown, rest) = bytes.split_at(bytes.len().min(VALUE_BYTES_MAX));
    for chunk in shown.utf8_chunks() {
        text.push_str(&printable(chunk.valid()));
        chunk.invalid().iter().for_each(|byte| {
            let _ = write!(text, "\\x{byte:02x}");
        });
    }
    if !rest.is_empty() {
        let _ = write!(text, "… ({} more bytes)", rest.len());
    }
    text
}

/// Tokens stay as they are, broken ones too; only white space between them changes.
fn json(input: &[u8], out: &mut Out) -> Result<(), Full> {
    let mut depth = 0_usize;
    let mut at = 0;
    let line = |depth: usize| format!("\n{}", "  ".repeat(depth.min(INDENT_MAX)));
    while let Some(&byte) = input.get(at) {
        let next = |from: usize| input[from..].iter().position(|b| !b.is_ascii_whitespace()).map(|skip| from + skip);
        match byte {
            b'{' | b'[' => {
                let close = if byte == b'{' { b'}' } else { b']' };
                match next(at + 1) {
                    Some(end) if input[end] == close => {
                        out.push(if byte == b'{' { "{}" } else { "[]" }, at)?;
                        at = end + 1;
                        continue;
                    }
                    _ => {
                        depth += 1;
                        let mark = if depth > INDENT_MAX && depth.is_multiple_of(10) {
                            format!(" ⟨depth {depth}⟩")
                        } else {
                            String::new()
                        };
                        out.push(&format!("{}{mark}{}", byte as char, line(depth)), at)?;
                    }
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                out.push(&format!("{}{}", line(depth), byte as char), at)?;
            }
            b',' => out.push(&format!(",{}", line(depth)), at)?,
            b':' => out.push(": ", at)?,
            b'"' => {
                let end = string_end(input, at);
                let long = end - at > VALUE_BYTES_MAX;
                out.push(&visible(&input[at..end]), at)?;
                if long {
                    out.push("\"", at)?;
                }
                at = end;
                continue;
            }
            byte if byte.is_ascii_whitespace() => {}
            _ => {
                let is_delimiter = |byte: &u8| {
                    matches!(byte, b'{' | b'}' | b'[' | b']' | b',' | b':' | b'"') || byte.is_ascii_whitespace()
                };
                let end = input[at..].iter().position(is_delimiter).map_or(input.len(), |len| at + len.max(1));
                out.push(&visible(&input[at..end]), at)?;
                at = end;
                continue;
            }
        }
        at += 1;
    }
    out.push("\n", at)
}

/// The end of a string that starts at a quote; the end of the input if nothing closes it.
fn string_end(input: &[u8], start: usize) -> usize {
    let mut escaped = false;
    for (at, byte) in input.iter().enumerate().skip(start + 1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    input.len()
}

/// One line per field that is not empty, numbered as the standard does: `MSH-1` is the separator itself.
fn hl7(input: &[u8], out: &mut Out) -> Result<(), Full> {
    let mut separator = b'|';
    let mut at = 0;
    while at < input.len() {
        let end = input[at..].iter().position(|byte| matches!(byte, b'\r' | b'\n')).map_or(input.len(), |len| at + len);
        let ending = match &input[end..] {
            [b'\r', b'\n', ..] => &input[end..end + 2],
            [_, ..] => &input[end..end + 1],
            [] => &[],
        };
        let segment = &input[at..end];
        let is_header = [&b"MSH"[..], b"FHS", b"BHS"].iter().any(|head| segment.starts_with(head));
        if is_header && let Some(&byte) = segment.get(3) {
            separator = byte;
        }
        let note = match ending {
            b"\r" => "",
            b"\n" => "   ⟨ends with \\n⟩",
            b"\r\n" => "   ⟨ends with \\r\\n⟩",
            _ => "   ⟨no segment end⟩",
        };
        let fields: Vec<&[u8]> = segment.split(|byte| *byte == separator).collect();
        let name = visible(fields[0]);
        out.push(&format!("{}{note}\n", if name.is_empty() { "⟨empty segment⟩" } else { &name }), at)?;
        if is_header {
            out.row(1, &format!("{name}-1"), &visible(&[separator]), at)?;
        }
        let mut offset = at + fields[0].len();
        for (number, field) in fields.iter().enumerate().skip(1) {
            offset += 1;
            if !field.is_empty() {
                let number = if is_header { number + 1 } else { number };
                out.row(1, &format!("{name}-{number}"), &visible(field), offset)?;
            }
            offset += field.len();
        }
        at = end + ending.len();
    }
    Ok(())
}

fn text(input: &[u8], out: &mut Out) -> Result<(), Full> {
    let mut at = 0;
    for line in input.split_inclusive(|byte| *byte == b'\n') {
        for piece in line.strip_suffix(b"\n").unwrap_or(line).chunks(VALUE_BYTES_MAX) {
            out.push(&visible(piece), at)?;
            at += piece.len();
        }
        out.push("\n", at)?;
        at += 1;
    }
    Ok(())
}

fn compressed(input: &[u8], out: &mut Out) -> Result<(), Full> {
    match input {
        [0x1f, 0x8b, ..] => gzip(input, out),
        [b'P', b'K', 3, 4, ..] => zip(input, out),
        [cmf, flg, rest @ ..] if cmf & 15 == 8 && (u16::from(*cmf) << 8 | u16::from(*flg)) % 31 == 0 => {
            out.row(0, "zlib", "", 0)?;
            out.row(1, "window", &format!("{} bytes", 1_u32 << (8 + (cmf >> 4).min(8))), 0)?;
            out.row(1, "dictionary", if flg & 32 == 0 { "no" } else { "preset" }, 1)?;
            deflate(rest, 2, out)?;
            let Some(sum) = rest.last_chunk::<4>() else { return Ok(()) };
            out.row(1, "adler32", &format!("{:08x}", u32::from_be_bytes(*sum)), input.len() - 4)
        }
        _ => {
            out.row(0, "deflate", &format!("{} bytes", input.len()), 0)?;
            deflate(input, 0, out)
        }
    }
}

/// The first block: the others begin where only decoding leads.
fn deflate(data: &[u8], at: usize, out: &mut Out) -> Result<(), Full> {
    let Some(&first) = data.first() else { return out.row(1, "block 1", "missing", at) };
    let last = if first & 1 == 1 { ", last" } else { "" };
    let kind = match first >> 1 & 3 {
        0 => match data.get(1..5) {
            Some(&[a, b, c, d]) => {
                let (len, check) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
                let right = if len == !check { "" } else { " ⟨check does not match⟩" };
                format!("stored, {len} bytes{right}")
            }
            _ => "stored, cut short".into(),
        },
        1 => "fixed codes".into(),
        2 => {
            let bits =
                u32::from_le_bytes([first, data.get(1).copied().unwrap_or(0), data.get(2).copied().unwrap_or(0), 0]);
            let codes =
                [(257, 3, 31), (1, 8, 31), (4, 13, 15)].map(|(base, shift, mask)| base + (bits >> shift & mask));
            format!("dynamic codes: {} literal/length, {} distance, {} code lengths", codes[0], codes[1], codes[2])
        }
        _ => "reserved type 3".into(),
    };
    out.row(1, "block 1", &format!("{kind}{last}"), at)
}

fn gzip(input: &[u8], out: &mut Out) -> Result<(), Full> {
    let byte = |at: usize| input.get(at).copied();
    out.row(0, "gzip", &format!("{} bytes", input.len()), 0)?;
    let Some(header) = input.get(..10) else { return out.row(1, "header", "cut short", input.len()) };
    out.row(1, "method", &if header[2] == 8 { "deflate".into() } else { format!("{} (unknown)", header[2]) }, 2)?;
    let flags = header[3];
    let names = ["text", "header check", "extra", "name", "comment", "reserved 5", "reserved 6", "reserved 7"];
    let set: Vec<&str> = (0..8).filter(|bit| flags >> bit & 1 == 1).map(|bit| names[bit]).collect();
    out.row(1, "flags", &format!("{flags:#04x} {}", set.join(", ")), 3)?;
    out.row(1, "time", &u32::from_le_bytes([header[4], header[5], header[6], header[7]]).to_string(), 4)?;
    out.row(1, "system", &header[9].to_string(), 9)?;
    let mut at = 10;
    if flags & 4 != 0 {
        let (Some(low), Some(high)) = (byte(at), byte(at + 1)) else { return out.row(1, "extra", "cut short", at) };
        let len = usize::from(u16::from_le_bytes([low, high]));
        at += 2;
        let extra = input.get(at..(at + len).min(input.len())).unwrap_or_default();
        let note = if extra.len() < len { " ⟨cut short⟩" } else { "" };
        out.row(1, "extra", &format!("{len} bytes{note}: {}", visible(extra)), at)?;
        at += len;
    }
    for (bit, label) in [(8, "name"), (16, "comment")] {
        if flags & bit != 0 && at < input.len() {
            let len = input[at..].iter().position(|byte| *byte == 0);
            let text = visible(&input[at..len.map_or(input.len(), |len| at + len)]);
            out.row(1, label, &format!("{text}{}", if len.is_none() { " ⟨no end⟩" } else { "" }), at)?;
            at = len.map_or(input.len(), |len| at + len + 1);
        }
    }
    if flags & 2 != 0 {
        at += 2;
    }
    deflate(input.get(at..).unwrap_or_default(), at, out)?;
    if let (Some(trailer), true) = (input.last_chunk::<8>(), input.len() >= at + 8) {
        let word = |at: usize| u32::from_le_bytes([trailer[at], trailer[at + 1], trailer[at + 2], trailer[at + 3]]);
        out.row(1, "crc32", &format!("{:08x}", word(0)), input.len() - 8)?;
        out.row(1, "size", &format!("{} bytes claimed", word(4)), input.len() - 4)?;
    }
    Ok(())
}

fn zip(input: &[u8], out: &mut Out) -> Result<(), Full> {
    out.row(0, "zip", &format!("{} bytes", input.len()), 0)?;
    let mut at = 0;
    for _ in 0..ENTRIES_MAX {
        let Some(header) = input.get(at..at + 30).filter(|header| header.starts_with(b"PK\x03\x04")) else { break };
        let short = |at: usize| usize::from(u16::from_le_bytes([header[at], header[at + 1]]));
        let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let (name_len, extra_len, packed) = (short(26), short(28), word(18) as usize);
        let name = input.get(at + 30..(at + 30 + name_len).min(input.len())).unwrap_or_default();
        out.row(1, "entry", &visible(name), at)?;
        out.row(2, "method", &short(8).to_string(), at)?;
        out.row(2, "packed", &format!("{packed} bytes"), at)?;
        out.row(2, "unpacked", &format!("{} bytes claimed", word(22)), at)?;
        at = at.saturating_add(30 + name_len + extra_len).saturating_add(packed);
    }
    let rest = input.get(at..).unwrap_or_default();
    out.row(1, "rest", &format!("{} bytes from {at:#x}: {}", rest.len(), visible(&rest[..rest.len().min(16)])), at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(format: &str, input: &[u8]) -> String {
        decode(Some(format), Abi::Bytes, input, 2000).unwrap()
    }

    #[test]
    fn json_keeps_its_tokens() {
        let shown = view("fhir-json", br#"{"a":1.00,"a":[],"b":[{"c":"x\"y"},nul],"d":{ }}"#);
        assert_eq!(
            shown,
            "{\n  \"a\": 1.00,\n  \"a\": [],\n  \"b\": [\n    {\n      \"c\": \"x\\\"y\"\n    },\n    nul\n  ],\n  \"d\": {}\n}\n"
        );
        // What is broken is shown as it is, and what would act does not.
        assert_eq!(view("fhir-json", b"]}{\"\x1b[31m\xff"), "\n]\n}{\n  \"\\u{1b}[31m\\xff\n");
        let deep = view("fhir-json", &b"[".repeat(100_000));
        assert!(deep.len() < 2100 && deep.contains("bytes not shown"), "{deep}");
    }

    #[test]
    fn hl7_is_numbered_as_the_standard_does() {
        assert_eq!(
            view("hl7v2", b"MSH|^~\\&|APP\x0b||\rPID|1||12^^^M\xe9\nZ"),
            "MSH\n  MSH-1          |\n  MSH-2          ^~\\&\n  MSH-3          APP\\u{b}\n\
             PID   ⟨ends with \\n⟩\n  PID-1          1\n  PID-3          12^^^M\\xe9\nZ   ⟨no segment end⟩\n"
        );
        let sharp = view("hl7v2", b"MSH#^~\\&#A\r\r");
        assert!(sharp.contains("MSH-1          #") && sharp.contains("⟨empty segment⟩"), "{sharp}");
    }

    #[test]
    fn compressed_streams_show_their_headers() {
        let mut gzip = b"\x1f\x8b\x08\x1c\x01\0\0\0\0\x03\x02\0ab".to_vec();
        gzip.extend(b"n\x1b.txt\0no end of it\0");
        gzip.extend(b"\x01\x02\0\xfd\xffhi");
        gzip.extend(b"\xef\xbe\xad\xde\x02\0\0\0");
        let shown = view("gzip", &gzip);
        for part in [
            "extra, name, comment",
            "2 bytes: ab",
            "n\\u{1b}.txt",
            "stored, 2 bytes, last",
            "deadbeef",
            "2 bytes claimed",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(view("deflate", &[0b101]).contains("dynamic codes: 257 literal/length"));
        assert!(view("zlib", &[0x78, 0x9c, 3, 0, 0, 0, 0, 1]).contains("fixed codes, last"));
        let zip =
            [&b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0\x03\0\0\0\xff\xff\xff\xff\x03\0\0\0a/bXYZ"[..], b"end"]
                .concat();
        let shown = view("zip", &zip);
        assert!(
            shown.contains("a/b") && shown.contains("4294967295 bytes claimed") && shown.contains("3 bytes from"),
            "{shown}"
        );
    }

    #[test]
    fn numbers_are_shown_as_calls() {
        let function = |name: &str, params: &[wasmparser::ValType]| Function {
            name: name.to_owned(),
            params: params.to_vec(),
            results: Vec::new(),
        };
        use wasmparser::ValType::{F64, I32};
        let functions = [function("dose", &[I32, F64]), function("re\x1b\nset", &[])];
        let input = b"\x00\x02\x04\x01\x00\xff\x67\x12\0\0\x08";
        let shown = "dose(-1, 0.5)\nre\\u{1b}\\u{a}set()\ndose(4711, inf)\n";
        assert_eq!(calls(&functions, input, 1000), shown);
        assert_eq!(calls(&functions, input, 20), "dose(-1, 0.5)\n… more calls not shown\n");
        assert_eq!(calls(&functions, b"", 1000), "⟨no calls⟩\n");
    }

    #[test]
    fn any_prefix_of_anything_has_a_bounded_view() {
        let inputs: [&[u8]; 6] = [
            b"\x1f\x8b\x08\xff\0\0\0\0\0\0\xff\xffname\0comment",
            b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xffa/b",
            b"\x78\x9c\x05\x00",
            b"MSH|^~\\&\r\n\r\rPID|\xff\xfe|\n",
            b"{\"a\":[1,{\"b\":\"\\",
            b"plain text\nof \x07 two lines",
        ];
        for input in inputs {
            for len in 0..=input.len() {
                for format in [None, Some("fhir-json"), Some("hl7v2"), Some("gzip"), Some("other")] {
                    for max in [0, 10, 100_000] {
                        let shown = decode(format, Abi::Bytes, &input[..len], max).unwrap_or_default();
                        assert!(shown.len() <= max + 60, "{shown}");
                        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
                    }
                }
            }
        }
        assert_eq!(decode(None, Abi::Bytes, &[0, 159, 200, 1], 100), None);
        assert_eq!(decode(Some("fhir-json"), Abi::Numeric, b"{}", 100), None);
    }
}
