//! Flotilla as a user has it: installed by Helm, with real pods.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod adoption;
mod bindings;
mod class;
mod edges;
mod foreign;
mod gateway;
mod gitops;
mod install;
mod jobs;
mod lifecycle;
mod many;
mod operator_restart;
mod optional;
mod overlays;
mod ports;
mod programs;
mod readme;
mod rollout;
mod root_cause;
mod stateful;
