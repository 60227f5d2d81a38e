//! What somebody does, whichever way they ask: over REST or GraphQL.

pub(crate) mod cancel;
pub(crate) mod carts;
pub(crate) mod once;
pub(crate) mod orders;
pub(crate) mod place;
mod principal;

pub(crate) use self::principal::Principal;
