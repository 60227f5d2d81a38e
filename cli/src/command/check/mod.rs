//! `check`: whether the cluster and the operator can do their work.

mod definitions;
pub mod installed;
mod rights;

use clap::Args;
use futures::FutureExt as _;
use k8s_openapi::apimachinery::pkg::version::Info;

use crate::{
    Answer, Error,
    args::Global,
    cluster::Cluster,
    output::{Paint, Terminal},
};

/// Arguments of `check`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// Check whether the operator can be installed, not whether it is
    #[arg(long)]
    pre: bool,
}

/// The oldest Kubernetes that is supported: 1.33.
const OLDEST_MINOR: u32 = 33;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    /// As it shall be.
    Ok,
    /// It works, and something should be done.
    Warn,
    /// It does not work.
    Fail,
}

/// A line of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    level: Level,
    /// What was found, and what to do unless it is well.
    text: String,
}

impl Line {
    fn ok(text: impl Into<String>) -> Self {
        Self { level: Level::Ok, text: text.into() }
    }

    fn warn(text: impl Into<String>) -> Self {
        Self { level: Level::Warn, text: text.into() }
    }

    fn fail(text: impl Into<String>) -> Self {
        Self { level: Level::Fail, text: text.into() }
    }

    /// A check that could not be made: not knowing is not failing.
    fn unknown(error: &Error) -> Self {
        Self::warn(format!("not known: {error}"))
    }
}

/// Checks the cluster.
pub async fn run(
    arguments: &Arguments,
    global: &Global,
    terminal: &mut Terminal<'_>,
) -> Result<Answer, Error> {
    let cluster = Cluster::connect(global).await?;
    // The first question also tells whether there is a cluster at all, without which nothing else makes sense.
    let server = cluster.client.apiserver_version().await.map_err(Error::api("talk to the cluster"))?;
    let mut lines = vec![version(&server)];
    let checks = if arguments.pre {
        vec![rights::to_install(&cluster).boxed()]
    } else {
        vec![
            definitions::check(&cluster).boxed(),
            installed::check(&cluster).boxed(),
            rights::to_use(&cluster).boxed(),
            metrics(&cluster).boxed(),
        ]
    };
    for check in checks {
        lines.extend(check.await);
    }
    terminal.data(&shown(&lines, terminal.paint))?;
    Ok(Answer::from(lines.iter().all(|line| line.level < Level::Fail)))
}

fn version(server: &Info) -> Line {
    let found = server.git_version.trim_start_matches('v');
    // Some providers write the minor version as `33+`.
    let digits: String = server.minor.chars().take_while(char::is_ascii_digit).collect();
    match (server.major.parse::<u32>(), digits.parse::<u32>()) {
        (Ok(1), Ok(minor)) if minor >= OLDEST_MINOR => Line::ok(format!("Kubernetes {found}")),
        (Ok(major), Ok(_)) if major > 1 => Line::ok(format!("Kubernetes {found}")),
        (Ok(_), Ok(_)) => {
            Line::fail(format!("Kubernetes {found} is too old: upgrade to 1.{OLDEST_MINOR} or newer"))
        }
        _ => Line::warn(format!("Kubernetes {found}: cannot tell whether it is 1.{OLDEST_MINOR} or newer")),
    }
}

/// Whether there is what `spec.autoscaling` goes by.
async fn metrics(cluster: &Cluster) -> Vec<Line> {
    let groups = match cluster.client.list_api_groups().await {
        Ok(groups) => groups.groups,
        Err(error) => return vec![Line::unknown(&Error::api("list API groups")(error))],
    };
    vec![if groups.iter().any(|group| group.name == "metrics.k8s.io") {
        Line::ok("CPU and memory are measured (metrics.k8s.io)")
    } else {
        Line::warn(
            "CPU and memory are not measured: install metrics-server, or spec.autoscaling does nothing",
        )
    }]
}

fn shown(lines: &[Line], paint: Paint) -> String {
    let line = |Line { level, text }: &Line| match level {
        Level::Ok => format!("{}    {text}\n", paint.good("ok")),
        Level::Warn => format!("{}  {text}\n", paint.doubtful("warn")),
        Level::Fail => format!("{}  {text}\n", paint.bad("fail")),
    };
    lines.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(major: &str, minor: &str) -> Info {
        Info {
            major: major.into(),
            minor: minor.into(),
            git_version: format!("v{major}.{minor}.0"),
            ..Info::default()
        }
    }

    #[test]
    fn old_versions_fail() {
        let table = [
            ("1", "33", Level::Ok),
            ("1", "34+", Level::Ok),
            ("2", "0", Level::Ok),
            ("1", "32", Level::Fail),
            ("1", "", Level::Warn),
        ];
        for (major, minor, expected) in table {
            assert_eq!(version(&info(major, minor)).level, expected, "{major}.{minor}");
        }
    }

    #[test]
    fn a_line_a_check() {
        let lines = [version(&info("1", "37")), Line::warn("nobody measures"), version(&info("1", "30"))];
        insta::assert_snapshot!(shown(&lines, Paint::default()), @r"
        ok    Kubernetes 1.37.0
        warn  nobody measures
        fail  Kubernetes 1.30.0 is too old: upgrade to 1.33 or newer
        ");
    }
}
