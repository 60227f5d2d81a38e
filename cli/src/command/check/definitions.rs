//! Whether the definitions are installed, and are those of this version.

use flotilla_crds::definition;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use serde_json::Value;

use super::Line;
use crate::{Error, cluster::Cluster};

/// Checks each definition.
pub(super) async fn check(cluster: &Cluster) -> Vec<Line> {
    let wanted = match definition::all() {
        Ok(wanted) => wanted,
        Err(error) => return vec![Line::fail(Error::Definition(error.to_string()).to_string())],
    };
    let api: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    let mut lines = Vec::new();
    for definition in wanted {
        let name = definition["metadata"]["name"].as_str().unwrap_or_default();
        lines.push(match api.get_opt(name).await {
            Ok(live) => of_one(name, &definition, live.as_ref()),
            Err(error) => Line::unknown(&Error::api(format!("read the definition {name}"))(error)),
        });
    }
    lines
}

fn of_one(name: &str, wanted: &Value, live: Option<&CustomResourceDefinition>) -> Line {
    let Some(live) = live else {
        return Line::fail(format!(
            "definition {name} is not installed: helm upgrade --install flotilla charts/flotilla"
        ));
    };
    let conditions = live.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let established = |condition: &_| is_true(condition, "Established");
    if !conditions.into_iter().any(established) {
        return Line::fail(format!("definition {name} is not served: kubectl describe crd {name} tells why"));
    }
    let live = serde_json::to_value(&live.spec.versions).unwrap_or_default();
    if same(&schema(&wanted["spec"]["versions"]), &schema(&live)) {
        Line::ok(format!("definition {name} is that of this version"))
    } else {
        Line::warn(format!(
            "definition {name} is of another version than this program: bring the older of the two up to date"
        ))
    }
}

fn is_true(
    condition: &k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinitionCondition,
    type_: &str,
) -> bool {
    condition.type_ == type_ && condition.status == "True"
}

fn schema(versions: &Value) -> Value {
    let of_version =
        |version: &Value| (version["name"].clone(), version["schema"]["openAPIV3Schema"].clone());
    versions
        .as_array()
        .into_iter()
        .flatten()
        .map(of_version)
        .map(|(name, schema)| Value::from(vec![name, schema]))
        .collect()
}

/// Whether two schemas say the same; 1 and 1.0 do.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| same(one, other)))
        }
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::command::check::Level;

    #[test]
    fn a_definition_is_missing_other_or_right() {
        let wanted = definition::all().unwrap().remove(0);
        let mut live: CustomResourceDefinition = serde_json::from_value(wanted.clone()).unwrap();
        assert_eq!(of_one("x", &wanted, None).level, Level::Fail);
        assert_eq!(of_one("x", &wanted, Some(&live)).level, Level::Fail, "it is not served");
        live.status =
            serde_json::from_value(json!({"conditions": [{"type": "Established", "status": "True"}]}))
                .unwrap();
        assert_eq!(of_one("x", &wanted, Some(&live)), Line::ok("definition x is that of this version"));
        live.spec.versions[0].schema = None;
        assert_eq!(of_one("x", &wanted, Some(&live)).level, Level::Warn);
    }
}
