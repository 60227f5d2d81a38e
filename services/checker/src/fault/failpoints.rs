//! Both processes of order-service end at one named point after the other, and are started with the next.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use flotilla_order_service::failpoint::Point;
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::{Error, Injector, Misbehaviour, Places};
use crate::shop::Instance;

/// How long a process may run until it gets to its point. Then another one has its turn, and this one again later.
const PATIENCE: Duration = Duration::from_secs(6);

/// How often it is looked whether one has ended.
const LOOK: Duration = Duration::from_millis(50);

/// How often the payment provider loses an answer or fails: some points are only reached then.
const TROUBLE: Duration = Duration::from_secs(1);

impl Injector<'_> {
    pub(super) async fn failpoints(&mut self) -> Result<(), Error> {
        let mut points: VecDeque<_> = Point::all().map(|point| point.to_string()).collect();
        let all = points.len();
        let mut traps = BTreeMap::new();
        let mut trouble = Instant::now();
        for instance in [Instance::ORDERS, Instance::SECOND_ORDERS] {
            self.trap(instance, &mut points, &mut traps).await?;
        }
        while self.is_placing() && !traps.is_empty() {
            sleep(LOOK).await;
            if Instant::now() > trouble {
                trouble = Instant::now() + TROUBLE;
                for what in [Misbehaviour::DropAnswer, Misbehaviour::FailBefore] {
                    self.misbehave(what).await?;
                }
            }
            for instance in [Instance::ORDERS, Instance::SECOND_ORDERS] {
                let Some((point, since)) = traps.get(&instance).cloned() else { continue };
                if !self.shop.is_running(instance)? {
                    self.done.times += 1;
                } else if since + PATIENCE < Instant::now() {
                    points.push_back(point);
                } else {
                    continue;
                }
                self.trap(instance, &mut points, &mut traps).await?;
            }
        }
        let missed = traps.into_values().map(|(point, _)| point).chain(points).collect();
        self.done.places = Some(Places { all, missed });
        Ok(())
    }

    /// Starts it with the next point, when there is one.
    async fn trap(
        &mut self,
        instance: Instance,
        points: &mut VecDeque<String>,
        traps: &mut BTreeMap<Instance, (String, Instant)>,
    ) -> Result<(), Error> {
        self.shop.end(instance, Signal::KILL).await?;
        traps.remove(&instance);
        let point = points.pop_front();
        self.shop.begin(instance, point.as_deref())?;
        traps.extend(point.map(|point| (instance, (point, Instant::now()))));
        Ok(())
    }
}
