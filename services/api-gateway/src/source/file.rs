//! The configuration in a file, taken again whenever it changes.

use std::{
    convert::Infallible,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use flotilla_gateway_config::load;
use tokio::{
    task::{JoinError, spawn_blocking},
    time::interval,
};

use crate::{
    control::{self, Control},
    metrics::Metrics,
};

/// How often the file is looked at. A look costs one system call; what tells of changes does not see those of a mounted
/// ConfigMap, whose files are links that change elsewhere.
const LOOK: Duration = Duration::from_millis(250);

/// Why the file is not taken. What is wrong stands in one line, as it is what a person looks for in a log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("{}: {error}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is not what it should be.
    #[error("{}: {error}", .path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// Why, with line and column.
        error: Box<flotilla_gateway_config::Error>,
    },
    /// It cannot be used here.
    #[error("{}: {error}", .path.display())]
    Take {
        /// The file.
        path: PathBuf,
        /// Why.
        error: Box<control::Error>,
    },
}

/// What changes when a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    modified: SystemTime,
    length: u64,
    inode: u64,
}

fn mark(path: &Path) -> io::Result<Mark> {
    let metadata = fs::metadata(path)?;
    Ok(Mark { modified: metadata.modified()?, length: metadata.len(), inode: metadata.ino() })
}

/// Reads a file and checks it.
pub fn read(path: &Path) -> Result<flotilla_gateway_config::GatewayConfig, Error> {
    let text = fs::read_to_string(path).map_err(|error| Error::Read { path: path.to_owned(), error })?;
    load(&text).map_err(|error| Error::Load { path: path.to_owned(), error: Box::new(error) })
}

/// A file that is followed.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    known: Option<Mark>,
}

impl File {
    /// One that has not been read.
    pub fn new(path: PathBuf) -> Self {
        Self { path, known: None }
    }

    /// Has workers go by it.
    pub fn take(&mut self, control: &Control) -> Result<(), Error> {
        // Before it is read: a change that comes in between is seen with the next look.
        self.known = mark(&self.path).ok();
        control
            .take(read(&self.path)?, &self.path.to_string_lossy())
            .map_err(|error| Error::Take { path: self.path.clone(), error: Box::new(error) })
    }

    /// Takes it again whenever it changes, for ever. What cannot be taken is logged, and changes nothing.
    pub async fn follow(
        mut self,
        control: Arc<Control>,
        metrics: Arc<Metrics>,
    ) -> Result<Infallible, JoinError> {
        let mut looks = interval(LOOK);
        loop {
            looks.tick().await;
            let found = mark(&self.path).ok();
            // While it is being replaced it may be away.
            if found == self.known || found.is_none() {
                continue;
            }
            let taking = Arc::clone(&control);
            // Endpoints of Services must not wait for it.
            let (file, taken) = spawn_blocking(move || {
                let taken = self.take(&taking);
                (self, taken)
            })
            .await?;
            self = file;
            match taken {
                Ok(()) => tracing::info!(file = %self.path.display(), "the configuration has changed"),
                Err(error) => {
                    metrics.load_failures.inc();
                    tracing::error!(%error, "the configuration is refused, the one before stays");
                    control.refused(error.to_string());
                }
            }
        }
    }
}
