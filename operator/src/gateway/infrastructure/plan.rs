//! What has to be written and deleted so that a gateway has what is wanted for it, and nothing else.

use std::collections::BTreeMap;

use kube::{ResourceExt, api::DynamicObject};
use serde_json::{Value, json};

use super::Wanted;
use crate::{
    cluster::{drift, kind::Written, ownership},
    gateway::kind::Kind,
};

/// What is there for gateways, by kind, namespace and name.
pub type Live = BTreeMap<(Kind, String, String), DynamicObject>;

/// A step.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Make it; it must not be there.
    Create(Wanted),
    /// Apply it to the object of this UID.
    Update(Wanted, String),
    /// Delete the object of this UID.
    Delete(Kind, String, String),
}

/// The steps for one gateway, or whose objects are in the way.
pub fn plan(wanted: Vec<Wanted>, live: &Live, namespace: &str, owner: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut foreign = Vec::new();
    let names: Vec<_> = wanted.iter().map(|wanted| (wanted.kind, wanted.name.clone())).collect();
    for wanted in wanted {
        match live.get(&(wanted.kind, namespace.to_owned(), wanted.name.clone())) {
            None => steps.push(Step::Create(wanted)),
            Some(object) if !ownership::is_controlled_by(&object.metadata, owner) => {
                let (kind, name) = (wanted.kind.name(), &wanted.name);
                foreign.push(format!("{kind} {name:?} belongs to {}", ownership::describe(&object.metadata)));
            }
            // It is deleted first, and then made anew.
            Some(object) if object.metadata.deletion_timestamp.is_some() => {}
            Some(object) => {
                if differs(&wanted, object) {
                    steps.push(Step::Update(wanted, object.uid().unwrap_or_default()));
                }
            }
        }
    }
    if !foreign.is_empty() {
        return Err(format!("{}: remove it, or give the Gateway another name", foreign.join("; ")));
    }
    for kind in Kind::MADE.into_iter().rev() {
        let of_kind = live.range((kind, namespace.to_owned(), String::new())..);
        let of_kind = of_kind.take_while(|((found, place, _), _)| *found == kind && place == namespace);
        for ((_, _, name), object) in of_kind {
            let is_wanted = names.iter().any(|wanted| *wanted == (kind, name.clone()));
            if !is_wanted
                && ownership::is_controlled_by(&object.metadata, owner)
                && object.metadata.deletion_timestamp.is_none()
            {
                steps.push(Step::Delete(kind, name.clone(), object.uid().unwrap_or_default()));
            }
        }
    }
    Ok(steps)
}

/// Whether an object must be applied again.
pub fn differs(wanted: &Wanted, live: &DynamicObject) -> bool {
    let mut value = live.data.clone();
    value["metadata"] = json!(live.metadata);
    let mut manifest = wanted.manifest.clone();
    if let Value::Object(manifest) = &mut manifest {
        manifest.remove("apiVersion");
        manifest.remove("kind");
    }
    drift::differs(&manifest, &value, live.metadata.managed_fields.as_deref().unwrap_or_default())
}
