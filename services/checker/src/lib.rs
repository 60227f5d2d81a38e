//! Whether the shop loses no order and charges no one twice: a shop of real processes with a real Postgres, customers who order
//! over HTTP while its parts are killed, stopped, cut off and lied to, and a check of all that came of it.
//!
//! - `history`: what was asked, what was answered, what is there at the end, and what has to be so of it; pure
//! - `shop`: the shop, each part of which can be ended, and the links between them
//! - `drive`: the customers
//! - `fault`: what is done to the shop
//! - `read`: what is there at the end
//! - `round`: all of it together, once
//! - `report`: the table, and the document that has it
//! - `config`: the command line

pub mod config;
pub mod drive;
pub mod fault;
pub mod history;
pub mod read;
pub mod report;
pub mod round;
pub mod shop;
