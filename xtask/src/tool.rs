//! Builds third-party programs from pinned Go modules: one `tools/<set>/go.mod` a tool set.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::host::{self, Package};
use crate::{cache, process, progress, workspace_root};

/// Programs that share one `go.mod`.
pub(crate) struct ToolSet {
    /// The folder under `tools/`.
    pub(crate) name: &'static str,
    /// What is built: Go packages, or `./...` for a main package of our own in that folder.
    pub(crate) packages: &'static [&'static str],
    /// Packages whose tests are built: of the folder `x`, a program `x.test`.
    pub(crate) tests: &'static [&'static str],
    /// Link flags besides stripping, such as a version to stamp.
    pub(crate) ldflags: &'static [&'static str],
    /// Build tags.
    pub(crate) tags: &'static str,
    /// C libraries that it links, if any. Without, it is built static and pure Go.
    pub(crate) c_libraries: &'static [Package],
    /// Programs whose package's last path element says too little: from, to.
    pub(crate) renames: &'static [(&'static str, &'static str)],
}

impl ToolSet {
    /// A tool set of pure Go packages. Other fields are set by struct update.
    pub(crate) const fn go(name: &'static str, packages: &'static [&'static str]) -> Self {
        Self { name, packages, tests: &[], ldflags: &[], tags: "", c_libraries: &[], renames: &[] }
    }

    /// The folder with the built programs; builds them if that has not been done yet.
    pub(crate) fn build(&self) -> Result<Tools> {
        let source = self.source();
        let go = go_version()?;
        let mut key = cache::Key::default()
            .path(&source)?
            .text("go", &go)
            .text("packages", &self.packages.join(" "))
            .text("ldflags", &self.ldflags.join(" "))
            .text("tags", self.tags)
            .text("cgo", if self.c_libraries.is_empty() { "0" } else { "1" })
            .text("renames", &format!("{:?}", self.renames));
        // Sets without tests keep the keys that they had before there were any.
        if !self.tests.is_empty() {
            key = key.text("tests", &self.tests.join(" "));
        }
        let folder = cache::entry(&format!("tools/{}", self.name), &key, |out| {
            host::require(self.c_libraries)?;
            progress::during(format!("Building {}", self.name), || self.compile(&source, out))
        })?;
        Ok(Tools { folder })
    }

    /// The folder of the module `path` as this set's go.mod pins it, downloaded if it is not there yet.
    pub(crate) fn module(&self, path: &str) -> Result<PathBuf> {
        go_version()?;
        let source = self.source();
        let answer = process::output(self.go_command(&source).args(["mod", "download", "-json", path]))?;
        let module: serde_json::Value =
            serde_json::from_str(&answer).context("reading what `go mod download` says")?;
        match module.get("Dir").and_then(serde_json::Value::as_str) {
            Some(folder) => Ok(PathBuf::from(folder)),
            None => bail!("go mod download says no folder for {path}: {answer}"),
        }
    }

    fn source(&self) -> PathBuf {
        workspace_root().join("tools").join(self.name)
    }

    fn go_command(&self, source: &Path) -> Command {
        let mut go = Command::new("go");
        go.current_dir(source)
            .env("CGO_ENABLED", if self.c_libraries.is_empty() { "0" } else { "1" })
            // go.mod says all; a workspace or flags of the user's would change what is built.
            .env("GOWORK", "off")
            .env("GOFLAGS", "-mod=readonly")
            .env_remove("GOOS")
            .env_remove("GOARCH");
        go
    }

    fn compile(&self, source: &Path, out: &Path) -> Result<()> {
        let log = cache::root()?.join(format!("logs/build-{}.log", self.name));
        let mut ldflags = vec!["-s", "-w"];
        ldflags.extend(self.ldflags);
        for (verb, packages) in [(["build"].as_slice(), self.packages), (&["test", "-c"], self.tests)] {
            // Without a package, Go would take the folder's own.
            if packages.is_empty() {
                continue;
            }
            let mut go = self.go_command(source);
            go.args(verb)
                .args(["-trimpath", "-buildvcs=false", "-tags", self.tags])
                .args(["-ldflags", &ldflags.join(" "), "-o"])
                .arg(out.join(""))
                .args(packages);
            process::run(&mut go, &log).with_context(|| format!("building tools/{}", self.name))?;
        }
        for (from, to) in self.renames {
            fs::rename(out.join(from), out.join(to)).with_context(|| format!("renaming {from} to {to}"))?;
        }
        Ok(())
    }
}

/// Built programs.
#[derive(Clone)]
pub(crate) struct Tools {
    folder: PathBuf,
}

impl Tools {
    /// The path of one program.
    pub(crate) fn program(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.folder.join(name.as_ref())
    }

    /// The folder, for a `PATH`.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// The version of the Go that builds, part of every tool set's key.
fn go_version() -> Result<String> {
    if host::find("go").is_none() {
        bail!("Go is not installed: the tools under tools/ are built from Go modules (see docs/cluster.md)");
    }
    Ok(process::output(Command::new("go").args(["env", "GOVERSION"]))?.trim().to_owned())
}
