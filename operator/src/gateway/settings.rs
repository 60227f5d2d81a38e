//! What the platform has decided for all gateways.

use clap::ValueEnum;
use ipnet::IpNet;

/// What all gateways have in common.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The image of `api-gateway`.
    pub image: String,
    /// How many pods a gateway has, at least when it scales.
    pub replicas: i32,
    /// How many pods it has at most. The same as `replicas`: it does not scale.
    pub max_replicas: i32,
    /// How gateways are reached that ask for no address.
    pub service: ServiceType,
    /// Networks whose addresses gateways may ask for.
    pub addresses: Vec<IpNet>,
    /// The share of requests that their access logs have, from 0 to 1.
    pub access_log: f64,
}

/// How gateways are reached.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceType {
    /// By an address of the cluster's load balancer, and in a cluster that has none from inside.
    #[value(name = "LoadBalancer")]
    LoadBalancer,
    /// From inside the cluster.
    #[value(name = "ClusterIP")]
    ClusterIp,
}
