//! `version`: of this program, of the operator and of Kubernetes.

use clap::Args;
use serde_json::{Map, Value};

use super::check::installed;
use crate::{
    Answer, Error,
    args::Global,
    cluster::Cluster,
    output::{Form, Terminal},
};

/// The version of this program.
pub const CLIENT: &str = env!("CARGO_PKG_VERSION");

/// Arguments of `version`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// Of this program alone, without a cluster
    #[arg(long)]
    client: bool,

    /// Form for programs
    #[arg(short, long)]
    output: Option<Form>,
}

/// Shows the versions.
pub async fn run(
    arguments: &Arguments,
    global: &Global,
    terminal: &mut Terminal<'_>,
) -> Result<Answer, Error> {
    let mut versions = vec![("client", CLIENT.to_owned())];
    if !arguments.client {
        let cluster = Cluster::connect(global).await?;
        let server = cluster.client.apiserver_version().await.map_err(Error::api("ask for the version"))?;
        versions.push(("kubernetes", server.git_version.trim_start_matches('v').to_owned()));
        // Whoever may not look at the operator is still told the rest.
        let operator = installed::operators(&cluster).await.unwrap_or_default();
        let found = operator.first().and_then(installed::version);
        versions.push(("operator", found.unwrap_or_else(|| "unknown".to_owned())));
    }
    match arguments.output {
        Some(form) => {
            let all: Map<_, _> =
                versions.into_iter().map(|(part, version)| (part.to_owned(), Value::from(version))).collect();
            terminal.value(form, &all)?;
        }
        None => terminal.data(&shown(&versions))?,
    }
    Ok(Answer::Yes)
}

fn shown(versions: &[(&str, String)]) -> String {
    let rows: Vec<_> =
        versions.iter().map(|(part, version)| vec![(*part).to_owned(), version.clone()]).collect();
    crate::output::table(&rows, |_, _, cell| cell.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_part() {
        let versions = [("client", "0.1.0".to_owned()), ("kubernetes", "1.37.2".to_owned())];
        insta::assert_snapshot!(shown(&versions), @r"
        client      0.1.0
        kubernetes  1.37.2
        ");
    }
}
