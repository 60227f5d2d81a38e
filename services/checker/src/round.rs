//! A round: customers order while a fault happens again and again; then it is undone, all of it comes to an end, and what came of
//! it is checked.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::JoinError,
    time::{Instant, sleep, timeout},
};

use crate::{
    drive::{self, Crowd, Goods, Plan, Record, Stage, Way, drive},
    fault::{self, Done, Fault, Injector},
    history::{self, History, Violation},
    read,
    shop::{self, Instance, Shop},
};

/// How long customers have after a fault is undone, until those that are not done give up; and everything after that, until it
/// has to have come to an end.
pub const PATIENCE: Duration = Duration::from_secs(150);

/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(300);

/// How long mail is waited for until whoever sends it is killed: what a process that is gone was at is somebody else's two
/// minutes later.
const HASTE: Duration = Duration::from_secs(8);

/// Customers who come back from their bank in a race, whatever else there is.
const RACES: usize = 140;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The shop does not do what it is told.
    #[error(transparent)]
    Shop(#[from] shop::Error),
    /// There are no customers, or nothing to buy.
    #[error(transparent)]
    Crowd(#[from] drive::Error),
    /// The fault cannot be brought about.
    #[error(transparent)]
    Fault(#[from] fault::Error),
    /// What came of it cannot be read.
    #[error(transparent)]
    Read(#[from] read::Error),
    /// Something died.
    #[error(transparent)]
    Died(#[from] JoinError),
}

/// What a round is made with.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// So many orders.
    pub orders: usize,
    /// So many in a second.
    pub rate: f64,
    /// Where chance begins.
    pub seed: u64,
    /// What customers mean to do. Nothing: anything.
    pub way: Option<Way>,
    /// For how long customers order at least, so that a fault happens often enough.
    pub lasts: Duration,
    /// How long customers have after the fault, and everything after them.
    pub patience: Duration,
}

impl Settings {
    /// How much is ordered, and how fast: long enough for the fault. Each of the named points has its turn.
    fn pace(&self, fault: Fault) -> (usize, f64) {
        let (orders, lasts) = match fault {
            Fault::None => return (self.orders, self.rate),
            Fault::Race(_) => (self.orders.max(RACES), self.lasts),
            Fault::Failpoints => (5 * self.orders, 10 * self.lasts),
            _ => (self.orders, self.lasts),
        };
        let slowest = Duration::from_secs(u64::try_from(orders).unwrap_or(u64::MAX)).div_duration_f64(lasts);
        (orders, self.rate.min(slowest))
    }
}

/// What came of a round.
#[derive(Clone, Debug)]
pub struct Round {
    /// What was done.
    pub fault: Fault,
    /// How often.
    pub done: Done,
    /// In a race: of how many orders the webhook was the first to tell that they can be paid, and of how many the customer.
    pub first: Option<(usize, usize)>,
    /// Orders that customers wanted to place.
    pub orders: usize,
    /// What was asked, and of how much nobody knew what came of it.
    pub requests: (usize, usize),
    /// Orders that are there, by what they are.
    pub ends: Ends,
    /// Mails that came twice.
    pub mails_twice: usize,
    /// What is not as it should be.
    pub violations: Vec<Violation>,
    /// How long all of it took.
    pub took: Duration,
    /// What was asked and answered.
    pub record: Arc<Record>,
    /// What was there to buy.
    pub goods: Goods,
}

/// Orders by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// Paid, also those that are sent.
    pub sold: usize,
    /// Rejected, called off or expired.
    pub undone: usize,
    /// Left to a person.
    pub for_a_person: usize,
}

/// A shop with its customers, for as many rounds as nothing is wrong.
#[derive(Debug)]
pub struct Place {
    /// The shop.
    pub shop: Shop,
    crowd: Arc<Crowd>,
    /// What came twice before.
    twice: usize,
    /// Whether mail has ever been disturbed.
    disturbances: usize,
    /// Orders of rounds before.
    known: BTreeSet<String>,
}

impl Place {
    /// With customers that have logged in.
    pub async fn new(shop: Shop) -> Result<Self, Error> {
        let crowd = Arc::new(Crowd::new(&shop.doors()).await?);
        Ok(Self { shop, crowd, twice: 0, disturbances: 0, known: BTreeSet::new() })
    }

    /// Has a round.
    pub async fn round(&mut self, fault: Fault, settings: &Settings) -> Result<Round, Error> {
        let began = Instant::now();
        let (record, goods) = (Arc::new(Record::default()), Goods::new());
        let (orders, rate) = settings.pace(fault);
        self.crowd.stock(&goods, orders).await?;
        let way = if matches!(fault, Fault::Race(_)) { Some(Way::Back) } else { settings.way };
        let plan = Plan { orders, rate, seed: settings.seed, goods: goods.clone(), way };
        let stage = watch::Sender::new(Stage::Placing);
        let driving = tokio::spawn(drive(Arc::clone(&self.crowd), Arc::clone(&record), plan, stage.clone()));
        let injector = Injector::new(&mut self.shop, &self.crowd, settings.seed, stage.subscribe());
        let done = injector.run(fault).await?;
        stage.send_replace(Stage::Over(Instant::now() + settings.patience));
        driving.await?;
        self.disturbances += usize::from(fault.disturbs_mail());
        self.end(settings.patience).await?;

        let found = self.shop.places().read(&self.crowd.provider).await?;
        let grace = self.shop.doors().grace.as_micros().try_into().unwrap_or(u64::MAX);
        let operations = record.operations();
        let first = matches!(fault, Fault::Race(_)).then(|| found.first_to_tell(&self.known));
        let history = History { operations, found, grace, disturbances: self.disturbances };
        let twice = history::duplicates(&history);
        let mut ends = Ends::default();
        for order in history.found.orders.iter().filter(|order| self.known.insert(order.id.clone())) {
            ends.sold += usize::from(order.is_sold());
            ends.undone += usize::from(order.is_undone());
            ends.for_a_person += usize::from(order.is_for_a_person());
        }
        let mails_twice = twice - std::mem::replace(&mut self.twice, twice);
        Ok(Round {
            fault,
            done,
            first,
            orders,
            requests: record.count(),
            ends,
            mails_twice,
            violations: history.check(),
            took: began.elapsed(),
            record,
            goods,
        })
    }

    /// Waits until nothing is under way. What waits for a later time is hastened; what never ends is left to the check.
    async fn end(&mut self, patience: Duration) -> Result<(), Error> {
        let (began, places) = (Instant::now(), self.shop.places());
        let mut is_patient = true;
        let quiet = async {
            loop {
                places.hasten(false).await?;
                if places.is_quiet().await? {
                    return Ok::<_, Error>(());
                }
                if is_patient && began.elapsed() > HASTE {
                    is_patient = false;
                    let mailer = Instance::first(flotilla_shop::name::Name::NotificationService);
                    self.shop.end(mailer, rustix::process::Signal::KILL).await?;
                    self.disturbances += 1;
                    places.hasten(true).await?;
                    self.shop.revive(mailer).await?;
                }
                sleep(LOOK).await;
            }
        };
        // Of what is not quiet by then the check tells more.
        timeout(patience, quiet).await.unwrap_or(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Race;

    #[test]
    fn customers_order_for_as_long_as_a_fault_needs() {
        let (lasts, patience) = (Duration::from_secs(20), PATIENCE);
        let settings = Settings { orders: 100, rate: 12.0, seed: 0, way: None, lasts, patience };
        assert_eq!(settings.pace(Fault::None), (100, 12.0));
        assert_eq!(settings.pace(Fault::Postgres), (100, 5.0));
        assert_eq!(settings.pace(Fault::Failpoints), (500, 2.5));
        assert_eq!(settings.pace(Fault::Race(Race::Together)).0, RACES);
        assert_eq!(Settings { orders: 1_000, ..settings }.pace(Fault::Postgres), (1_000, 12.0));
    }
}
