//! The same endpoints as users of Node and of Go write them (`bench/peers`), built into the cache.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use super::provider::{SECRET_KEY, WEBHOOK_SECRET};
use super::subject::{PORTS, Program, Setup, Subject, bytes};
use super::workload::Part;
use crate::npm::Node;
use crate::{cache, host, process, progress, workspace_root};

/// One program for the whole shop.
pub(super) struct Peer {
    name: &'static str,
    made_with: String,
    /// What runs it, and what that is given.
    program: PathBuf,
    argument: Option<PathBuf>,
    /// All that has to be there.
    needed: Vec<PathBuf>,
}

/// Fastify and pg.
pub(super) fn node() -> Result<Peer> {
    let node = Node::find()?;
    let folder = node.install("bench/peers/node", &["src"])?;
    Ok(Peer {
        name: "Node",
        made_with: format!("Node {}: Fastify, pg", node.version),
        argument: Some(folder.join("src/server.js")),
        needed: vec![node.program.clone(), folder],
        program: node.program,
    })
}

/// net/http and pgx.
pub(super) fn go() -> Result<Peer> {
    if host::find("go").is_none() {
        bail!("Go is not installed");
    }
    let version = process::output(Command::new("go").args(["env", "GOVERSION"]))?.trim().to_owned();
    let source = workspace_root().join("bench/peers/go");
    let key = cache::Key::default().text("go", &version).path(&source)?;
    let folder = cache::entry("bench/shop-go", &key, |out| {
        let mut go = Command::new("go");
        go.current_dir(&source).env("CGO_ENABLED", "0").env("GOWORK", "off").env("GOFLAGS", "-mod=readonly");
        go.args(["build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o"]);
        go.arg(out.join("shop-peer")).arg(".");
        progress::during("Building the peer in Go", || {
            process::run(&mut go, &cache::root()?.join("logs/bench-go.log"))
        })
    })?;
    let program = folder.join("shop-peer");
    Ok(Peer {
        name: "Go",
        made_with: format!("Go {}: net/http, pgx", version.trim_start_matches("go")),
        argument: None,
        needed: vec![program.clone()],
        program,
    })
}

impl Subject for Peer {
    fn name(&self) -> &'static str {
        self.name
    }

    fn made_with(&self) -> String {
        self.made_with.clone()
    }

    fn size(&self) -> Result<f64> {
        self.needed.iter().map(|path| bytes(path)).sum()
    }

    fn programs(&self, setup: &Setup<'_>, part: Part) -> Vec<Program> {
        let mut command = Command::new(&self.program);
        command.args(&self.argument).envs([
            ("PORT", self.port(&setup.ports, part).to_string()),
            ("USERS_DATABASE_URL", setup.stage.url("users")),
            ("PRODUCTS_DATABASE_URL", setup.stage.url("products")),
            ("ORDERS_DATABASE_URL", setup.stage.url("orders")),
            ("PSP_URL", setup.provider.url()),
            ("PSP_SECRET_KEY", SECRET_KEY.to_owned()),
            ("PSP_WEBHOOK_SECRET", WEBHOOK_SECRET.to_owned()),
            ("CURSOR_KEY", "bench".to_owned()),
            ("NODE_ENV", "production".to_owned()),
        ]);
        vec![Program { name: self.name, command, is_measured: true }]
    }

    fn port(&self, ports: &[u16; PORTS], _part: Part) -> u16 {
        let [port, ..] = *ports;
        port
    }
}
