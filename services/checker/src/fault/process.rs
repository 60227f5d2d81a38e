//! Processes that are killed, stand still, or are started anew.

use flotilla_shop::name::Name;
use rustix::process::Signal;
use tokio::time::sleep;

use super::{Error, Injector};
use crate::shop::Instance;

/// Milliseconds that a process stands still: shorter and longer than the lease of a saga, and than most patience.
const STILL: std::ops::Range<u64> = 500..11_000;

impl Injector<'_> {
    fn one_of(&mut self, name: Name) -> Instance {
        let all: Vec<_> = Instance::of(name).collect();
        self.rng.choice(all).unwrap_or(Instance::first(name))
    }

    /// Kills one of a name, and starts it a moment later.
    pub(super) async fn kill(&mut self, name: Name) -> Result<(), Error> {
        let instance = self.one_of(name);
        self.shop.end(instance, Signal::KILL).await?;
        let pause = self.duration(0..800);
        sleep(pause).await;
        Ok(self.shop.revive(instance).await?)
    }

    /// Has one of a name stand still for a while. It does not know that it did.
    pub(super) async fn stop(&mut self, name: Name) -> Result<(), Error> {
        let instance = self.one_of(name);
        self.shop.signal(instance, Signal::STOP);
        self.pause(STILL).await;
        self.shop.signal(instance, Signal::CONT);
        Ok(())
    }

    /// Ends each process as an update does, and starts it.
    pub(super) async fn roll(&mut self) -> Result<(), Error> {
        for instance in Instance::ALL {
            if !self.is_placing() {
                return Ok(());
            }
            self.shop.end(instance, Signal::TERM).await?;
            self.shop.revive(instance).await?;
        }
        Ok(())
    }

    /// Ends one version of order-service, has the other do all of its work, and then the other way around.
    pub(super) async fn roll_versions(&mut self) -> Result<(), Error> {
        for instance in [Instance::ORDERS, Instance::SECOND_ORDERS] {
            self.shop.end(instance, Signal::TERM).await?;
            self.pause(1_000..2_000).await;
            self.shop.revive(instance).await?;
            self.pause(1_000..2_000).await;
        }
        Ok(())
    }
}
