//! The reference readers over published files, hand-made vectors, generated families and large inputs.

mod bombs;
mod families;
mod large;
mod properties;
mod published;
mod vectors;
mod xml;
