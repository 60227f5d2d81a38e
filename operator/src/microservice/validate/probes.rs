//! Which check answers which question, with ports resolved.

use flotilla_crds::v1alpha1::{
    ExecProbe, GrpcProbe, HttpHeader, HttpProbe, Port, Probe, Probes, Protocol, Scheme, StartupProbe,
    TcpProbe,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Error;

/// Seconds between checks when nothing is written; the default of Kubernetes.
const PERIOD_SECONDS: i32 = 10;

/// Seconds between checks during a start: a service that is up should not wait ten seconds to be seen.
const STARTUP_PERIOD_SECONDS: i32 = 5;

/// The checks of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeSet {
    /// Whether a pod gets traffic.
    pub readiness: Option<TimedCheck>,
    /// Whether a container is restarted.
    pub liveness: Option<TimedCheck>,
    /// Whether a start is over.
    pub startup: Option<TimedCheck>,
}

/// A check and its rhythm. `None` leaves the default to Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedCheck {
    /// What is checked.
    pub check: Check,
    /// Seconds before the first check.
    pub initial_delay_seconds: Option<i32>,
    /// Seconds between checks.
    pub period_seconds: i32,
    /// Seconds after which a check has failed.
    pub timeout_seconds: Option<i32>,
    /// Failures in a row that count.
    pub failure_threshold: Option<i32>,
    /// Successes in a row that count.
    pub success_threshold: Option<i32>,
}

/// What is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// A GET.
    Http {
        /// Path.
        path: String,
        /// Port.
        port: IntOrString,
        /// Scheme; HTTP when left out.
        scheme: Option<Scheme>,
        /// Headers.
        headers: Vec<HttpHeader>,
    },
    /// The gRPC health checking protocol, which Kubernetes asks by number only.
    Grpc {
        /// Port.
        port: i32,
        /// Service; the server as a whole when left out.
        service: Option<String>,
    },
    /// A connection.
    Tcp {
        /// Port.
        port: IntOrString,
    },
    /// A command.
    Exec {
        /// The command and its arguments.
        command: Vec<String>,
    },
}

pub(super) fn resolve(probes: Option<&Probes>, ports: &[Port]) -> Result<ProbeSet, Error> {
    let empty = Probes::default();
    let probes = probes.unwrap_or(&empty);
    let readiness = match &probes.readiness {
        Some(probe) => timed("readiness", probe, ports)?,
        None => first_stream(ports).map(|port| {
            let check = Check::Tcp { port: IntOrString::String(port.name.clone()) };
            TimedCheck {
                check,
                initial_delay_seconds: None,
                period_seconds: PERIOD_SECONDS,
                timeout_seconds: None,
                failure_threshold: None,
                success_threshold: None,
            }
        }),
    };
    let liveness = match &probes.liveness {
        Some(probe) => timed("liveness", probe, ports)?,
        None => None,
    };
    let startup = match &probes.startup {
        Some(startup) => {
            let borrowed = liveness.as_ref().or(readiness.as_ref()).map(|timed| timed.check.clone());
            Some(start(startup, ports, borrowed)?)
        }
        None => None,
    };
    Ok(ProbeSet { readiness, liveness, startup })
}

pub(super) fn timed(name: &'static str, probe: &Probe, ports: &[Port]) -> Result<Option<TimedCheck>, Error> {
    let handlers = Handlers {
        http: probe.http.as_ref(),
        grpc: probe.grpc.as_ref(),
        tcp: probe.tcp.as_ref(),
        exec: probe.exec.as_ref(),
    };
    let check = match (handlers.resolve(name, ports)?, probe.disabled.unwrap_or(false)) {
        (None, true) => return Ok(None),
        (Some(check), false) => check,
        (None, false) | (Some(_), true) => return Err(Error::Handler { probe: name }),
    };
    Ok(Some(TimedCheck {
        check,
        initial_delay_seconds: probe.initial_delay_seconds,
        period_seconds: probe.period_seconds.unwrap_or(PERIOD_SECONDS),
        timeout_seconds: probe.timeout_seconds,
        failure_threshold: probe.failure_threshold,
        success_threshold: probe.success_threshold,
    }))
}

fn start(startup: &StartupProbe, ports: &[Port], borrowed: Option<Check>) -> Result<TimedCheck, Error> {
    let handlers = Handlers {
        http: startup.http.as_ref(),
        grpc: startup.grpc.as_ref(),
        tcp: startup.tcp.as_ref(),
        exec: startup.exec.as_ref(),
    };
    let check = handlers.resolve("startup", ports)?.or(borrowed).ok_or(Error::NothingToStart)?;
    let period_seconds = STARTUP_PERIOD_SECONDS.min(startup.budget_seconds);
    // Rounded up: the budget is at least what was written.
    let failures = (startup.budget_seconds + period_seconds - 1) / period_seconds;
    Ok(TimedCheck {
        check,
        initial_delay_seconds: None,
        period_seconds,
        timeout_seconds: None,
        failure_threshold: Some(failures),
        success_threshold: None,
    })
}

struct Handlers<'a> {
    http: Option<&'a HttpProbe>,
    grpc: Option<&'a GrpcProbe>,
    tcp: Option<&'a TcpProbe>,
    exec: Option<&'a ExecProbe>,
}

impl Handlers<'_> {
    fn resolve(&self, probe: &'static str, ports: &[Port]) -> Result<Option<Check>, Error> {
        Ok(match (self.http, self.grpc, self.tcp, self.exec) {
            (None, None, None, None) => None,
            (Some(http), None, None, None) => Some(Check::Http {
                path: http.path.clone().unwrap_or_else(|| "/".to_owned()),
                port: port(probe, http.port.as_ref(), ports)?,
                scheme: http.scheme,
                headers: http.http_headers.clone(),
            }),
            (None, Some(grpc), None, None) => Some(Check::Grpc {
                port: number(probe, &port(probe, grpc.port.as_ref(), ports)?, ports)?,
                service: grpc.service.clone(),
            }),
            (None, None, Some(tcp), None) => {
                Some(Check::Tcp { port: port(probe, tcp.port.as_ref(), ports)? })
            }
            (None, None, None, Some(exec)) => Some(Check::Exec { command: exec.command.clone() }),
            _ => return Err(Error::Handler { probe }),
        })
    }
}

fn port(probe: &'static str, written: Option<&IntOrString>, ports: &[Port]) -> Result<IntOrString, Error> {
    match written {
        Some(IntOrString::String(name)) if ports.iter().all(|port| port.name != *name) => {
            Err(Error::UnknownPort { probe, port: name.clone() })
        }
        Some(written) => Ok(written.clone()),
        None => first_stream(ports)
            .map(|port| IntOrString::String(port.name.clone()))
            .ok_or(Error::NoPort { probe }),
    }
}

fn number(probe: &'static str, reference: &IntOrString, ports: &[Port]) -> Result<i32, Error> {
    match reference {
        IntOrString::Int(number) => Ok(*number),
        IntOrString::String(name) => ports
            .iter()
            .find(|port| port.name == *name)
            .map(|port| i32::from(port.port))
            .ok_or_else(|| Error::UnknownPort { probe, port: name.clone() }),
    }
}

/// The first port that a connection can be made to.
fn first_stream(ports: &[Port]) -> Option<&Port> {
    ports.iter().find(|port| port.protocol() != Protocol::Udp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::microservice::render::tests::microservice;

    fn resolve_yaml(spec: &str) -> Result<ProbeSet, Error> {
        let microservice = microservice(&format!("spec: {{image: app, {spec}}}"));
        resolve(microservice.spec.probes.as_ref(), &microservice.spec.ports)
    }

    #[test]
    fn without_a_probe_the_first_stream_port_must_accept() {
        let probes = resolve_yaml(
            "ports: [{name: dns, port: 53, protocol: UDP}, {name: web, port: 80, protocol: HTTP}]",
        )
        .unwrap();
        assert_eq!(probes.readiness.unwrap().check, Check::Tcp { port: IntOrString::String("web".into()) });
        assert_eq!(probes.liveness, None);
    }

    #[test]
    fn a_worker_and_a_disabled_probe_have_no_check() {
        assert_eq!(resolve_yaml("ports: []").unwrap(), ProbeSet::default());
        let disabled = "ports: [{name: web, port: 80}], probes: {readiness: {disabled: true}}";
        assert_eq!(resolve_yaml(disabled).unwrap(), ProbeSet::default());
    }

    #[test]
    fn grpc_is_asked_by_number() {
        let probes =
            resolve_yaml("ports: [{name: rpc, port: 9090, protocol: GRPC}], probes: {readiness: {grpc: {}}}");
        assert_eq!(probes.unwrap().readiness.unwrap().check, Check::Grpc { port: 9090, service: None });
    }

    #[test]
    fn a_startup_budget_is_rounded_up_and_borrows_the_liveness_check() {
        let probes = resolve_yaml(
            "ports: [{name: web, port: 80}], probes: {liveness: {exec: {command: [ok]}}, startup: {budgetSeconds: 12}}",
        );
        let startup = probes.unwrap().startup.unwrap();
        assert_eq!(startup.check, Check::Exec { command: vec!["ok".into()] });
        assert_eq!((startup.period_seconds, startup.failure_threshold), (5, Some(3)));
    }

    #[test]
    fn what_cannot_be_resolved_is_named() {
        let unknown = resolve_yaml("ports: [{name: web, port: 80}], probes: {liveness: {tcp: {port: nope}}}");
        assert_eq!(unknown, Err(Error::UnknownPort { probe: "liveness", port: "nope".into() }));
        let none = resolve_yaml("probes: {readiness: {http: {path: /}}}");
        assert_eq!(none, Err(Error::NoPort { probe: "readiness" }));
        let two = resolve_yaml("probes: {readiness: {tcp: {port: 1}, exec: {command: [x]}}}");
        assert_eq!(two, Err(Error::Handler { probe: "readiness" }));
        let start = resolve_yaml("probes: {startup: {budgetSeconds: 5}}");
        assert_eq!(start, Err(Error::NothingToStart));
    }
}
