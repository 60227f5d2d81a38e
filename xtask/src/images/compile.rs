//! Static programs of this workspace, kept outside the clone by what they are compiled from: a clone in which nothing of that
//! has changed compiles nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::host::{self, Package};
use crate::{cache, metadata, process, progress, target_folder, workspace_root};

/// Beside the packages, what decides how they are compiled.
const COMMON: [&str; 5] = [".cargo", ".sqlx", "Cargo.lock", "Cargo.toml", "rust-toolchain.toml"];

/// Folders of a package that are in no program of it.
const NOT_COMPILED: [&str; 4] = ["benches", "fuzz", "target", "tests"];

/// Of each kind, what was compiled last is kept, and so much of what was before: for branches.
const KEPT: usize = 4;

/// Programs that are compiled together.
pub(super) struct Programs<'a> {
    /// What they are, in few words.
    pub(super) what: &'a str,
    pub(super) packages: &'a [&'a str],
    /// The profile of `Cargo.toml`.
    pub(super) profile: &'a str,
    /// What cargo is told beside that.
    pub(super) arguments: &'a [&'a str],
    /// Where cargo leaves them, below the folder of the profile.
    pub(super) outputs: &'a [&'a str],
}

impl Programs<'_> {
    /// Compiles them, unless they are there. Returns the folder that has them, each by its name.
    pub(super) fn compile(&self) -> Result<PathBuf> {
        let inputs = inputs(&workspace_packages()?, self.packages)?;
        let kind = format!("programs/{}", self.name());
        let key = self.key(&inputs)?;
        let entry = cache::entry(&kind, &key, |folder| {
            self.make(&inputs, folder)?;
            // What was compiled is of another moment then.
            ensure!(
                self.key(&inputs)?.hex() == key.hex(),
                "sources of {} have changed while they were compiled: do it again",
                self.what
            );
            Ok(())
        })?;
        cache::keep_newest(&kind, KEPT)?;
        Ok(entry)
    }

    fn name(&self) -> String {
        self.what.replace(' ', "-")
    }

    fn key(&self, inputs: &BTreeSet<PathBuf>) -> Result<cache::Key> {
        let compiler = process::output(Command::new("rustc").current_dir(workspace_root()).arg("-vV"))?;
        let mut key = cache::Key::default().text("compiler", &compiler).text("profile", self.profile);
        for (name, value) in std::env::vars() {
            if name.contains("RUSTFLAGS") || name.starts_with("CARGO_PROFILE_") {
                key = key.text(&name, &value);
            }
        }
        for text in [self.packages, self.arguments].concat() {
            key = key.text("argument", text);
        }
        for input in inputs {
            let name = input.strip_prefix(workspace_root()).unwrap_or(input);
            key = key.text("file", &name.to_string_lossy()).path(input)?;
        }
        Ok(key)
    }

    fn make(&self, inputs: &BTreeSet<PathBuf>, folder: &Path) -> Result<()> {
        let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
        // For the C and assembly of the TLS library.
        host::require(&[Package::new("musl-tools", "musl-gcc")])?;
        install_target(&target)?;
        let log = cache::root()?.join(format!("logs/build-{}.log", self.name()));
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .current_dir(workspace_root())
            .args(["build", "--locked", "--profile", self.profile, "--target", &target])
            .args(self.packages.iter().flat_map(|package| ["--package", package]))
            .args(self.arguments)
            .env(format!("CC_{}", target.replace('-', "_")), "musl-gcc");
        progress::during(format!("Compiling {} for {target}", self.what), || process::run(&mut cargo, &log))?;
        let (all, own) = (target_folder()?, workspace_root());
        for output in self.outputs {
            let binary = all.join(&target).join(self.profile).join(output);
            let list = fs::read_to_string(format!("{}.d", binary.display()))
                .with_context(|| format!("cargo does not say what {} was compiled from", binary.display()))?;
            // A build script may name a whole folder.
            let is_known = |path: &PathBuf| inputs.iter().any(|input| input.starts_with(path));
            if let Some(unknown) = sources(&list)
                .find(|path| path.starts_with(own) && !path.starts_with(&all) && !is_known(path))
            {
                bail!("{output} is compiled from {} as well, which decides nothing here", unknown.display());
            }
            let place = folder.join(binary.file_name().unwrap_or_default());
            fs::copy(&binary, &place).with_context(|| format!("cargo built no {}", binary.display()))?;
        }
        Ok(())
    }
}

/// The files in cargo's list of what a program was compiled from. A space in a name has a backslash before it.
fn sources(list: &str) -> impl Iterator<Item = PathBuf> {
    let listed = list.split_once(": ").map_or("", |(_, sources)| sources).replace("\\ ", "\0");
    let paths: Vec<_> =
        listed.split_whitespace().map(|path| PathBuf::from(path.replace('\0', " "))).collect();
    paths.into_iter()
}

/// A package of this workspace.
#[derive(Default)]
struct Local {
    folder: PathBuf,
    /// The folders of those that it is compiled with.
    needs: Vec<PathBuf>,
}

fn workspace_packages() -> Result<BTreeMap<String, Local>> {
    let metadata = metadata()?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    Ok(packages.iter().filter_map(local).collect())
}

fn local(package: &Value) -> Option<(String, Local)> {
    let manifest = Path::new(package["manifest_path"].as_str()?);
    let needed = package["dependencies"].as_array()?.iter().filter(|needed| needed["kind"] != "dev");
    let needs = needed.filter_map(|needed| Some(needed["path"].as_str()?.into())).collect();
    Some((package["name"].as_str()?.to_owned(), Local { folder: manifest.parent()?.to_owned(), needs }))
}

/// The files of this workspace that packages are compiled from.
fn inputs(all: &BTreeMap<String, Local>, packages: &[&str]) -> Result<BTreeSet<PathBuf>> {
    let mut folders = BTreeSet::new();
    let mut open = Vec::new();
    for name in packages {
        let package = all.get(*name).with_context(|| format!("this workspace has no package {name}"))?;
        open.push(package.folder.clone());
    }
    while let Some(folder) = open.pop() {
        let package = all.values().find(|package| package.folder == folder);
        if folders.insert(folder) {
            open.extend(package.into_iter().flat_map(|package| package.needs.clone()));
        }
    }
    let mut files = BTreeSet::new();
    for path in COMMON.map(|name| workspace_root().join(name)).into_iter().chain(folders) {
        add(&path, &mut files)?;
    }
    Ok(files)
}

fn add(path: &Path, files: &mut BTreeSet<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        files.insert(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path).with_context(|| format!("listing {}", path.display()))? {
        let entry = entry?;
        if !NOT_COMPILED.iter().any(|name| entry.file_name() == *name) {
            add(&entry.path(), files)?;
        }
    }
    Ok(())
}

/// Makes sure that the toolchain can compile for the target.
fn install_target(target: &str) -> Result<()> {
    let root =
        process::output(Command::new("rustc").current_dir(workspace_root()).args(["--print", "sysroot"]))?;
    if PathBuf::from(root.trim()).join("lib/rustlib").join(target).join("lib").is_dir() {
        return Ok(());
    }
    let log = cache::root()?.join("logs/rustup.log");
    let mut rustup = Command::new("rustup");
    rustup.current_dir(workspace_root()).args(["target", "add", target]);
    progress::during(format!("Installing the Rust target {target}"), || process::run(&mut rustup, &log))
        .with_context(|| {
            format!("images need the Rust target {target}: install it with rustup target add {target}")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_package_needs_decides_as_well() {
        let inputs = inputs(&workspace_packages().unwrap(), &["flotilla-order-service"]).unwrap();
        let has = |name: &str| inputs.contains(&workspace_root().join(name));
        for name in ["Cargo.lock", "services/order-service/src/main.rs", "services/kit/src/lib.rs"] {
            assert!(has(name), "{name}");
        }
        // A test of it, what only its tests need, and what has nothing to do with it.
        for name in [
            "services/order-service/tests/service/main.rs",
            "services/testbed/src/lib.rs",
            "operator/src/lib.rs",
        ] {
            assert!(workspace_root().join(name).exists() && !has(name), "{name}");
        }
    }

    #[test]
    fn cargos_list_is_read() {
        let list = "/work/target/release/sink: /work/services/sink/src/main.rs /work/a\\ b.json\n";
        let expected: Vec<PathBuf> = vec!["/work/services/sink/src/main.rs".into(), "/work/a b.json".into()];
        assert_eq!(sources(list).collect::<Vec<_>>(), expected);
    }
}
