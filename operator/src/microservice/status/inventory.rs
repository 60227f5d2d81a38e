//! The objects of a service, and how far each is. Pure.

use flotilla_crds::v1alpha1::{InventoryEntry, InventoryState};

use super::{Fault, Outcome, shortened};
use crate::{
    cluster::{kind::Kind, ownership},
    microservice::dereference::Observed,
};

/// What the service owns, in the order of apply, and then what it should own and could not be made.
pub(super) fn list(observed: &Observed, outcome: &Outcome, uid: &str) -> Vec<InventoryEntry> {
    let faults = match outcome {
        Outcome::Retrying { faults, .. } | Outcome::Blocked { faults, .. } => faults.as_slice(),
        Outcome::Applied { .. } | Outcome::Suspended => &[],
    };
    let fault_of = |kind: Kind, name: &str| {
        let is_about = |fault: &&Fault| {
            fault.object.as_ref().is_some_and(|(of, object)| *of == kind.name() && object == name)
        };
        faults.iter().find(is_about).map(|fault| shortened(&fault.message))
    };
    let owned = observed.objects.iter().filter(|(_, live)| ownership::is_controlled_by(&live.metadata, uid));
    let mut all: Vec<_> = owned
        .map(|((kind, name), live)| {
            let fault = fault_of(*kind, name);
            let state = if fault.is_some() {
                InventoryState::Failed
            } else if live.metadata.deletion_timestamp.is_some() {
                InventoryState::Deleting
            } else {
                InventoryState::Applied
            };
            entry(*kind, name, state, fault)
        })
        .collect();
    for fault in faults {
        let Some((of, name)) = &fault.object else {
            continue;
        };
        let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name() == *of) else {
            continue;
        };
        if !all.iter().any(|known| known.kind == *of && known.name == *name) {
            all.push(entry(kind, name, InventoryState::Failed, Some(shortened(&fault.message))));
        }
    }
    all
}

fn entry(kind: Kind, name: &str, state: InventoryState, message: Option<String>) -> InventoryEntry {
    let (group, kind) = (kind.group().to_owned(), kind.name().to_owned());
    InventoryEntry { group, kind, name: name.to_owned(), state, message }
}
