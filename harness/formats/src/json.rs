//! RFC 8259, read without losing anything: duplicates, lexical numbers, lone surrogates.
