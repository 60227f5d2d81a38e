//! All customers, and the one who keeps the shop.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use flotilla_kit::{Secret, correlation::CorrelationId};
use flotilla_shop::{
    dev::ADMIN,
    walk::{
        Client, Failure, Version,
        account::{self, Person as Account},
        client::Ask,
        inbox::Inbox,
    },
};
use http::{Method, Uri};
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use uuid::Uuid;

use super::{goods::Goods, person::Person, record::Record};

/// Customers that there are.
const CUSTOMERS: usize = 6;

/// How long the mail about an address may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often somebody exchanges their refresh token.
const REFRESH: Duration = Duration::from_secs(5);

/// What a thing costs, in minor units.
const PRICE: i64 = 1_990;

/// Why there are no customers.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// They cannot come in.
    #[error("customers cannot come in")]
    Register(#[source] Failure),
    /// There is nothing to buy.
    #[error("there is nothing to buy")]
    Stock(#[source] Failure),
}

/// All of them.
#[derive(Debug)]
pub struct Crowd {
    /// The shop.
    pub(super) shop: Client,
    /// The payment provider, where customers answer their bank.
    pub provider: Client,
    /// What takes mail.
    pub sink: Client,
    customers: Vec<Person>,
    pub(super) admin: Person,
    grace: Duration,
}

/// Where somebody comes in.
#[derive(Clone, Copy, Debug)]
pub struct Doors {
    /// The gateway.
    pub front: SocketAddr,
    /// The payment provider.
    pub provider: SocketAddr,
    /// What takes mail.
    pub inbox: SocketAddr,
    /// For how long a refresh token that was exchanged may be exchanged again.
    pub grace: Duration,
}

impl Crowd {
    /// Has some register and log in.
    pub async fn new(doors: &Doors) -> Result<Self, Error> {
        Self::come_in(doors).await.map_err(Error::Register)
    }

    async fn come_in(doors: &Doors) -> Result<Self, Failure> {
        let client = |address| {
            let base = Uri::try_from(format!("http://{address}")).unwrap_or_default();
            Client::new(&base, Version::Http1, None)
        };
        let (shop, provider, sink) = (client(doors.front)?, client(doors.provider)?, client(doors.inbox)?);
        let inbox = Inbox::new(sink.clone());
        let id = CorrelationId::new();
        let mut customers = Vec::new();
        for number in 0..CUSTOMERS {
            let account = Account::stranger(Uuid::now_v7());
            account::register(&shop, &id, &account).await?;
            let token = inbox.verification(&id, &account.email, PATIENCE).await?;
            account::verify(&shop, &id, &token).await?;
            customers.push(Person::log_in(&shop, format!("customer-{number}"), account).await?);
        }
        let admin = Account {
            email: ADMIN.email.to_owned(),
            name: "An Admin".to_owned(),
            password: Secret::new(ADMIN.password.to_owned()),
        };
        let admin = Person::log_in(&shop, "admin".to_owned(), admin).await?;
        Ok(Self { shop, provider, sink, customers, admin, grace: doors.grace })
    }

    /// One of the customers.
    pub(super) fn customer(&self, number: usize) -> Option<&Person> {
        self.customers.get(number % self.customers.len().max(1))
    }

    /// Puts something new on the shelves: enough of it for so many orders, and of one thing too little.
    pub async fn stock(&self, goods: &Goods, orders: usize) -> Result<(), Error> {
        let id = CorrelationId::new();
        self.admin.log_in_again(&self.shop).await;
        let token = self.admin.token();
        for (sku, stock) in goods.stock(orders) {
            let body = json!({
                "slug": sku.to_lowercase(),
                "name": sku,
                "status": "active",
                "variants": [{
                    "sku": sku,
                    "name": "the only one",
                    "prices": [{ "currency": "EUR", "minor": PRICE }],
                    "low_at": 1,
                    "stock": stock,
                }],
            });
            let ask = Ask::new(Method::POST, "/v1/products", &id).token(&token).json(body);
            self.shop.ask(ask).await.map_err(Error::Stock)?;
        }
        Ok(())
    }

    /// Has everybody exchange their refresh tokens from time to time, until this is dropped.
    pub(super) fn refresh(self: &Arc<Self>, record: &Arc<Record>) -> JoinSet<()> {
        let mut all = JoinSet::new();
        for number in 0..self.customers.len() {
            let (crowd, record) = (Arc::clone(self), Arc::clone(record));
            all.spawn(async move {
                let Some(person) = crowd.customer(number) else { return };
                loop {
                    sleep(REFRESH + Duration::from_millis(fastrand::u64(..1_000))).await;
                    person.refresh(&crowd.shop, &record).await;
                }
            });
        }
        all
    }

    /// Has some use tokens that they have exchanged before.
    pub(super) async fn misuse_old_tokens(&self, record: &Record) {
        sleep(self.grace + Duration::from_millis(100)).await;
        for person in self.customers.iter().take(2) {
            // A shop that does not answer any more is seen by others.
            let _done = timeout(PATIENCE, person.misuse(&self.shop, record)).await.is_ok();
        }
    }
}
