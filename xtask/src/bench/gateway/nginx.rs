//! NGINX, with one process.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use anyhow::Result;

use super::peers::Debian;
use super::subject::{HOST, KEPT, Setup, Subject, UNLIMITED};

const PROGRAM: &str = "usr/sbin/nginx";

pub(super) struct Nginx<'d> {
    debian: &'d Debian,
    version: String,
}

impl<'d> Nginx<'d> {
    pub(super) fn new(debian: &'d Debian) -> Result<Self> {
        // It says its version on standard error.
        let output = debian.program(PROGRAM).arg("-v").output()?;
        let text = String::from_utf8_lossy(&output.stderr);
        let version = text.rsplit('/').next().unwrap_or_default().trim().to_owned();
        Ok(Self { debian, version })
    }
}

impl Subject for Nginx<'_> {
    fn name(&self) -> &'static str {
        "NGINX"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn command(&self, setup: &Setup<'_>) -> Result<Command> {
        let file = setup.folder.join("nginx.conf");
        fs::write(&file, config(setup))?;
        let mut command = self.debian.program(PROGRAM);
        command.arg("-p").arg(setup.folder).arg("-c").arg(file);
        Ok(command)
    }
}

fn config(setup: &Setup<'_>) -> String {
    let (port, backend) = (setup.port, setup.backend);
    let secure = if setup.scenario.is_secure() { "ssl " } else { "" };
    // The two modules have the same directives by other names.
    let (module, pass) =
        if setup.scenario.is_grpc() { ("grpc", "grpc://backend") } else { ("proxy", "http://backend") };
    let http11 = if setup.scenario.is_grpc() {
        ""
    } else {
        "proxy_http_version 1.1;\n  proxy_set_header Connection \"\";"
    };
    // Its own default, of pages, costs it more than twice as much for large answers.
    let buffers =
        if setup.scenario.body > 8 * 1024 { "proxy_buffer_size 32k;\n  proxy_buffers 4 32k;" } else { "" };
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|module| format!("  {module}_temp_path {module};\n"))
        .concat();
    let mut text = format!(
        r"worker_processes 1;
master_process off;
daemon off;
pid nginx.pid;
error_log stderr error;
events {{ worker_connections 8192; }}
http {{
  access_log off;
{temporary}  keepalive_requests {UNLIMITED};
  upstream backend {{
    server 127.0.0.1:{backend};
    keepalive {KEPT};
    keepalive_requests {UNLIMITED};
  }}
  server {{
  listen 127.0.0.1:{port} {secure};
  server_name {HOST};
  http2 on;
  {http11}
  {buffers}
  {module}_set_header Host $host;
  {module}_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  {module}_set_header X-Forwarded-Proto $scheme;
  {module}_set_header X-Forwarded-Host $host;
  {module}_set_header X-Forwarded-Port $server_port;
  {module}_set_header X-Request-ID $request_id;
  add_header X-Request-ID $request_id always;
"
    );
    if setup.scenario.is_secure() {
        let (chain, key) = (setup.certificate.chain.display(), setup.certificate.key.display());
        // Writing to a String cannot fail.
        write!(text, "  ssl_certificate {chain};\n  ssl_certificate_key {key};\n").ok();
    }
    for prefix in setup.prefixes() {
        writeln!(text, "  location {prefix} {{ {module}_pass {pass}; }}").ok();
    }
    text + "  }\n}\n"
}
