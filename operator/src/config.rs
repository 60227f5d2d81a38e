//! The configuration of the operator: flags, each with an environment variable. It is read once, at start.

use std::net::SocketAddr;

use clap::{Parser, ValueEnum};
use flotilla_gateway_config::share;
use ipnet::IpNet;

use crate::gateway::settings::{ServiceType, Settings};

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

    /// Serve the Gateway API: gateways of classes whose controller is flotilla.dev/gateway. Only with all namespaces
    #[arg(long, env = "FLOTILLA_GATEWAY", default_value_t = true, action = clap::ArgAction::Set)]
    pub gateway: bool,

    /// Image that gateways run
    #[arg(long, env = "FLOTILLA_GATEWAY_IMAGE", default_value = concat!("ghcr.io/flotilla-dev/api-gateway:", env!("CARGO_PKG_VERSION")))]
    pub gateway_image: String,

    /// Pods of a gateway, at least
    #[arg(long, env = "FLOTILLA_GATEWAY_REPLICAS", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub gateway_replicas: u16,

    /// Pods of a gateway, at most: more than the least makes it scale by its load. 0: it does not scale
    #[arg(long, env = "FLOTILLA_GATEWAY_MAX_REPLICAS", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=1000))]
    pub gateway_max_replicas: u16,

    /// How gateways are reached that ask for no address. Where no load balancer gives one, it is from inside the cluster
    #[arg(long, env = "FLOTILLA_GATEWAY_SERVICE", default_value = "LoadBalancer")]
    pub gateway_service: ServiceType,

    /// Networks whose addresses gateways may ask for, separated by commas. They must lead to the nodes
    #[arg(long, env = "FLOTILLA_GATEWAY_ADDRESSES", value_delimiter = ',')]
    pub gateway_addresses: Vec<IpNet>,

    /// The share of requests that the access logs of gateways have, from 0 to 1. Those that fail are all in it
    #[arg(long, env = "FLOTILLA_GATEWAY_ACCESS_LOG", default_value_t = 0.01, value_parser = share)]
    pub gateway_access_log: f64,

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
    /// What all gateways have in common; `None` when the Gateway API is not served.
    pub fn gateways(&self) -> Option<Settings> {
        (self.gateway && self.scopes() == [None]).then(|| Settings {
            image: self.gateway_image.clone(),
            replicas: self.gateway_replicas.into(),
            max_replicas: self.gateway_max_replicas.into(),
            service: self.gateway_service,
            addresses: self.gateway_addresses.clone(),
            access_log: self.gateway_access_log,
        })
    }

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

    #[test]
    fn a_share_is_from_0_to_1() {
        assert!((parse(&["--gateway-access-log", "1"]).gateway_access_log - 1.0).abs() < f64::EPSILON);
        for wrong in ["1.5", "-0.1", "NaN", "all"] {
            let argument = format!("--gateway-access-log={wrong}");
            let error = Config::try_parse_from(["flotilla-operator", &argument]).unwrap_err().to_string();
            assert!(error.contains("a number from 0 to 1"), "{error}");
        }
    }
}
