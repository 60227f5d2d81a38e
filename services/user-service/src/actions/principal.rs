//! Who makes a request, by its token. The session is looked up each time: one that was ended is believed at once no longer,
//! and roles are those of now.

use std::sync::Arc;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{StatusCode, request::Parts},
};
use flotilla_kit::{
    auth::{self, Refused},
    database::Transaction,
    http::Problem,
};
use uuid::Uuid;

use crate::{
    app::App,
    domain::role::{Permission, Role},
    store::accounts::{self, Account},
};

/// Who makes a request. Without a good token it rejects with 401.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    /// The user.
    pub user: Uuid,
    /// The session.
    pub session: Uuid,
    /// What the user is.
    pub roles: Vec<Role>,
}

impl Principal {
    /// The account.
    pub(crate) async fn account(&self, app: &App) -> Result<Account, Problem> {
        let gone = || Refused::Invalid("its user is gone").into();
        app.accounts.get(self.user).await?.map(Arc::unwrap_or_clone).ok_or_else(gone)
    }

    /// The account, which nobody else changes until the end of the transaction.
    pub(crate) async fn lock(&self, transaction: &mut Transaction<'_>) -> Result<Account, Problem> {
        let gone = || Refused::Invalid("its user is gone").into();
        accounts::lock(&mut *transaction, self.user).await?.ok_or_else(gone)
    }

    /// That they may do something to accounts, or 403.
    pub(crate) fn require(&self, permission: Permission) -> Result<(), Problem> {
        if self.may(permission) {
            return Ok(());
        }
        Err(Problem::new(StatusCode::FORBIDDEN, "role_missing", "you do not have the role for this"))
    }

    /// Whether they may do something to accounts.
    pub(crate) fn may(&self, permission: Permission) -> bool {
        self.roles.iter().any(|role| role.may(permission))
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
        let claims = app.keyring.verify(auth::token(&parts.headers)?)?;
        let id = |text: &str| Uuid::try_parse(text).map_err(|_| Refused::Invalid("it names nobody"));
        let (user, session) = (id(&claims.sub)?, id(&claims.sid)?);
        match app.sessions.get(session).await? {
            Some(live) if live.user_id == user => {
                let roles = live.roles.iter().filter_map(|role| Role::parse(role).ok()).collect();
                Ok(Self { user, session, roles })
            }
            _ => Err(Refused::Invalid("its session has ended").into()),
        }
    }
}
