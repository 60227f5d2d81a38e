//! A shop on this machine, as `docs/shop.md` starts it, for as long as it is held.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use crate::{cache, process, progress, target_folder, workspace_root};

/// What the last paragraph of what it says begins with.
const END: &str = "Ctrl-C ends it";

/// A shop. Dropped, it ends.
pub(super) struct Shop {
    child: Child,
    /// Open until the end, as a terminal is.
    _output: BufReader<ChildStdout>,
    log: PathBuf,
    /// The gateway.
    pub(super) gateway: String,
    /// The inbox.
    pub(super) inbox: String,
    /// Somebody who buys.
    pub(super) customer: Account,
    /// Somebody who keeps the shop.
    pub(super) admin: Account,
    file: GatewayFile,
}

/// What somebody logs in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) email: String,
    pub(super) password: String,
}

/// What the file of its gateway says of the services behind it.
#[derive(Deserialize)]
struct GatewayFile {
    backends: std::collections::BTreeMap<String, Backend>,
}

#[derive(Deserialize)]
struct Backend {
    endpoints: Vec<Endpoint>,
}

#[derive(Deserialize)]
struct Endpoint {
    host: String,
    port: u16,
}

impl Shop {
    /// Builds it, starts it with ports that are free, and waits until it runs.
    pub(super) fn start() -> Result<Self> {
        progress::during("Building the shop", build)?;
        let log = cache::root()?.join("logs/contract-shop.log");
        if log.exists() {
            fs::remove_file(&log).with_context(|| format!("removing {}", log.display()))?;
        }
        let mut child = Command::new(target_folder()?.join("debug/shop"))
            .args(["dev", "--port=0", "--inbox-port=0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(process::open_log(&log)?)
            .spawn()
            .context("starting the shop")?;
        let mut output = BufReader::new(child.stdout.take().context("the shop has no output")?);
        let said = progress::during("Starting the shop", || {
            let mut said = String::new();
            while !said.contains(END) && output.read_line(&mut said)? > 0 {}
            Ok(said)
        })?;
        if !said.contains(END) {
            let status = child.wait()?;
            bail!("the shop ended with {status}\n{}", process::tail(&log));
        }
        let word = |name, at| word(&said, name, at).map(str::to_owned);
        let account =
            |name| Ok::<_, anyhow::Error>(Account { email: word(name, 1)?, password: word(name, 2)? });
        let path = PathBuf::from(word("logs", 1)?).with_file_name("gateway.yaml");
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        Ok(Self {
            gateway: word("shop", 1)?,
            inbox: word("inbox", 1)?,
            customer: account("customer")?,
            admin: account("admin")?,
            file: serde_saphyr::from_str(&text).with_context(|| format!("reading {}", path.display()))?,
            child,
            _output: output,
            log,
        })
    }

    /// Where the REST API of a service is.
    pub(super) fn url(&self, service: &str) -> Result<String> {
        let endpoint = self.file.backends.get(service).and_then(|backend| backend.endpoints.first());
        let Endpoint { host, port } = endpoint.with_context(|| format!("the gateway knows no {service}"))?;
        Ok(format!("http://{host}:{port}"))
    }

    /// That nothing that it was asked has ended it.
    pub(super) fn still_runs(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("the shop ended with {status}\n{}", process::tail(&self.log)),
        }
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let ended = kill_process(Pid::from_child(&self.child), Signal::TERM).map_err(Into::into);
        if let Err(error) = ended.and_then(|()| self.child.wait()) {
            eprintln!("the shop cannot be ended: {error}");
        }
    }
}

fn build() -> Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    // As a person does it: with the same features, nothing is compiled twice.
    cargo.current_dir(workspace_root()).args(["build", "--locked", "--package", "flotilla-shop"]);
    process::run(&mut cargo, &cache::root()?.join("logs/build-shop.log"))
}

/// A word of the line of what a shop says that begins with a name.
fn word<'a>(said: &'a str, name: &str, at: usize) -> Result<&'a str> {
    let mut lines = said.lines().map(str::split_whitespace);
    let line = lines.find(|line| line.clone().next() == Some(name));
    line.and_then(|mut line| line.nth(at))
        .with_context(|| format!("the shop says nothing of {name}:\n{said}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shop_says_of_itself_is_read() {
        let said = "The shop runs.\n\n  shop       http://127.0.0.1:8080   the REST APIs\n  admin      a@b.c   secret\n";
        assert_eq!(word(said, "shop", 1).unwrap(), "http://127.0.0.1:8080");
        assert_eq!(word(said, "admin", 2).unwrap(), "secret");
        assert!(word(said, "inbox", 1).is_err());
    }
}
