//! `validate`: what the API server and the operator would say, without either.

use clap::Args;

use crate::{
    Answer, Error,
    args::Files,
    desired::{complete, desired},
    given::{self, Classes, Given},
    input::Document,
    output::{Paint, Terminal, add},
    schema::{Report, Schema},
};

/// Arguments of `validate`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    #[command(flatten)]
    files: Files,

    /// Say nothing of objects that are valid
    #[arg(short, long)]
    quiet: bool,
}

/// Checks what the files have.
pub fn run(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Result<Answer, Error> {
    let given = Given::read(&arguments.files, terminal)?;
    if given.microservices.is_empty() && given.classes.is_empty() && given.policies.is_empty() {
        return Err(given::empty(&arguments.files));
    }
    let (schema, of_classes, of_policies) =
        (Schema::of_microservice()?, Schema::of_class()?, Schema::of_policy()?);
    let mut valid = true;
    let classes = given.classes.iter().map(|document| (&of_classes, document));
    let policies = given.policies.iter().map(|document| (&of_policies, document));
    for (schema, document) in classes.chain(policies) {
        let report = schema.check(&document.value);
        valid &= report.findings.is_empty();
        if !report.findings.is_empty() || !arguments.quiet {
            terminal.data(&shown(document, &report, terminal.paint))?;
        }
    }
    // Without its class a service can be checked by the schema alone.
    let classes = if valid { given.classes()? } else { return Ok(Answer::No) };
    for document in &given.microservices {
        let report = check(&schema, &classes, document);
        valid &= report.findings.is_empty();
        if !report.findings.is_empty() || !arguments.quiet {
            terminal.data(&shown(document, &report, terminal.paint))?;
        }
        for unknown in &report.unknown {
            terminal.say(&format!("{}: {unknown}", document.place))?;
        }
    }
    Ok(Answer::from(valid))
}

/// The schema, its rules, and then the operator's own checks, which take an object that fits the schema.
fn check(schema: &Schema, classes: &Classes, document: &Document) -> Report {
    let mut report = schema.check(&document.value);
    if report.findings.is_empty() {
        let refused = match schema.read(document) {
            Ok(mut microservice) => {
                complete(&mut microservice, "default");
                desired(&microservice, &classes.observed(&microservice)).err().map(|error| error.to_string())
            }
            Err(error) => Some(error.to_string()),
        };
        report
            .findings
            .extend(refused.map(|message| crate::schema::Finding { field: String::new(), message }));
    }
    report
}

fn shown(document: &Document, report: &Report, paint: Paint) -> String {
    let title = format!("{}: {}", document.place, document.title());
    if report.findings.is_empty() {
        return format!("{title} is {}\n", paint.good("valid"));
    }
    let mut text = format!("{title} is {}\n", paint.bad("not valid"));
    for finding in &report.findings {
        add(&mut text, format_args!("  {finding}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input;

    fn validated(text: &str) -> String {
        let schema = Schema::of_microservice().unwrap();
        let documents = input::parse("orders.yaml", text).unwrap();
        let given = Given { microservices: Vec::new(), classes: Vec::new(), policies: Vec::new() };
        let classes = given.classes().unwrap();
        documents
            .iter()
            .map(|document| shown(document, &check(&schema, &classes, document), Paint::default()))
            .collect()
    }

    #[test]
    fn every_finding_is_a_line() {
        let text = r"
apiVersion: flotilla.dev/v1alpha1
kind: Microservice
metadata: {name: orders}
spec: {image: app, replicas: -1, prots: []}
---
apiVersion: flotilla.dev/v1alpha1
kind: Microservice
metadata: {name: payments}
spec: {image: app}
---
apiVersion: flotilla.dev/v1alpha1
kind: Microservice
metadata: {name: stock}
spec: {image: app, resources: {requests: {memory: 2Gi}, limits: {memory: 1Gi}}}
";
        insta::assert_snapshot!(validated(text));
    }
}
