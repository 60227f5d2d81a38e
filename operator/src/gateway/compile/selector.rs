//! Which namespaces a selector means.

use std::collections::BTreeMap;

use flotilla_crds::gateway_api::{FromNamespaces, NamespaceSelector, NamespaceSelectorRequirement};
use kube::ResourceExt;

use crate::gateway::objects::Objects;

/// From which namespaces something may come.
#[derive(Clone, Debug, PartialEq)]
pub enum Namespaces {
    /// From nowhere.
    None,
    /// From the same namespace.
    Same,
    /// From anywhere.
    All,
    /// From those with these labels.
    Labelled(NamespaceSelector),
}

impl Namespaces {
    /// From what a listener says of routes. Left out: the same namespace.
    pub fn of_routes(from: Option<&FromNamespaces>, selector: Option<&NamespaceSelector>) -> Self {
        match from {
            None | Some(FromNamespaces::Same) => Self::Same,
            Some(FromNamespaces::All) => Self::All,
            Some(FromNamespaces::Selector) => {
                selector.map_or(Self::None, |found| Self::Labelled(found.clone()))
            }
        }
    }

    /// Whether something of `namespace` may come, when `own` is the namespace of what it comes to.
    pub fn admit(&self, objects: &Objects, own: &str, namespace: &str) -> bool {
        match self {
            Self::None => false,
            Self::Same => own == namespace,
            Self::All => true,
            Self::Labelled(selector) => {
                objects.namespaces.get("", namespace).is_some_and(|found| fits(selector, found.labels()))
            }
        }
    }
}

/// Whether labels fit a selector. One without conditions fits all.
fn fits(selector: &NamespaceSelector, labels: &BTreeMap<String, String>) -> bool {
    let NamespaceSelector { match_labels, match_expressions } = selector;
    match_labels.iter().flatten().all(|(name, value)| labels.get(name) == Some(value))
        && match_expressions.iter().flatten().all(|requirement| {
            let NamespaceSelectorRequirement { key, operator, values } = requirement;
            let value = labels.get(key);
            let is_listed = value.is_some_and(|value| values.iter().flatten().any(|known| known == value));
            match operator.as_str() {
                "In" => is_listed,
                "NotIn" => !is_listed,
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::compile::tests::read_value;

    #[test]
    fn labels_and_expressions_must_all_fit() {
        let labels = BTreeMap::from([("team".to_owned(), "shop".to_owned())]);
        for (selector, expected) in [
            ("{}", true),
            ("{matchLabels: {team: shop}}", true),
            ("{matchLabels: {team: till}}", false),
            ("{matchExpressions: [{key: team, operator: In, values: [shop, till]}]}", true),
            ("{matchExpressions: [{key: team, operator: NotIn, values: [shop]}]}", false),
            ("{matchExpressions: [{key: zone, operator: NotIn, values: [a]}]}", true),
            ("{matchExpressions: [{key: team, operator: Exists}]}", true),
            ("{matchExpressions: [{key: zone, operator: DoesNotExist}]}", true),
            ("{matchLabels: {team: shop}, matchExpressions: [{key: zone, operator: Exists}]}", false),
            ("{matchExpressions: [{key: team, operator: Resembles}]}", false),
        ] {
            assert_eq!(fits(&read_value(selector), &labels), expected, "{selector}");
        }
    }
}
