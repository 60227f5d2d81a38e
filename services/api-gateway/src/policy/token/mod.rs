//! Tokens that say who sends a request: JSON Web Tokens (RFC 7519) as RFC 8725 has them taken. What a token says of itself
//! chooses nothing but the provider and the key: which algorithms are good, and whose keys, the configuration says.

mod claims;
mod jwk;
mod jws;
mod keys;
mod provider;
mod requirement;
mod source;
mod verified;

pub use self::{
    jwk::{BadKeys, KeySet},
    keys::Keys,
    provider::Provider,
    requirement::{Good, Requirement},
};

/// Why a token is not good. The texts are for clients: they tell nothing that they do not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is none.
    #[error("there is no token")]
    Missing,
    /// It is longer than any should be.
    #[error("the token is too long")]
    TooLong,
    /// It is no signed token that can be read in one way.
    #[error("the token cannot be read")]
    Malformed,
    /// It is signed in a way that is not taken.
    #[error("the algorithm of the token is not accepted")]
    Algorithm,
    /// Nobody whose tokens are good has issued it.
    #[error("the issuer of the token is not accepted")]
    Issuer,
    /// The issuer has no key of its name.
    #[error("the key of the token is not known")]
    Key,
    /// The signature is another's.
    #[error("the signature of the token is not good")]
    Signature,
    /// It does not say when it ends.
    #[error("the token does not say when it expires")]
    NoExpiry,
    /// It has ended.
    #[error("the token has expired")]
    Expired,
    /// It has not begun.
    #[error("the token is not valid yet")]
    NotYet,
    /// It is for somebody else.
    #[error("the audience of the token is not accepted")]
    Audience,
    /// It is good, and does not allow this.
    #[error("the token does not allow this request")]
    Claims,
    /// The issuer's keys could not be had yet: nobody knows whether it is good.
    #[error("the keys of the issuer are not known yet")]
    NoKeys,
}

impl Refused {
    /// A word for logs and metrics, from a fixed list.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Missing => "token-missing",
            Self::TooLong => "token-too-long",
            Self::Malformed => "token-malformed",
            Self::Algorithm => "token-algorithm",
            Self::Issuer => "token-issuer",
            Self::Key => "token-key",
            Self::Signature => "token-signature",
            Self::NoExpiry => "token-no-expiry",
            Self::Expired => "token-expired",
            Self::NotYet => "token-not-yet",
            Self::Audience => "token-audience",
            Self::Claims => "token-claims",
            Self::NoKeys => "token-no-keys",
        }
    }
}

#[cfg(test)]
mod tests;
