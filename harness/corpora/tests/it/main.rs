//! Packs, imports and the gate from outside.

mod hostile;
mod packs;
mod random;
mod shipped;
