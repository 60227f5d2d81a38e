//! Names that Kubernetes takes.

/// A name of the service or of a dependency: lower-case letters, digits and `-`.
pub(super) fn of_service(text: &str) -> String {
    let mut name: String = text
        .to_ascii_lowercase()
        .chars()
        .map(|one| if one.is_ascii_alphanumeric() { one } else { '-' })
        .collect();
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        name.insert_str(0, "s-");
    }
    name.truncate(flotilla_crds::v1alpha1::NAME_MAX_LENGTH);
    name.trim_end_matches('-').to_owned()
}

/// The name of a port that has none, and what is usually spoken on it; the caller of a wrong guess is told.
pub(super) fn of_port(number: u16) -> (String, Option<&'static str>) {
    match number {
        80 | 3000 | 5000 | 8000 | 8080 | 8081 | 9898 => ("http".to_owned(), Some("HTTP")),
        443 | 8443 => ("https".to_owned(), Some("TLS")),
        50051 => ("grpc".to_owned(), Some("GRPC")),
        other => (format!("port-{other}"), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_to_fit() {
        let table = [("web", "web"), ("My_App.v2", "my-app-v2"), ("2048", "s-2048"), ("db_", "db")];
        for (text, expected) in table {
            assert_eq!(of_service(text), expected);
        }
        assert_eq!(of_service(&"a".repeat(80)).len(), 52);
    }
}
