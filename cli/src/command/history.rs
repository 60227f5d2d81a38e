//! `history`: the versions of a service, the newest first.

use clap::Args;
use flotilla_crds::v1alpha1::{Microservice, MicroserviceRevision, Revisions};
use flotilla_operator::cluster::{MICROSERVICE_LABEL, ownership};
use jiff::Timestamp;
use kube::{ResourceExt as _, api::ListParams};
use serde::Serialize;

use crate::{
    Answer, Error,
    args::Global,
    cluster::Cluster,
    output::{Form, Terminal, add},
    summary::age,
};

/// Arguments of `history`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// The service
    name: String,
    /// A form for programs
    #[arg(short, long, value_name = "FORM")]
    output: Option<Form>,
}

/// A version.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    /// Name of its MicroserviceRevision.
    pub(super) revision: String,
    /// What it runs.
    pub(super) image: String,
    /// When it was first made.
    pub(super) created: Option<Timestamp>,
    /// What it is now: `current`, `latest`, `stable`, `failed`, `pinned`.
    pub(super) roles: Vec<&'static str>,
}

/// Shows the versions.
pub async fn run(
    arguments: &Arguments,
    global: &Global,
    terminal: &mut Terminal<'_>,
) -> Result<Answer, Error> {
    let cluster = Cluster::connect(global).await?;
    let service = cluster.microservice(&arguments.name).await?;
    let versions = versions(&cluster, &service).await?;
    match arguments.output {
        Some(form) => terminal.value(form, &versions)?,
        None => terminal.data(&table(&versions, Timestamp::now()))?,
    }
    Ok(Answer::Yes)
}

/// The versions that the cluster keeps of a service, the newest first.
pub(super) async fn versions(cluster: &Cluster, service: &Microservice) -> Result<Vec<Version>, Error> {
    let params = ListParams::default().labels(&format!("{MICROSERVICE_LABEL}={}", service.name_any()));
    let list = cluster.api::<MicroserviceRevision>().list(&params).await;
    let list = list.map_err(Error::api("list MicroserviceRevisions"))?;
    let uid = service.uid().unwrap_or_default();
    let own = list.items.into_iter().filter(|kept| ownership::is_controlled_by(&kept.metadata, &uid));
    let revisions = service.status.as_ref().and_then(|status| status.revisions.clone()).unwrap_or_default();
    let pin = service.spec.rollout.as_ref().and_then(|rollout| rollout.revision.clone());
    let mut versions: Vec<_> = own.map(|kept| version(&kept, &revisions, pin.as_deref())).collect();
    versions.sort_by(|a, b| (b.created, &a.revision).cmp(&(a.created, &b.revision)));
    Ok(versions)
}

fn version(kept: &MicroserviceRevision, revisions: &Revisions, pin: Option<&str>) -> Version {
    let name = kept.name_any();
    let failed = revisions.failed.as_ref().map(|failed| &failed.name);
    let roles = [
        ("current", revisions.current.as_ref() == Some(&name)),
        ("latest", revisions.latest.as_ref() == Some(&name)),
        ("stable", revisions.stable.as_ref() == Some(&name)),
        ("failed", failed == Some(&name)),
        ("pinned", pin == Some(&*name)),
    ];
    Version {
        image: kept.spec.image.clone(),
        created: kept.metadata.creation_timestamp.as_ref().map(|time| time.0),
        roles: roles.into_iter().filter(|(_, has)| *has).map(|(role, _)| role).collect(),
        revision: name,
    }
}

fn table(versions: &[Version], now: Timestamp) -> String {
    let width = |of: fn(&Version) -> &str, head: &str| {
        versions.iter().map(|version| of(version).len()).chain([head.len()]).max().unwrap_or_default()
    };
    let (first, second) =
        (width(|version| &version.revision, "REVISION"), width(|version| &version.image, "IMAGE"));
    let mut text = String::new();
    add(&mut text, format_args!("{:first$}  {:second$}  {:5}  IS\n", "REVISION", "IMAGE", "AGE"));
    for version in versions {
        let created = version.created.map(|created| age(created, now)).unwrap_or_default();
        let line = format!(
            "{:first$}  {:second$}  {created:5}  {}",
            version.revision,
            version.image,
            version.roles.join(", ")
        );
        add(&mut text, format_args!("{}\n", line.trim_end()));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kept(name: &str, second: u8) -> MicroserviceRevision {
        serde_json::from_value(json!({
            "apiVersion": "flotilla.dev/v1alpha1", "kind": "MicroserviceRevision",
            "metadata": {"name": name, "creationTimestamp": format!("2026-01-01T00:00:{second:02}Z")},
            "spec": {"microservice": "orders", "image": "registry.example.com/orders:1", "digest": "", "template": {}},
        }))
        .unwrap()
    }

    #[test]
    fn each_version_says_what_it_is() {
        let revisions: Revisions = serde_json::from_value(json!({
            "latest": "orders-b", "current": "orders-a", "stable": "orders-a",
            "failed": {"name": "orders-b", "message": "crash"},
        }))
        .unwrap();
        let all = [("orders-b", 5), ("orders-a", 1), ("orders-0", 0)];
        let versions: Vec<_> =
            all.iter().map(|(name, second)| version(&kept(name, *second), &revisions, None)).collect();
        let now: Timestamp = "2026-01-01T01:00:00Z".parse().unwrap();
        insta::assert_snapshot!(table(&versions, now), @r"
        REVISION  IMAGE                          AGE    IS
        orders-b  registry.example.com/orders:1  59m    latest, failed
        orders-a  registry.example.com/orders:1  59m    current, stable
        orders-0  registry.example.com/orders:1  60m
        ");
    }
}
