//! Requests at a steady rate, of which every failure counts.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::client::{Connection, PATIENCE};

/// How many clients there are, and how often each asks.
const CLIENTS: usize = 4;
const EVERY: Duration = Duration::from_millis(5);

pub(crate) struct Prober {
    is_over: Arc<AtomicBool>,
    good: Arc<AtomicUsize>,
    failures: Arc<Mutex<Vec<String>>>,
    clients: Vec<JoinHandle<()>>,
}

impl Prober {
    pub(crate) fn start(address: SocketAddr) -> Self {
        let (is_over, good, failures) = (
            Arc::<AtomicBool>::default(),
            Arc::<AtomicUsize>::default(),
            Arc::<Mutex<Vec<String>>>::default(),
        );
        let client = |_| {
            let (is_over, good, failures) = (Arc::clone(&is_over), Arc::clone(&good), Arc::clone(&failures));
            tokio::spawn(async move {
                let mut ticks = interval(EVERY);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
                let mut connection = None;
                while !is_over.load(Ordering::Relaxed) {
                    ticks.tick().await;
                    match ask(&mut connection, address).await {
                        Ok(()) => drop(good.fetch_add(1, Ordering::Relaxed)),
                        Err(error) => {
                            failures.lock().unwrap().push(error);
                            connection = None;
                        }
                    }
                }
            })
        };
        let clients = (0..CLIENTS).map(client).collect();
        Self { is_over, good, failures, clients }
    }

    /// Requests that were answered.
    pub(crate) fn good(&self) -> usize {
        self.good.load(Ordering::Relaxed)
    }

    /// Ends, and says how many were answered and what went wrong.
    pub(crate) async fn end(self) -> (usize, Vec<String>) {
        self.is_over.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.unwrap();
        }
        (self.good.load(Ordering::Relaxed), self.failures.lock().unwrap().clone())
    }
}

async fn ask(connection: &mut Option<Connection>, address: SocketAddr) -> Result<(), String> {
    let mut open = match connection.take() {
        Some(open) => open,
        None => Connection::open(address).await.map_err(|error| format!("connect: {error}"))?,
    };
    match timeout(PATIENCE, open.get("/")).await {
        Ok(Ok((status, _))) if status.is_success() => {
            *connection = Some(open);
            Ok(())
        }
        Ok(Ok((status, text))) => Err(format!("{status}: {text}")),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer".to_owned()),
    }
}
