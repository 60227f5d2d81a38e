//! `cargo xtask lint`: format, clippy, licences and bans, generated files, charts.

use std::process::Command;

use anyhow::Result;

use crate::cargo_tool::CargoTool;
use crate::cluster::HELM;
use crate::{cache, r#gen, process, progress, workspace_root};

const DENY: CargoTool =
    CargoTool { name: "cargo-deny", version: "0.20.2", arguments: &["--no-default-features"] };

/// Runs the verb.
pub(crate) fn run() -> Result<()> {
    let log = cache::root()?.join("logs/lint.log");
    let cargo = |arguments: &[&str]| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(workspace_root()).args(arguments);
        process::run(&mut cargo, &log)
    };
    progress::during("Checking the format (cargo fmt --all)", || {
        cargo(&["fmt", "--all", "--check"])?;
        // Of a workspace of its own.
        cargo(&["fmt", "--manifest-path", "services/api-gateway/fuzz/Cargo.toml", "--check"])
    })?;
    progress::during("Checking with clippy", || {
        cargo(&[
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--features",
            "flotilla-operator/bin",
            "--",
            "--deny",
            "warnings",
        ])
    })?;
    let deny = DENY.program()?;
    progress::during("Checking licences, bans and sources (cargo deny)", || {
        let mut command = Command::new(&deny);
        // Advisories need the network at a place that not every machine reaches; a scheduled job has them.
        command.current_dir(workspace_root()).args(["check", "licenses", "bans", "sources"]);
        process::run(&mut command, &log)
    })?;
    progress::during("Checking generated files", r#gen::check)?;
    progress::during("Checking the charts (helm lint)", || charts(&log))
}

/// Lints each chart with its defaults and with each of its `ci` values.
fn charts(log: &std::path::Path) -> Result<()> {
    let helm = HELM.build()?.program("helm");
    for (name, namespace) in [("flotilla", "flotilla-system"), ("shop", "shop")] {
        let chart = workspace_root().join("charts").join(name);
        let mut values: Vec<_> =
            std::fs::read_dir(chart.join("ci"))?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        values.sort();
        for file in std::iter::once(None).chain(values.iter().map(Some)) {
            for verb in [["lint", "--strict"].as_slice(), &["template", name, "--namespace", namespace]] {
                let mut command = Command::new(&helm);
                command.args(verb).arg(&chart);
                if let Some(file) = file {
                    command.arg("--values").arg(file);
                }
                process::run(&mut command, log)?;
            }
        }
    }
    Ok(())
}
