//! Who asks.

use async_graphql::Context;
use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};

use crate::{
    auth::{self, Refused},
    http::Problem,
};

/// Who asks, when somebody does: `P` is what the REST API of the service has for it. Whoever says who they are and is not to be
/// believed is rejected, as there.
#[derive(Clone, Debug)]
pub struct Asker<P>(pub Option<P>);

impl<S, P> FromRequestParts<S> for Asker<P>
where
    S: Send + Sync,
    P: FromRequestParts<S, Rejection = Problem>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let says = [header::AUTHORIZATION, auth::HEADER];
        if says.iter().any(|name| parts.headers.contains_key(name)) {
            return P::from_request_parts(parts, state).await.map(|asker| Self(Some(asker)));
        }
        Ok(Self(None))
    }
}

impl<P: Send + Sync + 'static> Asker<P> {
    /// Whoever asks, or 401. The service gives it to a request as its data.
    pub fn of<'a>(context: &Context<'a>) -> Result<&'a P, Problem> {
        let asker = context.data_opt::<Self>().and_then(|asker| asker.0.as_ref());
        asker.ok_or_else(|| Refused::Missing.into())
    }
}
