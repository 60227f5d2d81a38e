//! A gateway that is measured, and what it is told. All are told the same in their own words: one route for each prefix to
//! one backend, connections that stay open on both sides, `X-Forwarded-*` for the backend, and an id of the request for
//! backend and client.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::scenario::Scenario;

/// The host that clients ask for.
pub(super) const HOST: &str = "bench.example.com";

/// More requests than any connection sees here, for those that close connections after a number of them.
pub(super) const UNLIMITED: u32 = 1_000_000_000;

/// Connections to the backend that are kept.
pub(super) const KEPT: u32 = 512;

/// What a gateway is started for.
pub(super) struct Setup<'s> {
    pub(super) scenario: &'s Scenario,
    /// Its own, and empty.
    pub(super) folder: &'s Path,
    /// Where it listens.
    pub(super) port: u16,
    /// A port for what else it serves.
    pub(super) admin: u16,
    /// Where the backend is.
    pub(super) backend: u16,
    pub(super) certificate: &'s Certificate,
}

impl Setup<'_> {
    /// The prefixes of all routes.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = String> {
        (0..self.scenario.routes).map(Scenario::prefix)
    }
}

/// A certificate for [`HOST`], in files of PEM.
pub(super) struct Certificate {
    pub(super) chain: PathBuf,
    pub(super) key: PathBuf,
    /// Both in one file.
    pub(super) both: PathBuf,
}

/// A gateway.
pub(super) trait Subject {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Its version.
    fn version(&self) -> &str;

    /// Writes its configuration, and says how it is started.
    fn command(&self, setup: &Setup<'_>) -> Result<Command>;
}
