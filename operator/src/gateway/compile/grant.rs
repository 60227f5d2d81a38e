//! Who may refer to objects of other namespaces: `ReferenceGrant` (GEP-709).

use flotilla_crds::gateway_api::ReferenceGrant;

use crate::gateway::{GROUP, objects::Store};

/// A kind of ours that refers to something.
#[derive(Clone, Copy, Debug)]
pub struct From<'a> {
    /// Its kind, of the Gateway API.
    pub kind: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
}

/// What is referred to.
#[derive(Clone, Copy, Debug)]
pub struct To<'a> {
    /// Its API group; empty for the core group.
    pub group: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
}

/// Whether it may be referred to: from its own namespace always, from others when a grant beside it says so.
pub fn permits(grants: &Store<ReferenceGrant>, from: From<'_>, to: To<'_>) -> bool {
    from.namespace == to.namespace
        || grants.within(to.namespace).any(|grant| {
            let is_from = grant.spec.from.iter().any(|known| {
                known.group == GROUP && known.kind == from.kind && known.namespace == from.namespace
            });
            let is_to = grant.spec.to.iter().any(|known| {
                known.group == to.group
                    && known.kind == to.kind
                    && known.name.as_ref().is_none_or(|name| name.is_empty() || name == to.name)
            });
            is_from && is_to
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::compile::tests::read;

    #[test]
    fn another_namespace_consents_by_kind_and_may_name_one_object() {
        let mut grants = Store::default();
        grants.put(read(
            "{metadata: {name: g, namespace: data}, spec: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop}], to: [{group: '', kind: Service, name: db}, {group: '', kind: Secret}]}}",
        ));
        let from = |kind, namespace| From { kind, namespace };
        let to = |kind, name| To { group: "", kind, namespace: "data", name };
        for (from, to, granted) in [
            (from("HTTPRoute", "shop"), to("Service", "db"), true),
            (from("HTTPRoute", "shop"), to("Service", "other"), false),
            (from("HTTPRoute", "shop"), to("Secret", "any"), true),
            (from("GRPCRoute", "shop"), to("Service", "db"), false),
            (from("HTTPRoute", "till"), to("Service", "db"), false),
            (from("HTTPRoute", "data"), to("Service", "other"), true),
        ] {
            assert_eq!(permits(&grants, from, to), granted, "{from:?} {to:?}");
        }
    }
}
