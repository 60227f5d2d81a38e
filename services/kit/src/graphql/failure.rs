//! What goes wrong, as GraphQL tells it: the detail of a problem is its message, and the rest of it is in `extensions`.

use async_graphql::{Error, ErrorExtensionValues, ServerError, Value, to_value};

use crate::{correlation::CorrelationId, http::Problem};

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", problem.code());
        extensions.set("status", problem.status().as_u16());
        if let Some(id) = CorrelationId::current() {
            extensions.set("correlationId", id.as_str());
        }
        if let Ok(Value::List(errors)) = to_value(problem.errors())
            && !errors.is_empty()
        {
            extensions.set("errors", errors);
        }
        Self { message: problem.detail().to_owned(), source: None, extensions: Some(extensions) }
    }
}

/// The code of an error: that of a problem, or that the query itself is wrong.
pub(super) fn code(error: &mut ServerError) -> String {
    let extensions = error.extensions.get_or_insert_default();
    if let Some(Value::String(code)) = extensions.get("code") {
        return code.clone();
    }
    extensions.set("code", "invalid_query");
    "invalid_query".to_owned()
}
