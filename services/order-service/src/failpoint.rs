//! Points at which a saga can be stopped, so that tests can see what is left when the process dies there.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Where somebody wants it to stop.
#[derive(Clone, Debug, Default)]
pub struct Failpoints(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    armed: Mutex<Option<String>>,
    passed: Mutex<Vec<String>>,
    reached: Notify,
    /// The process ends there, at once.
    is_deadly: bool,
}

impl Failpoints {
    /// The process ends when it reaches this point.
    pub fn deadly(name: String) -> Self {
        Self(Arc::new(Inner { armed: Mutex::new(Some(name)), is_deadly: true, ..Inner::default() }))
    }

    /// Whoever reaches this point next goes no further.
    pub fn arm(&self, name: &str) {
        *self.0.armed.lock().unwrap_or_else(PoisonError::into_inner) = Some(name.to_owned());
    }

    /// Waits until somebody has reached it.
    pub async fn reached(&self) {
        self.0.reached.notified().await;
    }

    /// The points that were passed, each once.
    pub fn passed(&self) -> Vec<String> {
        self.0.passed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Somebody is here.
    pub async fn reach(&self, step: &str, point: &str) {
        let name = format!("{step}.{point}");
        let is_armed = self
            .0
            .armed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take_if(|armed| *armed == name)
            .is_some();
        if !is_armed {
            let mut passed = self.0.passed.lock().unwrap_or_else(PoisonError::into_inner);
            if !passed.contains(&name) {
                passed.push(name);
            }
            return;
        }
        if self.0.is_deadly {
            std::process::abort();
        }
        self.0.reached.notify_one();
        std::future::pending::<()>().await;
    }
}
