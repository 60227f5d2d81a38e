//! How every service speaks gRPC: what is around each call, who makes it, and what a server has beside its own service.

mod caller;
mod client;
mod code;
mod layer;
mod methods;
mod server;
mod timeout;

pub use self::{
    caller::{caller, only},
    client::{channel, request},
    server::{Unable, router},
};
