//! The suites, and what each needs.

use anyhow::{Result, bail};

use super::cargo::{cargo_test, run_tests, test_command};
use super::{conformance, contract, docs, fuzz};
use crate::cluster::{self, Cluster, H2SPEC, Provider};
use crate::install::{IMAGES, install, install_paused};
use crate::{host, images, lint, progress, shop};

/// Tests that are run together.
pub(super) struct Suite {
    /// How it is called.
    pub(super) name: &'static str,
    /// What it tests.
    pub(super) about: &'static str,
    /// Runs it.
    pub(super) run: fn(&mut Run) -> Result<()>,
}

/// Every suite, the quick ones first.
pub(super) const SUITES: [Suite; 11] = [
    Suite { name: "lint", about: "format, clippy, licences, generated files, charts", run: |_| lint::run() },
    Suite {
        name: "unit",
        about: "what needs no cluster; the shop with a real Postgres, RabbitMQ, Redis and Kafka",
        run: |_| unit(),
    },
    Suite {
        name: "contract",
        about: "the shop's subgraphs composed into one graph, its REST APIs held against their openapi.json by Schemathesis",
        run: |_| contract::run(),
    },
    Suite {
        name: "gateway",
        about: "the gateway's server held against the RFC of HTTP/2 by h2spec, and the gateway in a cluster",
        run: gateway,
    },
    Suite { name: "fuzz", about: "the gateway's pure parts with made-up inputs", run: |_| fuzz::run() },
    Suite {
        name: "cluster",
        about: "the test cluster itself: networking, storage, metrics, repair",
        run: |run| cluster::selfcheck::run(run.cluster()?)?.end(),
    },
    Suite {
        name: "operator",
        about: "the operator in front of a real API server, and faults between them",
        run: operator,
    },
    Suite { name: "e2e", about: "the operator as Helm installs it, with real pods", run: e2e },
    Suite {
        name: "shop-cluster",
        about: "the shop as Helm installs it, with customers who order while it is updated and its pods are killed",
        run: shop_cluster,
    },
    Suite {
        name: "conformance",
        about: "the gateway held against the Gateway API by its own suite",
        run: |run| {
            let cluster = run.cluster()?;
            // A node of two processors has no room for one beside dozens of gateways.
            shop::make_room(cluster)?;
            conformance::run(cluster)
        },
    },
    Suite { name: "docs", about: "every command of the documents, as it is written", run: documents },
];

/// What the suites of one run share.
pub(super) struct Run {
    cluster: Option<Cluster>,
    /// Whether a cluster was up before: then it is somebody's, and stays.
    was_up: bool,
}

impl Run {
    pub(super) fn new() -> Self {
        Self { cluster: None, was_up: cluster::current().is_ok() }
    }

    /// The cluster, started when the first suite needs it.
    fn cluster(&mut self) -> Result<&Cluster> {
        if self.cluster.is_none() {
            self.cluster = Some(cluster::up(&cluster::Options::default())?);
        }
        match &self.cluster {
            Some(cluster) => Ok(cluster),
            None => bail!("the cluster is up and gone again"),
        }
    }

    /// Stops what this run started.
    pub(super) fn end(self) -> Result<()> {
        match self.cluster {
            Some(_) if !self.was_up => progress::during("Stopping the cluster", cluster::down),
            _ => Ok(()),
        }
    }
}

fn unit() -> Result<()> {
    host::require(&host::SERVERS)?;
    cargo_test(&[], &[], None)
}

fn gateway(run: &mut Run) -> Result<()> {
    let mut cargo = test_command(&["--test", "h2spec"], &["--ignored"]);
    run_tests(cargo.env("H2SPEC", H2SPEC.build()?.program("h2spec")))?;
    cargo_test(&["--test", "cluster"], &["--ignored", "--test-threads=2"], Some(run.cluster()?))
}

fn operator(run: &mut Run) -> Result<()> {
    let cluster = run.cluster()?;
    // A running one would reconcile the tests' objects as well.
    install_paused(cluster)?;
    if cluster.provider == Provider::Host {
        // For the few tests that have pods.
        images::load(cluster, &images::build(&["podinfo"])?)?;
    }
    cargo_test(&["--test", "controller"], &["--ignored"], Some(cluster))
}

fn e2e(run: &mut Run) -> Result<()> {
    let cluster = run.cluster()?;
    install(cluster, &IMAGES)?;
    // The quiet test needs that nothing else happens, so it runs alone, after the others.
    let quiet = "quiet_when_nothing_happens";
    let target = ["--test", "e2e"];
    cargo_test(&target, &["--ignored", "--test-threads=4", "--skip", quiet], Some(cluster))?;
    cargo_test(&target, &["--ignored", quiet], Some(cluster))
}

fn shop_cluster(run: &mut Run) -> Result<()> {
    let cluster = run.cluster()?;
    install(cluster, &IMAGES)?;
    // What customers of an older shop were told is not known: its orders are there, and the mail of them is gone with its pod.
    shop::make_room(cluster)?;
    shop::install(cluster)?;
    let targets = ["--test", "chart", "--test", "rolling"];
    cargo_test(&targets, &["--ignored", "--test-threads=1", "--nocapture"], Some(cluster))?;
    // What follows wants the machine for itself.
    shop::uninstall(cluster)
}

fn documents(run: &mut Run) -> Result<()> {
    host::require(&host::READER)?;
    let cluster = run.cluster()?;
    install(cluster, &IMAGES)?;
    docs::run(cluster)
}
