//! Who people are.

pub mod crypto;
pub mod domain;
pub mod store;
