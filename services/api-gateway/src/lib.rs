//! The gateway: takes connections, decides by a route table, and forwards.
//!
//! What decides is pure and knows no sockets: `edge` (what is refused), `route` (which rule takes a request) and `filter`
//! (what happens to it on the way).

pub mod edge;
pub mod filter;
pub mod route;
