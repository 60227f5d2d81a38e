//! What went wrong, as gRPC has it.

use axum::http::StatusCode;
use flotilla_kit::http::Problem;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, PreconditionViolation, StatusExt};

use crate::{
    domain::{NoQuote, NoTransition},
    store::{
        Error,
        reservations::{NotReserved, NotSettled},
    },
};

/// A field is not as it has to be.
pub(super) fn invalid(field: &str, detail: impl ToString) -> Status {
    let detail = detail.to_string();
    let message = format!("{field}: {detail}");
    Status::with_error_details(
        Code::InvalidArgument,
        message,
        ErrorDetails::with_bad_request_violation(field, detail),
    )
}

/// The store did not do it. What is of the moment is told from what is a mistake as for HTTP.
pub(super) fn store(error: Error) -> Status {
    if is_of_others(&error) {
        return Status::aborted("others were in the way; try again");
    }
    let problem = Problem::from(error);
    let code = match problem.status() {
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::CONFLICT => Code::Aborted,
        StatusCode::UNPROCESSABLE_ENTITY => Code::InvalidArgument,
        _ => Code::Internal,
    };
    Status::new(code, problem.code())
}

/// Whether the database has taken it back because of others, such as in a deadlock.
fn is_of_others(error: &Error) -> bool {
    let Error::Database(sqlx::Error::Database(error)) = error else { return false };
    error.code().is_some_and(|code| code.starts_with("40"))
}

/// Lines have no price.
pub(super) fn no_quote(error: NoQuote) -> Status {
    let message = error.to_string();
    match error {
        NoQuote::NotSold(sku, _) => {
            let details = ErrorDetails::with_resource_info("variant", sku, "", &message);
            Status::with_error_details(Code::NotFound, message, details)
        }
        NoQuote::TooMuch => Status::out_of_range(message),
    }
}

/// Nothing was reserved.
pub(super) fn not_reserved(error: NotReserved) -> Status {
    let message = error.to_string();
    match error {
        NotReserved::Store(error) => store(error),
        NotReserved::Taken => Status::already_exists(message),
        NotReserved::Over(error) => over(error),
        NotReserved::Short(short) => {
            let violations = short.into_iter().map(|short| {
                let (kind, detail) = if short.is_sold {
                    ("STOCK", "there is too little of it")
                } else {
                    ("NOT_SOLD", "it is not sold")
                };
                PreconditionViolation::new(kind, short.sku, detail)
            });
            let details = ErrorDetails::with_precondition_failure(violations.collect::<Vec<_>>());
            Status::with_error_details(Code::FailedPrecondition, message, details)
        }
    }
}

/// Nothing became of a reservation.
pub(super) fn not_settled(error: NotSettled) -> Status {
    match error {
        NotSettled::Store(error) => store(error),
        NotSettled::NotFound => Status::not_found(error.to_string()),
        NotSettled::Over(error) => over(error),
    }
}

fn over(error: NoTransition) -> Status {
    let kind = match error {
        NoTransition::Expired => "EXPIRED",
        NoTransition::Released => "RELEASED",
    };
    let violation = PreconditionViolation::new(kind, "reservation", error.to_string());
    let details = ErrorDetails::with_precondition_failure(vec![violation]);
    Status::with_error_details(Code::FailedPrecondition, error.to_string(), details)
}
