//! What went wrong, for whoever asked.

use axum::http::StatusCode;
use flotilla_kit::http::Problem;

use crate::{domain::Faults, events, store::Error};

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Database(error) => error.into(),
            Error::Event(events::Error::Outbox(flotilla_bus::Error::Unavailable(source))) => {
                match source.downcast::<sqlx::Error>() {
                    Ok(error) => (*error).into(),
                    Err(source) => Self::internal(&*source),
                }
            }
            Error::Event(error) => Self::internal(&error),
            Error::NotFound(what) => Self::not_found(format!("there is no such {what}")),
            Error::Conflict(faults) => {
                let detail = "it cannot be so beside what is there; errors says why";
                all(Self::new(StatusCode::CONFLICT, "conflict", detail), &faults)
            }
            Error::Invalid(faults) => invalid(&faults),
        }
    }
}

/// A body with values that cannot be taken.
pub(super) fn invalid(faults: &Faults) -> Problem {
    let detail = "the body has values that cannot be taken; each is in errors";
    all(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_body", detail), faults)
}

/// Parameters of a query that cannot be taken.
pub(crate) fn parameters(faults: &Faults) -> Problem {
    let detail = "a parameter of the query cannot be taken; errors says which";
    let problem = Problem::new(StatusCode::BAD_REQUEST, "invalid_parameter", detail);
    faults.0.iter().fold(problem, |problem, fault| problem.parameter(&fault.pointer, &fault.detail))
}

fn all(problem: Problem, faults: &Faults) -> Problem {
    faults.0.iter().fold(problem, |problem, fault| problem.at(&fault.pointer, &fault.detail))
}
