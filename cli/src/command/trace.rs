//! `trace`: from an object up to the `Microservice` that it belongs to.

use clap::Args;
use flotilla_crds::{GROUP, v1alpha1::Microservice};
use flotilla_operator::cluster::{MICROSERVICE_LABEL, ownership};
use kube::{
    Api, ResourceExt as _,
    api::{DynamicObject, TypeMeta},
};
use serde_json::Value;

use crate::{
    Answer, Error,
    args::Global,
    cluster::Cluster,
    kind::Known,
    output::{Paint, Terminal, add},
    summary::{self, Summary},
};

/// Arguments of `trace`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// The object, such as pod/hello-1234, service/hello or httproute/shop
    #[arg(value_name = "KIND/NAME")]
    object: String,
}

/// How many owners are followed: more than any chain has, so that a ring of owners ends.
const LONGEST: usize = 16;

const LEADS_TO: &str = "leads to";

/// A step of the way up.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    /// Kind and name.
    object: String,
    /// How the one before leads to it.
    by: &'static str,
}

/// A way from an object up.
#[derive(Clone, Debug, Default, PartialEq)]
struct Way {
    steps: Vec<Step>,
    /// The service at its end, if it ends at one.
    service: Option<Summary>,
}

/// Finds the service of an object.
pub async fn run(
    arguments: &Arguments,
    global: &Global,
    terminal: &mut Terminal<'_>,
) -> Result<Answer, Error> {
    let (known, name) = Known::parse(&arguments.object)?;
    let cluster = Cluster::connect(global).await?;
    let start = get(&cluster, known, name).await?.ok_or_else(|| Error::NotFound {
        kind: known.kind.to_owned(),
        name: name.to_owned(),
        namespace: cluster.namespace.clone(),
        advice: "write its namespace with -n".to_owned(),
    })?;
    let mut ways = vec![climb(&cluster, known, start.clone(), Way::default()).await?];
    // A route that somebody wrote belongs to nobody, and leads to services.
    if known.is_route() && ways.iter().all(|way| way.service.is_none()) {
        let backends = backends(&start.data);
        if !backends.is_empty() {
            ways.clear();
        }
        for backend in backends {
            ways.push(from_backend(&cluster, known, name, &backend).await?);
        }
    }
    let text: String = ways.iter().map(|way| shown(way, terminal.paint)).collect();
    terminal.data(&text)?;
    Ok(Answer::from(ways.iter().all(|way| way.service.is_some())))
}

/// From a Service that a route leads to.
async fn from_backend(cluster: &Cluster, route: Known, name: &str, backend: &str) -> Result<Way, Error> {
    let first = Step { object: format!("{}/{name}", route.kind), by: "" };
    let mut way = Way { steps: vec![first], service: None };
    let known = Known::find("", "Service");
    let live = match known {
        Some(known) => get(cluster, known, backend).await?.map(|live| (known, live)),
        None => None,
    };
    if let Some((known, live)) = live {
        way = climb(cluster, known, live, way).await?;
        if let Some(step) = way.steps.get_mut(1) {
            step.by = LEADS_TO;
        }
    } else {
        way.steps.push(Step { object: format!("Service/{backend} (there is none)"), by: LEADS_TO });
    }
    Ok(way)
}

async fn get(cluster: &Cluster, known: Known, name: &str) -> Result<Option<DynamicObject>, Error> {
    let resource = known.api_resource();
    let api: Api<DynamicObject> = Api::namespaced_with(cluster.client.clone(), &cluster.namespace, &resource);
    let found = api.get_opt(name).await.map_err(Error::api(format!("read {} {name:?}", known.kind)))?;
    Ok(found.map(|mut found| {
        found.types =
            Some(TypeMeta { api_version: resource.api_version.clone(), kind: resource.kind.clone() });
        found
    }))
}

/// Follows the owners of an object, and at the end the label.
async fn climb(cluster: &Cluster, known: Known, start: DynamicObject, mut way: Way) -> Result<Way, Error> {
    let (mut known, mut object, mut by) = (known, start, "");
    while way.steps.len() < LONGEST {
        way.steps.push(Step { object: format!("{}/{}", known.kind, object.name_any()), by });
        if known.kind == "Microservice" {
            way.service = serde_json::to_value(&object)
                .and_then(serde_json::from_value::<Microservice>)
                .ok()
                .map(|microservice| Summary::of(&microservice));
            break;
        }
        let Some((next, name, how)) = parent(&object) else { break };
        let found = match next {
            Some(next) => get(cluster, next, &name.1).await?.map(|found| (next, found)),
            None => None,
        };
        let Some((next, found)) = found else {
            let (kind, name) = name;
            let said = if next.is_some() { " (there is none)" } else { "" };
            way.steps.push(Step { object: format!("{kind}/{name}{said}"), by: how });
            break;
        };
        (known, object, by) = (next, found, how);
    }
    Ok(way)
}

/// Who an object belongs to: its kind if it is known, kind and name, and how that is known.
type Parent = (Option<Known>, (String, String), &'static str);

fn parent(object: &DynamicObject) -> Option<Parent> {
    let owners = object.metadata.owner_references.as_deref().unwrap_or_default();
    if let Some(owner) = ownership::controller(&object.metadata).or(owners.first()) {
        let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
        let known = Known::find(group, &owner.kind);
        return Some((known, (owner.kind.clone(), owner.name.clone()), "owned by"));
    }
    let name = object.labels().get(MICROSERVICE_LABEL)?;
    let known = Known::find(GROUP, "Microservice");
    Some((known, ("Microservice".to_owned(), name.clone()), "by its label, of"))
}

/// The Services of this namespace that a route leads to.
fn backends(route: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(route, &mut found);
    found.sort_unstable();
    found.dedup();
    found
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let references = fields.get("backendRefs").and_then(Value::as_array).into_iter().flatten();
            let of_gateway = references.filter(|reference| {
                reference["kind"].as_str().unwrap_or("Service") == "Service"
                    && reference["namespace"].is_null()
            });
            found.extend(of_gateway.filter_map(|reference| Some(reference["name"].as_str()?.to_owned())));
            // An Ingress has `backend.service.name`, and `defaultBackend` in the same form.
            for backend in ["backend", "defaultBackend"] {
                let name = fields.get(backend).and_then(|backend| backend["service"]["name"].as_str());
                found.extend(name.map(ToOwned::to_owned));
            }
            fields.values().for_each(|value| collect(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}

fn shown(way: &Way, paint: Paint) -> String {
    let mut text = String::new();
    for (depth, step) in way.steps.iter().enumerate() {
        let by = if step.by.is_empty() { String::new() } else { format!("{} ", step.by) };
        add(&mut text, format_args!("{}{by}{}\n", "  ".repeat(depth), step.object));
    }
    let indent = "  ".repeat(way.steps.len());
    match &way.service {
        Some(summary) => add(&mut text, format_args!("{indent}{}", summary::line(summary, paint))),
        None => {
            add(&mut text, format_args!("{indent}{}\n", paint.doubtful("which belongs to no Microservice")))
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::summary::tests::broken;

    fn step(by: &'static str, object: &str) -> Step {
        Step { object: object.to_owned(), by }
    }

    #[test]
    fn a_way_that_ends_at_a_service() {
        let way = Way {
            steps: vec![
                step("", "Pod/orders-b-1"),
                step("owned by", "ReplicaSet/orders-b"),
                step("owned by", "Deployment/orders"),
                step("owned by", "Microservice/orders"),
            ],
            service: Some(Summary::of(&broken())),
        };
        insta::assert_snapshot!(shown(&way, Paint::default()));
    }

    #[test]
    fn a_way_that_ends_nowhere() {
        let way = Way { steps: vec![step("", "Pod/other")], service: None };
        insta::assert_snapshot!(shown(&way, Paint::default()), @r"
        Pod/other
          which belongs to no Microservice
        ");
    }

    #[test]
    fn the_controller_comes_before_the_label() {
        let object = |metadata: Value| -> DynamicObject {
            serde_json::from_value(json!({"metadata": metadata})).unwrap()
        };
        let labels = json!({"flotilla.dev/microservice": "orders"});
        let owner = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "u", "controller": true}]);
        let (known, name, _) = parent(&object(json!({"labels": labels, "ownerReferences": owner}))).unwrap();
        assert_eq!((known.unwrap().kind, name.1.as_str()), ("ReplicaSet", "rs"));
        let (known, name, _) = parent(&object(json!({"labels": labels}))).unwrap();
        assert_eq!((known.unwrap().kind, name.1.as_str()), ("Microservice", "orders"));
        assert!(parent(&object(json!({}))).is_none());
    }

    #[test]
    fn routes_lead_to_services_of_their_namespace() {
        let route = json!({"spec": {"rules": [
            {"backendRefs": [{"name": "b", "port": 80}, {"name": "other", "namespace": "there"}]},
            {"backendRefs": [{"name": "a"}, {"name": "a"}, {"kind": "Bucket", "name": "c"}]}]}});
        assert_eq!(backends(&route), ["a", "b"]);
        let ingress = json!({"spec": {"defaultBackend": {"service": {"name": "z"}},
            "rules": [{"http": {"paths": [{"backend": {"service": {"name": "y"}}}]}}]}});
        assert_eq!(backends(&ingress), ["y", "z"]);
    }
}
