//! The user service: who people are.
//!
//! - `domain`: the rules, without I/O
//! - `crypto`: hashes of passwords, tokens, what is sealed, and what is signed
//! - `store`: what is kept in Postgres
//! - `http`, `graphql`, `grpc`: what others ask, and `actions`: what they do by more than one of these
//! - `guard`, `mailing`: passwords that somebody sends, and mails that somebody asks for
//! - `events`, `consumers`: what others are told, and what is heard of them
//! - `keys`, `exporting`: what runs beside requests
//! - `service`, `app`, `config`: all of it together; `program`: what its binary does

mod actions;
pub mod app;
pub mod config;
pub mod consumers;
pub mod crypto;
pub mod domain;
pub mod events;
pub mod exporting;
pub mod grant;
pub mod graphql;
pub mod grpc;
pub mod guard;
pub mod http;
pub mod keys;
pub mod mailing;
pub mod program;
pub mod service;
pub mod store;
