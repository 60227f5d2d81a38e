//! What a new shop has: a customer, an admin, and something to buy. All of it comes in as a person's would, by the REST APIs;
//! only the first admin is made by the command line of user-service, as nobody else may.

use std::{collections::BTreeMap, path::Path, time::Duration};

use flotilla_kit::{Secret, correlation::CorrelationId};
use http::{Method, StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Error, process::Program, settings::Settings};
use crate::{
    name::Name,
    walk::{
        Client, Failure, Version,
        account::{self, Person, Session},
        client::Ask,
        inbox::Inbox,
    },
};

/// The catalogue.
const FILE: &str = include_str!("catalogue.json");

/// How long the mail about an address may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody who may log in to a shop on this machine. Everybody knows their password.
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

/// Somebody who keeps the shop.
pub const ADMIN: Account =
    Account { email: "admin@shop.example", password: "staple-battery-horse", name: "Ada Admin" };

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

/// Puts in what is not there yet.
pub(super) async fn fill(settings: &Settings<'_>, program: &Path) -> Result<(), Error> {
    let catalogue: Catalogue = serde_json::from_str(FILE).map_err(Error::Catalogue)?;
    let at = |port: u16| Uri::try_from(format!("http://127.0.0.1:{port}")).unwrap_or_default();
    let client = |port| Client::new(&at(port), Version::Http1, None);
    let people = |failure| Error::Fill("its people", failure);
    let shop = client(settings.ports.gateway).map_err(people)?;
    let inbox = Inbox::new(client(settings.ports.inbox).map_err(people)?);
    let id = CorrelationId::new();
    log_in(&shop, &inbox, &id, CUSTOMER).await.map_err(people)?;
    let mut session = log_in(&shop, &inbox, &id, ADMIN).await.map_err(people)?;
    let me = Ask::new(Method::GET, "/v1/users/me", &id).token(&session.token);
    let profile: Profile = shop.ask(me).await.and_then(|answer| answer.json()).map_err(people)?;
    if !profile.roles.iter().any(|role| role == "admin") {
        let grant = Program::new(Name::UserService, program, settings, false);
        grant.run(&["grant", "--email", ADMIN.email, "--role", "admin"])?.succeeded().await?;
        // What somebody may do is in their token.
        session = log_in(&shop, &inbox, &id, ADMIN).await.map_err(people)?;
    }
    let things = |failure| Error::Fill("its catalogue", failure);
    stock(&shop, &id, &session, catalogue).await.map_err(things)
}

/// Somebody who has logged in, and has an account from now on.
async fn log_in(shop: &Client, inbox: &Inbox, id: &CorrelationId, who: Account) -> Result<Session, Failure> {
    let person = Person {
        email: who.email.to_owned(),
        name: who.name.to_owned(),
        password: Secret::new(who.password.to_owned()),
    };
    match account::log_in(shop, id, &person).await {
        // There is no account, or nobody has followed the link in its mail.
        Err(Failure::Refused { status: StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, .. }) => {}
        known => return known,
    }
    account::register(shop, id, &person).await?;
    let token = inbox.verification(id, &person.email, PATIENCE).await?;
    account::verify(shop, id, &token).await?;
    account::log_in(shop, id, &person).await
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
