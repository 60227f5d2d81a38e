//! What a broker with queues lacks, done on the side of the consumer: order of keys over failures, delays, and knowing what has
//! just been handled. It needs a queue that only one process reads at a time.

mod lanes;
mod recent;
mod subscribe;
mod worker;

pub(crate) use self::{
    subscribe::subscribe,
    worker::{Arrival, Session},
};
