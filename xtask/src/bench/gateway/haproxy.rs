//! HAProxy, with one thread. Its routes are in a map, which it looks prefixes up in.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use super::peers::Debian;
use super::subject::{Setup, Subject};
use crate::process;

const PROGRAM: &str = "usr/sbin/haproxy";

pub(super) struct Haproxy<'d> {
    debian: &'d Debian,
    version: String,
}

impl<'d> Haproxy<'d> {
    pub(super) fn new(debian: &'d Debian) -> Result<Self> {
        let text = process::output(debian.program(PROGRAM).arg("-v"))?;
        // "HAProxy version 3.2.26-1 2026/10/14 - ..."
        let version = text.split_whitespace().nth(2).context("haproxy says no version")?;
        let version = version.split('-').next().unwrap_or(version).to_owned();
        Ok(Self { debian, version })
    }
}

impl Subject for Haproxy<'_> {
    fn name(&self) -> &'static str {
        "HAProxy"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn command(&self, setup: &Setup<'_>) -> Result<Command> {
        let map: Vec<_> = setup.prefixes().map(|prefix| format!("{prefix} backend\n")).collect();
        fs::write(setup.folder.join("routes.map"), map.concat())?;
        let file = setup.folder.join("haproxy.cfg");
        fs::write(&file, config(setup))?;
        let mut command = self.debian.program(PROGRAM);
        command.arg("-db").arg("-f").arg(file);
        Ok(command)
    }
}

fn config(setup: &Setup<'_>) -> String {
    let (port, backend, folder) = (setup.port, setup.backend, setup.folder.display());
    let bind = if setup.scenario.is_secure() {
        format!("ssl crt {} alpn h2,http/1.1", setup.certificate.both.display())
    } else if setup.scenario.is_http2() {
        "proto h2".to_owned()
    } else {
        String::new()
    };
    let server = if setup.scenario.is_grpc() { "proto h2" } else { "" };
    format!(
        r"global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 5s
  timeout client 75s
  timeout server 60s
  timeout http-request 10s
  http-reuse always
frontend clients
  bind 127.0.0.1:{port} {bind}
  unique-id-format %[uuid()]
  unique-id-header X-Request-ID
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Forwarded-Port %[dst_port]
  http-response set-header X-Request-ID %[unique-id]
  use_backend %[path,map_beg({folder}/routes.map)]
backend backend
  server one 127.0.0.1:{backend} {server}
"
    )
}
