//! Where the parts of a message stand: spans of segments, fields, repetitions, components and subcomponents, for mutators
//! and for the minimiser. Takes anything and judges nothing; linear, and without copies.

use std::ops::Range;

/// The delimiters in force; `None` where the header declares none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delimiters {
    /// MSH-1.
    pub field: u8,
    /// First of MSH-2.
    pub component: Option<u8>,
    /// Second.
    pub repetition: Option<u8>,
    /// Third.
    pub escape: Option<u8>,
    /// Fourth.
    pub subcomponent: Option<u8>,
    /// Fifth, since v2.7.
    pub truncation: Option<u8>,
}

impl Default for Delimiters {
    fn default() -> Self {
        Self {
            field: b'|',
            component: Some(b'^'),
            repetition: Some(b'~'),
            escape: Some(b'\\'),
            subcomponent: Some(b'&'),
            truncation: None,
        }
    }
}

impl Delimiters {
    /// As the header `line` (`MSH…`, `BHS…`, `FHS…`) declares them, and where its second field stands; `None` where it ends
    /// before the first.
    pub fn declared(line: &[u8]) -> Option<(Self, Range<usize>)> {
        let field = *line.get(3)?;
        let end = line[4..].iter().position(|byte| *byte == field).map_or(line.len(), |at| at + 4);
        let at = |n: usize| line[4..end].get(n).copied();
        let delimiters =
            Self { field, component: at(0), repetition: at(1), escape: at(2), subcomponent: at(3), truncation: at(4) };
        Some((delimiters, 4..end))
    }

    /// What escapes spell: the letter of `\F\`, and the delimiter.
    pub fn escapes(&self) -> [(u8, Option<u8>); 6] {
        [
            (b'F', Some(self.field)),
            (b'S', self.component),
            (b'T', self.subcomponent),
            (b'R', self.repetition),
            (b'E', self.escape),
            (b'P', self.truncation),
        ]
    }

    /// Header fields 1 and 2 as written.
    pub fn header(&self) -> Vec<u8> {
        let encoding = [self.component, self.repetition, self.escape, self.subcomponent, self.truncation];
        std::iter::once(self.field).chain(encoding.into_iter().map_while(|byte| byte)).collect()
    }
}

/// Whether a segment of that name declares delimiters.
pub fn is_header(name: &[u8]) -> bool {
    matches!(name, b"MSH" | b"BHS" | b"FHS")
}

/// What ends the segments of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terminator {
    /// CR, perhaps with an LF after it.
    Return,
    /// LF: there is no CR at all.
    LineFeed,
}

impl Terminator {
    /// Of a message: CR where it has one.
    pub fn of(message: &[u8]) -> Self {
        match memchr::memchr2(b'\r', b'\n', message) {
            Some(at) if message[at] == b'\n' && memchr::memchr(b'\r', &message[at..]).is_none() => Self::LineFeed,
            _ => Self::Return,
        }
    }

    /// The byte.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Return => b'\r',
            Self::LineFeed => b'\n',
        }
    }
}

/// A line and what ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Without its terminator.
    pub span: Range<usize>,
    /// After its terminator, and after the LF that follows a CR.
    pub end: usize,
}

/// The lines of `input[within]`.
pub fn lines(input: &[u8], within: Range<usize>, terminator: Terminator) -> impl Iterator<Item = Line> + '_ {
    let mut at = within.start;
    std::iter::from_fn(move || {
        let rest = input.get(at..within.end).filter(|rest| !rest.is_empty())?;
        let len = memchr::memchr(terminator.byte(), rest);
        let span = at..len.map_or(within.end, |len| at + len);
        at = len.map_or(within.end, |len| at + len + 1);
        if len.is_some() && terminator == Terminator::Return && at < within.end && input[at] == b'\n' {
            at += 1;
        }
        Some(Line { span, end: at })
    })
}

/// A segment and the delimiters in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Where it stands.
    pub line: Line,
    /// Its name: what stands before the first field separator.
    pub name: Range<usize>,
    /// What its parts are split by.
    pub delimiters: Delimiters,
}

/// The segments of an input, whatever stands around them; blank lines are left out. A segment's delimiters are those of
/// the last header; the bytes of MLLP frames count as blanks at a line's start.
pub fn segments(input: &[u8]) -> impl Iterator<Item = Segment> + '_ {
    let mut delimiters = Delimiters::default();
    lines(input, 0..input.len(), Terminator::of(input)).filter_map(move |mut line| {
        let outside = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x1c | 0xef | 0xbb | 0xbf);
        let blanks = input[line.span.clone()].iter().take_while(|byte| outside(byte)).count();
        line.span.start += blanks;
        let text = &input[line.span.clone()];
        if text.is_empty() {
            return None;
        }
        let name = if text.len() >= 3 && is_header(&text[..3]) {
            delimiters = Delimiters::declared(text).map_or(delimiters, |(declared, _)| declared);
            3
        } else {
            memchr::memchr(delimiters.field, text).unwrap_or(text.len())
        };
        let name = line.span.start..line.span.start + name;
        Some(Segment { line, name, delimiters })
    })
}

impl Segment {
    /// Its fields with their numbers. A header's field 1 is the separator itself, field 2 the other delimiters.
    pub fn fields<'a>(&self, input: &'a [u8]) -> impl Iterator<Item = (usize, Range<usize>)> + 'a {
        let header = is_header(&input[self.name.clone()]);
        let whole = self.line.span.clone();
        let separator = (header && self.name.end < whole.end).then(|| (1, self.name.end..self.name.end + 1));
        let rest = self.name.end + 1..whole.end.max(self.name.end + 1);
        let none = self.name.end >= whole.end;
        let parts = parts(input, rest, Some(self.delimiters.field)).enumerate();
        let first = if header { 2 } else { 1 };
        separator.into_iter().chain(parts.map(move |(at, span)| (at + first, span)).filter(move |_| !none))
    }
}

/// What `input[within]` is split into by `delimiter`: at least one part.
pub fn parts(input: &[u8], within: Range<usize>, delimiter: Option<u8>) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut at = Some(within.start.min(input.len()));
    let end = within.end.min(input.len());
    std::iter::from_fn(move || {
        let start = at?;
        let len = delimiter.and_then(|delimiter| memchr::memchr(delimiter, &input[start..end.max(start)]));
        at = len.map(|len| start + len + 1);
        Some(start..len.map_or(end.max(start), |len| start + len))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_found_where_it_stands() {
        let input = b"\x0bMSH#*~!$#A#B\r\nPID#1*2$3~4##5\r\r";
        let found: Vec<(&[u8], Vec<(usize, &[u8])>)> = segments(input)
            .map(|segment| {
                let fields = segment.fields(input).map(|(number, span)| (number, &input[span])).collect();
                (&input[segment.name], fields)
            })
            .collect();
        let header: Vec<(usize, &[u8])> = vec![(1, b"#"), (2, b"*~!$"), (3, b"A"), (4, b"B")];
        let patient: Vec<(usize, &[u8])> = vec![(1, b"1*2$3~4"), (2, b""), (3, b"5")];
        assert_eq!(found, [(&b"MSH"[..], header), (&b"PID"[..], patient)]);
    }

    #[test]
    fn odd_inputs_have_parts_too() {
        for (input, fields) in [(&b""[..], vec![]), (b"MSH", vec![0]), (b"MSH|", vec![2]), (b"X\nY|\n", vec![0, 1])] {
            let counts: Vec<usize> = segments(input).map(|segment| segment.fields(input).count()).collect();
            assert_eq!(counts, fields, "{input:?}");
        }
        assert_eq!(Terminator::of(b"a\nb\rc"), Terminator::Return);
        assert_eq!(Terminator::of(b"a\nb"), Terminator::LineFeed);
    }
}
