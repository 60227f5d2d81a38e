//! The subgraphs: fields with their types and arguments, what inputs take, values of enumerations, and the keys by which other
//! subgraphs name things.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use async_graphql_parser::parse_schema;
use async_graphql_parser::types::{
    FieldDefinition, InputValueDefinition, TypeDefinition, TypeKind, TypeSystemDefinition,
};

use crate::workspace_root;

/// What begins the fact of something that is sent.
const TAKES: &str = "takes ";

/// What ends it when it may be left out, other than by being null.
const DEFAULT: &str = " or a default";

/// Names, and what each of them is.
type Facts = BTreeMap<String, String>;

/// The subgraphs of all services. Names begin with that of their service: types may be in several.
pub(super) fn all() -> Result<Facts> {
    let mut facts = Facts::new();
    for service in fs::read_dir(workspace_root().join("services"))? {
        let service = service?;
        let path = service.path().join("schema.graphql");
        if path.exists() {
            let text = fs::read_to_string(&path)?;
            let name = service.file_name();
            of(&name.to_string_lossy(), &text, &mut facts)
                .with_context(|| format!("reading {}", path.display()))?;
        }
    }
    Ok(facts)
}

fn of(service: &str, text: &str, facts: &mut Facts) -> Result<()> {
    for definition in parse_schema(text)?.definitions {
        if let TypeSystemDefinition::Type(definition) = definition {
            describe(service, &definition.node, facts);
        }
    }
    Ok(())
}

fn describe(service: &str, definition: &TypeDefinition, facts: &mut Facts) {
    let name = format!("{service} {}", definition.name.node);
    let kind = match &definition.kind {
        TypeKind::Scalar => "scalar",
        TypeKind::Object(object) => {
            object.fields.iter().for_each(|one| field(&name, &one.node, facts));
            "type"
        }
        TypeKind::Interface(interface) => {
            interface.fields.iter().for_each(|one| field(&name, &one.node, facts));
            "interface"
        }
        TypeKind::Union(union) => {
            facts.extend(
                union.members.iter().map(|one| (format!("{name}.{}", one.node), "member".to_owned())),
            );
            "union"
        }
        TypeKind::Enum(all) => {
            let values = all.values.iter();
            facts.extend(values.map(|one| (format!("{name}.{}", one.node.value.node), "value".to_owned())));
            "enum"
        }
        TypeKind::InputObject(input) => {
            input
                .fields
                .iter()
                .for_each(|one| taken(format!("{name}.{}", one.node.name.node), &one.node, facts));
            "input"
        }
    };
    facts.insert(name.clone(), kind.to_owned());
    for key in definition.directives.iter().filter(|directive| directive.node.name.node == "key") {
        if let Some(fields) = key.node.get_argument("fields") {
            facts.insert(format!("{name} by {}", fields.node), "key".to_owned());
        }
    }
}

fn field(within: &str, field: &FieldDefinition, facts: &mut Facts) {
    let name = format!("{within}.{}", field.name.node);
    for argument in &field.arguments {
        taken(format!("{name}({})", argument.node.name.node), &argument.node, facts);
    }
    facts.insert(name, field.ty.node.to_string());
}

fn taken(name: String, value: &InputValueDefinition, facts: &mut Facts) {
    let default = if value.default_value.is_some() { DEFAULT } else { "" };
    facts.insert(name, format!("{TAKES}{}{default}", value.ty.node));
}

/// What is promised and does not hold any more, or is asked for that nobody sends.
pub(super) fn broken(promised: &Facts, now: &Facts) -> Vec<String> {
    let mut broken = Vec::new();
    for (name, promised) in promised {
        match now.get(name) {
            None => broken.push(format!("{name}: it is gone")),
            Some(now) if !holds(promised, now) => {
                broken.push(format!("{name}: it was {promised:?} and is {now:?}"));
            }
            Some(_) => {}
        }
    }
    for (name, fact) in now.iter().filter(|(name, _)| !promised.contains_key(*name)) {
        // Of what is new as a whole, anything may be asked.
        let of = name.rsplit_once(['(', '.']).map_or("", |(of, _)| of);
        if is_needed(fact) && promised.contains_key(of) {
            broken.push(format!("{name}: it is new, and nobody sends it: let it be left out"));
        }
    }
    broken
}

/// Whether somebody who goes by what was promised is served by what is.
fn holds(promised: &str, now: &str) -> bool {
    match (promised.strip_prefix(TAKES), now.strip_prefix(TAKES)) {
        (Some(before), Some(after)) => {
            let (before, after) = (before.trim_end_matches(DEFAULT), after.trim_end_matches(DEFAULT));
            let is_alike = before == after || before.strip_suffix('!') == Some(after);
            is_alike && (!is_needed(now) || is_needed(promised))
        }
        // What was always there may not be missing; what might have been may always be there.
        (None, None) => promised == now || now.strip_suffix('!') == Some(promised),
        _ => false,
    }
}

/// Whether it is something that has to be sent.
fn is_needed(fact: &str) -> bool {
    fact.starts_with(TAKES) && fact.ends_with('!')
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = r#"
        type Query { product(id: ID!, deep: Int! = 3): Product products(first: Int): [Product!]! }
        type Product @key(fields: "id") { id: ID! name: String }
        enum Sort { NAME PRICE }
        input Filter { words: String status: Sort! }
    "#;

    fn facts(text: &str) -> Facts {
        let mut facts = Facts::new();
        of("s", text, &mut facts).unwrap();
        facts
    }

    fn breaks(from: &str, to: &str) -> Vec<String> {
        assert!(BEFORE.contains(from), "{from}");
        broken(&facts(BEFORE), &facts(&BEFORE.replacen(from, to, 1)))
    }

    #[test]
    fn a_query_that_was_answered_is_answered() {
        for (from, to, says) in [
            ("name: String", "", "s Product.name: it is gone"),
            ("name: String", "name: Int", r#"s Product.name: it was "String" and is "Int""#),
            ("id: ID! name", "id: ID name", r#"s Product.id: it was "ID!" and is "ID""#),
            ("(first: Int)", "", "s Query.products(first): it is gone"),
            (
                "first: Int",
                "first: Int!",
                r#"s Query.products(first): it was "takes Int" and is "takes Int!""#,
            ),
            (
                "deep: Int! = 3",
                "deep: Int!",
                r#"s Query.product(deep): it was "takes Int! or a default" and is "takes Int!""#,
            ),
            (
                "(first: Int)",
                "(first: Int, of: ID!)",
                "s Query.products(of): it is new, and nobody sends it: let it be left out",
            ),
            (
                "words: String",
                "words: String of: ID!",
                "s Filter.of: it is new, and nobody sends it: let it be left out",
            ),
            ("words: String", "", "s Filter.words: it is gone"),
            ("PRICE", "", "s Sort.PRICE: it is gone"),
            (r#" @key(fields: "id")"#, "", "s Product by \"id\": it is gone"),
        ] {
            assert_eq!(breaks(from, to), [says], "{from} -> {to}");
        }
    }

    #[test]
    fn more_may_be_answered_and_less_asked_for() {
        for (from, to) in [
            ("name: String", "name: String!"),
            ("name: String", "name: String new(of: ID!): Int"),
            ("id: ID!, deep", "id: ID, deep"),
            ("(first: Int)", "(first: Int, of: ID, many: Int! = 1)"),
            ("status: Sort!", "status: Sort"),
            ("status: Sort!", "status: Sort! = NAME"),
            ("NAME PRICE", "NAME PRICE NEW"),
            (r#"@key(fields: "id")"#, r#"@key(fields: "id") @key(fields: "name")"#),
            ("enum Sort", "input New { of: ID! } enum Sort"),
        ] {
            assert_eq!(breaks(from, to), Vec::<String>::new(), "{from} -> {to}");
        }
    }
}
