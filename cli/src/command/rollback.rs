//! `rollback`: pins a former version of a service, its configuration included.

use clap::Args;
use flotilla_crds::v1alpha1::Microservice;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::history::{Version, versions};
use crate::{Answer, Error, args::Global, cluster::Cluster, output::Terminal};

/// Who the pin belongs to, by `managedFields`.
const MANAGER: &str = "kubectl-flotilla";

/// Arguments of `rollback`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// The service
    name: String,
    /// The version to run, as `history` shows it; without, the newest before the current one
    #[arg(long, value_name = "REVISION", conflicts_with = "release")]
    to: Option<String>,
    /// Run what spec says again
    #[arg(long)]
    release: bool,
}

/// Writes the pin, or takes it away.
pub async fn run(
    arguments: &Arguments,
    global: &Global,
    terminal: &mut Terminal<'_>,
) -> Result<Answer, Error> {
    let cluster = Cluster::connect(global).await?;
    let service = cluster.microservice(&arguments.name).await?;
    let (pin, said) = if arguments.release {
        (Value::Null, format!("{} runs what its spec says again", arguments.name))
    } else {
        let versions = versions(&cluster, &service).await?;
        let target = choose(&versions, arguments.to.as_deref()).map_err(|message| Error::Invalid {
            place: format!("Microservice {:?}", arguments.name),
            message,
        })?;
        let image = &target.image;
        let said = format!(
            "{} is pinned to {} ({image}); kubectl flotilla rollback {} --release takes the pin away",
            arguments.name, target.revision, arguments.name
        );
        (json!(target.revision), said)
    };
    let change = json!({"spec": {"rollout": {"revision": pin}}});
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    cluster
        .api::<Microservice>()
        .patch(&arguments.name, &params, &Patch::Merge(&change))
        .await
        .map_err(Error::api(format!("write Microservice {:?}", arguments.name)))?;
    terminal.data(&format!("{said}\n"))?;
    Ok(Answer::Yes)
}

/// The version to go back to.
fn choose<'v>(versions: &'v [Version], wanted: Option<&str>) -> Result<&'v Version, String> {
    let known = || versions.iter().map(|version| &*version.revision).collect::<Vec<_>>().join(", ");
    if let Some(wanted) = wanted {
        let found = versions.iter().find(|version| version.revision == wanted);
        return found.ok_or_else(|| format!("there is no revision {wanted:?}; there are: {}", known()));
    }
    let is = |version: &&Version, role: &str| version.roles.contains(&role);
    let mut before = versions.iter().skip_while(|version| !is(version, "current"));
    before.next();
    before
        .find(|version| !is(version, "failed"))
        .ok_or_else(|| format!("there is no version before the current one; there are: {}", known()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(revision: &str, roles: &[&'static str]) -> Version {
        Version { revision: revision.into(), image: "app".into(), created: None, roles: roles.to_vec() }
    }

    #[test]
    fn the_newest_before_the_current_one_that_has_not_failed() {
        let all = [
            version("d", &["latest"]),
            version("c", &["current"]),
            version("b", &["failed"]),
            version("a", &[]),
        ];
        assert_eq!(choose(&all, None).unwrap().revision, "a");
        assert_eq!(choose(&all, Some("b")).unwrap().revision, "b");
        assert_eq!(choose(&all, Some("x")).unwrap_err(), "there is no revision \"x\"; there are: d, c, b, a");
        assert!(choose(&all[..2], None).unwrap_err().starts_with("there is no version before"));
    }
}
