//! Readers that disagree: which inputs split them, sorted into clusters with the smallest input of each.

pub mod card;
pub mod clusters;
pub mod panel;
pub mod subject;
