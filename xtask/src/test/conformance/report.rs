//! The report that the suite writes, and the one that is committed: the same but for its date, or it is to be renewed.
//!
//! The committed one is as the suite wrote it, byte for byte, as the Gateway API's project wants it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::workspace_root;

/// What is claimed.
pub(super) const PROFILES: [&str; 5] =
    ["GATEWAY-HTTP", "GATEWAY-GRPC", "GATEWAY-TLS", "GATEWAY-TCP", "GATEWAY-UDP"];

const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));
const CHANNEL: &str = "experimental";
const MODE: &str = "default";

/// Whose report it is, as flags of the suite.
pub(super) fn implementation() -> [String; 6] {
    let repository = "https://github.com/flotilla-dev/flotilla";
    [
        "-organization=flotilla-dev".to_owned(),
        "-project=flotilla".to_owned(),
        format!("-url={repository}"),
        format!("-version={VERSION}"),
        format!("-contact={repository}/issues/new"),
        format!("-mode={MODE}"),
    ]
}

/// Where it is committed, by the name that the Gateway API's project wants.
fn committed() -> PathBuf {
    workspace_root().join("docs/conformance").join(format!("{CHANNEL}-{VERSION}-{MODE}-report.yaml"))
}

/// `ConformanceReport` of `gateway.networking.k8s.io/v1`.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Report {
    api_version: String,
    kind: String,
    /// Nothing is said of how long a result holds.
    #[serde(skip_serializing)]
    date: String,
    #[serde(rename = "gatewayAPIChannel")]
    channel: String,
    #[serde(rename = "gatewayAPIVersion")]
    version: String,
    implementation: Implementation,
    mode: String,
    profiles: Vec<Profile>,
    #[serde(default)]
    succeeded_provisional_tests: Vec<String>,
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Implementation {
    organization: String,
    project: String,
    url: String,
    version: String,
    contact: Vec<String>,
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Profile {
    name: String,
    summary: String,
    core: Tests,
    extended: Option<Tests>,
}

/// How the tests of a level of support ended. The features are said of extended ones only.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Tests {
    result: String,
    statistics: Statistics,
    #[serde(default, rename = "skippedTests")]
    skipped: Vec<String>,
    #[serde(default, rename = "failedTests")]
    failed: Vec<String>,
    #[serde(default, rename = "supportedFeatures")]
    supported: Vec<String>,
    #[serde(default, rename = "unsupportedFeatures")]
    unsupported: Vec<String>,
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Statistics {
    passed: u32,
    skipped: u32,
    failed: u32,
}

impl Report {
    fn parse(text: &str) -> Result<Self> {
        let mut report: Self = serde_saphyr::from_str(text)?;
        // The suite keeps them in no order.
        report.profiles.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(report)
    }

    /// Why it may not be committed, if it may not.
    fn shortcomings(&self) -> Vec<String> {
        let has = |name: &str| self.profiles.iter().any(|profile| profile.name == name);
        let mut found: Vec<_> =
            PROFILES.iter().filter(|name| !has(name)).map(|name| format!("{name} is not there")).collect();
        for profile in &self.profiles {
            for (level, tests) in [("core", Some(&profile.core)), ("extended", profile.extended.as_ref())] {
                let Some(tests) = tests else { continue };
                let place = format!("{} {level}", profile.name);
                found.extend(tests.failed.iter().map(|test| format!("{place}: {test} failed")));
                found.extend(tests.skipped.iter().map(|test| format!("{place}: {test} was skipped")));
                if tests.result != "success" || tests.statistics.passed == 0 {
                    found.push(format!("{place}: {}, {} passed", tests.result, tests.statistics.passed));
                }
            }
        }
        found
    }

    /// All that is held, a line each.
    fn lines(&self) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        flatten("", &serde_json::to_value(self)?, &mut lines);
        Ok(lines)
    }
}

/// `profiles.GATEWAY-HTTP.core.result=success`.
fn flatten(place: &str, value: &serde_json::Value, lines: &mut Vec<String>) {
    let below = |name: &str| if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                flatten(&below(name), value, lines);
            }
        }
        serde_json::Value::Array(items) => {
            for item in items {
                flatten(&item["name"].as_str().map_or_else(|| place.to_owned(), below), item, lines);
            }
        }
        other => {
            lines.push(format!("{place}={}", other.as_str().map_or_else(|| other.to_string(), str::to_owned)))
        }
    }
}

/// What is in one of two reports only.
fn differences(committed: &Report, written: &Report) -> Result<Vec<String>> {
    let (old, new) = (committed.lines()?, written.lines()?);
    let gone = old.iter().filter(|line| !new.contains(line)).map(|line| format!("- {line}"));
    let come = new.iter().filter(|line| !old.contains(line)).map(|line| format!("+ {line}"));
    Ok(gone.chain(come).collect())
}

/// Holds what the suite has written against what is committed, or makes it that.
pub(super) fn hold(written: &Path, update: bool) -> Result<()> {
    let text = fs::read_to_string(written).context("reading the report that the suite has written")?;
    let report = Report::parse(&text).context("the report that the suite has written")?;
    let shortcomings = report.shortcomings();
    if !shortcomings.is_empty() {
        bail!("the report says less than it must:\n  {}", shortcomings.join("\n  "));
    }
    let committed = committed();
    let shown = committed.strip_prefix(workspace_root()).unwrap_or(&committed).display();
    if update {
        if let Some(folder) = committed.parent() {
            fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        }
        fs::write(&committed, text).with_context(|| format!("writing {shown}"))?;
        println!("wrote {shown}");
        return Ok(());
    }
    let renew = "renew it with: FLOTILLA_UPDATE=1 cargo xtask test conformance";
    let old = fs::read_to_string(&committed).with_context(|| format!("reading {shown}; {renew}"))?;
    let differences =
        differences(&Report::parse(&old).with_context(|| format!("reading {shown}"))?, &report)?;
    if !differences.is_empty() {
        bail!("the report differs from {shown}; {renew}\n  {}", differences.join("\n  "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A report as the suite writes it, in which `name`'s core tests have this result.
    fn report(name: &str, core: &str) -> String {
        let profiles: Vec<_> = PROFILES
            .iter()
            .rev()
            .map(|profile| {
                let core = if *profile == name { core } else { GOOD };
                format!(
                    "- core:\n{core}  extended:\n    result: success\n    statistics:\n      Failed: 0\n      \
                     Passed: 5\n      Skipped: 0\n    supportedFeatures:\n    - HTTPRouteCORS\n    \
                     unsupportedFeatures:\n    - ListenerSet\n  name: {profile}\n  summary: Core tests ended.\n"
                )
            })
            .collect();
        format!(
            "apiVersion: gateway.networking.k8s.io/v1\ndate: \"2026-11-26T01:02:03Z\"\ngatewayAPIChannel: \
             experimental\ngatewayAPIVersion: v1.6.3\nimplementation:\n  contact:\n  - https://example.org\n  \
             organization: a\n  project: b\n  url: https://example.org\n  version: v0.1.0\nkind: \
             ConformanceReport\nmode: default\nprofiles:\n{}succeededProvisionalTests:\n- One\n",
            profiles.concat()
        )
    }

    const GOOD: &str =
        "    result: success\n    statistics:\n      Failed: 0\n      Passed: 37\n      Skipped: 0\n";

    #[test]
    fn only_the_date_and_the_order_may_differ() {
        let one = Report::parse(&report("", "")).unwrap();
        assert_eq!(one.shortcomings(), Vec::<String>::new());
        let later = report("", "").replace("2026-11-26", "2027-01-01");
        assert_eq!(differences(&one, &Report::parse(&later).unwrap()).unwrap(), Vec::<String>::new());
        let fewer = report("GATEWAY-UDP", &GOOD.replace("37", "36"));
        assert_eq!(
            differences(&one, &Report::parse(&fewer).unwrap()).unwrap(),
            [
                "- profiles.GATEWAY-UDP.core.statistics.Passed=37",
                "+ profiles.GATEWAY-UDP.core.statistics.Passed=36"
            ]
        );
        let unclaimed = report("", "").replace("HTTPRouteCORS", "HTTPRouteRetry");
        assert_ne!(differences(&one, &Report::parse(&unclaimed).unwrap()).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_test_that_failed_or_was_skipped_is_told_by_its_name() {
        let failed = "    failedTests:\n    - HTTPRouteWeight\n    result: failure\n    statistics:\n      \
                      Failed: 1\n      Passed: 36\n      Skipped: 0\n";
        for (core, expected) in [
            (failed.to_owned(), "GATEWAY-TCP core: HTTPRouteWeight failed"),
            (
                failed.replace("failedTests", "skippedTests").replace("failure", "partial"),
                "GATEWAY-TCP core: HTTPRouteWeight was skipped",
            ),
            (GOOD.replace("37", "0"), "GATEWAY-TCP core: success, 0 passed"),
        ] {
            let report = Report::parse(&report("GATEWAY-TCP", &core)).unwrap();
            assert_eq!(report.shortcomings()[0], expected);
        }
        let fewer = report("", "").replace("GATEWAY-GRPC", "MESH-GRPC");
        assert_eq!(Report::parse(&fewer).unwrap().shortcomings(), ["GATEWAY-GRPC is not there"]);
    }
}
