//! `cargo xtask VERB`: everything that a developer or CI runs, one module a verb.

// A command-line program speaks on standard output.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod cache;
mod cargo_tool;
mod cluster;
mod debian;
mod demo;
mod r#gen;
mod host;
mod images;
mod install;
mod lint;
mod npm;
mod oci;
mod process;
mod progress;
mod python;
mod shop;
mod test;
mod tool;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

/// Builds, runs and tests Flotilla.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Start, stop and inspect a real Kubernetes for development and tests
    Cluster(cluster::Args),
    /// Build the images, and load them into the cluster
    Images(images::Args),
    /// Start a cluster, install the operator and run the README's example
    Demo(demo::Args),
    /// Set up what the tests need and run them all
    Test(test::Args),
    /// Write the generated files: definitions, documents, contracts, queries
    Gen(r#gen::Args),
    /// Check format, code, licences, generated files and charts
    Lint,
    /// Run the benchmarks
    Bench(bench::Args),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().verb {
        Verb::Cluster(args) => cluster::run(args),
        Verb::Images(args) => images::run(args),
        Verb::Demo(args) => demo::run(&args),
        Verb::Test(args) => test::run(args),
        Verb::Gen(args) => r#gen::run(&args),
        Verb::Lint => lint::run(),
        Verb::Bench(args) => bench::run(args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the clone that this program was built from.
fn workspace_root() -> &'static Path {
    // `cargo xtask` always runs what it has just built in this clone, so the build-time path holds.
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Where cargo puts what it builds.
fn target_folder() -> Result<PathBuf> {
    Ok(metadata()?["target_directory"].as_str().context("cargo metadata names no target directory")?.into())
}

/// What cargo says of this workspace, without what it depends on.
fn metadata() -> Result<serde_json::Value> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(workspace_root()).args(["metadata", "--format-version=1", "--no-deps", "--offline"]);
    Ok(serde_json::from_str(&process::output(&mut cargo)?)?)
}
