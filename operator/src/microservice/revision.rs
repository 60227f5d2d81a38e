//! Which version of a service runs: the one that `spec` asks for, or an earlier one. Pure.
//!
//! A version is the template of the pods and the inline configuration, nothing else: scaling a service or changing
//! its rollout makes no new version.

use std::{collections::BTreeMap, sync::Arc};

use flotilla_crds::v1alpha1::{
    DependencyState, FailedRevision, Gate, MicroserviceRevisionSpec, OnFailure, Revisions, Rollout,
};
use kube::{ResourceExt, api::DynamicObject};
use serde::Deserialize;
use serde_json::Value;

use super::{dereference::Observed, validate::Validated};
use crate::cluster::{ADOPTED_ANNOTATION, REVISION_ANNOTATION, kind::Kind, ownership};

/// Why no version can be chosen.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The pinned revision does not exist.
    #[error(
        "spec.rollout.revision: there is no MicroserviceRevision {wanted:?} of this service; there are: {known}"
    )]
    Unknown {
        /// What is wanted.
        wanted: String,
        /// What there is.
        known: String,
    },
    /// A revision that shall run is not what was once stored.
    #[error(
        "MicroserviceRevision {0:?} was changed after it was made, so it is not run; delete it, or remove spec.rollout.revision"
    )]
    Tampered(String),
}

/// A version of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision {
    /// Name of its MicroserviceRevision.
    pub name: String,
    /// What it is.
    pub spec: MicroserviceRevisionSpec,
}

/// What was chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The version that the workload gets; `None` when there shall be no workload yet.
    pub run: Option<Revision>,
    /// What the version of `spec` waits for.
    pub waits: Option<Wait>,
    /// The version that the workload has, for as long as the next one must wait.
    pub held: Option<Revision>,
    /// Whether the workload's rollout stands still.
    pub paused: bool,
    /// Whether the workload was taken over, and stays as it was found until `spec` asks for another version.
    pub adopted: bool,
    /// The version that `spec` asks for, and former ones that are kept.
    pub kept: Vec<Revision>,
}

/// Why the version of `spec` does not run yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// From a fixed list.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// Whether nothing will happen until somebody does something.
    pub is_failure: bool,
    /// The Job that runs meanwhile, or that failed.
    pub job: Option<String>,
}

/// How a Job ended, if it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobOutcome {
    /// It has not, or there is none yet.
    Running,
    /// Its program exited with 0.
    Succeeded,
    /// It is not tried again.
    Failed(String),
}

/// How a Job ended, by its conditions.
pub fn job_outcome(job: Option<&DynamicObject>) -> JobOutcome {
    let conditions = job.and_then(|job| job.data.pointer("/status/conditions")?.as_array());
    let find = |type_: &str| {
        conditions
            .into_iter()
            .flatten()
            .find(|condition| condition["type"] == type_ && condition["status"] == "True")
    };
    if find("Complete").is_some() {
        return JobOutcome::Succeeded;
    }
    match find("Failed") {
        Some(failed) => JobOutcome::Failed(failed["message"].as_str().unwrap_or("it failed").to_owned()),
        None => JobOutcome::Running,
    }
}

/// What the version of `spec` has to wait for. Only what was asked for blocks anything.
fn gate(observed: &Observed, is_first: bool) -> Option<Wait> {
    let waiting: Vec<_> = observed
        .peers
        .iter()
        .filter(|peer| match peer.gate {
            Gate::None => false,
            Gate::FirstRollout => is_first,
            Gate::EveryRollout => true,
        })
        .filter(|peer| peer.state != DependencyState::Ready)
        .map(|peer| peer.message.clone().unwrap_or_else(|| format!("{} is not ready", peer.name)))
        .collect();
    (!waiting.is_empty()).then(|| Wait {
        reason: "WaitingForDependencies",
        message: format!("waiting: {}", waiting.join("; ")),
        is_failure: false,
        job: None,
    })
}

/// Chooses the version to run; `latest` is the one that `spec` asks for, and `pending` what it lacks.
pub fn choose(
    service: &Validated,
    latest: Revision,
    pending: Option<&Wait>,
    observed: &Observed,
) -> Result<Choice, Error> {
    let former = former(service, observed);
    let find = |name: &str| {
        if latest.name == name { Some(&latest) } else { former.iter().find(|revision| revision.name == name) }
    };
    let rollout = &service.rollout;
    let recorded = &observed.revisions;
    let has_failed = recorded.failed.as_ref().is_some_and(|failed| failed.name == latest.name);
    let on_failure = rollout.on_failure.unwrap_or_default();
    let paused = rollout.paused.unwrap_or(false);
    let current = current(service, observed);
    let current = current.as_deref().and_then(find);
    let held = current.cloned();

    if let Some(found) = adoptable(service, observed) {
        let mut kept = kept(rollout, &latest, None, None, former);
        kept.push(found.clone());
        return Ok(Choice { run: Some(found), waits: None, held: None, paused: false, adopted: true, kept });
    }
    let adopted = rollout.revision.is_none()
        && adopted_for(service, observed).as_deref() == Some(&*latest.name)
        && current.is_some();
    let run = if adopted {
        current.unwrap_or(&latest)
    } else if let Some(wanted) = &rollout.revision {
        find(wanted).ok_or_else(|| Error::Unknown {
            wanted: wanted.clone(),
            known: former.iter().map(|revision| &*revision.name).collect::<Vec<_>>().join(", "),
        })?
    } else if has_failed && on_failure == OnFailure::Rollback {
        recorded.stable.as_deref().and_then(find).unwrap_or(&latest)
    } else if paused {
        current.unwrap_or(&latest)
    } else {
        &latest
    }
    .clone();
    // Whoever ran once goes on when its workload is deleted, whatever it once waited for.
    let is_first = current.is_none() && recorded.current.is_none();
    let waits = if run == latest && current != Some(&latest) {
        pending.cloned().or_else(|| gate(observed, is_first))
    } else {
        None
    };
    let run = match (&waits, current) {
        (None, _) => run,
        (Some(_), Some(current)) => current.clone(),
        (Some(_), None) => {
            let kept = kept(rollout, &latest, None, recorded.stable.as_deref(), former);
            return Ok(Choice { run: None, waits, held, paused: false, adopted: false, kept });
        }
    };
    if run != latest && run.spec.digest != run.spec.content_digest() {
        return Err(Error::Tampered(run.name));
    }
    let paused = paused || (has_failed && on_failure == OnFailure::Pause && run == latest);
    let kept = kept(rollout, &latest, Some(&run), recorded.stable.as_deref(), former);
    Ok(Choice { run: Some(run), waits, held, paused, adopted, kept })
}

/// The version that somebody else's workload has, when it may be taken over.
fn adoptable(service: &Validated, observed: &Observed) -> Option<Revision> {
    let live = observed.get(service.workload, &service.name)?;
    if !ownership::may_adopt(&live.metadata, &service.name) {
        return None;
    }
    let template = live.data.pointer("/spec/template")?.clone();
    let image = template.pointer("/spec/containers/0/image").and_then(Value::as_str).map(str::to_owned);
    let mut found = content(service, template, BTreeMap::new());
    found.spec.image = image.unwrap_or(found.spec.image);
    Some(found)
}

/// The revision that `spec` asked for when the workload was taken over.
fn adopted_for(service: &Validated, observed: &Observed) -> Option<String> {
    let live = observed.get(service.workload, &service.name)?;
    live.metadata.annotations.as_ref()?.get(ADOPTED_ANNOTATION).cloned()
}

/// The latest and the newest of the former ones, and in any case those that run or ran well.
fn kept(
    rollout: &Rollout,
    latest: &Revision,
    run: Option<&Revision>,
    stable: Option<&str>,
    former: Vec<Revision>,
) -> Vec<Revision> {
    let limit = rollout.revision_history_limit.unwrap_or(Rollout::DEFAULT_REVISION_HISTORY_LIMIT);
    let limit = usize::try_from(limit).unwrap_or_default();
    let mut kept = vec![latest.clone()];
    let others = former.into_iter().filter(|revision| revision.name != latest.name).enumerate();
    kept.extend(
        others
            .filter(|(index, revision)| {
                *index < limit
                    || run.is_some_and(|run| run.name == revision.name)
                    || stable == Some(&*revision.name)
            })
            .map(|(_, revision)| revision),
    );
    kept
}

/// The revisions that the cluster has of this service, the newest first.
fn former(service: &Validated, observed: &Observed) -> Vec<Revision> {
    let mut found: Vec<_> = observed
        .objects
        .iter()
        .filter(|((kind, _), live)| {
            *kind == Kind::Revision && ownership::is_controlled_by(&live.metadata, &service.uid)
        })
        .filter_map(|(_, live)| Some((live.metadata.creation_timestamp.clone(), read(live)?)))
        .collect();
    found.sort_by(|(first, a), (second, b)| (second, &a.name).cmp(&(first, &b.name)));
    found.into_iter().map(|(_, revision)| revision).collect()
}

fn read(live: &Arc<DynamicObject>) -> Option<Revision> {
    let spec = MicroserviceRevisionSpec::deserialize(live.data.get("spec")?).ok()?;
    Some(Revision { name: live.name_any(), spec })
}

/// The name of the revision that the workload has.
pub fn current(service: &Validated, observed: &Observed) -> Option<String> {
    let live = observed.get(service.workload, &service.name)?;
    ownership::is_controlled_by(&live.metadata, &service.uid).then(|| annotated(live))?
}

/// The name of the revision that a workload says it has.
pub fn annotated(live: &DynamicObject) -> Option<String> {
    live.metadata.annotations.as_ref()?.get(REVISION_ANNOTATION).cloned()
}

/// What `status.revisions` is to be.
pub fn record(
    recorded: &Revisions,
    latest: &str,
    current: Option<String>,
    rolled_out: bool,
    failure: Option<String>,
) -> Revisions {
    let stable = if rolled_out { current.clone() } else { recorded.stable.clone() };
    // Another version of `spec` is a new try; and whoever comes back to a version that failed tries it again.
    let former = recorded.failed.clone().filter(|failed| failed.name == latest);
    let failed = former.or_else(|| {
        let message = failure.filter(|_| current.as_deref() == Some(latest))?;
        Some(FailedRevision { name: latest.to_owned(), message })
    });
    // A version that was fixed from outside, by a secret that arrived late for instance, has not failed.
    let failed = failed.filter(|failed| stable.as_ref() != Some(&failed.name));
    Revisions { latest: Some(latest.to_owned()), current, stable, failed }
}

/// The content of a version.
pub fn content(service: &Validated, template: Value, config: BTreeMap<String, String>) -> Revision {
    let mut spec = MicroserviceRevisionSpec {
        microservice: service.name.clone(),
        image: service.image.clone(),
        digest: String::new(),
        template,
        config,
    };
    spec.digest = spec.content_digest();
    Revision { name: format!("{}-{}", service.name, super::digest::short(&spec.digest)), spec }
}

/// The hash of what a revision holds.
trait ContentDigest {
    fn content_digest(&self) -> String;
}

impl ContentDigest for MicroserviceRevisionSpec {
    fn content_digest(&self) -> String {
        super::digest::of(&serde_json::json!({"template": self.template, "config": self.config}))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::microservice::{
        render::tests::microservice,
        validate::{Class, validate},
    };

    fn service(spec: &str) -> Validated {
        validate(&microservice(&format!("spec: {{image: app, {spec}}}")), &Class::default()).unwrap()
    }

    fn version(service: &Validated, number: u32) -> Revision {
        content(service, json!({"number": number}), BTreeMap::new())
    }

    /// A cluster that has these versions, the last of them running, and a record.
    fn cluster(service: &Validated, versions: &[Revision], recorded: Revisions) -> Observed {
        let mut observed = Observed { revisions: recorded, ..Observed::default() };
        let owner = json!([{"apiVersion": "flotilla.dev/v1alpha1", "kind": "Microservice", "name": service.name,
            "uid": service.uid, "controller": true}]);
        for (age, revision) in versions.iter().enumerate() {
            let live: DynamicObject = serde_json::from_value(json!({
                "apiVersion": "flotilla.dev/v1alpha1", "kind": "MicroserviceRevision",
                "metadata": {"name": revision.name, "ownerReferences": owner,
                    "creationTimestamp": format!("2026-01-01T00:00:{age:02}Z")},
                "spec": revision.spec,
            }))
            .unwrap();
            observed.objects.insert((Kind::Revision, revision.name.clone()), Arc::new(live));
        }
        if let Some(last) = versions.last() {
            let live: DynamicObject = serde_json::from_value(json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": service.name, "ownerReferences": owner,
                    "annotations": {REVISION_ANNOTATION: last.name}},
            }))
            .unwrap();
            observed.objects.insert((Kind::Deployment, service.name.clone()), Arc::new(live));
        }
        observed
    }

    fn failed(name: &str) -> FailedRevision {
        FailedRevision { name: name.into(), message: "crash".into() }
    }

    #[test]
    fn the_latest_runs() {
        let service = service("ports: []");
        let (old, new) = (version(&service, 1), version(&service, 2));
        let observed = cluster(&service, std::slice::from_ref(&old), Revisions::default());
        let choice = choose(&service, new.clone(), None, &observed).unwrap();
        assert_eq!(
            choice,
            Choice {
                run: Some(new.clone()),
                waits: None,
                held: Some(old.clone()),
                paused: false,
                adopted: false,
                kept: vec![new, old]
            }
        );
    }

    #[test]
    fn a_failed_version_gives_way_to_the_stable_one() {
        for (on_failure, back, paused) in [
            ("", true, false),
            ("rollout: {onFailure: Pause}", false, true),
            ("rollout: {onFailure: None}", false, false),
        ] {
            let service = service(on_failure);
            let (old, new) = (version(&service, 1), version(&service, 2));
            let recorded = Revisions {
                stable: Some(old.name.clone()),
                failed: Some(failed(&new.name)),
                ..Revisions::default()
            };
            let observed = cluster(&service, &[old.clone(), new.clone()], recorded);
            let choice = choose(&service, new.clone(), None, &observed).unwrap();
            assert_eq!((choice.run == Some(old), choice.paused), (back, paused), "{on_failure}");
        }
    }

    #[test]
    fn a_failure_without_a_stable_version_changes_nothing() {
        let service = service("ports: []");
        let new = version(&service, 1);
        let recorded = Revisions { failed: Some(failed(&new.name)), ..Revisions::default() };
        let observed = cluster(&service, std::slice::from_ref(&new), recorded);
        assert_eq!(choose(&service, new.clone(), None, &observed).unwrap().run, Some(new));
    }

    #[test]
    fn a_pin_wins_and_a_pause_holds() {
        let plain = service("ports: []");
        let (old, new) = (version(&plain, 1), version(&plain, 2));
        let observed = cluster(&plain, std::slice::from_ref(&old), Revisions::default());
        let pinned = service(&format!("rollout: {{revision: {}}}", old.name));
        assert_eq!(choose(&pinned, new.clone(), None, &observed).unwrap().run, Some(old.clone()));
        let paused = choose(&service("rollout: {paused: true}"), new.clone(), None, &observed).unwrap();
        assert_eq!((paused.run, paused.paused), (Some(old), true));
        let error = choose(&service("rollout: {revision: nope}"), new, None, &observed).unwrap_err();
        assert!(error.to_string().contains("there is no MicroserviceRevision \"nope\""), "{error}");
    }

    #[test]
    fn a_changed_revision_does_not_run() {
        let plain = service("ports: []");
        let (mut old, new) = (version(&plain, 1), version(&plain, 2));
        old.spec.template = json!({"hostNetwork": true});
        let observed = cluster(&plain, std::slice::from_ref(&old), Revisions::default());
        let pinned = service(&format!("rollout: {{revision: {}}}", old.name));
        assert_eq!(choose(&pinned, new, None, &observed), Err(Error::Tampered(old.name)));
    }

    #[test]
    fn history_is_bounded_but_never_by_what_runs() {
        let service = service("rollout: {revisionHistoryLimit: 1}");
        let versions: Vec<_> = (0..5).map(|number| version(&service, number)).collect();
        let recorded = Revisions { stable: Some(versions[0].name.clone()), ..Revisions::default() };
        let observed = cluster(&service, &versions, recorded);
        let new = version(&service, 9);
        let kept = choose(&service, new.clone(), None, &observed).unwrap().kept;
        assert_eq!(kept, [new, versions[4].clone(), versions[0].clone()]);
    }

    #[test]
    fn a_failure_is_remembered_until_spec_asks_for_another_version() {
        let some = |text: &str| Some(text.to_owned());
        let first = record(&Revisions::default(), "a", some("a"), true, None);
        assert_eq!((first.stable.as_deref(), &first.failed), (Some("a"), &None));
        let bad = record(&first, "b", some("b"), false, some("crash"));
        assert_eq!(bad.failed.as_ref().map(|failed| &*failed.name), Some("b"));
        let back = record(&bad, "b", some("a"), true, None);
        assert_eq!(back.failed, bad.failed);
        assert_eq!(record(&back, "c", some("c"), false, None).failed, None);
        assert_eq!(record(&bad, "b", some("b"), true, None).failed, None);
    }
}
