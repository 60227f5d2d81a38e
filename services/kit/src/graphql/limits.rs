//! What a query may cost. It is found before anything else looks at one: the parser goes as deep as brackets do, and each rule
//! follows fragments as often as they are spread, so a short text can keep either busy for ever.

use std::collections::HashMap;

use async_graphql::{
    Request, ServerError, Value as Constant, Variables,
    parser::{
        parse_query,
        types::{ExecutableDocument, Field, Selection, SelectionSet},
    },
};
use async_graphql_value::Value;

/// Fields within each other. The query that asks for the schema itself needs 13.
pub(super) const DEPTH: usize = 16;

/// What the fields of a query cost together: one each, and those of lists as often as the list may be long.
pub(super) const COMPLEXITY: usize = 2_000;

/// Selections within each other, those of fragments counted.
pub(super) const LEVELS: usize = 32;

/// Brackets within each other.
const BRACKETS: usize = 64;

/// Selections, those of fragments counted wherever they are spread.
const SELECTIONS: usize = 1_000;

/// Entities that other subgraphs are asked for at once.
const ENTITIES: usize = 1_000;

/// Why a query is not looked at.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
enum TooMuch {
    #[error("the query has more than {BRACKETS} brackets within each other")]
    Brackets,
    #[error("the query has more than {LEVELS} selections within each other, or a fragment in itself")]
    Levels,
    #[error(
        "the query has more than {SELECTIONS} selections, those of fragments counted wherever they are spread"
    )]
    Selections,
    #[error("the query asks for more than {ENTITIES} entities at once")]
    Entities,
}

/// Refuses a query that is none, or costs too much.
pub(super) fn check(request: &mut Request) -> Result<(), ServerError> {
    let refuse = |error: TooMuch| ServerError::new(error.to_string(), None);
    if brackets(request.query.as_bytes()) > BRACKETS {
        return Err(refuse(TooMuch::Brackets));
    }
    let document = parse_query(&request.query)?;
    cost(&document, &request.variables).map_err(refuse)?;
    request.set_parsed_query(document);
    Ok(())
}

/// How deep brackets are. Those in strings and comments are none.
fn brackets(text: &[u8]) -> usize {
    let (mut depth, mut deepest, mut rest) = (0_usize, 0, text);
    while let Some((first, tail)) = rest.split_first() {
        rest = match first {
            b'"' => after_string(tail),
            b'#' => after_line(tail),
            b'{' | b'[' | b'(' => {
                depth += 1;
                deepest = deepest.max(depth);
                tail
            }
            b'}' | b']' | b')' => {
                depth = depth.saturating_sub(1);
                tail
            }
            _ => tail,
        };
    }
    deepest
}

fn after_line(text: &[u8]) -> &[u8] {
    text.iter().position(|byte| matches!(byte, b'\n' | b'\r')).map_or(&[], |end| text.split_at(end).1)
}

/// What comes after a string whose first quote has been read. One of three quotes that has no end is, to the parser, an empty
/// one with another after it.
fn after_string(text: &[u8]) -> &[u8] {
    if let Some(rest) = text.strip_prefix(b"\"\"").and_then(after_block) {
        return rest;
    }
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        rest = match first {
            b'"' | b'\n' | b'\r' => return tail,
            b'\\' => tail.split_first().map_or(tail, |(_, tail)| tail),
            _ => tail,
        };
    }
    rest
}

fn after_block(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        if let Some(rest) = text.strip_prefix(b"\"\"\"") {
            return Some(rest);
        }
        text = text.strip_prefix(b"\\\"\"\"").or_else(|| text.split_first().map(|(_, tail)| tail))?;
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    selections: usize,
    entities: usize,
}

impl Cost {
    fn plus(self, other: Self) -> Self {
        Self {
            selections: self.selections.saturating_add(other.selections),
            entities: self.entities.saturating_add(other.entities),
        }
    }
}

/// Looks at each fragment once.
struct Counter<'a> {
    document: &'a ExecutableDocument,
    variables: &'a Variables,
    known: HashMap<&'a str, Cost>,
}

fn cost(document: &ExecutableDocument, variables: &Variables) -> Result<(), TooMuch> {
    let mut counter = Counter { document, variables, known: HashMap::new() };
    // Those that nothing spreads are looked at by rules as well.
    for name in document.fragments.keys() {
        counter.fragment(name, 0)?;
    }
    let mut cost = Cost::default();
    for (_, operation) in document.operations.iter() {
        cost = cost.plus(counter.set(&operation.node.selection_set.node, 0)?);
    }
    match cost {
        Cost { selections, .. } if selections > SELECTIONS => Err(TooMuch::Selections),
        Cost { entities, .. } if entities > ENTITIES => Err(TooMuch::Entities),
        _ => Ok(()),
    }
}

impl<'a> Counter<'a> {
    fn set(&mut self, set: &'a SelectionSet, level: usize) -> Result<Cost, TooMuch> {
        if level > LEVELS {
            return Err(TooMuch::Levels);
        }
        let mut cost = Cost::default();
        for selection in &set.items {
            cost = cost.plus(match &selection.node {
                Selection::Field(field) => {
                    let own = Cost { selections: 1, entities: self.entities(&field.node) };
                    own.plus(self.set(&field.node.selection_set.node, level + 1)?)
                }
                Selection::InlineFragment(fragment) => {
                    self.set(&fragment.node.selection_set.node, level + 1)?
                }
                Selection::FragmentSpread(spread) => {
                    self.fragment(&spread.node.fragment_name.node, level + 1)?
                }
            });
        }
        Ok(cost)
    }

    /// One that is in itself is never known, and so has too many levels.
    fn fragment(&mut self, name: &str, level: usize) -> Result<Cost, TooMuch> {
        if let Some(cost) = self.known.get(name) {
            return Ok(*cost);
        }
        // That there is none is for a rule to say.
        let Some((name, fragment)) = self.document.fragments.get_key_value(name) else {
            return Ok(Cost::default());
        };
        let cost = self.set(&fragment.node.selection_set.node, level)?;
        self.known.insert(name, cost);
        Ok(cost)
    }

    fn entities(&self, field: &Field) -> usize {
        if field.name.node != "_entities" {
            return 0;
        }
        match field.get_argument("representations").map(|value| &value.node) {
            Some(Value::List(list)) => list.len(),
            Some(Value::Variable(name)) => match self.variables.get(name) {
                Some(Constant::List(list)) => list.len(),
                Some(_) => 1,
                // Whatever its default is: nobody who composes subgraphs writes one.
                None => usize::MAX,
            },
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(query: &str) -> Result<(), TooMuch> {
        cost(&parse_query(query).unwrap(), &Variables::default())
    }

    #[test]
    fn fragments_count_wherever_they_are_spread() {
        let chain = |length: usize, spreads: usize| {
            let one =
                |at| format!("fragment f{at} on Q {{ {} }}", format!("...f{} ", at + 1).repeat(spreads));
            let all: Vec<_> = (0..length).map(one).collect();
            format!("{} fragment f{length} on Q {{ a }}", all.join(" "))
        };
        // 2^28 selections.
        assert_eq!(of(&format!("{{ ...f0 }} {}", chain(28, 2))), Err(TooMuch::Selections));
        // Nothing spreads these.
        assert_eq!(of(&format!("{{ a }} {}", chain(20_000, 1))), Err(TooMuch::Levels));
        assert_eq!(of("{ ...a } fragment a on Q { b { ...a ...a } }"), Err(TooMuch::Levels));
        assert_eq!(of("{ ...a ...a ...none } fragment a on Q { b ... on Q { c } }"), Ok(()));
        let wide = |fields: usize| format!("{{ {} }}", "a ".repeat(fields));
        assert_eq!(of(&wide(SELECTIONS)), Ok(()));
        assert_eq!(of(&wide(SELECTIONS + 1)), Err(TooMuch::Selections));
    }

    #[test]
    fn entities_are_counted_however_they_are_asked_for() {
        let one = "{ __typename: \"A\" }";
        let list = |count: usize| {
            format!("_entities(representations: [{}]) {{ __typename }}", [one].repeat(count).join(","))
        };
        assert_eq!(of(&format!("{{ {} }}", list(ENTITIES))), Ok(()));
        assert_eq!(of(&format!("{{ {} }}", list(ENTITIES + 1))), Err(TooMuch::Entities));
        assert_eq!(of(&format!("{{ a: {} b: {} }}", list(ENTITIES), list(1))), Err(TooMuch::Entities));
        let by_variable =
            parse_query("query($r: [_Any!]!) { _entities(representations: $r) { __typename } }").unwrap();
        let variables = |count: usize| Variables::from_json(serde_json::json!({ "r": vec![1; count] }));
        assert_eq!(cost(&by_variable, &variables(ENTITIES)), Ok(()));
        assert_eq!(cost(&by_variable, &variables(ENTITIES + 1)), Err(TooMuch::Entities));
        assert_eq!(cost(&by_variable, &Variables::default()), Err(TooMuch::Entities));
    }

    #[test]
    fn brackets_are_counted_as_the_parser_sees_them() {
        for (text, depth) in [
            ("{ a(b: [1, {c: 2}]) { d } }", 4),
            ("{ a(b: \"[[[[[[\") }", 2),
            ("{ a(b: \"\\\"[[[[[[\") }", 2),
            ("{ a(b: \"\"\"[[[ \\\"\"\" [[[ \" [[[\"\"\") }", 2),
            ("{ a # [[[[[\n(b: 1) }", 2),
            ("{ a # [[[[[\r(b: [1]) }", 3),
            // No end: an empty string, one with a space, and brackets.
            ("{ a(b: [\"\"\" \" [[[ ", 6),
            ("{ a(b: \"open\n[[[", 5),
            ("]]]]{", 1),
            ("", 0),
        ] {
            assert_eq!(brackets(text.as_bytes()), depth, "{text}");
        }
        let mut deep = Request::new(format!("{{ a(b: {}", "[".repeat(1_000_000)));
        let error = check(&mut deep).unwrap_err();
        assert!(error.message.contains("brackets"), "{}", error.message);
    }

    proptest! {
        /// Whatever is in strings and comments between them.
        #[test]
        fn brackets_are_as_deep_as_the_value_that_the_parser_makes_of_them(
            parts in prop::collection::vec(prop::sample::select(vec![
                "[", "[", "]", "1", "\"\"", "\"]\"", "\"[\"", r#""\"]""#, r#""\\""#, r#""""]""""#, r#""""\"""]""""#,
                r#""""[" """"#, "#[\"\n", "#]\r",
            ]), 0..24),
        ) {
            let (mut value, mut open) = (String::new(), 0);
            for part in parts {
                match part {
                    "[" => open += 1,
                    "]" if open == 0 => continue,
                    "]" => open -= 1,
                    _ => {}
                }
                value += part;
                value.push(' ');
            }
            let text = format!("{{ a(b: [{value}{}]) }}", "]".repeat(open));
            let document = parse_query(&text).unwrap();
            let (_, operation) = document.operations.iter().next().unwrap();
            let Selection::Field(field) = &operation.node.selection_set.node.items[0].node else { panic!("{text}") };
            let (_, value) = &field.node.arguments[0];
            prop_assert_eq!(brackets(text.as_bytes()), 2 + depth(&value.node), "{}", text);
        }
    }

    fn depth(value: &Value) -> usize {
        match value {
            Value::List(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
            Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
            _ => 0,
        }
    }
}
