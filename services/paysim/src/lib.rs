//! A payment provider of our own, for tests, demos and a shop without a cluster. It has the interface of Stripe as far as the
//! shop uses it: payment intents with manual capture, refunds, signed webhooks; and the idempotency of Stripe, on which a shop
//! that charges nobody twice depends. It fails on command (`/paysim/faults`), and shows its books (`/paysim/ledger`).
//!
//! What it knows is gone when it ends, unless it has a journal.

pub mod config;
pub mod error;
pub mod fault;
pub mod http;
pub mod idempotency;
pub mod journal;
pub mod ledger;
pub mod program;
pub mod provider;
pub mod webhook;
