//! How many pods the workload is told to have, so that neither an autoscaler nor its end ever takes pods away. Pure.
//!
//! A field that its only owner stops applying falls back to its default: one replica (kubernetes#67135). So before
//! the operator lets go of `replicas`, a second field manager takes the live value over; see [`handover`].

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::api::DynamicObject;
use serde_json::Value;

use super::validate::{Scale, Validated};
use crate::cluster::{AUTOSCALED_ANNOTATION, FIELD_MANAGER, ownership};

/// What is done with the `replicas` of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replicas {
    /// The operator applies them.
    Applied(i32),
    /// An autoscaler has them. It begins with so many.
    Automatic {
        /// At the first creation.
        first: i32,
    },
    /// They stay as an autoscaler has left them.
    Left {
        /// How many there are.
        live: i32,
    },
}

impl Replicas {
    /// What is to be done, from what is written and from the workload that is there.
    pub fn decide(service: &Validated, live: Option<&DynamicObject>) -> Self {
        match &service.scale {
            Scale::Written(replicas) => Self::Applied(*replicas),
            // Zero is for the autoscaler to decide, when it has seen that there is nothing to do.
            Scale::Automatic(autoscaling) => Self::Automatic { first: autoscaling.min().max(1) },
            Scale::Unwritten => match live
                .filter(|live| was_automatic(live) || is_offered(live, service))
                .and_then(replicas_of)
            {
                Some(live) => Self::Left { live },
                None => Self::Applied(1),
            },
        }
    }

    /// What the operator applies; `None` leaves the field to others.
    pub fn applied(&self) -> Option<i32> {
        match self {
            Self::Applied(replicas) => Some(*replicas),
            Self::Automatic { .. } | Self::Left { .. } => None,
        }
    }

    /// Whether the field is, or was, an autoscaler's.
    pub fn is_handed_over(&self) -> bool {
        self.applied().is_none()
    }

    /// The fewest pods that there are going to be.
    pub fn fewest(&self) -> i32 {
        match self {
            Self::Applied(replicas) | Self::Automatic { first: replicas } | Self::Left { live: replicas } => {
                *replicas
            }
        }
    }
}

/// Whether the workload is somebody else's and about to be taken over, as it is.
fn is_offered(live: &DynamicObject, service: &Validated) -> bool {
    ownership::may_adopt(&live.metadata, &service.name)
}

fn was_automatic(live: &DynamicObject) -> bool {
    live.metadata.annotations.iter().flatten().any(|(name, _)| name == AUTOSCALED_ANNOTATION)
}

fn replicas_of(live: &DynamicObject) -> Option<i32> {
    live.data.get("spec")?.get("replicas")?.as_i64().and_then(|replicas| replicas.try_into().ok())
}

/// The live `replicas` that a second field manager must take over before `desired` is applied, because the operator
/// owns the field and `desired` lets go of it.
pub fn handover(desired: &Value, live: &DynamicObject) -> Option<i32> {
    if desired.pointer("/spec/replicas").is_some() || !owns_replicas(live) {
        return None;
    }
    replicas_of(live)
}

fn owns_replicas(live: &DynamicObject) -> bool {
    let owns = |entry: &ManagedFieldsEntry| {
        entry.manager.as_deref() == Some(FIELD_MANAGER)
            && entry.fields_v1.as_ref().is_some_and(|fields| fields.0.pointer("/f:spec/f:replicas").is_some())
    };
    live.metadata.managed_fields.iter().flatten().any(owns)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::microservice::{
        render::tests::microservice,
        validate::{Class, validate},
    };

    fn live(manager: &str, autoscaled: bool) -> DynamicObject {
        let annotations = if autoscaled { json!({AUTOSCALED_ANNOTATION: "true"}) } else { json!({}) };
        serde_json::from_value(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "orders", "annotations": annotations, "managedFields": [
                {"manager": manager, "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]},
            "spec": {"replicas": 7},
        }))
        .unwrap()
    }

    fn decided(spec: &str, live: Option<&DynamicObject>) -> Replicas {
        let service =
            validate(&microservice(&format!("spec: {{image: app, {spec}}}")), &Class::default()).unwrap();
        Replicas::decide(&service, live)
    }

    #[test]
    fn what_is_written_counts_whatever_there_is() {
        assert_eq!(decided("replicas: 3", Some(&live(FIELD_MANAGER, true))), Replicas::Applied(3));
    }

    #[test]
    fn what_an_autoscaler_left_stays_until_somebody_writes_a_number() {
        assert_eq!(decided("ports: []", Some(&live("hpa", true))), Replicas::Left { live: 7 });
        assert_eq!(decided("ports: []", Some(&live("kubectl", false))), Replicas::Applied(1));
        assert_eq!(decided("ports: []", None), Replicas::Applied(1));
    }

    #[test]
    fn an_autoscaler_begins_with_its_minimum() {
        let spec = "autoscaling: {min: 3, max: 9}";
        assert_eq!(decided(spec, Some(&live(FIELD_MANAGER, false))), Replicas::Automatic { first: 3 });
    }

    #[test]
    fn the_live_value_is_handed_over_before_the_field_is_let_go() {
        let without = json!({"spec": {}});
        assert_eq!(handover(&without, &live(FIELD_MANAGER, false)), Some(7));
        assert_eq!(handover(&without, &live("another", false)), None);
        assert_eq!(handover(&json!({"spec": {"replicas": 1}}), &live(FIELD_MANAGER, false)), None);
    }
}
