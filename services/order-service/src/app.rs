//! What handlers have in common.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::extract::FromRef;
use flotilla_kit::{
    auth::{Trust, Verifier},
    database::Pool,
    drain::Drain,
    http::cursor::Cursors,
};
use tokio::sync::Semaphore;

use crate::{psp::PaymentProvider, saga::Runner, stock::Stock};

/// What handlers have in common.
#[derive(Clone, Debug)]
pub struct App {
    /// The database.
    pub pool: Pool,
    /// Who people are.
    pub verifier: Verifier,
    /// Who services are.
    pub trust: Trust,
    /// Prices.
    pub stock: Stock,
    /// The provider of new payments.
    pub provider: Arc<dyn PaymentProvider>,
    /// All that there are payments of, by their names.
    pub providers: Arc<BTreeMap<&'static str, Arc<dyn PaymentProvider>>>,
    /// What runs sagas.
    pub runner: Runner,
    /// Cursors of lists.
    pub cursors: Cursors,
    /// How long an order may stay unpaid.
    pub deadline: Duration,
    /// Room for those who follow their orders.
    pub streams: Arc<Semaphore>,
    /// The end of the service.
    pub drain: Drain,
}

impl FromRef<App> for Verifier {
    fn from_ref(app: &App) -> Self {
        app.verifier.clone()
    }
}

impl FromRef<App> for Trust {
    fn from_ref(app: &App) -> Self {
        app.trust.clone()
    }
}
