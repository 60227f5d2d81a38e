//! What those who are logged in do, whichever way they ask: over REST or GraphQL.

pub(crate) mod addresses;
mod principal;
pub(crate) mod profile;

pub(crate) use self::principal::Principal;
