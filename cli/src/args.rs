//! The arguments. Each subcommand has its own in its file; here are those that all share.

#![allow(clippy::doc_markdown, reason = "these texts are printed as they stand")]

use clap::{Args, Parser, Subcommand};

use crate::command::{
    check, complete, completion, convert, diff, history, logs, render, rollback, status, trace, tree,
    validate, version, why,
};

/// The command line.
#[derive(Parser, Clone, Debug)]
#[command(
    name = "kubectl-flotilla",
    version,
    about = "Work with Microservice objects: before they are applied, while they run, and when they do not",
    after_help = "Exit status: 0 for yes (ready, valid, no difference), 1 for no, 2 for an error."
)]
pub struct Cli {
    /// What all subcommands share.
    #[command(flatten)]
    pub global: Global,

    /// The subcommand.
    #[command(subcommand)]
    pub command: Command,
}

/// What all subcommands share, named as in kubectl.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Cluster")]
pub struct Global {
    /// Namespace; that of the context when left out
    #[arg(short, long, global = true, value_name = "NAME")]
    pub namespace: Option<String>,

    /// Context of the kubeconfig; the current one when left out
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,

    /// The kubeconfig; KUBECONFIG or ~/.kube/config when left out
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<std::path::PathBuf>,

    /// Act as this user
    #[arg(long = "as", global = true, value_name = "USER")]
    pub impersonate: Option<String>,

    /// Act as a member of this group; may be given several times
    #[arg(long = "as-group", global = true, value_name = "GROUP")]
    pub impersonate_groups: Vec<String>,

    /// No colours, as with the variable NO_COLOR
    #[arg(long, global = true)]
    pub no_color: bool,
}

/// Files with objects.
#[derive(Args, Clone, Debug)]
pub struct Files {
    /// A file with Microservice objects, `-` for standard input; may be given several times
    #[arg(short = 'f', long = "filename", value_name = "FILE", required = true)]
    pub files: Vec<String>,
}

/// The subcommands.
#[derive(Subcommand, Clone, Debug)]
pub enum Command {
    /// Show the objects that a Microservice becomes, without a cluster
    Render(render::Arguments),
    /// Check Microservice objects as the API server would, without a cluster
    Validate(validate::Arguments),
    /// Show what applying a file would change in the cluster
    Diff(diff::Arguments),
    /// Show how a service is, or all of them
    Status(status::Arguments),
    /// Show what a service consists of
    Tree(tree::Arguments),
    /// Find the Microservice that an object belongs to
    Trace(trace::Arguments),
    /// Find out why a service is not ready, and what to do
    Why(why::Arguments),
    /// Show the logs of all pods of a service
    Logs(logs::Arguments),
    /// Show the versions of a service
    History(history::Arguments),
    /// Run a former version again, its configuration included
    Rollback(rollback::Arguments),
    /// Check that the cluster and the operator can do their work
    Check(check::Arguments),
    /// Make a Microservice of what you have
    Convert(convert::Arguments),
    /// Print a script that completes this command in a shell
    Completion(completion::Arguments),
    /// Show versions
    Version(version::Arguments),
    /// Complete words for kubectl
    #[command(name = "__complete", hide = true)]
    Complete(complete::Arguments),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn shared_arguments_may_stand_anywhere() {
        let before = Cli::try_parse_from(["kubectl-flotilla", "-n", "shop", "status", "orders"]).unwrap();
        let after = Cli::try_parse_from(["kubectl-flotilla", "status", "orders", "-n", "shop"]).unwrap();
        assert_eq!(before.global.namespace, after.global.namespace);
    }
}
