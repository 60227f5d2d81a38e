//! The product service: what the shop sells.
//!
//! - `domain`: the rules, without I/O
//! - `store`: what is kept in Postgres, and the order in which it is locked
//! - `http`, `graphql`, `grpc`: what others ask; `catalogue` and `visitor` are what the first two have alike
//! - `events`: what others are told of
//! - `background`: what runs beside requests
//! - `service`, `app`, `config`: all of it together; `program`: what its binary does

pub mod app;
pub mod background;
mod catalogue;
pub mod config;
pub mod domain;
pub mod events;
pub mod graphql;
pub mod grpc;
pub mod http;
pub mod program;
pub mod service;
pub mod store;
mod visitor;
