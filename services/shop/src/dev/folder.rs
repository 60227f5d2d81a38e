//! The folder of a shop: that of its Postgres, with what the other programs leave behind beside it.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, MetadataExt, chown},
    path::{Path, PathBuf},
};

use super::Error;
use crate::name::Name;

/// The folder of a shop.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// In the folder of a Postgres.
    pub fn new(path: &Path) -> Result<Self, Error> {
        let logs = path.join("logs");
        let fail = |source| Error::File(format!("the folder {} cannot be made", logs.display()), source);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&logs).map_err(fail)?;
        // Postgres does not run as root, and whoever it runs as has to be able to remove all of it.
        let owner = fs::metadata(path).map_err(fail)?;
        chown(&logs, Some(owner.uid()), Some(owner.gid())).map_err(fail)?;
        Ok(Self(path.to_owned()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What a program says, a JSON object a line.
    pub fn log(&self, name: Name) -> PathBuf {
        self.0.join("logs").join(format!("{name}.log"))
    }

    /// The file of the gateway.
    pub fn gateway(&self) -> PathBuf {
        self.0.join("gateway.yaml")
    }

    /// What the payment provider knows.
    pub fn payments(&self) -> PathBuf {
        self.0.join("payments.jsonl")
    }

    /// The secrets of all programs.
    pub fn secrets(&self) -> PathBuf {
        self.0.join("secrets.json")
    }
}
