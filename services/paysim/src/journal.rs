//! What the provider knows, in a file: a line for each request that has had its effect, with the answer for its key, so that both
//! are there or neither is.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use crate::{
    idempotency::{Keys, Known},
    ledger::{Entry, Intent, Ledger, Refund},
};

/// Why there is no journal.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read or written.
    #[error("PAYSIM_JOURNAL: cannot open {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file has something else in it.
    #[error("PAYSIM_JOURNAL: line {line} of {path} is none of a journal")]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
}

/// What a request has changed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Line {
    /// The payment, as it is after it.
    pub intent: Option<Intent>,
    /// The refund that it made.
    pub refund: Option<Refund>,
    /// What it moved.
    pub entries: Vec<Entry>,
    /// Its key, and what is known of it now.
    pub key: Option<(String, Known)>,
}

/// Writes lines.
#[derive(Debug)]
pub struct Journal(Mutex<File>);

impl Journal {
    /// Reads what a file has, and goes on at its end.
    pub fn open(path: &Path) -> Result<(Self, Ledger, Keys), Error> {
        let fail = |source| Error::Open { path: path.to_owned(), source };
        let file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(fail)?;
        let (mut ledger, mut keys) = (Ledger::default(), Keys::default());
        let (mut reader, mut text, mut whole) = (BufReader::new(&file), Vec::new(), 0_u64);
        for number in 1.. {
            text.clear();
            let read = reader.read_until(b'\n', &mut text).map_err(fail)?;
            // The last one was being written when the process ended: nobody has had an answer.
            if !text.ends_with(b"\n") {
                break;
            }
            let line = serde_json::from_slice(&text).map_err(|source| Error::Line {
                path: path.to_owned(),
                line: number,
                source,
            })?;
            restore(&mut ledger, &mut keys, line);
            whole += read as u64;
        }
        file.set_len(whole).map_err(fail)?;
        Ok((Self(Mutex::new(file)), ledger, keys))
    }

    /// Writes a line.
    pub fn write(&self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&text)?;
        file.sync_data()
    }
}

fn restore(ledger: &mut Ledger, keys: &mut Keys, line: Line) {
    if let Some(intent) = line.intent {
        ledger.intents.insert(intent.id.clone(), intent);
    }
    if let Some(refund) = line.refund {
        ledger.refunds.insert(refund.id.clone(), refund);
    }
    ledger.entries.extend(line.entries);
    if let Some((key, known)) = line.key {
        keys.restore(key, known);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::{
        idempotency::Begun,
        ledger::{NewIntent, Status},
    };

    fn line() -> Line {
        let mut ledger = Ledger::default();
        let (currency, capture_method) = ("eur".to_owned(), "manual".to_owned());
        let new = NewIntent { amount: 7, currency, capture_method, ..NewIntent::default() };
        ledger.create(new).unwrap();
        let intent = ledger.intents.into_values().next();
        let mut keys = Keys::default();
        keys.begin("k", "/", b"", Timestamp::now()).unwrap();
        keys.end("k", Some((200, json!({}))));
        Line { intent, key: keys.known("k").map(|known| ("k".to_owned(), known)), ..Line::default() }
    }

    #[test]
    fn what_was_written_is_known_again_and_what_is_torn_never_was() {
        let path = std::env::temp_dir().join(format!("paysim-{}", uuid::Uuid::now_v7()));
        let (journal, ledger, _) = Journal::open(&path).unwrap();
        assert!(ledger.intents.is_empty());
        journal.write(&line()).unwrap();
        drop(journal);
        let whole = fs::read(&path).unwrap();
        let torn = [whole.as_slice(), &whole[..whole.len() / 2]].concat();
        fs::write(&path, &torn).unwrap();
        let (journal, ledger, mut keys) = Journal::open(&path).unwrap();
        assert_eq!(ledger.intents.values().next().unwrap().status, Status::RequiresPaymentMethod);
        let begun = keys.begin("k", "/", b"", Timestamp::now()).unwrap();
        assert_eq!(begun, Begun::Repeated((200, json!({}))));
        journal.write(&Line { entries: Vec::new(), ..line() }).unwrap();
        assert_eq!(Journal::open(&path).unwrap().1.intents.len(), 2);
        fs::write(&path, "nonsense\n").unwrap();
        assert!(Journal::open(&path).unwrap_err().to_string().contains("line 1"));
        fs::remove_file(&path).unwrap();
    }
}
