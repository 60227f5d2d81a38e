//! Carts, orders and payments of the shop.
//!
//! An order is a table of what may become of it (`domain::order`), and a saga (`domain::saga`) takes it to its payment or back,
//! step by step, each written before the next. What the payment provider says has its effect in one place
//! (`store::payments::apply`), whether it comes as an answer, as a webhook or by a look.

mod actions;
pub mod app;
pub mod config;
pub mod consumers;
pub mod domain;
pub mod failpoint;
pub mod graphql;
pub mod grpc;
pub mod http;
pub mod program;
pub mod psp;
pub mod run;
pub mod saga;
pub mod settle;
mod shape;
pub mod stock;
pub mod store;
pub mod sweep;
