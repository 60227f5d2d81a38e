//! Bodies on their way through: those of requests to backends, and those of answers to clients.

mod copy;
mod guard;
mod request;
mod response;

pub use self::{
    copy::{Copied, tee},
    guard::{Error, Guard},
    request::RequestBody,
    response::ResponseBody,
};
