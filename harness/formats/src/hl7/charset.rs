//! Character sets by the names of table 0211.

use std::borrow::Cow;

/// How the bytes of a message are text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// MSH-18 is empty or says ASCII.
    Ascii,
    /// `UNICODE UTF-8`.
    Utf8,
    /// ISO 8859-1: bytes are code points.
    Latin1,
    /// One that the WHATWG's encodings have under the same meaning.
    Other(&'static encoding_rs::Encoding),
    /// Not in the table, or not decoded here: taken for UTF-8.
    Unknown,
}

impl Charset {
    /// Of the first repetition of MSH-18. ISO 8859-9 is read as windows-1254, which differs from it in control characters
    /// only; the Japanese sets, which switch by escape sequences of ISO 2022, are not decoded.
    pub fn named(name: &[u8]) -> Self {
        match name {
            b"" | b"ASCII" | b"ISO IR6" => Self::Ascii,
            b"UNICODE UTF-8" => Self::Utf8,
            b"8859/1" => Self::Latin1,
            b"8859/2" => Self::Other(encoding_rs::ISO_8859_2),
            b"8859/3" => Self::Other(encoding_rs::ISO_8859_3),
            b"8859/4" => Self::Other(encoding_rs::ISO_8859_4),
            b"8859/5" => Self::Other(encoding_rs::ISO_8859_5),
            b"8859/6" => Self::Other(encoding_rs::ISO_8859_6),
            b"8859/7" => Self::Other(encoding_rs::ISO_8859_7),
            b"8859/8" => Self::Other(encoding_rs::ISO_8859_8),
            b"8859/9" => Self::Other(encoding_rs::WINDOWS_1254),
            b"8859/15" => Self::Other(encoding_rs::ISO_8859_15),
            b"GB 18030-2000" => Self::Other(encoding_rs::GB18030),
            b"KS X 1001" => Self::Other(encoding_rs::EUC_KR),
            b"BIG-5" => Self::Other(encoding_rs::BIG5),
            _ => Self::Unknown,
        }
    }

    /// Whether a delimiter's byte may be the second half of a character.
    pub fn hides_delimiters(self) -> bool {
        matches!(self, Self::Other(encoding) if !encoding.is_single_byte())
    }

    /// The text; `None` where the bytes are none. ASCII decodes UTF-8, which is for the caller to notice.
    pub fn decode<'a>(self, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
        match self {
            Self::Ascii | Self::Utf8 | Self::Unknown => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Self::Latin1 => Some(match std::str::from_utf8(bytes) {
                Ok(text) if text.is_ascii() => Cow::Borrowed(text),
                _ => Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect()),
            }),
            Self::Other(encoding) => encoding.decode_without_bom_handling_and_without_replacement(bytes),
        }
    }

    /// Appends the bytes of UTF-8 `text` in this set to `into`; what the set does not have becomes a question mark.
    pub fn encode(self, text: &[u8], into: &mut Vec<u8>) {
        match self {
            Self::Ascii | Self::Utf8 | Self::Unknown => into.extend_from_slice(text),
            Self::Latin1 => {
                into.extend(
                    String::from_utf8_lossy(text).chars().map(|char| u8::try_from(u32::from(char)).unwrap_or(b'?')),
                );
            }
            Self::Other(encoding) => {
                let mut encoder = encoding.new_encoder();
                let text = String::from_utf8_lossy(text);
                let (mut rest, mut room) = (&*text, [0; 1024]);
                loop {
                    let (result, read, wrote) = encoder.encode_from_utf8_without_replacement(rest, &mut room, true);
                    into.extend_from_slice(&room[..wrote]);
                    rest = &rest[read..];
                    match result {
                        encoding_rs::EncoderResult::Unmappable(_) => into.push(b'?'),
                        encoding_rs::EncoderResult::InputEmpty => break,
                        encoding_rs::EncoderResult::OutputFull => {}
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_text_by_the_name_of_their_set() {
        let table: &[(&[u8], &[u8], Option<&str>)] = &[
            (b"", b"A", Some("A")),
            (b"UNICODE UTF-8", b"\xc3\x9c", Some("Ü")),
            (b"UNICODE UTF-8", b"\xdc", None),
            (b"8859/1", b"M\xdcLLER\x80", Some("MÜLLER\u{80}")),
            (b"8859/15", b"\xa4", Some("€")),
            (b"8859/7", b"\xe1", Some("α")),
            (b"GB 18030-2000", b"\x81\x7c", Some("亅")),
            (b"ISO IR87", b"\xff", None),
        ];
        for (name, bytes, text) in table {
            assert_eq!(Charset::named(name).decode(bytes).as_deref(), *text, "{name:?} {bytes:?}");
        }
    }
}
