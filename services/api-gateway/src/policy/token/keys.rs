//! The keys that a provider has now, as workers see them and as they are fetched.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::ArcSwapOption;
use flotilla_gateway_config::RemoteJwks;
use tokio::sync::Notify;

use super::jwk::KeySet;

/// The keys of a provider.
#[derive(Debug)]
pub struct Keys {
    /// Where they are fetched; `None` when they are in the configuration.
    pub remote: Option<RemoteJwks>,
    set: ArcSwapOption<KeySet>,
    is_followed: AtomicBool,
    was_tried: AtomicBool,
    is_wanted: Notify,
}

impl Keys {
    /// Keys that are there for good.
    pub(super) fn fixed(set: KeySet) -> Self {
        Self { set: ArcSwapOption::from_pointee(set), ..Self::remote(None) }
    }

    /// Keys that have to be fetched.
    pub(super) fn remote(remote: Option<RemoteJwks>) -> Self {
        Self {
            remote,
            set: ArcSwapOption::empty(),
            is_followed: AtomicBool::new(false),
            was_tried: AtomicBool::new(false),
            is_wanted: Notify::new(),
        }
    }

    /// Those that are known now.
    pub fn now(&self) -> Option<Arc<KeySet>> {
        self.set.load_full()
    }

    /// Others are known.
    pub fn put(&self, set: KeySet) {
        self.set.store(Some(Arc::new(set)));
    }

    /// Whether nobody fetches them yet who is asked to; whoever hears so does.
    pub fn begin_following(&self) -> bool {
        self.remote.is_some() && !self.is_followed.swap(true, Ordering::Relaxed)
    }

    /// They have been fetched, or could not be.
    pub fn tried(&self) {
        self.was_tried.store(true, Ordering::Relaxed);
    }

    /// Whether nobody knows yet if they can be fetched.
    pub fn are_awaited(&self) -> bool {
        self.remote.is_some() && !self.was_tried.load(Ordering::Relaxed)
    }

    /// A token has named a key that is not among them.
    pub(super) fn want(&self) {
        self.is_wanted.notify_one();
    }

    /// Waits until a token has named a key that is not among them.
    pub async fn are_wanted(&self) {
        self.is_wanted.notified().await;
    }
}
