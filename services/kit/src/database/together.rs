//! Reads of one thing each, asked together when many come at once.
//!
//! A question costs the service and the database about the same for one thing and for a few. So only a few questions are asked at
//! a time: what is wanted meanwhile waits, and is asked for with the next. Whoever comes alone waits for nobody. Nothing is kept:
//! each is told what was so after it asked.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{FutureExt, future::BoxFuture};
use sqlx::PgConnection;
use tokio::sync::oneshot;

use super::Readers;

/// Questions that are asked at a time.
const QUESTIONS: usize = 2;

/// What somebody is told: the thing, or that there is none.
type Told<V> = Result<Option<Arc<V>>, Arc<sqlx::Error>>;

/// What there is, by its keys.
type Answer<K, V> = Result<HashMap<K, V>, sqlx::Error>;

type Question<K, V> = dyn Fn(Vec<K>) -> BoxFuture<'static, Answer<K, V>> + Send + Sync;

/// Things that are read by their keys.
pub struct Together<K, V>(Arc<Inner<K, V>>);

struct Inner<K, V> {
    ask: Box<Question<K, V>>,
    waiting: Mutex<Waiting<K, V>>,
}

struct Waiting<K, V> {
    wanted: Vec<(K, oneshot::Sender<Told<V>>)>,
    /// How many ask now.
    asking: usize,
}

impl<K, V> Together<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// With a read of things by some keys, each of them once. What there is not is left out of its answer.
    pub fn new<R>(readers: &Readers, read: R) -> Self
    where
        R: for<'c> Fn(&'c mut PgConnection, &'c [K]) -> BoxFuture<'c, Answer<K, V>>,
        R: Clone + Send + Sync + 'static,
    {
        let readers = readers.clone();
        Self::asking(move |keys| {
            let (readers, read) = (readers.clone(), read.clone());
            async move {
                let mut reader = readers.get().await?;
                let found = read(&mut reader, &keys).await?;
                reader.done();
                Ok(found)
            }
        })
    }

    fn asking<F>(ask: impl Fn(Vec<K>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answer<K, V>> + Send + 'static,
    {
        let waiting = Mutex::new(Waiting { wanted: Vec::new(), asking: 0 });
        Self(Arc::new(Inner { ask: Box::new(move |keys| ask(keys).boxed()), waiting }))
    }

    /// A thing, when there is one.
    pub async fn get(&self, key: K) -> Told<V> {
        let (teller, told) = oneshot::channel();
        if self.0.add(key, teller) {
            // In a task of its own: whoever asks may stop to wait, and the others may not.
            tokio::spawn(Arc::clone(&self.0).ask_for_all());
        }
        told.await.unwrap_or_else(|_gone| Err(Arc::new(sqlx::Error::WorkerCrashed)))
    }
}

impl<K: Clone + Eq + Hash, V> Inner<K, V> {
    fn lock(&self) -> MutexGuard<'_, Waiting<K, V>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is to be one more who asks.
    fn add(&self, key: K, teller: oneshot::Sender<Told<V>>) -> bool {
        let mut waiting = self.lock();
        waiting.wanted.push((key, teller));
        let is_one_more = waiting.asking < QUESTIONS;
        if is_one_more {
            waiting.asking += 1;
        }
        is_one_more
    }

    /// All that is wanted now. With nothing, there is one less who asks.
    fn take(&self) -> Vec<(K, oneshot::Sender<Told<V>>)> {
        let mut waiting = self.lock();
        if waiting.wanted.is_empty() {
            waiting.asking -= 1;
        }
        std::mem::take(&mut waiting.wanted)
    }

    async fn ask_for_all(self: Arc<Self>) {
        loop {
            let wanted = self.take();
            if wanted.is_empty() {
                return;
            }
            let keys: HashSet<_> = wanted.iter().map(|(key, _)| key.clone()).collect();
            let answer = AssertUnwindSafe((self.ask)(keys.into_iter().collect())).catch_unwind().await;
            let answer = answer.unwrap_or(Err(sqlx::Error::WorkerCrashed));
            let found = answer.map_err(Arc::new).map(|found| {
                found.into_iter().map(|(key, value)| (key, Arc::new(value))).collect::<HashMap<_, _>>()
            });
            for (key, teller) in wanted {
                // Some do not wait any more.
                let _told =
                    teller.send(found.as_ref().map(|found| found.get(&key).cloned()).map_err(Arc::clone));
            }
        }
    }
}

impl<K, V> Clone for Together<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, V> std::fmt::Debug for Together<K, V> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Together").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    /// Doubles even numbers, once it may, and keeps what it was asked.
    #[derive(Clone)]
    struct Doubler {
        may: Arc<Semaphore>,
        asked: Arc<Mutex<Vec<Vec<u32>>>>,
    }

    impl Doubler {
        fn new(may: usize) -> (Self, Together<u32, u32>) {
            let doubler = Self { may: Arc::new(Semaphore::new(may)), asked: Arc::default() };
            let own = doubler.clone();
            let twice = Together::asking(move |mut keys: Vec<u32>| {
                let own = own.clone();
                async move {
                    keys.sort_unstable();
                    own.asked.lock().unwrap().push(keys.clone());
                    own.may.acquire().await.unwrap().forget();
                    assert!(!keys.contains(&13), "a fault in the question");
                    if keys.contains(&17) {
                        return Err(sqlx::Error::PoolTimedOut);
                    }
                    Ok(keys.into_iter().filter(|key| key % 2 == 0).map(|key| (key, key * 2)).collect())
                }
            });
            (doubler, twice)
        }

        fn asked(&self) -> Vec<Vec<u32>> {
            self.asked.lock().unwrap().clone()
        }
    }

    fn got(twice: &Together<u32, u32>, key: u32) -> tokio::task::JoinHandle<Told<u32>> {
        let twice = twice.clone();
        tokio::spawn(async move { twice.get(key).await })
    }

    /// Until all others wait.
    async fn rest() {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn who_comes_alone_is_asked_for_alone_and_anew_each_time() {
        let (doubler, twice) = Doubler::new(9);
        assert_eq!(twice.get(2).await.unwrap().as_deref(), Some(&4));
        assert_eq!(twice.get(3).await.unwrap(), None);
        assert_eq!(twice.get(2).await.unwrap().as_deref(), Some(&4));
        assert_eq!(doubler.asked(), [[2], [3], [2]]);
    }

    #[tokio::test]
    async fn what_comes_while_all_questions_are_asked_is_asked_for_together() {
        let (doubler, twice) = Doubler::new(0);
        let mut all = Vec::new();
        for first in [0, 2] {
            all.push((first, got(&twice, first)));
            rest().await;
        }
        all.extend([4, 5, 6, 4].map(|key| (key, got(&twice, key))));
        rest().await;
        assert_eq!(doubler.asked(), [vec![0], vec![2]]);
        doubler.may.add_permits(9);
        for (key, got) in all {
            assert_eq!(got.await.unwrap().unwrap().as_deref(), (key % 2 == 0).then_some(&(key * 2)), "{key}");
        }
        assert_eq!(doubler.asked(), [vec![0], vec![2], vec![4, 5, 6]]);
        // Who asked has ended, and does not keep the place.
        rest().await;
        assert_eq!(twice.0.lock().asking, 0);
    }

    #[tokio::test]
    async fn an_error_is_told_to_all_of_its_question_and_to_no_other() {
        for (fault, expected) in [(17, "timed out"), (13, "crashed")] {
            let (doubler, twice) = Doubler::new(0);
            let before: Vec<_> = [0, 2].map(|key| got(&twice, key)).into();
            rest().await;
            let with: Vec<_> = [4, fault, 8].map(|key| got(&twice, key)).into();
            rest().await;
            doubler.may.add_permits(9);
            for got in before {
                assert!(got.await.unwrap().is_ok());
            }
            for got in with {
                let error = got.await.unwrap().unwrap_err().to_string();
                assert!(error.contains(expected), "{error}");
            }
            assert_eq!(twice.get(8).await.unwrap().as_deref(), Some(&16));
        }
    }

    #[tokio::test]
    async fn who_stops_to_wait_takes_nobody_along() {
        let (doubler, twice) = Doubler::new(0);
        let first = got(&twice, 2);
        rest().await;
        let second = got(&twice, 2);
        let third = got(&twice, 4);
        rest().await;
        first.abort();
        second.abort();
        doubler.may.add_permits(9);
        assert_eq!(third.await.unwrap().unwrap().as_deref(), Some(&8));
    }
}
