//! What Postgres says of each query of the shop, so that they are checked wherever they are compiled: without a database, by
//! the files in `.sqlx`. Here there is one, with the tables that the migrations make.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result};
use flotilla_testbed::Postgres;

use super::shown;
use crate::{cache, host, process, progress, workspace_root};

/// The folders of crates with queries. In `migrations` each has a folder for each of its schemas, whose names no other has.
const CRATES: [&str; 6] = [
    "services/bus",
    "services/kit",
    "services/notification-service",
    "services/order-service",
    "services/product-service",
    "services/user-service",
];

/// Files by their paths.
type Files = BTreeMap<PathBuf, String>;

/// Writes what differs, and removes what is of no query any more.
pub(super) fn write() -> Result<()> {
    let (written, wanted) = (written()?, wanted()?);
    for path in written.keys().filter(|path| !wanted.contains_key(*path)) {
        fs::remove_file(path)?;
        println!("removed {}", shown(path));
    }
    for file in wanted {
        super::write(file)?;
    }
    Ok(())
}

/// What is not as it would be written.
pub(super) fn stale() -> Result<Vec<String>> {
    let (written, wanted) = (written()?, wanted()?);
    let differs = |path: &&PathBuf| written.get(*path) != wanted.get(*path);
    let mut stale: Vec<_> =
        written.keys().chain(wanted.keys()).filter(differs).map(|path| shown(path)).collect();
    stale.sort();
    stale.dedup();
    Ok(stale)
}

/// The folder that sqlx looks into for all crates of a workspace.
fn folder() -> PathBuf {
    workspace_root().join(".sqlx")
}

/// What there is.
fn written() -> Result<Files> {
    if folder().exists() { read(&folder()) } else { Ok(Files::new()) }
}

/// What there is to be.
fn wanted() -> Result<Files> {
    host::require(&[host::POSTGRES])?;
    progress::during("Asking Postgres about the queries of the shop", || {
        let postgres = Postgres::start()?;
        // All in one: whoever depends on another crate may have that compiled with its own.
        for path in CRATES {
            for sql in migrations(&workspace_root().join(path))? {
                postgres.run("postgres", &sql)?;
            }
        }
        let named = |(file, content): (PathBuf, String)| Some((folder().join(file.file_name()?), content));
        Ok(ask(&postgres.url("postgres"))?.into_iter().filter_map(named).collect())
    })
}

/// The SQL of all migrations of a crate.
fn migrations(root: &Path) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for schema in sorted(&root.join("migrations"))? {
        let name = schema.file_name().and_then(|name| name.to_str()).context("a schema has a name")?;
        all.push(format!("create schema {name}"));
        for file in sorted(&schema)? {
            all.push(fs::read_to_string(file)?);
        }
    }
    Ok(all)
}

/// Compiles all crates with a database at hand: the macros of their queries write what that says.
fn ask(database: &str) -> Result<Files> {
    let out = tempfile::tempdir()?;
    for path in CRATES {
        // Else cargo finds nothing to do.
        File::open(workspace_root().join(path).join("src/lib.rs"))?.set_modified(SystemTime::now())?;
    }
    let mut cargo = Command::new(env!("CARGO"));
    // The same selection as that of clippy, so that nothing else is compiled.
    cargo.current_dir(workspace_root()).args(["check", "--locked", "--workspace", "--all-targets"]);
    cargo.args(["--features", "flotilla-operator/bin"]);
    cargo.env("DATABASE_URL", database).env("SQLX_OFFLINE", "false").env("SQLX_OFFLINE_DIR", out.path());
    process::run(&mut cargo, &cache::root()?.join("logs/queries.log"))?;
    read(out.path())
}

fn read(folder: &Path) -> Result<Files> {
    sorted(folder)?.into_iter().map(|path| Ok((path.clone(), fs::read_to_string(path)?))).collect()
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
