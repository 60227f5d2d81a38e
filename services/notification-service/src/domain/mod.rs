//! What is decided without asking anybody: who is told of what, how, how often it is tried, and what is not sent.

pub mod category;
pub mod channel;
pub mod greeting;
pub mod identity;
pub mod locale;
pub mod money;
pub mod outcome;
pub mod preferences;
pub mod rate;
pub mod rules;
pub mod schedule;
pub mod storable;
