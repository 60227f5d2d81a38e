//! What keeps secrets: hashes of passwords, tokens, what is sealed, and what is signed.

mod keyring;
mod memory;
mod passwords;
mod seal;
mod token;

pub use self::{
    keyring::{Key, Keyring, NoKey},
    passwords::{Busy, Cost, Passwords, Verdict},
    seal::{MasterKey, NoMasterKey, Opened, Purpose},
    token::{Hash, Token, recovery_code, shared_secret},
};

/// The machine gives no random numbers, or a key is none: nothing that somebody sent does that.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the cryptographic library refuses")]
pub struct Unable;

impl From<aws_lc_rs::error::Unspecified> for Unable {
    fn from(_unspecified: aws_lc_rs::error::Unspecified) -> Self {
        Self
    }
}
