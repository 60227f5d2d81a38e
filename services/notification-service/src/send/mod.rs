//! Ways out of the shop: mail, pushes, webhooks. Each says what became of an attempt, and no more than one is made at a time.

pub mod guard;
pub mod mail;
pub mod outbound;
pub mod push;
mod smtp;
pub mod webhook;
