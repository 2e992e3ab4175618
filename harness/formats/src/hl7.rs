//! HL7 v2 messages with vertical bars: segments, delimiters, escapes, batches and MLLP frames.
