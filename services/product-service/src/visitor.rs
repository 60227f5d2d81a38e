//! Who asks. The catalogue is for everybody; those who keep it have the role `admin`.

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{header, request::Parts},
};
use flotilla_kit::{
    auth::{Bearer, Verifier},
    http::Problem,
};

/// The role of those who keep the catalogue.
const KEEPER: &str = "admin";

/// Somebody who keeps the catalogue. Others are rejected with 401 or 403.
#[derive(Clone, Debug)]
pub(crate) struct Keeper {
    /// The user.
    pub(crate) user: String,
}

impl<S> FromRequestParts<S> for Keeper
where
    S: Send + Sync,
    Verifier: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Bearer(claims) = Bearer::from_request_parts(parts, state).await?;
        claims.require(KEEPER)?;
        Ok(Self { user: claims.sub })
    }
}

/// Anybody. Whoever sends a token has to send a good one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visitor {
    /// Whether they keep the catalogue, and see what is not sold as well.
    pub(crate) is_keeper: bool,
}

impl<S> FromRequestParts<S> for Visitor
where
    S: Send + Sync,
    Verifier: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if !parts.headers.contains_key(header::AUTHORIZATION) {
            return Ok(Self { is_keeper: false });
        }
        let Bearer(claims) = Bearer::from_request_parts(parts, state).await?;
        Ok(Self { is_keeper: claims.require(KEEPER).is_ok() })
    }
}
