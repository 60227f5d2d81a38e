//! What a `Microservice` becomes: the operator's own steps, called in this one place.

use flotilla_crds::v1alpha1::Microservice;
use flotilla_operator::microservice::{
    dereference::Observed,
    render::{self, Rendered, render},
    validate::{self, validate},
};

/// The UID of a `Microservice` that no API server has stored.
pub const PLACEHOLDER_UID: &str = "00000000-0000-0000-0000-000000000000";

/// Why a `Microservice` becomes nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not valid.
    #[error(transparent)]
    Validate(#[from] validate::Error),
    /// Its objects cannot be made.
    #[error(transparent)]
    Render(#[from] render::Error),
}

/// The objects that the operator would make in a cluster that has what was observed.
pub fn desired(microservice: &Microservice, observed: &Observed) -> Result<Rendered, Error> {
    Ok(render(&validate(microservice, observed.class.get()?)?, observed)?)
}

/// Gives an object that was never stored what a stored one has.
pub fn complete(microservice: &mut Microservice, namespace: &str) {
    let metadata = &mut microservice.metadata;
    metadata.namespace.get_or_insert_with(|| namespace.to_owned());
    metadata.uid.get_or_insert_with(|| PLACEHOLDER_UID.to_owned());
}
