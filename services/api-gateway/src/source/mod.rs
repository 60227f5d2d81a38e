//! Where the configuration is from: a file, or a Secret of the cluster that the operator writes. A change is taken as a
//! whole or not at all.

pub mod file;
pub mod secret;

pub use self::{file::File, secret::Secret};
