//! Names in a configuration that lead nowhere, and parts that do not go together.

mod listeners;
mod policies;
mod routes;
mod streams;

use std::collections::BTreeSet;

use crate::{GatewayConfig, SubjectAltName};

/// A part of a configuration that does not fit the others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct Dangling {
    /// The field, such as `routes[0].rules[1].backends[0].backend`.
    pub field: String,
    /// What is wrong, and what to write.
    pub why: String,
}

impl GatewayConfig {
    /// Everything in it that does not fit the rest.
    pub fn check(&self) -> Vec<Dangling> {
        let mut found = Vec::new();
        self.check_listeners(&mut found);
        self.check_routes(&mut found);
        self.check_streams(&mut found);
        self.check_backends(&mut found);
        self.check_policies(&mut found);
        found
    }

    fn check_backends(&self, found: &mut Vec<Dangling>) {
        let certificates: BTreeSet<_> = self.certificates.keys().map(String::as_str).collect();
        for (name, backend) in &self.backends {
            let mut say = |field: &str, why: String| {
                found.push(Dangling { field: format!("backends.{name}{field}"), why });
            };
            if backend.endpoints.is_empty() == backend.service.is_none() {
                say("", "write either endpoints or service".to_owned());
            }
            if let Some(check) = &backend.health_check {
                check.check(backend.protocol, &mut say);
            }
            if let Some(limits) = &backend.limits {
                limits.check(&mut say);
            }
            if backend.panic_percent.is_some_and(|percent| percent > 100) {
                say(".panicPercent", "it is at most 100".to_owned());
            }
            let Some(tls) = &backend.tls else { continue };
            if let Some(shown) =
                tls.certificate.as_ref().filter(|shown| !certificates.contains(shown.as_str()))
            {
                say(".tls.certificate", missing("certificate", shown, &certificates));
            }
            for (place, wanted) in tls.subject_alt_names.iter().enumerate() {
                if let SubjectAltName::Uri(uri) = wanted
                    && !has_scheme(uri)
                {
                    let why = format!("{uri:?} has no scheme: write one such as spiffe://example.com/orders");
                    say(&format!(".tls.subjectAltNames[{place}].uri"), why);
                }
            }
        }
    }
}

/// Whether a URI begins with a scheme and has something after it (RFC 3986 section 3).
fn has_scheme(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(is_inner)
        && !rest.is_empty()
        && rest.bytes().all(|byte| byte.is_ascii_graphic())
}

fn missing(what: &str, name: &str, known: &BTreeSet<&str>) -> String {
    let known = if known.is_empty() {
        "there is none".to_owned()
    } else {
        format!("there are {}", known.iter().copied().collect::<Vec<_>>().join(", "))
    };
    format!("there is no {what} {name:?}: {known}")
}
