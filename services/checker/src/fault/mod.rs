//! What is done to a shop while customers order.
//!
//! - `kind`: the faults by their names
//! - `process`, `failpoints`: processes that are killed, stopped, or end where they are told to
//! - `network`: links that are slow, silent or cut
//! - `provider`, `mail`: a payment provider and a mail server that misbehave, by their own APIs
//! - `race`: who is first, the webhook or the customer
//! - `clock`: clocks that jump

mod clock;
mod failpoints;
mod kind;
mod mail;
mod network;
mod process;
mod provider;
mod race;

use std::time::Duration;

use fastrand::Rng;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

pub use self::{
    kind::{Fault, NoFault},
    mail::MailFault,
    provider::Misbehaviour,
    race::Race,
};
use crate::{
    drive::{Crowd, Stage},
    shop::{self, Shop},
};

/// Why a fault could not be brought about.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The shop does not do what it is told.
    #[error(transparent)]
    Shop(#[from] shop::Error),
    /// Somebody does not misbehave as told.
    #[error("{0} cannot be told to misbehave")]
    Told(&'static str, #[source] flotilla_shop::walk::Failure),
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// How often something happened.
    pub times: usize,
    /// The places that it can happen at, when they are known.
    pub places: Option<Places>,
}

/// The places that a fault can happen at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// How many there are.
    pub all: usize,
    /// Those at which it has not: nobody came by while it was their turn.
    pub missed: Vec<String>,
}

/// Who brings a fault about.
pub struct Injector<'a> {
    shop: &'a mut Shop,
    crowd: &'a Crowd,
    rng: Rng,
    stage: watch::Receiver<Stage>,
    done: Done,
}

impl std::fmt::Debug for Injector<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Injector").field("done", &self.done).finish_non_exhaustive()
    }
}

impl<'a> Injector<'a> {
    /// Of a shop, until customers have ordered all that they want to.
    pub fn new(shop: &'a mut Shop, crowd: &'a Crowd, seed: u64, stage: watch::Receiver<Stage>) -> Self {
        Self { shop, crowd, rng: Rng::with_seed(seed), stage, done: Done::default() }
    }

    /// Brings it about again and again while customers order, and then undoes it.
    pub async fn run(mut self, fault: Fault) -> Result<Done, Error> {
        match fault {
            Fault::None => self.until_placed().await,
            Fault::Failpoints => self.failpoints().await?,
            Fault::Race(race) => self.race(race).await?,
            _ => {
                self.pause(500..1_000).await;
                while self.is_placing() {
                    self.once(fault).await?;
                    self.done.times += 1;
                    self.pause(fault.pauses()).await;
                }
            }
        }
        self.heal().await?;
        if fault == Fault::BrokerWipe {
            // Whoever lost what it had has to know its consumers again first.
            sleep(Duration::from_secs(8)).await;
            self.shop.replay_outboxes().await?;
        }
        Ok(self.done)
    }

    /// Brings it about once.
    async fn once(&mut self, fault: Fault) -> Result<(), Error> {
        match fault {
            Fault::None | Fault::Failpoints | Fault::Race(_) => Ok(()),
            Fault::Kill(name) => self.kill(name).await,
            Fault::Stop(name) => self.stop(name).await,
            Fault::Clock => self.jump().await,
            Fault::Rolling => self.roll().await,
            Fault::TwoVersions => self.roll_versions().await,
            Fault::Postgres => {
                let pause = self.duration(0..1_200);
                Ok(self.shop.restart_postgres(pause).await?)
            }
            Fault::BrokerKill | Fault::BrokerWipe => {
                let pause = self.duration(0..2_000);
                Ok(self.shop.restart_broker(pause, fault == Fault::BrokerWipe).await?)
            }
            Fault::Link(link) => {
                self.disturb(link).await;
                Ok(())
            }
            Fault::Provider(what) => self.misbehave(what).await,
            Fault::Mail(what) => self.fail_mail(what).await,
            Fault::Everything => {
                let all: Vec<_> =
                    Fault::all().into_iter().filter(|one| one.is_part_of_everything()).collect();
                let one = self.rng.choice(all).unwrap_or(Fault::None);
                Box::pin(self.once(one)).await
            }
        }
    }

    async fn heal(&mut self) -> Result<(), Error> {
        self.shop.heal().await?;
        self.behave().await?;
        self.take_mail().await
    }

    fn is_placing(&self) -> bool {
        *self.stage.borrow() == Stage::Placing
    }

    async fn until_placed(&mut self) {
        // Gone with whoever orders, it is over as well.
        let _is_over = self.stage.wait_for(|stage| *stage != Stage::Placing).await.is_ok();
    }

    fn duration(&mut self, milliseconds: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.rng.u64(milliseconds))
    }

    /// Waits for some time, but not for longer than customers order.
    async fn pause(&mut self, milliseconds: std::ops::Range<u64>) {
        let time = self.duration(milliseconds);
        let _over = timeout(time, self.until_placed()).await.is_ok();
    }
}
