//! What a shop has for those who try it: a customer, somebody who keeps it, and something to buy. All of it comes in as a
//! person's would, by the REST APIs, and what is there already stays as it is.

use std::{collections::BTreeMap, time::Duration};

use flotilla_kit::{Secret, correlation::CorrelationId};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::walk::{
    Client, Failure,
    account::{self, Person, Session},
    client::Ask,
    inbox::Inbox,
};

/// The catalogue.
const FILE: &str = include_str!("catalogue.json");

/// The role of those who keep the catalogue.
const KEEPER: &str = "admin";

/// Somebody who may log in. Everybody knows their password: they are for no shop that sells anything.
#[derive(Clone, Copy, Debug)]
pub struct Account {
    /// Their address.
    pub email: &'static str,
    /// Their password.
    pub password: &'static str,
    name: &'static str,
}

/// Somebody who buys.
pub const CUSTOMER: Account =
    Account { email: "demo@shop.example", password: "correct-horse-battery", name: "Dora Demo" };

/// Somebody who keeps the shop, once somebody with the command line of user-service has given them the role.
pub const ADMIN: Account =
    Account { email: "admin@shop.example", password: "staple-battery-horse", name: "Ada Admin" };

impl Account {
    /// As the shop knows them.
    pub fn person(&self) -> Person {
        Person {
            email: self.email.to_owned(),
            name: self.name.to_owned(),
            password: Secret::new(self.password.to_owned()),
        }
    }
}

#[derive(Deserialize)]
struct Catalogue {
    categories: Vec<Category>,
    products: Vec<Product>,
}

#[derive(Deserialize)]
struct Category {
    slug: String,
    name: String,
    /// The slug of one that comes before.
    parent: Option<String>,
}

#[derive(Deserialize)]
struct Product {
    /// By their slugs.
    categories: Vec<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Product {
    /// As product-service takes it, with categories by their ids.
    fn body(mut self, ids: &BTreeMap<String, Uuid>) -> Value {
        let categories: Vec<_> = self.categories.iter().filter_map(|slug| ids.get(slug)).collect();
        self.rest.insert("categories".to_owned(), json!(categories));
        Value::Object(self.rest)
    }
}

/// A category of a shop, with those in it.
#[derive(Deserialize)]
struct Branch {
    id: Uuid,
    slug: String,
    children: Vec<Branch>,
}

#[derive(Deserialize)]
struct Tree {
    items: Vec<Branch>,
}

#[derive(Deserialize)]
struct Created {
    id: Uuid,
}

#[derive(Deserialize)]
struct Profile {
    roles: Vec<String>,
}

/// Why a shop has nothing to buy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The catalogue is none.
    #[error("the catalogue of this program is none")]
    File(#[from] serde_json::Error),
    /// Nobody may put it in.
    #[error("{} may not keep the catalogue: have user-service grant them the role {KEEPER}", ADMIN.email)]
    Role,
    /// The shop does not take it.
    #[error("the shop does not take it")]
    Refused(#[from] Failure),
}

/// Makes accounts for those who try the shop.
pub async fn people(
    shop: &Client,
    inbox: &Inbox,
    id: &CorrelationId,
    patience: Duration,
) -> Result<(), Failure> {
    for who in [CUSTOMER, ADMIN] {
        log_in(shop, inbox, id, who, patience).await?;
    }
    Ok(())
}

/// Whether [`ADMIN`] keeps the shop.
pub async fn is_kept(shop: &Client, id: &CorrelationId) -> Result<bool, Failure> {
    let session = account::log_in(shop, id, &ADMIN.person()).await?;
    keeps(shop, id, &session).await
}

async fn keeps(shop: &Client, id: &CorrelationId, session: &Session) -> Result<bool, Failure> {
    let me = Ask::new(Method::GET, "/v1/users/me", id).token(&session.token);
    let profile: Profile = shop.ask(me).await?.json()?;
    Ok(profile.roles.iter().any(|role| role == KEEPER))
}

/// Puts in what is sold, as [`ADMIN`].
pub async fn catalogue(shop: &Client, id: &CorrelationId) -> Result<(), Error> {
    let catalogue: Catalogue = serde_json::from_str(FILE)?;
    let session = account::log_in(shop, id, &ADMIN.person()).await?;
    if !keeps(shop, id, &session).await? {
        return Err(Error::Role);
    }
    Ok(stock(shop, id, &session, catalogue).await?)
}

/// Makes an account, when there is none that somebody can log in with.
async fn log_in(
    shop: &Client,
    inbox: &Inbox,
    id: &CorrelationId,
    who: Account,
    patience: Duration,
) -> Result<(), Failure> {
    let person = who.person();
    match account::log_in(shop, id, &person).await {
        Ok(_) => return Ok(()),
        // There is no account, or nobody has followed the link in its mail.
        Err(Failure::Refused { status: StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, .. }) => {}
        Err(failure) => return Err(failure),
    }
    account::register(shop, id, &person).await?;
    let token = inbox.verification(id, &person.email, patience).await?;
    account::verify(shop, id, &token).await.map(drop)
}

/// Puts categories and products in, with their stock.
async fn stock(
    shop: &Client,
    id: &CorrelationId,
    session: &Session,
    catalogue: Catalogue,
) -> Result<(), Failure> {
    let tree: Tree = shop.ask(Ask::new(Method::GET, "/v1/categories", id)).await?.json()?;
    let mut ids = BTreeMap::new();
    remember(tree.items, &mut ids);
    for Category { slug, name, parent } in catalogue.categories {
        if ids.contains_key(&slug) {
            continue;
        }
        let parent = parent.and_then(|parent| ids.get(&parent));
        let body = json!({ "slug": slug, "name": name, "parent": parent });
        let ask = Ask::new(Method::POST, "/v1/categories", id).token(&session.token).json(body);
        let created: Created = shop.ask(ask).await?.json()?;
        ids.insert(slug, created.id);
    }
    for product in catalogue.products {
        let body = product.body(&ids);
        let ask = Ask::new(Method::POST, "/v1/products", id).token(&session.token).json(body);
        match shop.ask(ask).await {
            // An earlier run has put it in; how much there is of it now is its own business.
            Ok(_) | Err(Failure::Refused { status: StatusCode::CONFLICT, .. }) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

fn remember(branches: Vec<Branch>, ids: &mut BTreeMap<String, Uuid>) {
    for branch in branches {
        ids.insert(branch.slug, branch.id);
        remember(branch.children, ids);
    }
}

#[cfg(test)]
mod tests {
    use flotilla_product_service::domain::ProductInput;

    use super::*;

    #[test]
    fn the_catalogue_is_one_that_the_shop_takes() {
        let catalogue: Catalogue = serde_json::from_str(FILE).unwrap();
        let mut ids = BTreeMap::new();
        for category in catalogue.categories {
            assert!(category.parent.is_none_or(|parent| ids.contains_key(&parent)), "{}", category.slug);
            ids.insert(category.slug, Uuid::now_v7());
        }
        assert!(catalogue.products.len() >= 8);
        for product in catalogue.products {
            let wanted = product.categories.len();
            let input: ProductInput = serde_json::from_value(product.body(&ids)).unwrap();
            assert_eq!(input.categories.len(), wanted, "{}", input.slug);
            assert!(input.variants.iter().all(|variant| variant.stock.is_some_and(|stock| stock > 0)));
            input.check().unwrap();
        }
    }
}
