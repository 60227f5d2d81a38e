//! Publishes with one producer, which is made when it is needed: idempotent, so that none is there twice or out of its order
//! because a broker's answer was lost, and heard only once all copies in step have it (`acks=all`).

use std::time::Duration;

use futures::future::join_all;
use krafka::{
    KrafkaError, Record,
    admin::{AdminClient, DescribeClusterOptions},
    producer::Producer,
};
use tokio::{sync::Mutex, time::timeout};

use super::{
    address::{Address, PATIENCE},
    topics::{EVENTS, prepare_events},
};
use crate::{Error, Event};

/// How long brokers may take to keep something, all tries included.
const DELIVERY: Duration = Duration::from_secs(10);

pub(super) struct Publisher {
    address: Address,
    open: Mutex<Option<Open>>,
}

struct Open {
    producer: Producer,
    admin: AdminClient,
    has_topic: bool,
}

impl Publisher {
    pub(super) fn new(address: Address) -> Self {
        Self { address, open: Mutex::default() }
    }

    pub(super) async fn publish(&self, events: &[Event]) -> Result<(), Error> {
        let records = events.iter().map(record).collect::<Result<Vec<_>, Error>>()?;
        let mut handles = Vec::with_capacity(records.len());
        let mut outcome = Ok(());
        {
            // Held until all are on their way, so that they stay together.
            let mut open = self.open.lock().await;
            let open = timeout(DELIVERY, self.opened(&mut open)).await.map_err(Error::unavailable)??;
            if !open.has_topic {
                prepare_events(&open.admin).await?;
                open.has_topic = true;
            }
            for record in records {
                match open.producer.enqueue(record).await {
                    Ok(handle) => handles.push(handle),
                    Err(error) => {
                        outcome = Err(error);
                        break;
                    }
                }
            }
        }
        // Of all, also when one has failed: none is to come later, after the caller has begun again.
        for answer in join_all(handles).await {
            outcome = outcome.and(answer.map(drop));
        }
        if outcome.as_ref().is_err_and(KrafkaError::is_fatal) {
            *self.open.lock().await = None;
        }
        Ok(outcome?)
    }

    async fn opened<'a>(&self, open: &'a mut Option<Open>) -> Result<&'a mut Open, KrafkaError> {
        let opened = if let Some(opened) = open.take() {
            opened
        } else {
            let kafka = self.address.connect().await?;
            let producer = kafka.producer().delivery_timeout(DELIVERY).max_block(PATIENCE).build().await?;
            Open { producer, admin: kafka.admin(), has_topic: false }
        };
        Ok(open.insert(opened))
    }

    pub(super) async fn ping(&self) -> Result<(), Error> {
        let mut open = self.open.lock().await;
        let asked = async {
            let open = self.opened(&mut open).await?;
            open.admin.describe_cluster(DescribeClusterOptions::default().timeout(PATIENCE)).await
        };
        timeout(DELIVERY, asked).await.map_err(Error::unavailable)??;
        Ok(())
    }
}

/// As CloudEvents have it (Kafka binding, structured mode), in the partition of its key.
pub(super) fn record(event: &Event) -> Result<Record, Error> {
    let record = Record::new(EVENTS, event.to_json()?).key(event.key.clone());
    Ok(record.header("content-type", "application/cloudevents+json; charset=UTF-8"))
}
