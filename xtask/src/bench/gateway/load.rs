//! Load, and what came back: wrk for HTTP/1.1, h2load for HTTP/2 and gRPC, our own clients for handshakes.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::peers::Debian;
use super::scenario::{Client, Scenario};
use super::subject::{Certificate, HOST};
use crate::bench::running::pinned;
use crate::process;

/// Routes are asked for in steps of this, a prime: every one comes up, and none is near the one before.
const STRIDE: u32 = 7_919;

/// What came back.
#[derive(Deserialize, Clone, Copy)]
pub(super) struct Answers {
    /// With the right status.
    pub(super) requests: f64,
    /// Everything else: other statuses, connections that broke, answers that did not come.
    pub(super) errors: f64,
    /// How long it took.
    micros: f64,
    /// Microseconds until half of the answers were there.
    pub(super) p50: f64,
    /// The same for 99 of 100.
    pub(super) p99: f64,
}

impl Answers {
    pub(super) fn a_second(self) -> f64 {
        self.requests * 1_000_000.0 / self.micros
    }
}

/// What makes load.
pub(super) struct Load<'l> {
    pub(super) debian: &'l Debian,
    /// Our own program for it.
    pub(super) helper: PathBuf,
    pub(super) processor: usize,
}

impl Load<'_> {
    /// Loads whatever listens at a port for some seconds.
    pub(super) fn run(
        &self,
        scenario: &Scenario,
        port: u16,
        certificate: &Certificate,
        seconds: u32,
        folder: &Path,
    ) -> Result<Answers> {
        match scenario.client {
            Client::Http1 | Client::Https => self.wrk(scenario, port, seconds, folder),
            Client::Http2(streams) | Client::Grpc(streams) => {
                self.h2load(scenario, port, streams, seconds, folder)
            }
            Client::Handshakes => {
                let mut command = self.helper("handshakes", scenario, port, Some(certificate));
                command.args(["--connections", &scenario.connections.to_string()]);
                command.args(["--seconds", &seconds.to_string()]);
                let output = process::output(&mut pinned(&command, self.processor))?;
                serde_json::from_str(&output).context("clients say what came back")
            }
        }
    }

    /// One request, and whether its answer and what the backend was told are right.
    pub(super) fn check(&self, scenario: &Scenario, port: u16, certificate: &Certificate) -> Result<()> {
        let certificate = scenario.is_secure().then_some(certificate);
        let mut command = self.helper("check", scenario, port, certificate);
        let protocol = match scenario.client {
            Client::Http1 | Client::Https | Client::Handshakes => "http1",
            Client::Http2(_) => "http2",
            Client::Grpc(_) => "grpc",
        };
        command.args(["--protocol", protocol]);
        process::output(&mut pinned(&command, self.processor)).map(drop)
    }

    fn helper(&self, verb: &str, scenario: &Scenario, port: u16, ca: Option<&Certificate>) -> Command {
        let mut command = Command::new(&self.helper);
        command.arg(verb).args(["--address", &format!("127.0.0.1:{port}"), "--host", HOST]);
        // The last route, which a list comes to last.
        command.args([
            "--path",
            &Scenario::prefix(scenario.routes - 1),
            "--body",
            &scenario.body.to_string(),
        ]);
        if let Some(certificate) = ca {
            command.arg("--ca").arg(&certificate.chain);
        }
        command
    }

    fn wrk(&self, scenario: &Scenario, port: u16, seconds: u32, folder: &Path) -> Result<Answers> {
        let script = folder.join("wrk.lua");
        fs::write(&script, lua(scenario.routes))?;
        let scheme = if scenario.is_secure() { "https" } else { "http" };
        let mut command = self.debian.program("usr/bin/wrk");
        command
            .args(["--threads=1", "--latency", &format!("--header=Host: {HOST}")])
            .arg(format!("--connections={}", scenario.connections))
            .arg(format!("--duration={seconds}s"))
            .arg("--script")
            .arg(script)
            .arg(format!("{scheme}://127.0.0.1:{port}{}", Scenario::prefix(0)));
        let output = process::output(&mut pinned(&command, self.processor))?;
        let result = output.lines().rfind(|line| line.starts_with('{'));
        serde_json::from_str(result.context("wrk says nothing")?).context("wrk says what came back")
    }

    fn h2load(
        &self,
        scenario: &Scenario,
        port: u16,
        streams: u32,
        seconds: u32,
        folder: &Path,
    ) -> Result<Answers> {
        let log = folder.join("h2load.log");
        // It appends.
        fs::write(&log, "")?;
        let mut command = self.debian.program("usr/bin/h2load");
        command
            .args(["--threads=1", &format!("--header=:authority: {HOST}")])
            .arg(format!("--clients={}", scenario.connections))
            .arg(format!("--max-concurrent-streams={streams}"))
            .arg(format!("--duration={seconds}"))
            .arg(format!("--log-file={}", log.display()));
        if scenario.is_grpc() {
            let message = folder.join("message");
            // Not compressed, and four bytes.
            fs::write(&message, b"\0\0\0\0\x04ping")?;
            command
                .args(["--header=content-type: application/grpc", "--header=te: trailers"])
                .arg(format!("--data={}", message.display()));
        }
        command.arg(format!("http://127.0.0.1:{port}{}", Scenario::prefix(0)));
        let output = process::output(&mut pinned(&command, self.processor))?;
        answers(&output, &fs::read_to_string(log)?, seconds)
    }
}

/// A script for wrk: which paths it asks for, and what it says at the end.
fn lua(routes: u32) -> String {
    let mut text = String::new();
    if routes > 1 {
        write!(
            text,
            "local heads, at = {{}}, 0\n\
             function init()\n\
             \x20 for route = 0, {} do heads[route] = wrk.format('GET', '/r' .. route .. '/') end\n\
             end\n\
             function request()\n\
             \x20 at = (at + {STRIDE}) % {routes}\n\
             \x20 return heads[at]\n\
             end\n",
            routes - 1
        )
        // Writing to a String cannot fail.
        .ok();
    }
    text + "function done(summary, latency)\n\
            \x20 local errors = summary.errors\n\
            \x20 local failed = errors.connect + errors.read + errors.write + errors.timeout + errors.status\n\
            \x20 io.write(string.format('{\"requests\":%d,\"errors\":%d,\"micros\":%d,\"p50\":%d,\"p99\":%d}\\n',\n\
            \x20   summary.requests - errors.status, failed, summary.duration, latency:percentile(50), latency:percentile(99)))\n\
            end\n"
}

/// What h2load says at its end, and of each request in its log: when it began, the status, and microseconds.
fn answers(output: &str, log: &str, seconds: u32) -> Result<Answers> {
    let count = |line: &str, of: &str| {
        let line = output.lines().find_map(|found| found.strip_prefix(line))?;
        let part = line.split(',').find_map(|part| part.trim().strip_suffix(of))?;
        part.trim().parse::<f64>().ok()
    };
    let requests = count("status codes:", "2xx").context("h2load says no status codes")?;
    // Those that got no answer are among the failed.
    let failed = count("requests:", "failed").context("h2load says nothing of its requests")?;
    let succeeded = count("requests:", "succeeded").context("h2load says nothing of its requests")?;
    let mut times: Vec<f64> = log.lines().filter_map(|line| line.split('\t').nth(2)?.parse().ok()).collect();
    times.sort_unstable_by(f64::total_cmp);
    let part = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
    Ok(Answers {
        requests,
        // What was under way at the end has a status and is not through.
        errors: failed + (succeeded - requests).max(0.0),
        micros: f64::from(seconds) * 1_000_000.0,
        p50: part(50),
        p99: part(99),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_h2load_says_is_read() {
        let output = "\
finished in 3.00s, 63202.50 req/s, 4.28MB/s
requests: 120 total, 120 started, 114 done, 104 succeeded, 10 failed, 3 errored, 1 timeout
status codes: 100 2xx, 4 3xx, 1 4xx, 6 5xx
";
        let log: Vec<_> = (1..=110).map(|time| format!("17956\t200\t{time}\n")).collect();
        let answers = answers(output, &log.concat(), 2).unwrap();
        assert_eq!((answers.requests, answers.errors), (100.0, 14.0));
        assert_eq!((answers.p50, answers.p99, answers.a_second()), (56.0, 109.0, 50.0));
    }

    #[test]
    fn a_script_asks_for_each_route() {
        assert!(!lua(1).contains("request()"));
        let script = lua(1_000);
        assert!(script.contains("route = 0, 999 do") && script.contains("(at + 7919) % 1000"), "{script}");
    }
}
