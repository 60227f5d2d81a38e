//! What has a worker look at once.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::domain::channel::Channel;

/// Wakes a worker: something was queued, and the transaction has been committed.
#[derive(Clone, Debug, Default)]
pub struct Bell(Arc<Channels>);

#[derive(Debug, Default)]
struct Channels {
    email: Notify,
    push: Notify,
    webhook: Notify,
}

impl Bell {
    /// There is something to send, in whatever way.
    pub fn ring(&self) {
        for channel in Channel::ALL {
            self.ring_for(channel);
        }
    }

    /// There is something to send in this way.
    pub(super) fn ring_for(&self, channel: Channel) {
        self.of(channel).notify_one();
    }

    /// Waits until there is.
    pub(super) async fn rung(&self, channel: Channel) {
        self.of(channel).notified().await;
    }

    fn of(&self, channel: Channel) -> &Notify {
        match channel {
            Channel::Email => &self.0.email,
            Channel::Push => &self.0.push,
            Channel::Webhook => &self.0.webhook,
        }
    }
}
