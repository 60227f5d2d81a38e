//! An account.

use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use flotilla_kit::http::Problem;
use jiff::Timestamp;

use super::{
    address::Address,
    context::{app, principal},
};
use crate::{
    domain::role::Role,
    store::{
        accounts::{self, Account},
        addresses, sessions,
    },
};

/// Sessions that are listed, as over REST.
const SESSIONS: u32 = 100;

/// How an account is.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "accounts::Status")]
pub(super) enum UserStatus {
    /// As it should be.
    Active,
    /// Nobody logs in.
    Locked,
    /// Nobody's any more.
    Erased,
}

/// What somebody is.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "Role")]
pub(super) enum UserRole {
    /// Buys. Everybody is one.
    Customer,
    /// Reads accounts, locks and unlocks them.
    Support,
    /// Does everything.
    Admin,
}

/// A login that goes on.
#[derive(SimpleObject)]
pub(super) struct UserSession {
    id: ID,
    /// What program it is of, as that says.
    user_agent: String,
    /// Whether a second factor was used.
    second_factor: bool,
    /// Whether it is the one that asks.
    current: bool,
    created_at: Timestamp,
    last_used_at: Timestamp,
    expires_at: Timestamp,
}

/// Somebody with an account.
pub(super) struct User(pub Account);

impl User {
    /// Whether it is whoever asks: some things only they see.
    fn is_asker(&self, context: &Context<'_>) -> bool {
        principal(context).is_ok_and(|asker| asker.user == self.0.id)
    }
}

/// Somebody with an account.
#[Object]
impl User {
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The address of mail.
    async fn email(&self) -> &str {
        &self.0.email
    }

    /// Whether it is known to be theirs.
    async fn email_verified(&self) -> bool {
        self.0.email_verified_at.is_some()
    }

    /// Whether mail comes back from it.
    async fn email_bounced(&self) -> bool {
        self.0.email_bounced_at.is_some()
    }

    async fn name(&self) -> &str {
        &self.0.name
    }

    /// A language tag (RFC 5646).
    async fn locale(&self) -> &str {
        &self.0.locale
    }

    async fn status(&self) -> UserStatus {
        self.0.status.into()
    }

    async fn roles(&self) -> Vec<UserRole> {
        self.0.roles.iter().copied().map(UserRole::from).collect()
    }

    /// How often it has changed: what a change is made to.
    async fn version(&self) -> u32 {
        u32::try_from(self.0.version).unwrap_or(u32::MAX)
    }

    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    async fn updated_at(&self) -> Timestamp {
        self.0.updated_at
    }

    /// Where things are sent to them, the oldest first. Only they see it.
    #[graphql(complexity = "1 + 50 * child_complexity")]
    async fn addresses(&self, context: &Context<'_>) -> Option<Result<Vec<Address>, Problem>> {
        let list = async {
            let found = addresses::list(&app(context)?.pool, self.0.id).await?;
            Ok(found.into_iter().map(Address).collect())
        };
        if self.is_asker(context) { Some(list.await) } else { None }
    }

    /// Their sessions that go on, the newest first. Only they see them.
    #[graphql(complexity = "1 + 100 * child_complexity")]
    async fn sessions(&self, context: &Context<'_>) -> Option<Result<Vec<UserSession>, Problem>> {
        let list = async {
            let current = principal(context)?.session;
            let found = sessions::list(&app(context)?.pool, self.0.id, SESSIONS).await?;
            Ok(found
                .into_iter()
                .map(|session| UserSession {
                    id: session.id.into(),
                    user_agent: session.user_agent,
                    second_factor: session.has_second_factor,
                    current: session.id == current,
                    created_at: session.created_at,
                    last_used_at: session.last_used_at,
                    expires_at: session.expires_at,
                })
                .collect())
        };
        if self.is_asker(context) { Some(list.await) } else { None }
    }
}
