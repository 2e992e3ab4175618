//! The reference readers over published files, hand-made vectors, generated families and large inputs.

mod published;
mod vectors;
mod xml;
