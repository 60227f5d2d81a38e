//! The audit log of the API server: what was really asked of it, whatever the client says of itself.

use std::{
    collections::BTreeSet,
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
};

use anyhow::{Context, Result, bail};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use serde::Deserialize;

/// The audit log of the cluster's API server, one JSON line a request.
#[derive(Clone, Debug)]
pub struct AuditLog {
    path: PathBuf,
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
    pub fn position(&self) -> Result<u64> {
        Ok(std::fs::metadata(&self.path)
            .with_context(|| format!("cannot read {}", self.path.display()))?
            .len())
    }

    /// The requests of a user agent that began since a position. A watch is recorded at its start and its end, and
    /// counts once.
    pub fn since(&self, position: u64, agent: &str) -> Result<Vec<Request>> {
        // The API server begins a new file when this one is large.
        if self.position()? < position {
            bail!("{} was started anew meanwhile, so requests cannot be counted", self.path.display());
        }
        let mut file = std::fs::File::open(&self.path)?;
        file.seek(SeekFrom::Start(position))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let mut watches = BTreeSet::new();
        let mut requests = Vec::new();
        for line in text.lines() {
            // The last line may be half written.
            let Ok(request) = serde_json::from_str::<Request>(line) else {
                continue;
            };
            let repeated = request.verb == "watch" && !watches.insert(request.request_uri.clone());
            if request.user_agent.starts_with(agent) && !repeated {
                requests.push(request);
            }
        }
        Ok(requests)
    }
}
