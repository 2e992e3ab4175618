//! What HL7 v2 says of messages with vertical bars, and every way to break it. Sections are those of v2.5.1, chapter 2,
//! and of the Minimal Lower Layer Protocol, release 1.

use crate::rules::{Case, Rule, Side, Wanted};

const REFUSE: Wanted = Wanted::Refusal;
/// A gateway refuses; a reader that loses nothing takes it.
const DOUBTFUL: Wanted = Wanted::Either { strict: Side::Reject, tolerant: Side::Accept };
/// Legal, but a reader may do without it.
const OPTIONAL: Wanted = Wanted::Either { strict: Side::Accept, tolerant: Side::Accept };
/// A reader may have a limit, and must refuse cleanly where it has one.
const LIMIT: Wanted = Wanted::Either { strict: Side::Reject, tolerant: Side::Reject };

macro_rules! cases {
    ($($(#[doc = $doc:literal])* $way:ident = $rule:literal $name:literal $wanted:ident;)*) => {
        /// A way to break a rule; the position is its place in [`CASES`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Way { $($(#[doc = $doc])* $way,)* }

        /// Every way to break a rule of HL7 v2.
        pub const CASES: &[&Case] = &[$(&Case { rule: $rule, name: $name, wanted: $wanted },)*];
    };
}

cases! {
    /// Nothing at all.
    Empty = "H01" "empty" REFUSE;
    /// The first segment is none of MSH, FHS, BHS.
    NoHeader = "H01" "no-header" REFUSE;
    /// A segment after a trailer, or between a batch header and the first message.
    OutsideMessage = "H01" "outside-message" REFUSE;
    /// Blanks or line ends before the header.
    LeadingBlanks = "H01" "leading-blanks" DOUBTFUL;
    /// A UTF-8 byte order mark before the header.
    ByteOrderMark = "H01" "byte-order-mark" DOUBTFUL;
    /// The header ends before MSH-1.
    NoSeparator = "H02" "missing" REFUSE;
    /// MSH-1 is a blank or a control character.
    SeparatorUnprintable = "H02" "not-printable" REFUSE;
    /// MSH-1 is no ASCII character.
    SeparatorNotAscii = "H02" "not-ascii" REFUSE;
    /// MSH-1 is a letter or a digit.
    SeparatorAlphanumeric = "H02" "alphanumeric" DOUBTFUL;
    /// MSH-2 is empty or one character long.
    EncodingMissing = "H03" "missing" REFUSE;
    /// MSH-2 has two or three characters: no escape character, or no subcomponent separator.
    EncodingShort = "H03" "short" DOUBTFUL;
    /// A fifth character before v2.7.
    TruncationTooEarly = "H03" "truncation-before-2-7" REFUSE;
    /// More than five characters.
    EncodingLong = "H03" "long" REFUSE;
    /// A blank, a control character or one outside of ASCII in MSH-2.
    EncodingUnprintable = "H03" "not-printable" REFUSE;
    /// A letter or a digit in MSH-2.
    EncodingAlphanumeric = "H03" "alphanumeric" DOUBTFUL;
    /// One character in two roles.
    DelimiterTwice = "H04" "same-delimiter" REFUSE;
    /// Nothing follows MSH-2.
    NothingFollows = "H05" "nothing-follows" DOUBTFUL;
    /// Segments end with LF throughout.
    LineFeed = "H07" "line-feed" DOUBTFUL;
    /// Segments end with CR LF.
    ReturnLineFeed = "H07" "return-line-feed" DOUBTFUL;
    /// LF elsewhere than after CR, in a message whose segments end with CR: data, never a segment's end.
    LineFeedInField = "H07" "line-feed-in-field" DOUBTFUL;
    /// The last segment is not ended.
    Unended = "H07" "last-segment-unended" DOUBTFUL;
    /// A segment's name is not three capital letters or digits.
    BadName = "H08" "name" REFUSE;
    /// An empty line.
    BlankLine = "H08" "blank-line" DOUBTFUL;
    /// `\X4\`.
    OddHex = "H13" "odd-hex" REFUSE;
    /// `\XZZ\`.
    NotHex = "H13" "not-hex" REFUSE;
    /// `\X\`.
    EmptyHex = "H13" "empty-hex" DOUBTFUL;
    /// Hexadecimal bytes that are no text in the message's character set.
    HexNotText = "H13" "hex-not-text" DOUBTFUL;
    /// An escape character without its partner.
    Unterminated = "H13" "unterminated" DOUBTFUL;
    /// `\Q\`.
    UnknownEscape = "H13" "unknown" DOUBTFUL;
    /// UTF-8 that MSH-18 does not announce.
    UndeclaredUtf8 = "H16" "undeclared-utf-8" DOUBTFUL;
    /// Bytes that are no text in the declared character set.
    InvalidBytes = "H16" "invalid-bytes" REFUSE;
    /// MSH-18 names a character set that is not in table 0211, or that this reader does not decode.
    UnknownCharset = "H16" "unknown-charset" DOUBTFUL;
    /// UTF-16 or UTF-32 on the wire.
    Utf16 = "H16" "utf-16" REFUSE;
    /// A batch or a file of batches.
    Batch = "H17" "batch" OPTIONAL;
    /// BTS-1 is not the count of messages.
    MessageCount = "H17" "message-count" REFUSE;
    /// FTS-1 is not the count of batches.
    BatchCount = "H17" "batch-count" REFUSE;
    /// A batch or file header without its trailer.
    NoTrailer = "H17" "no-trailer" DOUBTFUL;
    /// A trailer without its header.
    TrailerOnly = "H17" "trailer-only" DOUBTFUL;
    /// A file inside of a batch, a batch inside of a message.
    Misnested = "H17" "misnested" REFUSE;
    /// ADD: the segment before goes on here.
    Addendum = "H18" "addendum" DOUBTFUL;
    /// DSC: the message goes on elsewhere.
    Continued = "H18" "continued" DOUBTFUL;
    /// A whole MLLP frame.
    Framed = "H19" "framed" OPTIONAL;
    /// 0x0B or 0x1C in a message.
    BlockInData = "H19" "block-in-data" REFUSE;
    /// An end block that no start block opened.
    NoStart = "H19" "no-start-block" DOUBTFUL;
    /// A start block that no end block closes.
    NoEnd = "H19" "no-end-block" DOUBTFUL;
    /// No CR after the end block.
    NoReturn = "H19" "no-return" DOUBTFUL;
    /// Bytes between frames.
    Garbage = "H19" "garbage-between-frames" DOUBTFUL;
    /// A second MSH in one message.
    SecondHeader = "H20" "second-header" REFUSE;
    /// NUL.
    Nul = "H21" "nul" REFUSE;
    /// Any other control character.
    Control = "H21" "control-character" REFUSE;
    /// A tab.
    Tab = "H21" "tab" DOUBTFUL;
    /// More parts than this reader holds.
    TooManyParts = "H22" "too-many-parts" LIMIT;
}

macro_rules! rules {
    ($($id:literal $source:literal $title:literal $harm:literal;)*) => {
        /// The rules of HL7 v2, in order.
        pub const RULES: &[Rule] = &[$(Rule { id: $id, title: $title, source: $source, harm: $harm },)*];
    };
}

rules! {
    "H01" "HL7 v2.5.1, 2.6 and 2.10.3"
        "A message begins with MSH, a batch with BHS, a file with FHS; every segment belongs to a message."
        "Data without a header has no sender, no version and no delimiters: it is filed under guesses.";
    "H02" "HL7 v2.5.1, 2.5.4 and 2.15.9.1"
        "The fourth character of the header is the field separator: one printable ASCII character."
        "Readers that assume a vertical bar see other fields than readers that look.";
    "H03" "HL7 v2.5.1, 2.15.9.2; v2.7, 2.14.9.2"
        "MSH-2 holds component, repetition, escape and subcomponent delimiter, in this order; from v2.7 on a fifth, for truncation."
        "A delimiter too few or too many turns one identifier into two, or two into one.";
    "H04" "HL7 v2.5.1, 2.5.4"
        "The delimiters differ from each other."
        "Whichever role a reader tries first decides where a name ends.";
    "H05" "HL7 v2.5.1, 2.15.9"
        "MSH-1 and MSH-2 are the delimiters themselves and are not split; MSH-3 follows."
        "Fields of the header shift by one: sender and receiver, event and identifier are mistaken for each other.";
    "H06" "HL7 v2.5.1, 2.5.4 and 2.10.3"
        "Every MSH, BHS and FHS declares the delimiters of what it heads; none are carried over."
        "The second message of a batch is cut with the first one's delimiters.";
    "H07" "HL7 v2.5.1, 2.5.4"
        "A segment ends with CR, which nobody may redefine."
        "Free text with a line feed becomes a segment of its own: a result, an allergy or a patient that nobody sent.";
    "H08" "HL7 v2.5.1, 2.5.2"
        "A segment's name is three characters: a capital letter, then capital letters or digits."
        "Text that is taken for a segment, or a segment that is dropped as unknown.";
    "H09" "HL7 v2.5.1, 2.6.2 and 2.8.2"
        "Segments, fields and components that a reader does not know are ignored, not fatal."
        "A newer sender's messages are lost as a whole.";
    "H10" "HL7 v2.5.1, 2.5.3"
        "A value that is not sent and a value that is deleted (two quotation marks) are different things."
        "An allergy is kept that was withdrawn, or withdrawn that was only not repeated.";
    "H11" "HL7 v2.5.1, 2.6.1"
        "Delimiters after the last value of a field or segment may be left out; nothing else changes."
        "Two spellings of one message are stored as two.";
    "H12" "HL7 v2.5.1, 2.5.3.5"
        "Repetitions keep their order, empty ones their place."
        "The second identifier becomes the first: another patient's number.";
    "H13" "HL7 v2.5.1, 2.7"
        "Escapes are decoded once, after splitting: delimiters and whole pairs of hexadecimal digits; the others are kept."
        "The same patient has two names, or text that was data becomes structure.";
    "H14" "HL7 v2.5.1, 2.7 and 2.15.9.2"
        "The escape character is the declared one."
        "A backslash in a name eats what follows it.";
    "H15" "HL7 v2.5.1, 2.7.4"
        "Delimiters in values are escaped again when a message is written."
        "Each hop through an interface engine shifts the components of a name.";
    "H16" "HL7 v2.5.1, 2.15.9.18 and table 0211"
        "MSH-18 names the character set, ASCII where it is empty."
        "Two names become equal, or one name two, by replacement characters.";
    "H17" "HL7 v2.5.1, 2.10.3, 2.15.3 and 2.15.7"
        "Files hold batches and batches messages; the counts in their trailers are true."
        "A batch that was cut short is filed as complete.";
    "H18" "HL7 v2.5.1, 2.10.2"
        "ADD continues the segment before it, DSC announces that the message goes on elsewhere."
        "Half of a report is filed as the whole report.";
    "H19" "HL7 Minimal Lower Layer Protocol, release 1, 2"
        "A frame is 0x0B, the message, 0x1C, 0x0D; neither block byte stands in a message."
        "A second message hides in the first one and passes a gateway unseen.";
    "H20" "HL7 v2.5.1, 2.6"
        "A message has one MSH."
        "What follows the second header is filed under the first one's patient.";
    "H21" "HL7 v2.5.1, 2.7 and 2.15.9.18"
        "Control characters other than the segment terminator are escaped."
        "Text is cut at a NUL by one reader and not by the next.";
    "H22" "HL7 v2.5.1, 2.5.3.2"
        "Any count of segments, fields and repetitions is read in linear time and bounded memory, or refused."
        "One message stops an interface for everybody.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_unique_and_have_their_rule() {
        for (at, case) in CASES.iter().enumerate() {
            assert!(RULES.iter().any(|rule| rule.id == case.rule), "{case:?}");
            assert!(!CASES[..at].iter().any(|other| (other.rule, other.name) == (case.rule, case.name)), "{case:?}");
        }
        assert_eq!(CASES[Way::TooManyParts as usize].rule, "H22");
        assert_eq!(RULES.len(), 22);
    }
}
