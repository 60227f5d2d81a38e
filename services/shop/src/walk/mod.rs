//! A customer of a shop: registers, verifies the address by the mail that came, logs in, looks around, fills a cart, orders,
//! has it paid, and waits for the mail that confirms it. All of it over HTTP, through the gateway, as a person does it with
//! curl; against a shop on this machine or on a cluster.
//!
//! - `account`, `catalogue`, `ordering`: what is asked of the shop, each with what comes of it
//! - `inbox`: the mail that the shop has sent
//! - `client`: HTTP
//! - `step`, `error`: how far it is, and what went wrong

pub mod account;
pub mod catalogue;
pub mod client;
mod error;
pub mod inbox;
pub mod ordering;
mod step;

use std::{net::IpAddr, time::Duration};

use flotilla_kit::correlation::CorrelationId;
use http::Uri;
use serde::Serialize;
use tokio::time::Instant;
use uuid::Uuid;

use self::{
    account::{Person, Session},
    inbox::{Inbox, Mail},
    ordering::{Cart, Paid, Placed},
};
pub use self::{
    client::{Client, Version},
    error::{Error, Failure},
    step::{Step, Told},
};

/// What is paid in.
const CURRENCY: &str = "EUR";

/// What a customer goes by.
#[derive(Clone, Debug)]
pub struct Options {
    /// The shop's gateway.
    pub shop: Uri,
    /// The inbox that its mail goes to.
    pub inbox: Uri,
    /// The address of all hosts, where names do not resolve.
    pub connect_to: Option<IpAddr>,
    /// What is spoken to the gateway.
    pub version: Version,
    /// What pays, as the payment provider names it.
    pub payment_method: String,
    /// How long the payment and each mail may take.
    pub patience: Duration,
}

/// What came of a walk.
#[derive(Clone, Debug, Serialize)]
pub struct Walked {
    /// Who it was.
    pub email: String,
    /// What was ordered.
    pub cart: Cart,
    /// The order.
    pub order: Placed,
    /// How it was paid.
    pub payment: Paid,
    /// The mail that confirmed it.
    pub mail: Mail,
    /// The steps, in their order.
    pub steps: Vec<Told>,
}

impl Walked {
    /// The correlation id of a step.
    pub fn correlation_id(&self, step: Step) -> Option<&str> {
        self.steps.iter().find(|told| told.step == step).map(|told| told.correlation_id.as_str())
    }
}

/// Walks from the registration to the mail, and tells of each step when it is done.
pub async fn walk(options: &Options, tell: impl FnMut(&Told)) -> Result<Walked, Error> {
    let (client, inbox) = connect(options)?;
    let mut steps = Steps { done: Vec::new(), tell };
    let patience = options.patience;
    let person = Person::stranger(Uuid::now_v7());

    steps.step(Step::Register, async |id| account::register(&client, id, &person).await).await?;
    let token =
        steps.step(Step::ReadMail, async |id| inbox.verification(id, &person.email, patience).await).await?;
    steps.step(Step::Verify, async |id| account::verify(&client, id, &token).await).await?;
    let session: Session =
        steps.step(Step::LogIn, async |id| account::log_in(&client, id, &person).await).await?;
    let choice = steps.step(Step::Browse, async |id| catalogue::browse(&client, id, CURRENCY).await).await?;
    let cart = steps
        .step(Step::FillCart, async |id| ordering::fill_cart(&client, id, &session, &choice).await)
        .await?;
    let order = steps
        .step(Step::Order, async |id| {
            ordering::place(&client, id, &session, &cart, &options.payment_method).await
        })
        .await?;
    let payment = steps
        .step(Step::Pay, async |id| ordering::paid(&client, id, &session, &order, patience).await)
        .await?;
    let mail = steps
        .step(Step::Confirmation, async |id| inbox.confirmation(id, &person.email, order.id, patience).await)
        .await?;
    Ok(Walked { email: person.email, cart, order, payment, mail, steps: steps.done })
}

/// The gateway and the inbox. Nothing is asked of them yet.
fn connect(options: &Options) -> Result<(Client, Inbox), Error> {
    let fail = |failure| {
        let correlation_id = CorrelationId::new().to_string();
        Error { step: Step::Register, correlation_id, failure }
    };
    let client = Client::new(&options.shop, options.version, options.connect_to).map_err(fail)?;
    let inbox = Client::new(&options.inbox, Version::Http1, options.connect_to).map_err(fail)?;
    Ok((client, Inbox::new(inbox)))
}

/// The steps that were done, and who hears of them.
struct Steps<F> {
    done: Vec<Told>,
    tell: F,
}

impl<F: FnMut(&Told)> Steps<F> {
    /// Does a step. All that it asks has one correlation id.
    async fn step<T: ToString>(
        &mut self,
        step: Step,
        work: impl AsyncFnOnce(&CorrelationId) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let (id, began) = (CorrelationId::new(), Instant::now());
        match work(&id).await {
            Ok(value) => {
                let told = Told {
                    step,
                    what: value.to_string(),
                    correlation_id: id.to_string(),
                    milliseconds: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
                };
                (self.tell)(&told);
                self.done.push(told);
                Ok(value)
            }
            Err(failure) => Err(Error { step, correlation_id: id.to_string(), failure }),
        }
    }
}
