//! That all shops answer the same, or not the same would be measured.

use anyhow::{Result, ensure};
use serde_json::{Map, Value};

use super::measure::Bench;
use super::subject::Subject;
use super::workload::{self, Kind, Workload};

/// Requests of each workload that are compared.
const COMPARED: usize = 5;

/// What differs from shop to shop: cursors, and how many digits times have.
const OWN: [&str; 3] = ["next_cursor", "created_at", "updated_at"];

/// Compares the answers of all shops to the reads of the catalogue with those of the first.
pub(super) fn check(bench: &Bench<'_>, subjects: &[Box<dyn Subject>]) -> Result<()> {
    let is_read = |workload: &&Workload| matches!(workload.kind, Kind::Cold | Kind::List | Kind::Search);
    let reads: Vec<_> = workload::ALL.iter().filter(is_read).collect();
    let requests: Vec<_> =
        reads.iter().flat_map(|workload| workload.requests(None).into_iter().take(COMPARED)).collect();
    let Some(workload) = reads.first() else { return Ok(()) };
    let mut wanted: Option<Vec<Value>> = None;
    for subject in subjects {
        let answers = bench.answers(workload, subject.as_ref(), &requests)?;
        let answers: Vec<_> = answers.into_iter().map(common).collect();
        let wanted = wanted.get_or_insert_with(|| answers.clone());
        for ((request, wanted), answer) in requests.iter().zip(wanted).zip(&answers) {
            ensure!(
                wanted == answer,
                "{} answers {request} with {answer}, and not with {wanted}",
                subject.name()
            );
        }
    }
    Ok(())
}

/// An answer without what differs.
fn common(answer: Value) -> Value {
    match answer {
        Value::Object(fields) => {
            let rest = fields.into_iter().filter(|(name, _)| !OWN.contains(&name.as_str()));
            Value::Object(rest.map(|(name, value)| (name, common(value))).collect::<Map<_, _>>())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::common;

    #[test]
    fn only_what_may_differ_is_left_out() {
        let answer = json!({ "next_cursor": "x", "created_at": "y", "items": [{ "id": 1 }] });
        assert_eq!(common(answer), json!({ "items": [{ "id": 1 }] }));
    }
}
