//! Where all are measured: one Postgres with the databases that our migrations make, as they are after the seeds. Before each
//! measurement the databases are made anew of that, so that everybody finds the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use flotilla_testbed::Postgres;
use serde_json::Value;

use crate::bench::running::{Time, time_of_family};
use crate::{cache, process, progress};

/// Roles with a database of the same name, and the service that migrates it.
const DATABASES: [(&str, &str); 3] =
    [("users", "user-service"), ("products", "product-service"), ("orders", "order-service")];

/// The database of the bus.
const BUS: &str = "bus";

/// Loopback has nobody else on it.
const PASSWORD: &str = "bench";

/// What is in the databases from the start.
const SEEDS: [(&str, &str); 2] =
    [("users", include_str!("users.sql")), ("products", include_str!("products.sql"))];

/// The Postgres with its databases.
pub(super) struct Stage {
    postgres: Postgres,
    /// A folder for what lasts no longer.
    folder: tempfile::TempDir,
}

impl Stage {
    /// Starts a Postgres, and makes the databases with our programs.
    pub(super) fn set(programs: &Path) -> Result<Self> {
        let stage = Self { postgres: Postgres::start()?, folder: tempfile::tempdir()? };
        progress::during("Making the databases", || stage.make(programs))?;
        Ok(stage)
    }

    fn make(&self, programs: &Path) -> Result<()> {
        for role in DATABASES.map(|(role, _)| role).into_iter().chain([BUS]) {
            self.postgres.run("postgres", &format!("create role {role} login password '{PASSWORD}'"))?;
            self.postgres.run("postgres", &format!("create database {role} owner {role}"))?;
        }
        for (role, service) in DATABASES {
            let mut migrate = Command::new(programs.join(service));
            migrate
                .arg("migrate")
                .env("SHOP_DATABASE_URL", self.url(role))
                .env("SHOP_BUS_URL", self.url(BUS));
            process::run(&mut migrate, &cache::root()?.join("logs/bench-migrate.log"))?;
        }
        for (database, seed) in SEEDS {
            let mut psql = Command::new("psql");
            psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]).arg(self.postgres.url(database));
            process::output_with_input(&mut psql, seed.as_bytes())?;
        }
        for role in DATABASES.map(|(role, _)| role).into_iter().chain([BUS]) {
            self.postgres.run("postgres", &format!("alter database {role} rename to {role}_seed"))?;
        }
        Ok(())
    }

    /// All databases as they were after the seeds.
    pub(super) fn reset(&self) -> Result<()> {
        for role in DATABASES.map(|(role, _)| role).into_iter().chain([BUS]) {
            self.postgres.run("postgres", &format!("drop database if exists {role} with (force)"))?;
            self.postgres
                .run("postgres", &format!("create database {role} template {role}_seed owner {role}"))?;
        }
        // Nobody's measurement has the writes of another's.
        Ok(self.postgres.run("postgres", "checkpoint")?)
    }

    /// The address of a database, as the role that owns it.
    pub(super) fn url(&self, role: &str) -> String {
        self.postgres.url_of(role, PASSWORD, role)
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What a query says, which is one value of JSON.
    pub(super) fn query(&self, database: &str, script: &str) -> Result<Value> {
        let mut psql = Command::new("psql");
        psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"]);
        let said = process::output_with_input(psql.arg(self.postgres.url(database)), script.as_bytes())?;
        serde_json::from_str(&said).with_context(|| format!("psql says {said}"))
    }

    /// What all of Postgres has used so far.
    pub(super) fn time(&self) -> Result<Time> {
        time_of_family(self.pid()?)
    }

    /// Its version.
    pub(super) fn version(&self) -> Result<String> {
        let version = self.query("postgres", "select to_json(current_setting('server_version'));")?;
        Ok(version.as_str().unwrap_or_default().split(' ').next().unwrap_or_default().to_owned())
    }

    fn pid(&self) -> Result<u32> {
        let path: PathBuf = self.postgres.folder().join("data/postmaster.pid");
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        text.lines().next().and_then(|line| line.parse().ok()).context("postmaster.pid has no number")
    }
}
