//! Corpora as they leave the house and come into it.
#![allow(missing_docs)]
pub mod phi;
