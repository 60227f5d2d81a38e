//! The gateway: takes connections, decides by a route table, and forwards.
//!
//! What decides is pure and knows no sockets: `edge` (what is refused), `route` (which rule takes a request) and `filter`
//! (what happens to it on the way). Around it: `worker` takes connections, `connection` speaks with clients, `proxy` takes
//! one request from head to answer, `stream` and `datagram` take what is not of HTTP, `upstream` speaks with backends. What
//! all of them go by is one `snapshot`, made from a configuration (`source`) and swapped as a whole; `discovery` follows the
//! Services of a `cluster` that it names.

pub mod access_log;
pub mod admin;
pub mod app;
pub mod body;
mod clock;
pub mod cluster;
pub mod config;
pub mod connection;
pub mod control;
pub mod datagram;
pub mod discovery;
pub mod drain;
pub mod edge;
pub mod filter;
pub mod listen;
pub mod local;
pub mod map;
pub mod metrics;
pub mod policy;
pub mod proxy;
pub mod proxy_protocol;
pub mod record;
pub mod route;
pub mod snapshot;
pub mod source;
pub mod stream;
pub mod telemetry;
pub mod trace;
pub mod upstream;
pub mod worker;
