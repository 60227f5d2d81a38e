//! What a person with kubectl does.

use std::{
    env,
    io::{self, BufRead, BufReader},
    process::{Child, Command, Stdio},
    thread,
};

use http::Uri;

fn program() -> Command {
    let mut command = Command::new(env::var_os("KUBECTL").unwrap_or_else(|| "kubectl".into()));
    command.args(["--namespace", "shop"]).stdin(Stdio::null());
    command
}

/// What kubectl prints in the namespace of the shop.
pub(crate) fn kubectl(arguments: &[&str]) -> String {
    let output = program().args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A port of this machine that leads to one of a Service, until it is dropped.
pub(crate) struct Forward {
    kubectl: Child,
    port: u16,
}

impl Forward {
    /// To a port of a Service.
    pub(crate) fn to(service: &str, port: u16) -> Self {
        let arguments = [format!("service/{service}"), format!(":{port}")];
        let mut command = program();
        command.args(["port-forward", "--address=127.0.0.1"]).args(arguments).stdout(Stdio::piped());
        let mut kubectl = command.spawn().unwrap();
        let mut output = BufReader::new(kubectl.stdout.take().unwrap());
        let mut forward = Self { kubectl, port: 0 };
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let rest = line.strip_prefix("Forwarding from 127.0.0.1:").expect(&line);
        forward.port = rest.split_once(' ').unwrap().0.parse().unwrap();
        // It says more with each connection, and ends when nobody hears it.
        thread::spawn(move || io::copy(&mut output, &mut io::sink()));
        forward
    }

    /// Where it leads from.
    pub(crate) fn url(&self) -> Uri {
        format!("http://127.0.0.1:{}", self.port).parse().unwrap()
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        let _ended = self.kubectl.kill().is_ok() && self.kubectl.wait().is_ok();
    }
}
