//! Gathers what is wrong with a value, so that a client hears of all of it at once.

use axum::http::StatusCode;

use super::Problem;

/// Things that are wrong with a body.
#[derive(Debug, Default)]
pub struct Violations(Vec<(String, String)>);

impl Violations {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value at a pointer such as `/lines/0/quantity` is wrong.
    pub fn add(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.0.push((pointer.into(), detail.into()));
    }

    /// What a value at a pointer becomes, or nothing and a violation more.
    pub fn check<T, E: std::fmt::Display>(
        &mut self,
        pointer: impl Into<String>,
        result: Result<T, E>,
    ) -> Option<T> {
        result.map_err(|error| self.add(pointer, error.to_string())).ok()
    }

    /// The problem that they are, if there are any.
    pub fn into_result(self) -> Result<(), Problem> {
        if self.0.is_empty() {
            return Ok(());
        }
        let problem = Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_body",
            "the body has values that cannot be taken; each is in errors",
        );
        Err(self.0.iter().fold(problem, |problem, (pointer, detail)| problem.at(pointer, detail.clone())))
    }
}
