//! The log of what was delivered: the last of it in memory, all of it in a file when there is one.

use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use flotilla_kit::correlation::HEADER;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use uuid::Uuid;

use crate::{mail::Mail, push::Pushed};

/// Bytes of deliveries that are kept in memory, about.
const MAX_BYTES: usize = 256 * 1024 * 1024;

/// How something was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// By SMTP.
    Mail,
    /// By web push.
    Push,
    /// By a webhook.
    Webhook,
}

/// Something that was delivered.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Which one it is: the same thing delivered twice has two.
    pub id: Uuid,
    /// When.
    pub time: Timestamp,
    /// To whom: an address, the id of a subscription, the name of a webhook.
    pub target: String,
    /// What makes it the same thing when it comes again: its Message-ID, or its `webhook-id`.
    pub key: Option<String>,
    /// What it was.
    #[serde(flatten)]
    pub detail: Detail,
}

/// What was delivered.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase", tag = "channel")]
pub enum Detail {
    /// A mail.
    Mail(Mail),
    /// A push.
    Push(Pushed),
    /// A webhook.
    Webhook {
        /// Its headers.
        headers: Vec<(String, String)>,
        /// Its body.
        body: String,
    },
}

impl Detail {
    /// How it was delivered.
    pub fn channel(&self) -> Channel {
        match self {
            Self::Mail(_) => Channel::Mail,
            Self::Push(_) => Channel::Push,
            Self::Webhook { .. } => Channel::Webhook,
        }
    }

    /// The correlation id of what led to it, where it says so.
    pub fn correlation_id(&self) -> Option<&str> {
        let headers = match self {
            Self::Mail(mail) => &mail.headers,
            Self::Webhook { headers, .. } => headers,
            // Whoever carries a push does not see what is in it.
            Self::Push(_) => return None,
        };
        let is_it = |(name, _): &&(String, String)| name.eq_ignore_ascii_case(HEADER.as_str());
        headers.iter().find(is_it).map(|(_, value)| value.as_str())
    }

    /// Bytes of what others wrote in it, about.
    fn weight(&self) -> usize {
        match self {
            // What is read of it is as large as it again.
            Self::Mail(mail) => 2 * mail.raw.len(),
            Self::Push(pushed) => pushed.payload.len(),
            Self::Webhook { headers, body } => {
                body.len() + headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
            }
        }
    }
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
#[error("SINK_JOURNAL: cannot write to {path}")]
pub struct NoJournal {
    path: PathBuf,
    source: io::Error,
}

/// What is in memory.
#[derive(Debug, Default)]
struct Kept {
    deliveries: VecDeque<Delivery>,
    bytes: usize,
}

impl Kept {
    /// Keeps one more, and of those before it as many as there may be.
    fn push(&mut self, delivery: Delivery, keep: usize) {
        self.bytes += delivery.detail.weight();
        self.deliveries.push_back(delivery);
        while self.deliveries.len() > keep || (self.bytes > MAX_BYTES && self.deliveries.len() > 1) {
            self.bytes -= self.deliveries.pop_front().map_or(0, |oldest| oldest.detail.weight());
        }
    }
}

/// The log.
#[derive(Debug)]
pub struct Journal {
    keep: usize,
    kept: Mutex<Kept>,
    file: Option<Mutex<File>>,
    count: watch::Sender<u64>,
}

impl Journal {
    /// One that keeps so many in memory, and writes all to a file.
    pub fn new(keep: usize, path: Option<&Path>) -> Result<Self, NoJournal> {
        let open = |path: &Path| {
            let file = OpenOptions::new().create(true).append(true).open(path);
            file.map(Mutex::new).map_err(|source| NoJournal { path: path.to_owned(), source })
        };
        let file = path.map(open).transpose()?;
        Ok(Self { keep, kept: Mutex::default(), file, count: watch::Sender::new(0) })
    }

    /// Notes that something was delivered. Who has sent it is told so only after this.
    pub fn deliver(&self, target: &str, key: Option<String>, detail: Detail) -> io::Result<Uuid> {
        let delivery =
            Delivery { id: Uuid::now_v7(), time: Timestamp::now(), target: target.to_owned(), key, detail };
        let (channel, correlation_id) = (delivery.detail.channel(), delivery.detail.correlation_id());
        tracing::info!(?channel, target, key = delivery.key.as_deref(), correlation_id, "delivered");
        if let Some(file) = &self.file {
            let mut line = serde_json::to_vec(&delivery)?;
            line.push(b'\n');
            file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line)?;
        }
        let id = delivery.id;
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(delivery, self.keep);
        self.count.send_modify(|count| *count += 1);
        Ok(id)
    }

    /// What was delivered and fits, the newest first.
    pub fn find(&self, limit: usize, fits: impl Fn(&Delivery) -> bool) -> Vec<Delivery> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.deliveries.iter().rev().filter(|delivery| fits(delivery)).take(limit).cloned().collect()
    }

    /// One of them.
    pub fn get(&self, id: Uuid) -> Option<Delivery> {
        self.find(1, |delivery| delivery.id == id).pop()
    }

    /// Forgets what is in memory.
    pub fn clear(&self) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Kept::default();
    }

    /// How much was delivered since the start. It changes with each delivery.
    pub fn count(&self) -> watch::Receiver<u64> {
        self.count.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_in_memory_and_all_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let journal = Journal::new(2, Some(&path)).unwrap();
        for number in 1..=3 {
            let detail = Detail::Webhook { headers: Vec::new(), body: number.to_string() };
            journal.deliver("hook", Some(format!("k-{number}")), detail).unwrap();
        }
        let keys = |limit| -> Vec<_> {
            journal.find(limit, |_| true).into_iter().filter_map(|delivery| delivery.key).collect()
        };
        assert_eq!(keys(10), ["k-3", "k-2"]);
        assert_eq!(keys(1), ["k-3"]);
        let written = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<serde_json::Value> =
            written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 3);
        assert_eq!((&lines[0]["channel"], &lines[0]["key"]), (&"webhook".into(), &"k-1".into()));
        assert_eq!(*journal.count().borrow(), 3);
        assert!(Journal::new(1, Some(Path::new("/no/such/folder/journal"))).is_err());
    }

    #[test]
    fn what_is_large_makes_others_be_forgotten_sooner() {
        let journal = Journal::new(100, None).unwrap();
        for number in 0..10 {
            let detail = Detail::Webhook { headers: Vec::new(), body: "a".repeat(MAX_BYTES / 4) };
            journal.deliver("hook", Some(number.to_string()), detail).unwrap();
            let kept = journal.kept.lock().unwrap();
            assert!(kept.bytes <= MAX_BYTES && kept.deliveries.len() <= 4, "{}", kept.bytes);
        }
        journal.clear();
        assert_eq!(journal.kept.lock().unwrap().bytes, 0);
        let detail = Detail::Webhook { headers: Vec::new(), body: "a".repeat(MAX_BYTES + 1) };
        journal.deliver("hook", None, detail).unwrap();
        assert_eq!(journal.find(10, |_| true).len(), 1);
    }
}
