//! The Gateway API as Rust types: every field of the experimental channel, of which the standard one is a part.
//!
//! They are not written by hand; `xtask/src/gen/gateway_api.rs` says from what they are made.

#[allow(missing_docs, reason = "generated; the Gateway API documents its fields")]
#[allow(clippy::pedantic, reason = "generated")]
mod generated;

pub use generated::*;
