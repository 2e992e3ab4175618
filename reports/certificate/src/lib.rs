//! Certificates: what was found out about a module, signed, and the decision to load it on the strength of that.
//!
//! A certificate file holds three statements about one module, each in a signed bundle on a line of its own: everything
//! that was checked ([`Certificate`]), and two summaries of it for other people's tools. The summaries are computed
//! from the first, and [`admit()`] computes them again: statements that disagree are refused, not interpreted.
//!
//! No clock: dates come in as arguments. No engine, no flags. Only [`files`] touches the disk.

pub mod admit;
pub mod bundle;
pub mod certificate;
pub mod digest;
pub mod dsse;
pub mod files;
pub mod keys;
pub mod moment;
pub mod policy;
pub mod reason;
pub mod snippets;
pub mod statement;
pub mod strict;
pub mod summaries;

pub use admit::{Admission, Decision, admit};
pub use bundle::seal;
pub use certificate::{Certificate, Level, Profile};
pub use keys::{Algorithm, PrivateKey, PublicKey};
pub use moment::Moment;
pub use policy::Policy;
pub use reason::{Code, Reason};
