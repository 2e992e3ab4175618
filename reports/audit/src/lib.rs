//! What commands that execute no module share with those that do: certificates as people and their tools read them.

pub mod renderings;
