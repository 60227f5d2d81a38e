//! The shop in one binary.
//!
//! - `dev`: all of it on this machine, without a cluster: each service is a process of this same program, as it is a pod
//!   elsewhere, with a Postgres that goes with them
//! - `walk`: a customer, from the registration to the mail that confirms an order, over HTTP like any other
//! - `name`: the programs that there are
//! - `config`: the command line

pub mod config;
pub mod dev;
pub mod name;
pub mod walk;
