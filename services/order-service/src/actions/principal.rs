//! Who makes a request: somebody with a token of the user-service, or a service that asks for them.

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{StatusCode, request::Parts},
};
use flotilla_kit::{
    auth::{Bearer, Caller, HEADER, Refused},
    http::Problem,
};
use uuid::Uuid;

use crate::{app::App, store::orders::CUSTOMER};

/// Who may see and change all orders.
const ADMIN: &str = "admin";

/// Who makes a request. Without a good token it rejects with 401.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Principal {
    /// The user.
    pub user: Uuid,
    /// What the user is.
    pub roles: Vec<String>,
}

impl Principal {
    /// Whether all orders are theirs to see.
    pub(crate) fn is_admin(&self) -> bool {
        self.roles.iter().any(|role| role == ADMIN)
    }

    /// Whether something of somebody is theirs to see.
    pub(crate) fn may_see(&self, owner: Uuid) -> bool {
        self.user == owner || self.is_admin()
    }

    /// That they are an admin, or 403.
    pub(crate) fn require_admin(&self) -> Result<(), Problem> {
        if self.is_admin() {
            return Ok(());
        }
        let detail = format!("this is for those with the role {ADMIN}");
        Err(Problem::new(StatusCode::FORBIDDEN, "role_missing", detail))
    }

    /// How the audit names them. Customers have no name there: it stays when they are forgotten, and the order says whose it is.
    pub(crate) fn actor(&self) -> String {
        if self.is_admin() { format!("admin:{}", self.user) } else { CUSTOMER.to_owned() }
    }
}

impl<S> FromRequestParts<S> for Principal
where
    S: Send + Sync,
    App: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let app = App::from_ref(state);
        let nobody = || Problem::from(Refused::Invalid("it names nobody"));
        let (user, roles) = if parts.headers.contains_key(HEADER) {
            let Caller(identity) = Caller::from_request_parts(parts, &app).await?;
            (identity.subject.user.ok_or_else(nobody)?, identity.subject.roles)
        } else {
            let Bearer(claims) = Bearer::from_request_parts(parts, &app).await?;
            (claims.sub, claims.roles)
        };
        let user = Uuid::try_parse(&user).map_err(|_| nobody())?;
        Ok(Self { user, roles })
    }
}
