//! The rules, without any I/O: what a value may be, and what follows from what is known.

pub mod address;
pub mod email;
pub mod keyring;
pub mod lockout;
pub mod password;
pub mod profile;
pub mod role;
pub mod rotation;
pub mod totp;
