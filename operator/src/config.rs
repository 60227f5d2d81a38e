//! The configuration of the operator: flags, each with an environment variable. It is read once, at start.

use std::net::SocketAddr;

use clap::{Parser, ValueEnum};

/// Makes Microservice objects true.
#[derive(Parser, Clone, Debug)]
#[command(name = "flotilla-operator", version)]
pub struct Config {
    /// Namespaces to work in, separated by commas. Empty: all
    #[arg(long, env = "FLOTILLA_WATCH_NAMESPACES", value_delimiter = ',')]
    pub watch_namespaces: Vec<String>,

    /// Watch the metadata of ConfigMaps and Secrets, and replace pods when one that they refer to changes
    #[arg(long, env = "FLOTILLA_WATCH_REFERENCES", default_value_t = true, action = clap::ArgAction::Set)]
    pub watch_references: bool,

    /// Let only one of several replicas write
    #[arg(long, env = "FLOTILLA_LEADER_ELECTION", default_value_t = true, action = clap::ArgAction::Set)]
    pub leader_election: bool,

    /// Namespace of the Lease. Empty: that of the pod, or of the kubeconfig
    #[arg(long, env = "FLOTILLA_LEASE_NAMESPACE", default_value = "")]
    pub lease_namespace: String,

    /// Name of the Lease
    #[arg(long, env = "FLOTILLA_LEASE_NAME", default_value = "flotilla-operator")]
    pub lease_name: String,

    /// Name of this replica in the Lease. Empty: the host name
    #[arg(long, env = "FLOTILLA_IDENTITY", default_value = "")]
    pub identity: String,

    /// Address of /metrics, /livez and /readyz
    #[arg(long, env = "FLOTILLA_LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,

    /// What is logged: a level, or a filter such as info,kube=debug
    #[arg(long, env = "FLOTILLA_LOG", default_value = "info")]
    pub log: String,

    /// How it is logged
    #[arg(long, env = "FLOTILLA_LOG_FORMAT", default_value = "json")]
    pub log_format: LogFormat,

    /// How many objects are reconciled at once
    #[arg(long, env = "FLOTILLA_CONCURRENCY", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub concurrency: u16,
}

impl Config {
    /// The scopes to watch: each of the namespaces, or the whole cluster as `None`.
    pub fn scopes(&self) -> Vec<Option<String>> {
        let mut namespaces: Vec<_> =
            self.watch_namespaces.iter().map(|name| name.trim()).filter(|name| !name.is_empty()).collect();
        namespaces.sort_unstable();
        namespaces.dedup();
        if namespaces.is_empty() {
            vec![None]
        } else {
            namespaces.into_iter().map(|name| Some(name.to_owned())).collect()
        }
    }
}

/// How the log is written.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A JSON object a line.
    Json,
    /// For people.
    Text,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Config {
        Config::try_parse_from(std::iter::once(&"flotilla-operator").chain(arguments)).unwrap()
    }

    #[test]
    fn no_namespace_is_the_whole_cluster() {
        assert_eq!(parse(&[]).scopes(), vec![None]);
        assert_eq!(parse(&["--watch-namespaces", ""]).scopes(), vec![None]);
    }

    #[test]
    fn namespaces_are_taken_once_each() {
        assert_eq!(
            parse(&["--watch-namespaces", "b, a,b"]).scopes(),
            vec![Some("a".to_owned()), Some("b".to_owned())]
        );
    }
}
