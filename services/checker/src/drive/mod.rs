//! Customers: they order at a rate that nobody's slowness changes, repeat what was not answered with the same key, change their
//! minds, and write down what they asked and what they were told.
//!
//! - `record`: what is written down
//! - `ask`: one request, and what its answer means
//! - `crowd`, `person`: who they are, and the tokens that they have
//! - `way`: what somebody means to do, chosen by chance that can be had again
//! - `order`: one order from its cart to its end
//! - `goods`: what there is to buy

mod ask;
mod crowd;
mod goods;
mod order;
mod person;
mod record;
mod way;

use std::{sync::Arc, time::Duration};

use fastrand::Rng;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

pub use self::{
    crowd::{Crowd, Doors, Error},
    goods::Goods,
    record::Record,
    way::{Way, Wish},
};

/// What is ordered, and how fast.
#[derive(Clone, Debug)]
pub struct Plan {
    /// So many orders, unless it is over before.
    pub orders: usize,
    /// So many of them in a second.
    pub rate: f64,
    /// Where chance begins.
    pub seed: u64,
    /// What there is.
    pub goods: Goods,
    /// What customers mean to do. Nothing: anything.
    pub way: Option<Way>,
}

/// How far customers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// They order.
    Placing,
    /// All orders were begun; customers see to what they have.
    Seeing,
    /// Whoever is not done by now gives up.
    Over(Instant),
}

/// Has customers order, until each of them is done or the time is over.
pub async fn drive(crowd: Arc<Crowd>, record: Arc<Record>, plan: Plan, stage: watch::Sender<Stage>) {
    let mut customers = JoinSet::new();
    let mut ticks = interval(Duration::from_secs_f64(1.0 / plan.rate.max(0.01)));
    // Those who come late all come, as they would in front of a shop that was away.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let refreshing = crowd.refresh(&record);
    for number in 0..plan.orders {
        ticks.tick().await;
        if *stage.borrow() != Stage::Placing {
            break;
        }
        let number = u64::try_from(number).unwrap_or_default();
        let mut rng = Rng::with_seed(plan.seed.wrapping_mul(1_000_003).wrapping_add(number));
        let wish = Wish::choose(&mut rng, &plan.goods, plan.way);
        let (crowd, record, over) = (Arc::clone(&crowd), Arc::clone(&record), stage.subscribe());
        customers.spawn(async move {
            let mut over = over;
            tokio::select! {
                () = order::see_to(&crowd, &record, &wish, rng) => {}
                () = order::give_up(&mut over) => {}
            }
        });
    }
    stage.send_if_modified(|stage| {
        let is_placing = *stage == Stage::Placing;
        if is_placing {
            *stage = Stage::Seeing;
        }
        is_placing
    });
    while customers.join_next().await.is_some() {}
    drop(refreshing);
    crowd.misuse_old_tokens(&record).await;
}
