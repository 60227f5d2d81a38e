//! `diff`: what applying a file would change in the cluster, the objects of the operator included.
//!
//! The operator's own steps decide what would be written; the API server tells by a dry run what would come of it.

mod observe;
mod show;

use clap::Args;
use flotilla_crds::v1alpha1::Microservice;
use flotilla_operator::{
    cluster::{FIELD_MANAGER, kind::Kind},
    microservice::{
        dereference::dereference,
        plan::{self, Plan, Prune, Write, plan},
    },
};
use kube::{
    Api, ResourceExt as _,
    api::{DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::{
    Answer, Error,
    args::{Files, Global},
    cluster::Cluster,
    desired::{complete, desired},
    input::Document,
    output::Terminal,
    schema::Schema,
};

/// Arguments of `diff`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    #[command(flatten)]
    files: Files,
}

/// An object before and after; `null` where there is none.
#[derive(Clone, Debug, PartialEq)]
struct Change {
    title: String,
    before: Value,
    after: Value,
}

/// Shows what the files would change.
pub async fn run(
    arguments: &Arguments,
    global: &Global,
    terminal: &mut Terminal<'_>,
) -> Result<Answer, Error> {
    let documents = super::microservices(&arguments.files, terminal)?;
    let schema = Schema::of_microservice()?;
    let cluster = Cluster::connect(global).await?;
    let mut is_same = true;
    for document in &documents {
        let mut microservice = schema.read(document)?;
        // As with kubectl, `-n` says where objects go that name no namespace.
        let namespace = microservice.namespace().unwrap_or_else(|| cluster.namespace.clone());
        microservice.metadata.namespace = Some(namespace.clone());
        let here = Cluster { namespace, ..cluster.clone() };
        for change in Box::pin(changes(&here, microservice, document, terminal)).await? {
            let text = show::unified(&change, terminal.paint)?;
            is_same &= text.is_empty();
            terminal.data(&text)?;
        }
    }
    Ok(Answer::from(is_same))
}

async fn changes(
    cluster: &Cluster,
    wanted: Microservice,
    document: &Document,
    terminal: &mut Terminal<'_>,
) -> Result<Vec<Change>, Error> {
    let invalid = |message: String| Error::Invalid { place: document.place.clone(), message };
    let name = wanted.name_any();
    let (live, mut next) = dry_run(cluster, wanted).await?;
    let mut changes = vec![Change {
        title: format!("Microservice/{name}"),
        before: live.as_ref().map_or(Ok(Value::Null), json_of)?,
        after: json_of(&next)?,
    }];
    if next.spec.suspend == Some(true) {
        terminal.say(&format!("{name} is suspended: its objects stay as they are"))?;
        return Ok(changes);
    }
    complete(&mut next, &cluster.namespace);
    let caches = observe::caches(cluster, &next, terminal).await?;
    let observed = dereference(&next, &caches);
    let rendered = desired(&next, &observed).map_err(|error| invalid(error.to_string()))?;
    let uid = next.uid().unwrap_or_default();
    let Plan { writes, prunes, .. } =
        plan(&rendered.objects, &observed, &uid).map_err(|error: plan::Error| invalid(error.to_string()))?;
    for write in writes {
        let live = observed.get(write.object.kind, &write.object.name).filter(|_| write.uid.is_some());
        changes.push(Change {
            title: format!("{}/{}", write.object.kind, write.object.name),
            before: live.map_or(Ok(Value::Null), |live| json_of(live.as_ref()))?,
            after: json_of(&applied(cluster, &write).await?)?,
        });
    }
    for Prune { kind, name, .. } in prunes {
        let live = observed.get(kind, &name);
        changes.push(Change {
            title: format!("{kind}/{name}"),
            before: live.map_or(Ok(Value::Null), |live| json_of(live.as_ref()))?,
            after: Value::Null,
        });
    }
    Ok(changes)
}

fn json_of<K: serde::Serialize>(object: &K) -> Result<Value, Error> {
    serde_json::to_value(object).map_err(|error| Error::Format(error.to_string()))
}

/// The service that is there, and what it would become: its `spec` as a whole is that of the file.
async fn dry_run(
    cluster: &Cluster,
    wanted: Microservice,
) -> Result<(Option<Microservice>, Microservice), Error> {
    let api: Api<Microservice> = cluster.api();
    let name = wanted.name_any();
    let params = PostParams { dry_run: true, field_manager: Some("kubectl-flotilla".to_owned()) };
    let what = format!("apply Microservice {name:?} in a dry run");
    let live = api.get_opt(&name).await.map_err(Error::api(format!("read Microservice {name:?}")))?;
    let next = match &live {
        None => api.create(&params, &wanted).await,
        Some(live) => {
            let mut next = live.clone();
            next.spec = wanted.spec;
            next.labels_mut().extend(wanted.metadata.labels.unwrap_or_default());
            next.annotations_mut().extend(wanted.metadata.annotations.unwrap_or_default());
            api.replace(&name, &params, &next).await
        }
    };
    Ok((live, next.map_err(Error::api(what))?))
}

/// What the API server would make of a write of the operator.
async fn applied(cluster: &Cluster, write: &Write) -> Result<DynamicObject, Error> {
    let Write { object, uid, handover, adopt: _ } = write;
    let kind: Kind = object.kind;
    let api: Api<DynamicObject> =
        Api::namespaced_with(cluster.client.clone(), &cluster.namespace, &kind.api_resource());
    let mut body = object.manifest.clone();
    let replicas = match uid {
        // As the operator does it: to the object that is there, and to no successor of the same name.
        Some(uid) => {
            body["metadata"]["uid"] = json!(uid);
            // Another manager would take over the live replicas first, which a dry run of one request cannot show.
            *handover
        }
        None => object.first_replicas,
    };
    if let Some(replicas) = replicas {
        body["spec"]["replicas"] = json!(replicas);
    }
    let params = PatchParams { dry_run: true, ..PatchParams::apply(FIELD_MANAGER).force() };
    let what = format!("apply {kind} {:?} in a dry run", object.name);
    api.patch(&object.name, &params, &Patch::Apply(&body)).await.map_err(Error::api(what))
}
