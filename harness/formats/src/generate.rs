//! Whole inputs out of random bytes, from the published definitions.
