//! The shop in one binary.
//!
//! - `dev`: all of it on this machine, without a cluster: each service is a process of this same program, as it is a pod
//!   elsewhere, with a Postgres that goes with them
//! - `walk`: a customer, from the registration to the mail that confirms an order, over HTTP like any other
//! - `service`: one of its services, as its own program runs
//! - `fill`: what a shop has for those who try it
//! - `name`: the programs that there are
//! - `config`: the command line

pub mod config;
pub mod dev;
pub mod fill;
pub mod name;
pub mod service;
pub mod walk;
