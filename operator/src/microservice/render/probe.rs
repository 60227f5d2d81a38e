//! A health check of a container.

use flotilla_crds::v1alpha1::Scheme;
use k8s_openapi::api::core::v1::{ExecAction, GRPCAction, HTTPGetAction, HTTPHeader, Probe, TCPSocketAction};

use crate::microservice::validate::{Check, TimedCheck};

pub(super) fn render(timed: &TimedCheck) -> Probe {
    let mut probe = Probe {
        // The API server leaves a zero out, and what it leaves out would look like drift.
        initial_delay_seconds: timed.initial_delay_seconds.filter(|seconds| *seconds != 0),
        period_seconds: Some(timed.period_seconds),
        timeout_seconds: timed.timeout_seconds,
        failure_threshold: timed.failure_threshold,
        success_threshold: timed.success_threshold,
        ..Probe::default()
    };
    match &timed.check {
        Check::Http { path, port, scheme, headers } => {
            probe.http_get = Some(HTTPGetAction {
                path: Some(path.clone()),
                port: port.clone(),
                scheme: scheme.map(|scheme| match scheme {
                    Scheme::Http => "HTTP".to_owned(),
                    Scheme::Https => "HTTPS".to_owned(),
                }),
                http_headers: (!headers.is_empty()).then(|| {
                    headers
                        .iter()
                        .map(|header| HTTPHeader { name: header.name.clone(), value: header.value.clone() })
                        .collect()
                }),
                host: None,
            });
        }
        Check::Grpc { port, service } => {
            probe.grpc = Some(GRPCAction { port: *port, service: service.clone() });
        }
        Check::Tcp { port } => probe.tcp_socket = Some(TCPSocketAction { port: port.clone(), host: None }),
        Check::Exec { command } => probe.exec = Some(ExecAction { command: Some(command.clone()) }),
    }
    probe
}
