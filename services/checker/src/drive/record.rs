//! What is written down.

use std::{
    io::{self, Write},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use serde_json::json;

use crate::history::{Asked, Moment, Operation, Outcome};

/// All that was asked and answered, with the time since its beginning.
#[derive(Debug)]
pub struct Record {
    began: Instant,
    operations: Mutex<Vec<Operation>>,
}

impl Default for Record {
    fn default() -> Self {
        Self { began: Instant::now(), operations: Mutex::default() }
    }
}

impl Record {
    /// Now.
    pub fn now(&self) -> Moment {
        Moment::try_from(self.began.elapsed().as_micros()).unwrap_or(Moment::MAX)
    }

    /// Writes down what came of something.
    pub fn write(&self, customer: &str, begin: Moment, asked: Asked, outcome: Outcome) {
        let operation = Operation { customer: customer.to_owned(), begin, end: self.now(), asked, outcome };
        self.lock().push(operation);
    }

    /// All of it.
    pub fn operations(&self) -> Vec<Operation> {
        self.lock().clone()
    }

    /// So much was asked, and of so much nobody knows what came of it.
    pub fn count(&self) -> (usize, usize) {
        let all = self.lock();
        let unknown = all.iter().filter(|one| matches!(one.outcome, Outcome::Info { .. })).count();
        (all.len(), unknown)
    }

    /// Writes all of it as JSON, two lines for each operation: its beginning, and what came of it.
    pub fn write_to(&self, output: &mut impl Write) -> io::Result<()> {
        let all = self.lock();
        let mut lines: Vec<_> = all
            .iter()
            .flat_map(|one| {
                let asked = json!({ "time_us": one.begin, "p": one.customer, "type": "invoke", "asked": one.asked });
                let told = json!({ "time_us": one.end, "p": one.customer, "asked": one.asked, "outcome": one.outcome });
                [(one.begin, asked), (one.end, told)]
            })
            .collect();
        lines.sort_by_key(|(time, _)| *time);
        lines.iter().try_for_each(|(_, line)| writeln!(output, "{line}"))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Operation>> {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
