//! Takes what a session with a broker brings, hands it out by lanes, and tells the session what became of it. A session that
//! breaks is replaced by another one; what was out is lost to those who have it, and comes again.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, sleep_until},
};

use super::{lanes::Lanes, recent::Recent};
use crate::{
    DeadLetter, Delivery, Error, Event, Lost, Subscription,
    delivery::{Settlement, Verdict},
};

/// Answers that are settled at a time.
const BATCH: usize = 256;

/// How long to wait for another session, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Times that something may come back from processes that ended before it is taken for what ended them. Each of them had more
/// than it was at work on, so these are more than attempts.
const RETURNS: u32 = 16;

/// Something that a broker brings.
#[derive(Debug)]
pub(crate) enum Arrival<T> {
    /// An event.
    Event {
        /// What the broker knows it by.
        tag: T,
        /// The event.
        event: Box<Event>,
        /// How often it was brought before.
        returns: u32,
        /// Whether it was a dead letter, and is to be handled even if that has been done.
        is_replayed: bool,
    },
    /// Something that is not for this consumer, or is no event.
    Nothing {
        /// What the broker knows it by.
        tag: T,
    },
}

/// A session with a broker.
pub(crate) trait Session: Send + Sized {
    /// What the broker knows something by.
    type Tag: Clone + Send + 'static;

    /// Waits for something. Whoever stops waiting loses nothing.
    fn receive(&mut self) -> impl Future<Output = Result<Arrival<Self::Tag>, Error>> + Send;

    /// Somebody is to have this now. No, if it is to be another session's.
    fn begin(&mut self, _tag: &Self::Tag) -> bool {
        true
    }

    /// Nobody has this now: it waits for another try, or for somebody to begin.
    fn put_back(&mut self, _tag: &Self::Tag, _has_failed: bool) {}

    /// The broker may forget these.
    fn finish(&mut self, tags: Vec<Self::Tag>) -> impl Future<Output = Result<(), Error>> + Send;

    /// This one is a dead letter.
    fn bury(&mut self, tag: Self::Tag, letter: &DeadLetter)
    -> impl Future<Output = Result<(), Error>> + Send;

    /// Gives back what was not finished.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// Something that was not finished yet.
#[derive(Clone)]
struct Held<T> {
    tag: T,
    event: Event,
    returns: u32,
    failures: u32,
    is_replayed: bool,
}

/// Works until the deliveries are closed and everything has its answer.
pub(super) async fn run<S, C, F>(
    connect: C,
    subscription: Arc<Subscription>,
    deliveries: mpsc::Sender<Delivery>,
    ready: oneshot::Sender<Result<(), Error>>,
) where
    S: Session,
    C: Fn(Arc<Subscription>) -> F + Send,
    F: Future<Output = Result<S, Error>> + Send,
{
    let mut recent = Recent::default();
    let mut pause = PAUSES.0;
    let mut ready = Some(ready);
    while !deliveries.is_closed() {
        match connect(Arc::clone(&subscription)).await {
            Ok(session) => {
                pause = PAUSES.0;
                if let Some(ready) = ready.take() {
                    let _heard = ready.send(Ok(())).is_ok();
                }
                let worker = Worker::new(session, &subscription, &deliveries, &mut recent);
                match worker.run().await {
                    Ok(()) => return,
                    Err(error) => tracing::warn!(
                        consumer = %subscription.consumer,
                        error = ?error,
                        "the bus was lost; what was taken from it comes again"
                    ),
                }
            }
            Err(error) => {
                if let Some(ready) = ready.take() {
                    // Whoever subscribes hears of it, and may try again.
                    let _heard = ready.send(Err(error)).is_ok();
                    return;
                }
                tracing::debug!(consumer = %subscription.consumer, ?error, "the bus is not there yet");
                tokio::select! {
                    () = sleep(pause) => {}
                    () = deliveries.closed() => {}
                }
                pause = (pause * 2).min(PAUSES.1);
            }
        }
    }
}

struct Worker<'a, S: Session> {
    session: S,
    subscription: &'a Subscription,
    deliveries: &'a mpsc::Sender<Delivery>,
    recent: &'a mut Recent,
    lanes: Lanes<Held<S::Tag>>,
    /// What is out, by a number of its own: a broker's tags may be the same in another session.
    out: HashMap<u64, Held<S::Tag>>,
    count: u64,
    answer: mpsc::UnboundedSender<Settlement<u64>>,
    answers: mpsc::UnboundedReceiver<Settlement<u64>>,
}

impl<'a, S: Session> Worker<'a, S> {
    fn new(
        session: S,
        subscription: &'a Subscription,
        deliveries: &'a mpsc::Sender<Delivery>,
        recent: &'a mut Recent,
    ) -> Self {
        let (answer, answers) = mpsc::unbounded_channel();
        let (lanes, out) = (Lanes::default(), HashMap::new());
        Self { session, subscription, deliveries, recent, lanes, out, count: 0, answer, answers }
    }

    async fn run(mut self) -> Result<(), Error> {
        let most = usize::try_from(self.subscription.in_flight.get()).unwrap_or(usize::MAX);
        loop {
            // Looked at once: what is closed after it wakes whoever waits for that.
            let is_closed = self.deliveries.is_closed();
            if is_closed && self.out.is_empty() {
                break;
            }
            self.hand_out(most).await?;
            let due = self.lanes.due();
            let may_receive = !is_closed && self.lanes.waiting() < most.saturating_mul(4).max(64);
            let mut answers = Vec::new();
            tokio::select! {
                _count = self.answers.recv_many(&mut answers, BATCH) => self.settle(answers).await?,
                arrival = self.session.receive(), if may_receive => self.arrive(arrival?).await?,
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() && self.out.len() < most => {}
                () = self.deliveries.closed(), if !is_closed => {}
            }
        }
        self.session.close().await;
        Ok(())
    }

    async fn arrive(&mut self, arrival: Arrival<S::Tag>) -> Result<(), Error> {
        match arrival {
            Arrival::Nothing { tag } => self.session.finish(vec![tag]).await,
            Arrival::Event { tag, event, returns, is_replayed } => {
                let key = event.key.clone();
                self.lanes.arrive(&key, Held { tag, event: *event, returns, failures: 0, is_replayed });
                Ok(())
            }
        }
    }

    async fn hand_out(&mut self, most: usize) -> Result<(), Error> {
        while self.out.len() < most
            && !self.deliveries.is_closed()
            && let Some(held) = self.lanes.next(Instant::now())
        {
            if !self.session.begin(&held.tag) {
                self.lanes.finish(&held.event.key);
                continue;
            }
            if held.failures == 0 && !held.is_replayed && self.recent.has(&held.event) {
                self.lanes.finish(&held.event.key);
                self.session.finish(vec![held.tag]).await?;
                continue;
            }
            if held.returns > self.subscription.policy.attempts().saturating_add(RETURNS) {
                let reason = "each of those who had it ended without an answer".to_owned();
                self.bury(held, reason).await?;
                continue;
            }
            let id = self.count;
            self.count += 1;
            let attempt = held.returns.saturating_add(held.failures).saturating_add(1);
            let delivery = Delivery::new(held.event.clone(), attempt, id, self.answer.clone());
            self.out.insert(id, held);
            // The channel has room for as many as may be out, unless it has been closed.
            if let Err(error) = self.deliveries.try_send(delivery) {
                error.into_inner().give_back();
            }
        }
        Ok(())
    }

    async fn settle(&mut self, settlements: Vec<Settlement<u64>>) -> Result<(), Error> {
        let mut finished = Vec::new();
        let mut waiting = Vec::new();
        for Settlement { tag: id, verdict, done } in settlements {
            let Some(mut held) = self.out.remove(&id) else { continue };
            let key = held.event.key.clone();
            match verdict {
                Verdict::Done => {
                    self.lanes.finish(&key);
                    finished.push(held);
                }
                Verdict::Back => {
                    self.session.put_back(&held.tag, false);
                    self.lanes.park(&key, held, Instant::now());
                }
                Verdict::Dead(reason) => self.bury(held, reason).await?,
                Verdict::Again(reason) => {
                    held.failures += 1;
                    if let Some(delay) = self.subscription.policy.after(held.failures) {
                        self.session.put_back(&held.tag, true);
                        self.lanes.park(&key, held, Instant::now() + delay);
                    } else {
                        held.failures -= 1;
                        self.bury(held, reason).await?;
                    }
                }
            }
            waiting.push(done);
        }
        let tags: Vec<_> = finished.iter().map(|held| held.tag.clone()).collect();
        let result = if tags.is_empty() { Ok(()) } else { self.session.finish(tags).await };
        if result.is_ok() {
            // Not before: what the broker did not hear of comes again, and its consumer was told so.
            for held in &finished {
                self.recent.add(&held.event);
            }
        }
        for done in waiting {
            let _heard = done.send(if result.is_ok() { Ok(()) } else { Err(Lost) }).is_ok();
        }
        result
    }

    /// Makes something that was out a dead letter.
    async fn bury(&mut self, held: Held<S::Tag>, reason: String) -> Result<(), Error> {
        let attempts = held.returns.saturating_add(held.failures).saturating_add(1);
        let letter = DeadLetter { event: held.event, attempts, reason, time: jiff::Timestamp::now() };
        self.session.bury(held.tag, &letter).await?;
        self.recent.add(&letter.event);
        self.lanes.finish(&letter.event.key);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Notify;

    use super::*;
    use crate::{Consumer, EventType, Pattern, local::subscribe};

    /// Brings one event twice, and finishes the second time when it may.
    struct Twice {
        event: Event,
        brought: u32,
        finishes: Arc<Notify>,
        may_finish: Arc<Notify>,
    }

    impl Session for Twice {
        type Tag = u32;

        async fn receive(&mut self) -> Result<Arrival<u32>, Error> {
            if self.brought == 2 {
                std::future::pending::<()>().await;
            }
            self.brought += 1;
            let (tag, event) = (self.brought, Box::new(self.event.clone()));
            Ok(Arrival::Event { tag, event, returns: 0, is_replayed: false })
        }

        async fn finish(&mut self, tags: Vec<u32>) -> Result<(), Error> {
            if tags == [2] {
                self.finishes.notify_one();
                self.may_finish.notified().await;
            }
            Ok(())
        }

        async fn bury(&mut self, _tag: u32, _letter: &DeadLetter) -> Result<(), Error> {
            Ok(())
        }

        async fn close(self) {}
    }

    #[tokio::test]
    async fn who_is_closed_while_it_is_at_work_ends() {
        let kind = EventType::try_from("shop.order.paid.v1").unwrap();
        let event = Event::new("/a", kind, "o-12", serde_json::Value::Null);
        let [finishes, may_finish] = [(); 2].map(|()| Arc::new(Notify::new()));
        let consumer = Consumer::try_from("notification-service").unwrap();
        let wanted = Subscription::new(consumer, [Pattern::try_from("shop.order.*").unwrap()]);
        let (begun, may_go) = (Arc::clone(&finishes), Arc::clone(&may_finish));
        let mut deliveries = subscribe(wanted, move |_| {
            let (event, finishes, may_finish) =
                (event.clone(), Arc::clone(&finishes), Arc::clone(&may_finish));
            async move { Ok(Twice { event, brought: 0, finishes, may_finish }) }
        })
        .await
        .unwrap();
        deliveries.next().await.unwrap().ack().await.unwrap();
        begun.notified().await;
        deliveries.close();
        may_go.notify_one();
        tokio::time::timeout(Duration::from_secs(10), deliveries.ended()).await.unwrap();
    }
}
