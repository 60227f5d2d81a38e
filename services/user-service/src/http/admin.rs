//! Accounts of others, for those who may (see `domain::role`). To everybody else they are not there.

use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::IntoResponse,
};
use flotilla_kit::{
    database::Transaction,
    http::{
        Json, Path, Problem as Failure, Query, Violations,
        conditional::{ETag, IfMatch, IfNoneMatch},
        page::{Page, PageParameters},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Answer, me, private, problems::no_user, shape::User};
use crate::{
    actions::{
        Principal,
        profile::{self, ProfileChange},
    },
    app::App,
    domain::role::{self, Permission, Role},
    events::{self, Fact},
    store::{
        accounts::{self, Account, Filter, Status},
        audit, sessions,
    },
};

/// Characters of a filter or a reason.
const MAX_TEXT: usize = 254;

/// What somebody looks for.
#[derive(Deserialize)]
pub(super) struct Search {
    email: Option<String>,
    status: Option<String>,
    role: Option<String>,
}

/// A page of accounts.
#[derive(Serialize, ToSchema)]
pub(super) struct Users {
    items: Vec<User>,
    /// Where the next page begins. Nothing: this is the last.
    next_cursor: Option<String>,
}

/// The accounts, the newest first.
#[utoipa::path(get, path = "/v1/users", tag = "admin", security(("bearer" = [])), params(
    ("email" = Option<String>, Query, description = "What the address begins with", max_length = 254, pattern = r"^[^\x00]*$"),
    ("status" = Option<String>, Query, description = "Left out: all that are somebody's", pattern = "^(active|locked|erased)$"),
    ("role" = Option<String>, Query, description = "Those who have it", pattern = "^(customer|support|admin)$"),
    ("limit" = Option<u32>, Query, description = "From 1 to 100", minimum = 1, maximum = 100),
    ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
), responses(
    (status = 200, description = "A page", body = Users),
))]
pub(super) async fn list(
    State(app): State<App>,
    principal: Principal,
    uri: Uri,
    Query(search): Query<Search>,
    Query(page): Query<PageParameters>,
) -> Answer {
    principal.require(Permission::Read)?;
    let scope = format!("users/{:?}", (&search.email, &search.status, &search.role));
    let filter = filter(search)?;
    let limit = page.limit()?;
    let before = page.cursor.as_deref().map(|cursor| app.cursors.open(&scope, cursor)).transpose()?;
    // One more tells whether there is another page.
    let mut found = accounts::list(&app.pool, &filter, before, limit + 1).await?;
    let has_more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let last = found.last().filter(|_| has_more).map(|last| (last.created_at, last.id));
    let next_cursor = last.map(|position| app.cursors.seal(&scope, &position)).transpose();
    let next_cursor = next_cursor.map_err(|error| Failure::internal(&error))?;
    let items = found.iter().map(User::from).collect();
    Ok(private(Page { items, next_cursor }.into_response(&uri)))
}

fn filter(search: Search) -> Result<Filter, Failure> {
    let bad = |name: &'static str, what: &'static str| {
        let detail = "a parameter of the query cannot be taken; errors says which";
        Failure::new(StatusCode::BAD_REQUEST, "invalid_parameter", detail).parameter(name, what)
    };
    if search.email.as_ref().is_some_and(|email| email.len() > MAX_TEXT || email.contains('\0')) {
        return Err(bad("email", "write at most 254 characters"));
    }
    let status = match search.status.as_deref() {
        None => None,
        Some("active") => Some("active"),
        Some("locked") => Some("locked"),
        Some("erased") => Some("erased"),
        Some(_) => return Err(bad("status", "write active, locked or erased")),
    };
    let role = search.role.as_deref().map(Role::parse).transpose();
    let role = role.map_err(|_| bad("role", "write customer, support or admin"))?;
    Ok(Filter { email: search.email, status, role })
}

/// An account.
#[utoipa::path(get, path = "/v1/users/{id}", tag = "admin", security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The user"),
    ("If-None-Match" = Option<String>, Header, description = "The ETag that is known"),
), responses(
    (status = 200, description = "The account, with its ETag", body = User, headers(("ETag" = String))),
    (status = 304, description = "It is as it is known"),
))]
pub(super) async fn get(
    State(app): State<App>,
    principal: Principal,
    Path(id): Path<Uuid>,
    known: IfNoneMatch,
) -> Answer {
    let account = if principal.may(Permission::Read) { accounts::get(&app.pool, id).await? } else { None };
    let account = account.ok_or_else(no_user)?;
    Ok(known.answer(ETag(account.version), || Json(User::from(&account)).into_response()))
}

/// Changes what an account says of its user.
#[utoipa::path(patch, path = "/v1/users/{id}", tag = "admin", request_body = ProfileChange, security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The user"),
    ("If-Match" = String, Header, description = "The ETag of what is changed"),
), responses(
    (status = 200, description = "The account, with its ETag", body = User, headers(("ETag" = String))),
))]
pub(super) async fn patch(
    State(app): State<App>,
    principal: Principal,
    Path(id): Path<Uuid>,
    expected: IfMatch,
    Json(sent): Json<ProfileChange>,
) -> Answer {
    let mut transaction = app.pool.begin().await?;
    let account = lock_for(&mut transaction, &principal, id, Permission::Manage).await?;
    let account = profile::change(&mut transaction, &principal, &account, &expected, &sent).await?;
    transaction.commit().await?;
    Ok(me::with_etag(&account))
}

/// What somebody is from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRoles {
    /// `customer`, `support`, `admin`. Everybody is a customer.
    roles: Vec<String>,
}

/// Sets what somebody may do.
#[utoipa::path(put, path = "/v1/users/{id}/roles", tag = "admin", request_body = NewRoles, security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The user"),
    ("If-Match" = String, Header, description = "The ETag of what is changed"),
), responses(
    (status = 200, description = "The account, with its ETag", body = User, headers(("ETag" = String))),
    (status = 409, description = "It is oneself"),
))]
pub(super) async fn set_roles(
    State(app): State<App>,
    principal: Principal,
    Path(id): Path<Uuid>,
    expected: IfMatch,
    Json(sent): Json<NewRoles>,
) -> Answer {
    let mut violations = Violations::new();
    let mut roles = vec![Role::Customer];
    for (at, name) in sent.roles.iter().enumerate() {
        roles.extend(violations.check(format!("/roles/{at}"), Role::parse(name)));
    }
    violations.into_result()?;
    roles.sort_unstable();
    roles.dedup();
    let mut transaction = app.pool.begin().await?;
    let account = lock_for(&mut transaction, &principal, id, Permission::Manage).await?;
    expected.check(ETag(account.version))?;
    not_oneself(&principal, id)?;
    accounts::set_roles(&mut transaction, id, &roles).await?;
    let changed = accounts::get(&mut *transaction, id).await?.ok_or_else(no_user)?;
    let detail = json!({ "before": account.role_names(), "after": changed.role_names() });
    audit::append(&mut transaction, Some(principal.user), id, "roles_changed", detail).await?;
    transaction.commit().await?;
    Ok(me::with_etag(&changed))
}

/// Why somebody is locked.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Lock {
    /// For the log, in a line. It stays when the account is erased, so it says nothing of people.
    #[schema(min_length = 1, max_length = 254)]
    reason: String,
}

/// Locks an account: its sessions are ended, and nobody logs in to it.
#[utoipa::path(post, path = "/v1/users/{id}/lock", tag = "admin", request_body = Lock, security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The user"),
), responses(
    (status = 204, description = "It is locked"),
    (status = 409, description = "It is oneself"),
))]
pub(super) async fn lock(
    State(app): State<App>,
    principal: Principal,
    Path(id): Path<Uuid>,
    Json(sent): Json<Lock>,
) -> Answer {
    let reason = sent.reason.trim();
    let is_good = (1..=MAX_TEXT).contains(&reason.chars().count()) && !reason.chars().any(char::is_control);
    let mut violations = Violations::new();
    if !is_good {
        violations.add("/reason", "write from 1 to 254 characters in one line");
    }
    violations.into_result()?;
    let mut transaction = app.pool.begin().await?;
    lock_for(&mut transaction, &principal, id, Permission::Lock).await?;
    not_oneself(&principal, id)?;
    if accounts::set_status(&mut transaction, id, Status::Locked).await? {
        sessions::end_all(&mut transaction, id, None, "locked").await?;
        audit::append(&mut transaction, Some(principal.user), id, "locked", json!({ "reason": reason }))
            .await?;
        events::append(&mut transaction, id, &Fact::Locked { reason: "operator", until: None }).await?;
    }
    transaction.commit().await?;
    app.wake.wake();
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Unlocks an account.
#[utoipa::path(post, path = "/v1/users/{id}/unlock", tag = "admin", security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The user"),
), responses(
    (status = 204, description = "It is not locked"),
))]
pub(super) async fn unlock(State(app): State<App>, principal: Principal, Path(id): Path<Uuid>) -> Answer {
    let mut transaction = app.pool.begin().await?;
    lock_for(&mut transaction, &principal, id, Permission::Lock).await?;
    if accounts::set_status(&mut transaction, id, Status::Active).await? {
        audit::append(&mut transaction, Some(principal.user), id, "unlocked", json!({})).await?;
    }
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// An account that somebody is to change, if they may: 404 to those who may not even see it. Neither account is changed by
/// anybody else until the end of the transaction, so that two admins do not leave the shop with none.
async fn lock_for(
    transaction: &mut Transaction<'_>,
    principal: &Principal,
    id: Uuid,
    permission: Permission,
) -> Result<Account, Failure> {
    if !principal.may(Permission::Read) {
        return Err(no_user());
    }
    accounts::hold(&mut *transaction, &[principal.user, id]).await?;
    let account = accounts::get(&mut **transaction, id).await?.ok_or_else(no_user)?;
    let actor = accounts::get(&mut **transaction, principal.user).await?;
    let is_allowed = actor.is_some_and(|actor| {
        actor.status == Status::Active && role::may(&actor.roles, permission, &account.roles)
    });
    if is_allowed {
        return Ok(account);
    }
    Err(Failure::new(StatusCode::FORBIDDEN, "role_missing", "you do not have the role for this"))
}

/// Nobody locks themselves out.
fn not_oneself(principal: &Principal, id: Uuid) -> Result<(), Failure> {
    if principal.user != id {
        return Ok(());
    }
    let detail = "somebody else has to do this to you, so that one is always left who can";
    Err(Failure::new(StatusCode::CONFLICT, "not_oneself", detail))
}
