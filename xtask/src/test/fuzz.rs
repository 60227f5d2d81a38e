//! The fuzz targets of the gateway, each for a short time.
//!
//! They are built with the pinned toolchain: the compiler's own sanitizers need another, and code without `unsafe` has
//! little that they would find. What coverage needs is stable.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cargo_tool::CargoTool;
use crate::host::{self, Package};
use crate::{cache, process, progress, target_folder, workspace_root};

const FUZZ: CargoTool = CargoTool { name: "cargo-fuzz", version: "0.13.2", arguments: &[] };

/// Where the targets are.
const FOLDER: &str = "services/api-gateway/fuzz";

/// How long a target runs at most, in seconds.
const SECONDS: u32 = 20;
/// How many inputs it is given at most.
const RUNS: u32 = 5_000_000;
/// The same inputs are tried each time, so that a change that breaks nothing breaks no run.
const SEED: u32 = 1;

/// Builds all targets and runs each.
pub(super) fn run() -> Result<()> {
    host::require(&[Package::new("g++", "g++")])?;
    let folder = workspace_root().join(FOLDER);
    // What is fuzzed is what is shipped: the versions are the workspace's.
    fs::copy(workspace_root().join("Cargo.lock"), folder.join("Cargo.lock"))
        .context("copying the workspace's versions")?;
    let fuzz = Fuzz { program: FUZZ.program()?, log: cache::root()?.join("logs/fuzz.log"), folder };
    progress::during("Building the fuzz targets", || process::run(&mut fuzz.command("build")?, &fuzz.log))?;
    for target in fuzz.targets()? {
        progress::during(format!("Fuzzing {target}"), || fuzz.target(&target))?;
    }
    Ok(())
}

struct Fuzz {
    program: PathBuf,
    log: PathBuf,
    folder: PathBuf,
}

impl Fuzz {
    fn command(&self, verb: &str) -> Result<Command> {
        let mut command = Command::new(&self.program);
        command
            .current_dir(workspace_root())
            // What has gone wrong then stands at the end of the log.
            .env("RUST_BACKTRACE", "0")
            .args(["fuzz", verb, "--sanitizer=none", "--fuzz-dir"])
            .arg(&self.folder)
            .arg("--target-dir")
            .arg(target_folder()?.join("fuzz"));
        Ok(command)
    }

    /// The names of all targets.
    fn targets(&self) -> Result<Vec<String>> {
        let targets = names(&self.folder.join("fuzz_targets"))?;
        if targets.is_empty() {
            bail!("{FOLDER} has no targets");
        }
        Ok(targets)
    }

    /// Runs a target from the inputs that are committed; those that it finds are not kept.
    fn target(&self, target: &str) -> Result<()> {
        let seeds = self.folder.join("seeds").join(target);
        if names(&seeds)?.is_empty() {
            bail!("{} has no inputs to begin with", seeds.display());
        }
        let found = tempfile::tempdir()?;
        let mut command = self.command("run")?;
        command.arg(target).arg(found.path()).arg(&seeds).arg("--").args([
            format!("-max_total_time={SECONDS}"),
            format!("-runs={RUNS}"),
            format!("-seed={SEED}"),
            "-max_len=2048".to_owned(),
            "-print_final_stats=1".to_owned(),
        ]);
        process::run(&mut command, &self.log).with_context(|| {
            format!("{target} has failed; its input is in {FOLDER}/artifacts/{target}\n{}", self.panic())
        })
    }

    /// What the target has said last when it panicked.
    fn panic(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        let at = lines.iter().rposition(|line| line.contains(" panicked at "));
        at.map_or_else(String::new, |at| {
            lines.iter().skip(at).take(4).copied().collect::<Vec<_>>().join("\n")
        })
    }
}

/// The names of the files in a folder, without their endings, in order.
fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.path().file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}
