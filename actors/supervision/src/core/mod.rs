//! The pure core.
pub mod policy;
