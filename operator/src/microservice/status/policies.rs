//! What gateways say of the policies of a service.

use flotilla_crds::v1alpha1::{Microservice, condition};
use serde_json::Value;

use super::{
    answers::{Answer, Answers, joined},
    conditions::Wanted,
};
use crate::{
    cluster::{kind::Kind, ownership},
    microservice::dereference::Observed,
};

/// What gateways answered to the policies of a service.
pub(super) fn answers(observed: &Observed, uid: &str) -> Answers {
    let mut answers = Answers::default();
    for ((kind, name), live) in &observed.objects {
        let fields = match kind {
            Kind::SecurityPolicy | Kind::BackendTrafficPolicy => 1,
            // It is one object for both.
            Kind::TrafficPolicy => {
                let has = |field: &str| live.data["spec"].get(field).is_some();
                usize::from(has("jwt")) + usize::from(has("rateLimits"))
            }
            _ => continue,
        };
        if !ownership::is_controlled_by(&live.metadata, uid) {
            continue;
        }
        let ancestors = live.data.pointer("/status/ancestors").and_then(Value::as_array);
        match ancestors.map(Vec::as_slice).unwrap_or_default() {
            [] => answers.silent.push(Answer::none(*kind, name)),
            ancestors => match ancestors.iter().find_map(refusal) {
                Some(why) => answers.refused.push(Answer::new(*kind, name, &why)),
                None => answers.taken += fields,
            },
        }
    }
    answers
}

/// Whether gateways have taken over every policy; `None` when there are no policies.
pub(super) fn applied(microservice: &Microservice, answers: &Answers) -> Option<Wanted> {
    let asked = microservice.spec.policies.as_ref()?;
    let expected = usize::from(asked.auth.is_some()) + usize::from(!asked.rate_limit.is_empty());
    if expected == 0 {
        return None;
    }
    let Answers { refused, silent, taken } = answers;
    let type_ = condition::POLICIES_APPLIED;
    Some(if !refused.is_empty() {
        Wanted::new(type_, Some(false), "Refused", joined(refused))
    } else if !silent.is_empty() {
        Wanted::new(type_, None, "Pending", joined(silent))
    } else if *taken < expected {
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
