//! The upstream end-to-end suite of NetworkPolicy.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::Summary;
use crate::cluster::tools::NETPOL;
use crate::cluster::{Cluster, Provider, addon_images};
use crate::{cache, process, progress};

/// Cases that send packets of SCTP, for which many kernels have no module.
const LEFT_OUT: &str = r"\[Feature:SCTPConnectivity\]";

/// Ginkgo's report of a suite, as far as it is read here.
#[derive(Deserialize)]
struct Report {
    #[serde(rename = "SpecReports")]
    specs: Vec<Spec>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Spec {
    leaf_node_type: String,
    leaf_node_text: String,
    state: String,
}

/// Runs the suite.
pub(crate) fn run(cluster: &Cluster) -> Result<Summary> {
    let agnhost = addon_images::agnhost()?;
    if cluster.provider != Provider::External {
        cluster.load(&[agnhost.archive])?;
    }
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("report.json");
    let log = cache::root()?.join("logs/netpol.log");
    let mut suite = Command::new(NETPOL.build()?.program("netpol"));
    suite
        .arg(format!("--kubeconfig={}", cluster.kubeconfig.display()))
        .arg(format!("--ginkgo.skip={LEFT_OUT}"))
        .arg(format!("--ginkgo.json-report={}", file.display()));
    let outcome =
        progress::during("Running the upstream suite of NetworkPolicy", || process::run(&mut suite, &log));
    let Ok(report) = fs::read(&file) else {
        outcome?;
        bail!("the suite wrote no report; see {}", log.display());
    };
    let reports: Vec<Report> = serde_json::from_slice(&report).context("reading the suite's report")?;
    let mut summary = Summary::default();
    for spec in reports.iter().flat_map(|report| &report.specs) {
        match (spec.leaf_node_type.as_str(), spec.state.as_str()) {
            ("It", "passed") => summary.passed += 1,
            (_, "passed" | "skipped") => {}
            (_, state) => {
                summary.failed += 1;
                eprintln!("{state}: {} (see {})", spec.leaf_node_text, log.display());
            }
        }
    }
    if summary.passed == 0 && summary.failed == 0 {
        bail!("the suite ran nothing; see {}", log.display());
    }
    Ok(summary)
}
