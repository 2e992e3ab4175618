//! HL7 v2 messages out of random bytes: common structures, their segments, and values of every type.

use crate::hl7::escape::encode;
use crate::hl7::tokens::Delimiters;
use crate::mutate::Dice;
use arbitrary::{Result, Unstructured};

/// Types of fields, components and subcomponents.
#[derive(Debug, Clone, Copy)]
enum Type {
    /// Sequence number.
    Si,
    /// Coded value.
    Id,
    /// Text.
    St,
    /// Formatted text, with escapes.
    Ft,
    /// Number.
    Nm,
    /// Date and time.
    Ts,
    /// Extended identifier.
    Cx,
    /// Person name.
    Xpn,
    /// Address.
    Xad,
    /// Telephone number.
    Xtn,
    /// Coded with exceptions.
    Cwe,
    /// Entity identifier.
    Ei,
    /// Person, with number.
    Xcn,
    /// Place of a patient.
    Pl,
    /// Authority.
    Hd,
    /// As OBX-2 says.
    Varies,
}

use Type::{Cwe, Cx, Ei, Ft, Hd, Id, Nm, Pl, Si, St, Ts, Varies, Xad, Xcn, Xpn, Xtn};

/// A segment's name and the types of its first fields, in order.
const SEGMENTS: &[(&str, &[Type])] = &[
    ("EVN", &[Id, Ts, Ts, Id, Xcn, Ts, Hd]),
    ("PID", &[Si, Cx, Cx, Cx, Xpn, Xpn, Ts, Id, Xpn, Cwe, Xad, Id, Xtn, Xtn, Cwe, Cwe, Cwe, Cx, St, St]),
    ("PD1", &[Cwe, Cwe, Hd, Xcn]),
    ("NK1", &[Si, Xpn, Cwe, Xad, Xtn, Xtn, Cwe]),
    ("PV1", &[Si, Id, Pl, Id, Cx, Pl, Xcn, Xcn, Xcn, Id, Pl, Id, Id, Id, Id, Id, Xcn, Id, Cx]),
    ("AL1", &[Si, Cwe, Cwe, Cwe, St, Ts]),
    ("DG1", &[Si, Id, Cwe, St, Ts, Id]),
    ("ORC", &[Id, Ei, Ei, Ei, Id, Id, St, Ei, Ts, Xcn, Xcn, Xcn]),
    ("OBR", &[Si, Ei, Ei, Cwe, Id, Ts, Ts, Ts, Nm, Xcn, Id, Cwe, St, Ts, St, Xcn, Xtn]),
    ("OBX", &[Si, Id, Cwe, St, Varies, Cwe, St, Id, Nm, Id, Id, Ts, St, Ts]),
    ("NTE", &[Si, Id, Ft, Cwe]),
    ("SPM", &[Si, Ei, Ei, Cwe, Cwe]),
    ("MSA", &[Id, St, St, Nm]),
    ("ERR", &[St, St, Cwe, Id, Cwe, St]),
    ("TXA", &[Si, Id, Id, Ts, Xcn, Ts, Ts, Ts, Xcn, Xcn, Xcn, Ei]),
    ("RXA", &[Nm, Nm, Ts, Ts, Cwe, Nm, Cwe]),
    ("IN1", &[Si, Cwe, Cx, St, Xad]),
    ("ZSY", &[St, Ft, Cx, Varies]),
];

/// Message type, and its segments; a segment after `*` comes up to three times, after `?` perhaps.
const MESSAGES: &[(&str, &[&str])] = &[
    ("ADT^A01^ADT_A01", &["EVN", "PID", "?PD1", "*NK1", "PV1", "*AL1", "*DG1", "?IN1"]),
    ("ADT^A08^ADT_A01", &["EVN", "PID", "PV1", "*OBX", "*AL1"]),
    ("ORU^R01^ORU_R01", &["PID", "?PV1", "?ORC", "OBR", "*NTE", "*OBX", "*NTE", "*OBX", "?SPM"]),
    ("ORM^O01^ORM_O01", &["PID", "?PV1", "ORC", "OBR", "*NTE", "*DG1", "*OBX"]),
    ("ACK^A01^ACK", &["MSA", "?ERR"]),
    ("MDM^T02^MDM_T02", &["EVN", "PID", "PV1", "TXA", "*OBX"]),
    ("VXU^V04^VXU_V04", &["PID", "?PD1", "*NK1", "ORC", "RXA", "*OBX", "?ZSY"]),
];

const TEXTS: &[&str] = &[
    "SYNTH",
    "ALEX",
    "Q",
    "A & B",
    "50|50",
    "x^y~z",
    "C:\\DIR",
    "O'SYNTH",
    "\"quoted\"",
    " ",
    "MÜLLER",
    "漢字",
    "<b>",
    "a\rb",
    "0",
    "N",
];
const CODES: &[&str] = &["A", "F", "M", "I", "O", "AA", "AE", "NW", "RE", "ST", "MR", "L", "LN", "2345-7", "SYN"];
const NUMBERS: &[&str] = &["0", "-1.5", "1.00", "99999999999999999999", "1e5", ".5"];
const TIMES: &[&str] =
    &["2026", "202608", "20260815", "20260815081500", "20260815081500.1234+0000", "20260230", "0000"];
const SEQUENCES: &[&str] = &[
    "\\.br\\",
    "\\H\\bold\\N\\",
    "\\X0D\\",
    "\\X41\\",
    "\\T\\",
    "\\F\\",
    "\\E\\",
    "\\Zsyn\\",
    "\\.sp+2\\",
    "\\XC3A9\\",
];
const KINDS: &[(&str, Type)] =
    &[("ST", St), ("NM", Nm), ("TX", Ft), ("FT", Ft), ("CWE", Cwe), ("TS", Ts), ("CX", Cx), ("XPN", Xpn)];

/// A message or a batch of a few, from random bytes that the dice give.
pub fn from_dice(dice: &mut Dice<'_>) -> Vec<u8> {
    let len = 64 << dice.below(5);
    let bytes: Vec<u8> = (0..len).map(|_| dice.below(256) as u8).collect();
    input(&mut Unstructured::new(&bytes))
}

/// A message or a batch of a few. Never longer than a small multiple of the random bytes and a few kilobytes.
pub fn input(random: &mut Unstructured<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    // Only running out of bytes can fail, and what is there by then is an input too.
    let _ = whole(random, &mut out);
    out
}

fn whole(random: &mut Unstructured<'_>, out: &mut Vec<u8>) -> Result<()> {
    let delimiters = match random.ratio(1, 6)? {
        true => Delimiters {
            field: *random.choose(b"#%$")?,
            component: Some(*random.choose(b"*^")?),
            repetition: Some(*random.choose(b"~!")?),
            escape: Some(*random.choose(b"\\/")?),
            subcomponent: Some(*random.choose(b"&@")?),
            truncation: None,
        },
        false => Delimiters::default(),
    };
    if !random.ratio(1, 10)? {
        return message(random, &delimiters, out);
    }
    let header = [&delimiters.header()[..], &[delimiters.field], b"SYN\r"].concat();
    out.extend_from_slice(&[b"BHS", &header[..]].concat());
    let count = random.int_in_range(0..=3)?;
    for _ in 0..count {
        message(random, &delimiters, out)?;
    }
    out.extend_from_slice(&[b"BTS", &[delimiters.field][..], count.to_string().as_bytes(), b"\r"].concat());
    Ok(())
}

fn message(random: &mut Unstructured<'_>, delimiters: &Delimiters, out: &mut Vec<u8>) -> Result<()> {
    let (kind, structure) = *random.choose(MESSAGES)?;
    let version = *random.choose(&["2.3", "2.5", "2.5.1", "2.7", "2.8.2"])?;
    let set = *random.choose(&["UNICODE UTF-8", "UNICODE UTF-8", "UNICODE UTF-8", "", "ASCII"])?;
    let mut delimiters = *delimiters;
    if version == "2.7" && delimiters.field != b'#' && random.ratio(1, 3)? {
        delimiters.truncation = Some(b'#');
    }
    out.extend_from_slice(b"MSH");
    out.extend(delimiters.header());
    let kind: Vec<u8> =
        kind.bytes().map(|byte| if byte == b'^' { delimiters.component.unwrap_or(byte) } else { byte }).collect();
    let fields: [&[u8]; 16] = [
        b"SYNLAB",
        b"SYN",
        b"SYNEHR",
        b"SYN",
        b"20260815081500",
        b"",
        &kind,
        b"SYN1",
        b"P",
        version.as_bytes(),
        b"",
        b"",
        b"",
        b"",
        b"",
        set.as_bytes(),
    ];
    let kept = if set.is_empty() { 10 } else { 16 };
    for field in &fields[..kept] {
        out.push(delimiters.field);
        out.extend_from_slice(field);
    }
    out.push(b'\r');
    let ascii = set != "UNICODE UTF-8";
    for name in structure {
        let count = match name.as_bytes()[0] {
            b'*' => random.int_in_range(0..=3)?,
            b'?' => random.int_in_range(0..=1)?,
            _ => 1,
        };
        let name = name.trim_start_matches(['*', '?']);
        for set_id in 1..=count {
            let mut writer = Writer { delimiters, ascii, line: name.as_bytes().to_vec() };
            let done = writer.segment(random, name, set_id);
            out.extend_from_slice(&writer.line);
            out.push(b'\r');
            done?;
        }
    }
    Ok(())
}

struct Writer {
    delimiters: Delimiters,
    ascii: bool,
    line: Vec<u8>,
}

impl Writer {
    fn segment(&mut self, random: &mut Unstructured<'_>, name: &str, set_id: usize) -> Result<()> {
        let types = SEGMENTS.iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, types)| types);
        let kept = random.int_in_range(1..=types.len().max(1))?;
        let (kind, varies) = *random.choose(KINDS)?;
        for (at, &of) in types.iter().take(kept).enumerate() {
            self.line.push(self.delimiters.field);
            match of {
                Si => self.line.extend_from_slice(set_id.to_string().as_bytes()),
                Id if name == "OBX" && at == 1 => self.line.extend_from_slice(kind.as_bytes()),
                Varies => self.field(random, varies)?,
                of => self.field(random, of)?,
            }
        }
        Ok(())
    }

    fn field(&mut self, random: &mut Unstructured<'_>, of: Type) -> Result<()> {
        match random.int_in_range(0..=9)? {
            0..=2 => return Ok(()),
            3 => {
                self.line.extend_from_slice(b"\"\"");
                return Ok(());
            }
            _ => {}
        }
        self.value(random, of)?;
        for _ in 0..4 {
            // Without random bytes left, the least number comes up: it must end the repetitions.
            if random.int_in_range(0..=5)? < 5 {
                break;
            }
            self.line.extend(self.delimiters.repetition);
            if !random.ratio(1, 5)? {
                self.value(random, of)?;
            }
        }
        Ok(())
    }

    fn value(&mut self, random: &mut Unstructured<'_>, of: Type) -> Result<()> {
        let parts: &[&[Type]] = match of {
            Cx => &[&[St], &[], &[], &[St, St, Id], &[Id]],
            Xpn => &[&[St, St, St], &[St], &[St], &[], &[], &[], &[Id]],
            Xad => &[&[St], &[St], &[St], &[St], &[St], &[Id], &[Id]],
            Xtn => &[&[St], &[Id], &[Id], &[], &[], &[Nm], &[Nm]],
            Cwe => &[&[Id], &[St], &[Id], &[Id], &[St], &[Id]],
            Ei | Hd => &[&[St], &[St], &[St], &[Id]],
            Xcn => &[&[St], &[St, St], &[St], &[], &[], &[], &[], &[], &[St, St, Id]],
            Pl => &[&[St], &[St], &[St], &[St, St, Id]],
            of => return self.leaf(random, of),
        };
        let kept = random.int_in_range(1..=parts.len())?;
        for (at, part) in parts.iter().take(kept).enumerate() {
            if at > 0 {
                self.line.extend(self.delimiters.component);
            }
            let kept = random.int_in_range(0..=part.len())?;
            for (at, &of) in part.iter().take(kept).enumerate() {
                if at > 0 {
                    self.line.extend(self.delimiters.subcomponent);
                }
                self.leaf(random, of)?;
            }
        }
        Ok(())
    }

    fn leaf(&mut self, random: &mut Unstructured<'_>, of: Type) -> Result<()> {
        let text = match of {
            Nm | Si => *random.choose(NUMBERS)?,
            Ts => *random.choose(TIMES)?,
            Id => *random.choose(CODES)?,
            Ft if random.ratio(1, 2)? => {
                let sequence = random.choose(SEQUENCES)?;
                let escape = self.delimiters.escape.unwrap_or(b'\\');
                self.line.extend(sequence.bytes().map(|byte| if byte == b'\\' { escape } else { byte }));
                return Ok(());
            }
            _ => *random.choose(TEXTS)?,
        };
        if !self.ascii || text.is_ascii() {
            encode(text.as_bytes(), &self.delimiters, &mut self.line);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7;
    use crate::rules::{Policy, Side};
    use std::collections::BTreeSet;

    #[test]
    fn what_is_generated_is_valid_and_varied() {
        let (mut names, mut strict, mut longest) = (BTreeSet::new(), 0, 0);
        for seed in 0..400u64 {
            let mut state = seed;
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            };
            let bytes: Vec<u8> = (0..1500).map(|_| next()).collect();
            let input = input(&mut Unstructured::new(&bytes));
            let reading = hl7::read(&input);
            let shown = String::from_utf8_lossy(&input);
            let cases: Vec<_> = reading.breaches.iter().map(|at| at.case).collect();
            // Delimiters are drawn independently, so that two may be the same one.
            let clash = cases.iter().any(|case| case.rule == "H04");
            assert!(clash || reading.side(Policy::TolerantReader) == Side::Accept, "{cases:?} {shown}");
            strict += usize::from(reading.side(Policy::StrictGateway) == Side::Accept);
            longest = longest.max(input.len());
            let tree = reading.tree.unwrap();
            names.extend(
                (0..tree.len() as u32)
                    .filter(|&id| tree.what(id) == crate::tree::What::Object)
                    .map(|id| tree.text(id).to_vec()),
            );
        }
        assert!(strict > 200 && longest > 1000, "{strict} strictly valid, at most {longest} bytes");
        for (name, _) in SEGMENTS {
            assert!(names.contains(name.as_bytes()), "{name} never came up");
        }
    }
}
