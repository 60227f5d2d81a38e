//! The bus: events between services. A service appends events to its outbox in the transaction of their cause; a relay
//! publishes them; consumers take them and note in their inbox, in the transaction of the effect, that they have.
//!
//! [`Bus`] is the port, the same for each broker: `postgres`, `rabbitmq`, `redis` and `kafka` are adapters, held by one
//! conformance suite (`tests/conformance`). What it promises:
//! - An event that was published reaches each consumer that subscribed before at least once, also over crashes.
//! - Events with one key reach a consumer in the order of their publishing; one waits until the one before is done.
//! - What a consumer fails at comes again after the delays of its policy, and in the end lies with the dead letters.
//! - An event published twice in a short time is mostly delivered once. The inbox is what makes that always.
//! - A consumer has no more events at a time than it asked for; the others wait with the broker.

mod bus;
mod connect;
mod consume;
mod dead_letter;
mod delivery;
mod event;
mod event_type;
pub mod inbox;
pub mod kafka;
mod local;
mod messaging;
pub mod outbox;
mod partition;
pub mod postgres;
pub mod rabbitmq;
pub mod redis;
mod subscription;

pub use self::{
    bus::{Bus, Error},
    connect::{NoBus, connect, prepare},
    consume::{Failure, consume, keep_consuming},
    dead_letter::{DeadLetter, Which},
    delivery::{Deliveries, Delivery, Lost},
    event::{Event, Invalid, MAX_BYTES},
    event_type::{EventType, InvalidType, Pattern},
    messaging::migrations,
    subscription::{Consumer, InvalidConsumer, Policy, Subscription},
};
