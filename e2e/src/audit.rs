//! The audit log of the API server: what was really asked of it, whatever the client says of itself.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead, BufReader, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use serde::Deserialize;

/// The audit log of the cluster's API server, one JSON line a request.
#[derive(Clone, Debug)]
pub struct AuditLog {
    path: PathBuf,
}

/// A place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The number of the file in its file system.
    file: u64,
    offset: u64,
}

/// A request, as the API server recorded it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`...
    pub verb: String,
    /// Path and query.
    #[serde(rename = "requestURI")]
    pub request_uri: String,
    /// What the client says it is.
    #[serde(default)]
    pub user_agent: String,
    /// Who it is.
    pub user: User,
    /// When in its life it was recorded.
    pub stage: String,
    #[serde(default)]
    response_status: ResponseStatus,
    #[serde(rename = "requestReceivedTimestamp")]
    began: Option<MicroTime>,
    #[serde(rename = "stageTimestamp")]
    ended: Option<MicroTime>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct ResponseStatus {
    #[serde(default)]
    code: u16,
}

/// Who made a request.
#[derive(Clone, Debug, Deserialize)]
pub struct User {
    /// The name of the user or service account.
    pub username: String,
}

impl Request {
    /// The HTTP status of the answer; 0 when there was none.
    pub fn code(&self) -> u16 {
        self.response_status.code
    }

    /// How long the API server took to answer it.
    pub fn seconds(&self) -> Option<f64> {
        let (began, ended) = (self.began.as_ref()?, self.ended.as_ref()?);
        Some(ended.0.duration_since(began.0).as_secs_f64())
    }

    /// Whether it keeps or seeks leadership, which goes on while nothing else does.
    pub fn is_election(&self) -> bool {
        self.request_uri.contains("/leases/")
    }

    /// Whether it changes something.
    pub fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }
}

impl AuditLog {
    /// The log that `FLOTILLA_AUDIT_LOG` names; `cargo xtask test` sets it.
    pub fn from_environment() -> Result<Self> {
        let path = std::env::var_os("FLOTILLA_AUDIT_LOG")
            .context("set FLOTILLA_AUDIT_LOG to the API server's audit log (JSON, level Metadata)")?;
        Ok(Self { path: path.into() })
    }

    /// The end of the log, from where [`Self::since`] reads.
    pub fn position(&self) -> Result<Position> {
        let metadata =
            std::fs::metadata(&self.path).with_context(|| format!("cannot read {}", self.path.display()))?;
        Ok(Position { file: metadata.ino(), offset: metadata.len() })
    }

    /// The requests of a user agent that began since a position. A watch is recorded at its start and its end, and
    /// counts once.
    pub fn since(&self, position: Position, agent: &str) -> Result<Vec<Request>> {
        let files = self.files()?;
        let Some(first) = files.iter().position(|(file, _)| *file == position.file) else {
            bail!("{} was started anew more often than its backups reach back", self.path.display());
        };
        let mut watches = BTreeSet::new();
        let mut requests = Vec::new();
        for (file, path) in files.iter().skip(first) {
            let mut log = BufReader::new(File::open(path)?);
            if *file == position.file {
                log.seek(SeekFrom::Start(position.offset))?;
            }
            for line in log.lines() {
                // The last line may be half written.
                let Ok(request) = serde_json::from_str::<Request>(&line?) else {
                    continue;
                };
                let repeated = request.verb == "watch" && !watches.insert(request.request_uri.clone());
                if request.user_agent.starts_with(agent) && !repeated {
                    requests.push(request);
                }
            }
        }
        Ok(requests)
    }

    /// The files of the log with their numbers, the oldest first. The API server begins a new one when it is large, and
    /// puts the time into the name of the old one.
    fn files(&self) -> Result<Vec<(u64, PathBuf)>> {
        let folder = self.path.parent().context("the log lies in a folder")?;
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let is_older = |path: &Path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(&format!("{stem}-")) && path.extension() == self.path.extension()
        };
        let entries = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
        let mut paths: Vec<PathBuf> = entries.collect::<std::io::Result<_>>()?;
        paths.retain(|path| is_older(path));
        paths.sort();
        paths.push(self.path.clone());
        paths.into_iter().map(|path| Ok((std::fs::metadata(&path)?.ino(), path))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u32) -> String {
        format!(
            "{{\"verb\":\"get\",\"requestURI\":\"/{number}\",\"userAgent\":\"us/1\",\"user\":{{\"username\":\"us\"}},\"stage\":\"ResponseComplete\"}}\n"
        )
    }

    #[test]
    fn requests_are_counted_across_a_file_that_was_started_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        std::fs::write(&path, line(1)).unwrap();
        let log = AuditLog { path: path.clone() };
        let position = log.position().unwrap();
        std::fs::write(&path, line(1) + &line(2)).unwrap();
        std::fs::rename(&path, folder.path().join("audit-2026-01-01T00-00-00.000.log")).unwrap();
        std::fs::write(&path, line(3) + &line(4)).unwrap();
        let found = log.since(position, "us").unwrap();
        let paths: Vec<_> = found.iter().map(|request| request.request_uri.as_str()).collect();
        assert_eq!(paths, ["/2", "/3", "/4"]);

        std::fs::remove_file(folder.path().join("audit-2026-01-01T00-00-00.000.log")).unwrap();
        assert!(log.since(position, "us").is_err());
    }
}
