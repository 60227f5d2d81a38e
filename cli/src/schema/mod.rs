//! What an API server would say of an object of ours, without one: the schema and the CEL rules of its definition.

mod cel;
mod structural;

use flotilla_crds::{
    GROUP, definition,
    v1alpha1::{Microservice, MicroserviceClass},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Error, input::Document};

/// Something that is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The field, such as `spec.ports[0].port`; empty for the object as a whole.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { field, message } = self;
        if field.is_empty() { formatter.write_str(message) } else { write!(formatter, "{field}: {message}") }
    }
}

/// What was found out about an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Why the API server would refuse it.
    pub findings: Vec<Finding>,
    /// Rules that could not be evaluated here, each with its reason. Only an API server can tell.
    pub unknown: Vec<Finding>,
}

/// The schema of a kind, ready for use.
pub struct Schema {
    schema: Value,
    rules: cel::Rules,
}

impl Schema {
    /// The schema of `Microservice` that belongs to this build.
    pub fn of_microservice() -> Result<Self, Error> {
        Self::of("microservices")
    }

    /// The schema of `MicroserviceClass` that belongs to this build.
    pub fn of_class() -> Result<Self, Error> {
        Self::of("microserviceclasses")
    }

    /// The schema of `TrafficPolicy` that belongs to this build.
    pub fn of_policy() -> Result<Self, Error> {
        Self::of("trafficpolicies")
    }

    fn of(plural: &str) -> Result<Self, Error> {
        let wanted = format!("{plural}.{GROUP}");
        let definitions = definition::all().map_err(|error| Error::Definition(error.to_string()))?;
        let schema = definitions
            .into_iter()
            .find(|found| found["metadata"]["name"] == wanted)
            .map(|mut found| found["spec"]["versions"][0]["schema"]["openAPIV3Schema"].take())
            .filter(Value::is_object)
            .ok_or_else(|| Error::Definition(format!("{wanted} has no schema")))?;
        let rules = cel::Rules::of(&schema);
        Ok(Self { schema, rules })
    }

    /// What the API server would say of this object.
    pub fn check(&self, object: &Value) -> Report {
        let mut object = object.clone();
        normalize_object(&mut object);
        // It is ignored on a write of the object itself.
        if let Value::Object(fields) = &mut object {
            fields.remove("status");
        }
        let mut report = Report::default();
        if object["metadata"]["name"].as_str().is_none_or(str::is_empty) {
            report.findings.push(Finding {
                field: "metadata.name".to_owned(),
                message: "is required: the name of the service".to_owned(),
            });
        }
        structural::check(&self.schema, &object, &mut report.findings);
        // Rules may take for granted what the schema says, so they come only when it holds: so does the API server.
        if report.findings.is_empty() {
            self.rules.check(&object, &self.schema, &mut report);
        }
        report
    }

    /// The `Microservice` of a document that the API server would take.
    pub fn read(&self, document: &Document) -> Result<Microservice, Error> {
        self.read_as(document)
    }

    /// The `MicroserviceClass` of a document that the API server would take.
    pub fn read_class(&self, document: &Document) -> Result<MicroserviceClass, Error> {
        self.read_as(document)
    }

    fn read_as<K: DeserializeOwned>(&self, document: &Document) -> Result<K, Error> {
        let invalid = |message: String| Error::Invalid { place: document.place.clone(), message };
        let mut object = document.value.clone();
        normalize_object(&mut object);
        let report = self.check(&object);
        if !report.findings.is_empty() {
            let all: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
            return Err(invalid(all.join("\n  ")));
        }
        serde_json::from_value(object).map_err(|error| invalid(error.to_string()))
    }
}

/// An object as it reaches the validation of the API server. In a patch, `null` means something and stays.
fn normalize_object(object: &mut Value) {
    let overlays = object.pointer("/spec/overlays").cloned();
    normalize(object);
    if let (Some(overlays), Some(place)) = (overlays, object.pointer_mut("/spec/overlays")) {
        *place = overlays;
    }
}

/// An object as it reaches the validation of the API server: nulls are dropped, and 1.0 is 1.
fn normalize(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(normalize);
        }
        Value::Array(items) => items.iter_mut().for_each(normalize),
        Value::Number(number) => {
            // Beyond 2^53 a float does not tell which whole number is meant.
            let whole = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 9e15);
            if let Some(whole) = whole.filter(|_| number.is_f64()) {
                #[allow(clippy::cast_possible_truncation, reason = "the bound is checked")]
                let whole = whole as i64;
                *value = whole.into();
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
