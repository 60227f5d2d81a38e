//! Tells people what has happened in the shop: by mail, by web push and by signed webhooks.
//!
//! Events come from the bus (`consumers`), a table says whom they are told to and how (`domain::rules`), and what comes of that
//! is queued once. Workers send what is due (`worker`, `deliver`, `send`), note each attempt, try again by a schedule, and in the
//! end give up: what was given up is a dead letter, to be sent again by hand.

mod actions;
pub mod config;
pub mod consumers;
pub mod deliver;
pub mod domain;
pub mod events;
pub mod graphql;
mod grpc;
pub mod http;
pub mod keys;
mod measures;
pub mod people;
pub mod program;
mod requests;
pub mod send;
mod service;
pub mod store;
mod sweep;
pub mod template;
pub mod unsubscribe;
pub mod worker;

pub use self::service::{Error, NAME, service};
