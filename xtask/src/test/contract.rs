//! The subgraphs of the shop held against each other, and its REST APIs against the documents that describe them.
//!
//! The former are composed, as a router does it. For the latter, Schemathesis sends each service of a shop on this machine what
//! its `openapi.json` allows and what it does not, one by one and in sequences along the document's links, as people with real
//! tokens. What is held against what, and what is left out for which reason, is in `tools/schemathesis/schemathesis.toml`.
//!
//! Services are spoken to directly: a gateway's answers are not theirs, and it lets nobody log in as often as this does.

mod composition;
mod people;
mod shop;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use self::shop::Shop;
use crate::host::{self, Package};
use crate::{cache, progress, python, workspace_root};

/// What is held. The service that knows who people are comes last, as some of what it is asked is to forget them.
const SERVICES: [&str; 4] = ["product-service", "order-service", "notification-service", "user-service"];

/// Where its versions and what it is told are.
const FOLDER: &str = "tools/schemathesis";

/// Names the one service to hold, while one works on it.
const CHOSEN: &str = "CONTRACT_SERVICE";

/// Runs the suite.
pub(super) fn run() -> Result<()> {
    host::require(&[host::POSTGRES, Package::new("curl", "curl")])?;
    let chosen = std::env::var(CHOSEN).ok().filter(|chosen| !chosen.is_empty());
    let services: Vec<_> = SERVICES
        .into_iter()
        .filter(|service| chosen.as_deref().is_none_or(|chosen| chosen == *service))
        .collect();
    if services.is_empty() {
        bail!("{CHOSEN} names none of {}", SERVICES.join(", "));
    }
    composition::hold(&SERVICES)?;
    let python = schemathesis()?;
    let mut shop = Shop::start()?;
    let folder = tempfile::tempdir()?;
    let people = folder.path().join("people.json");
    fs::write(&people, people::document(&shop)?).with_context(|| format!("writing {}", people.display()))?;
    let mut failed = Vec::new();
    for service in services {
        if !hold(&python, service, &shop.url(service)?, &people)? {
            failed.push(service);
        }
        shop.still_runs()?;
    }
    if !failed.is_empty() {
        bail!("{} and the documents of their APIs differ", failed.join(", "));
    }
    Ok(())
}

/// The Python that has Schemathesis.
fn schemathesis() -> Result<PathBuf> {
    let requirements = workspace_root().join(FOLDER).join("requirements.txt");
    let key = cache::Key::default().path(&requirements)?.text("python", &python::version()?);
    let folder = cache::entry(FOLDER, &key, |out| {
        progress::during("Installing Schemathesis", || {
            let log = cache::root()?.join("logs/schemathesis.log");
            let file = requirements.to_str().context("the clone's path is not UTF-8")?;
            python::install(out, &["--require-hashes", "--requirement", file], &log).map(drop)
        })
    })?;
    Ok(folder.join(python::PYTHON))
}

/// Whether a service is as its document says. If not, all that is not so is shown, each with the request that shows it.
fn hold(python: &Path, service: &str, url: &str, people: &Path) -> Result<bool> {
    let log = cache::root()?.join(format!("logs/contract-{service}.log"));
    if let Some(folder) = log.parent() {
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    }
    let output = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
    let began = Instant::now();
    let mut command = Command::new(python);
    command
        .args(["-m", "schemathesis.cli", "--config-file"])
        .arg(workspace_root().join(FOLDER).join("schemathesis.toml"))
        .arg("run")
        .arg(workspace_root().join("services").join(service).join("openapi.json"))
        .args(["--no-color", "--url", url])
        .env("CONTRACT_PEOPLE", people)
        .env("PYTHONPATH", workspace_root().join(FOLDER))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        // Of its own working folder it would keep what it learns.
        .current_dir(people.parent().unwrap_or(Path::new(".")))
        .stdin(Stdio::null())
        .stderr(output.try_clone()?)
        .stdout(output);
    let status = progress::during(format!("Holding {service} against its openapi.json"), || {
        command.status().context("starting Schemathesis")
    })?;
    let said = fs::read_to_string(&log).with_context(|| format!("reading {}", log.display()))?;
    if status.success() {
        println!("{service}: {} in {}", summary(&said), progress::seconds(began.elapsed()));
    } else {
        println!("{}", findings(&said));
    }
    Ok(status.success())
}

/// How much was tried, from what Schemathesis says at its end.
fn summary(said: &str) -> &str {
    let line = said.lines().map(str::trim).find(|line| line.contains(" generated, "));
    line.unwrap_or("it says nothing of what it tried")
}

/// What is wrong, from what Schemathesis says: the first of its sections that is about it, and all after that.
fn findings(said: &str) -> &str {
    let sections = ["= ERRORS =", "= FAILURES ="];
    let first = sections.iter().filter_map(|section| said.find(section)).min();
    let line =
        first.and_then(|at| said.get(..at)).map_or(0, |before| before.rfind('\n').map_or(0, |end| end + 1));
    said.get(line..).unwrap_or(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_all_from_the_first_section_about_it() {
        let said = "Schemathesis\n\n==== FAILURES ====\none\n==== SUMMARY ====\n  9 generated, 8 passed\n";
        assert_eq!(findings(said), "==== FAILURES ====\none\n==== SUMMARY ====\n  9 generated, 8 passed\n");
        assert_eq!(findings("no section"), "no section");
        assert_eq!(summary(said), "9 generated, 8 passed");
    }
}
