//! Stock as it changes. What is changed here is told of at once; what others of this service change, within a poll.

use std::{collections::BTreeMap, time::Duration};

use flotilla_kit::drain::{Drain, Phase};
use flotilla_proto::product as wire;
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::{sync::watch::Receiver, time::sleep};
use tonic::Status;

use super::status::store;
use crate::{app::App, store::stock::levels};

/// How long to go without a look.
const POLL: Duration = Duration::from_secs(1);

/// The least time between two looks: of what changes faster than that, the last is told.
const PAUSE: Duration = Duration::from_millis(50);

struct Watch {
    app: App,
    changes: Receiver<u64>,
    drain: Drain,
    skus: Vec<String>,
    /// What was told last, as what is on hand and what is reserved.
    told: BTreeMap<String, (i64, i64)>,
    is_first: bool,
}

/// Stock of SKUs: now, and then what changes of it, until the service leaves.
pub(super) fn watch(
    app: App,
    drain: Drain,
    skus: Vec<String>,
) -> BoxStream<'static, Result<wire::Stock, Status>> {
    let changes = app.stock.subscribe();
    let watch = Watch { app, changes, drain, skus, told: BTreeMap::new(), is_first: true };
    stream::try_unfold(watch, |mut watch| async move {
        let next = watch.next().await?;
        Ok::<_, Status>(next.map(|next| (stream::iter(next.into_iter().map(Ok)), watch)))
    })
    .flat_map(|part| match part {
        Ok(next) => next.left_stream(),
        Err(error) => stream::iter([Err(error)]).right_stream(),
    })
    .boxed()
}

impl Watch {
    /// What has changed, once something has. Nothing: the service leaves.
    async fn next(&mut self) -> Result<Option<Vec<wire::Stock>>, Status> {
        loop {
            if !std::mem::take(&mut self.is_first) {
                let leaving = self.drain.at_least(Phase::Leaving);
                tokio::select! {
                    () = leaving => return Ok(None),
                    () = wait(&mut self.changes) => {}
                }
            }
            let changed = self.look().await?;
            if !changed.is_empty() {
                return Ok(Some(changed));
            }
        }
    }

    async fn look(&mut self) -> Result<Vec<wire::Stock>, Status> {
        self.changes.mark_unchanged();
        let now = levels(&self.app.pool, &self.skus).await.map_err(|error| store(error.into()))?;
        let mut changed = Vec::new();
        for stock in now {
            let seen = (stock.on_hand, stock.reserved);
            if self.told.insert(stock.sku.clone(), seen) != Some(seen) {
                changed.push(wire::Stock {
                    sku: stock.sku,
                    on_hand: stock.on_hand,
                    reserved: stock.reserved,
                });
            }
        }
        Ok(changed)
    }
}

async fn wait(changes: &mut Receiver<u64>) {
    tokio::select! {
        _changed = changes.changed() => sleep(PAUSE).await,
        () = sleep(POLL) => {}
    }
}
