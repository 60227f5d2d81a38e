//! What gateways say of the policies of a service.

use flotilla_crds::v1alpha1::{Microservice, condition};
use serde_json::Value;

use super::conditions::Wanted;
use crate::{
    cluster::{kind::Kind, ownership},
    microservice::dereference::Observed,
};

/// Whether gateways have taken over every policy; `None` when there are no policies.
pub(super) fn applied(microservice: &Microservice, observed: &Observed, uid: &str) -> Option<Wanted> {
    let asked = microservice.spec.policies.as_ref()?;
    let expected = usize::from(asked.auth.is_some()) + usize::from(!asked.rate_limit.is_empty());
    if expected == 0 {
        return None;
    }
    let made = observed.objects.iter().filter(|((kind, _), live)| {
        matches!(kind, Kind::SecurityPolicy | Kind::BackendTrafficPolicy)
            && ownership::is_controlled_by(&live.metadata, uid)
    });
    let (mut refused, mut silent, mut taken) = (Vec::new(), Vec::new(), 0_usize);
    for ((kind, name), live) in made {
        let ancestors = live.data.pointer("/status/ancestors").and_then(Value::as_array);
        match ancestors.map(Vec::as_slice).unwrap_or_default() {
            [] => silent.push(format!("no gateway has answered to {kind} {name} yet")),
            ancestors => match ancestors.iter().find_map(refusal) {
                Some(why) => refused.push(format!("{kind} {name}: {why}")),
                None => taken += 1,
            },
        }
    }
    let type_ = condition::POLICIES_APPLIED;
    Some(if !refused.is_empty() {
        Wanted::new(type_, Some(false), "Refused", refused.join("; "))
    } else if !silent.is_empty() {
        Wanted::new(type_, None, "Pending", silent.join("; "))
    } else if taken < expected {
        Wanted::new(type_, Some(false), "NotMade", "not every policy could be made".to_owned())
    } else {
        Wanted::new(type_, Some(true), "Accepted", format!("{taken} policies are taken over"))
    })
}

/// Why a gateway does not take a policy over (GEP-713).
fn refusal(ancestor: &Value) -> Option<String> {
    let conditions = ancestor["conditions"].as_array()?;
    let refused =
        conditions.iter().find(|found| found["type"] == "Accepted" && found["status"] == "False")?;
    Some(refused["message"].as_str().unwrap_or_default().to_owned())
}
