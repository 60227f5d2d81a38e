//! The gateway: takes connections, decides by a route table, and forwards.
//!
//! What decides is pure and knows no sockets: `edge` (what is refused), `route` (which rule takes a request) and `filter`
//! (what happens to it on the way). Around it: `worker` takes connections, `connection` speaks with clients, `proxy` takes
//! one request from head to answer, `upstream` speaks with backends. What all of them go by is one `snapshot`, made from a
//! configuration and swapped as a whole.

pub mod access_log;
pub mod admin;
pub mod app;
pub mod body;
mod clock;
pub mod config;
pub mod connection;
pub mod control;
pub mod drain;
pub mod edge;
pub mod filter;
mod gather;
pub mod listen;
pub mod local;
pub mod map;
pub mod metrics;
pub mod proxy;
pub mod record;
pub mod reload;
pub mod route;
pub mod snapshot;
pub mod telemetry;
pub mod upstream;
pub mod worker;
