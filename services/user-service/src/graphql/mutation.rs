//! What is changed, in the version that was read. What is not there or stale, REST says so as well.

use async_graphql::{Context, ID, Object};
use flotilla_kit::http::Problem;

use super::{
    address::Address,
    context::{app, principal, unless_changed, uuid},
    user::User,
};
use crate::actions::{
    addresses::{self, NewAddress},
    profile::{self, ProfileChange},
};

pub(super) struct Mutation;

#[Object(name = "Mutation")]
impl Mutation {
    /// Changes what whoever asks says of themselves.
    async fn update_profile(
        &self,
        context: &Context<'_>,
        version: u32,
        change: ProfileChange,
    ) -> Result<User, Problem> {
        let account =
            profile::change_own(app(context)?, principal(context)?, &unless_changed(version), &change)
                .await?;
        Ok(User(account))
    }

    /// Adds an address.
    async fn add_address(&self, context: &Context<'_>, address: NewAddress) -> Result<Address, Problem> {
        addresses::add(app(context)?, principal(context)?, address).await.map(Address)
    }

    /// Replaces an address.
    async fn replace_address(
        &self,
        context: &Context<'_>,
        id: ID,
        version: u32,
        address: NewAddress,
    ) -> Result<Address, Problem> {
        let (principal, address_id) = (principal(context)?, uuid("id", &id)?);
        addresses::replace(app(context)?, principal, address_id, &unless_changed(version), address)
            .await
            .map(Address)
    }

    /// Removes an address, and says its id.
    async fn remove_address(&self, context: &Context<'_>, id: ID, version: u32) -> Result<ID, Problem> {
        let (principal, address_id) = (principal(context)?, uuid("id", &id)?);
        addresses::remove(app(context)?, principal, address_id, &unless_changed(version)).await?;
        Ok(id)
    }
}
