//! What other services publish is what this one takes: their schemas, as they are committed, are held against its rules and
//! against its templates in all languages.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use flotilla_notification_service::{
    consumers,
    domain::rules::{ERASED, RULES, is_for_webhooks},
    template::{self, Context, LOCALES},
};
use serde_json::{Map, Value, json};

/// Events of people, orders and payments that nobody is told of.
const UNTOLD: [&str; 7] = [
    // The mail that verifies the address greets them.
    "shop.user.registered.v1",
    // Nothing that they would have to know of before it is paid or rejected.
    "shop.order.created.v1",
    "shop.order.reserved.v1",
    // These come with an event of the order, which is told.
    "shop.payment.authorized.v1",
    "shop.payment.captured.v1",
    "shop.payment.refunded.v1",
    // Everything of them goes.
    ERASED,
];

/// The schemas of all services that this one hears of, by the types of their events.
fn schemas() -> BTreeMap<String, Value> {
    let mut schemas = BTreeMap::new();
    for service in ["user-service", "order-service", "product-service"] {
        let folder = format!("{}/../{service}/events", env!("CARGO_MANIFEST_DIR"));
        for file in fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let schema = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            schemas.insert(path.file_stem().unwrap().to_str().unwrap().to_owned(), schema);
        }
    }
    schemas
}

fn validator(schema: &Value) -> jsonschema::Validator {
    jsonschema::draft202012::options().should_validate_formats(true).build(schema).unwrap()
}

/// Whether a schema says so of a field of an object.
fn is_required(schema: &Value, field: &str) -> bool {
    schema["required"].as_array().unwrap().contains(&json!(field))
}

fn fields(schema: &Value) -> BTreeSet<&str> {
    schema["properties"].as_object().unwrap().keys().map(String::as_str).collect()
}

/// Data as a schema has it: with as little as it allows, null wherever that may be, or with all.
fn made_up(schema: &Value, with_all: bool) -> Value {
    if let Some(words) = schema["enum"].as_array() {
        return words.first().unwrap().clone();
    }
    let types: Vec<_> = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    if types.contains(&"null") && !with_all {
        return Value::Null;
    }
    match (types.first().copied(), schema["format"].as_str()) {
        (Some("string"), Some("uuid")) => json!("0190a000-0000-7000-8000-000000000001"),
        (Some("string"), Some("date-time")) => json!("2026-01-01T12:00:00Z"),
        (Some("string"), _) => match (schema["pattern"].is_string(), schema["minLength"].as_u64()) {
            (true, _) => json!("EUR"),
            (false, Some(least)) => json!("a".repeat(usize::try_from(least).unwrap())),
            (false, None) => json!("some <text>"),
        },
        (Some("integer"), _) => schema["minimum"].as_i64().map_or(json!(7), |least| json!(least)),
        (Some("array"), _) => json!([made_up(&schema["items"], with_all)]),
        (Some("object"), _) => {
            let properties = schema["properties"].as_object().unwrap().iter();
            let wanted = properties.filter(|(field, _)| with_all || is_required(schema, field));
            let object: Map<_, _> =
                wanted.map(|(field, schema)| (field.clone(), made_up(schema, with_all))).collect();
            Value::Object(object)
        }
        other => panic!("{other:?} is not known here: {schema}"),
    }
}

#[test]
fn each_event_of_people_and_orders_is_told_or_there_is_a_reason_not_to() {
    let schemas = schemas();
    let published: BTreeSet<_> = schemas.keys().map(String::as_str).collect();
    let told: BTreeSet<_> = RULES.iter().map(|rule| rule.kind).collect();
    let known: BTreeSet<_> = told.iter().copied().chain(UNTOLD).collect();
    assert!(told.is_disjoint(&BTreeSet::from(UNTOLD)));
    let unknown: Vec<_> = known.difference(&published).collect();
    assert!(unknown.is_empty(), "nobody publishes {unknown:?}");
    let subscribed = consumers::subscription().unwrap().types;
    for kind in published {
        let is_taken = subscribed.iter().any(|pattern| {
            pattern
                .as_str()
                .strip_suffix('*')
                .map_or(pattern.as_str() == kind, |start| kind.starts_with(start))
        });
        let is_of_products = kind.starts_with("shop.product.") || kind.starts_with("shop.stock.");
        assert_eq!(is_taken, !is_of_products, "{kind}");
        assert!(is_of_products || known.contains(kind), "{kind}: make a rule, or say why there is none");
        assert_eq!(schemas[kind]["title"].as_str().unwrap_or(kind), kind);
    }
}

#[test]
fn an_event_says_whom_it_is_about_and_what_the_secret_of_its_mail_is_had_for() {
    let schemas = schemas();
    for (kind, schema) in &schemas {
        let is_for_people = kind == ERASED || RULES.iter().any(|rule| rule.kind == *kind);
        if is_for_people || is_for_webhooks(kind) {
            assert!(is_required(schema, "user_id"), "{kind}");
            assert_eq!(schema["properties"]["user_id"]["format"], "uuid", "{kind}");
        }
    }
    for rule in RULES.iter().filter(|rule| rule.has_secret) {
        assert!(is_required(&schemas[rule.kind], "reference"), "{}", rule.kind);
    }
    // A template that asks for what is not there fails. What may be nothing is null.
    for rule in RULES {
        let schema = &schemas[rule.kind];
        for field in fields(schema) {
            assert!(is_required(schema, field), "{}: {field} may be left out", rule.kind);
        }
    }
}

#[test]
fn each_template_can_be_filled_in_with_the_least_and_with_the_most_that_its_event_has() {
    let schemas = schemas();
    for rule in RULES {
        let schema = &schemas[rule.kind];
        for with_all in [false, true] {
            let data = made_up(schema, with_all);
            let errors: Vec<_> =
                validator(schema).iter_errors(&data).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{}: {errors:?} in {data}", rule.kind);
            for locale in LOCALES {
                let source = template::source(rule.template, locale).unwrap();
                let context = Context { data: data.clone(), ..template::sample(rule.template, locale) };
                let rendered = template::render(&source, &context)
                    .unwrap_or_else(|error| panic!("{locale}/{}: {error}: {data}", rule.template));
                let all = [&rendered.subject, &rendered.text, &rendered.html].map(String::as_str).concat();
                assert!(
                    !all.contains("none") && !all.contains("undefined"),
                    "{locale}/{}: {all}",
                    rule.template
                );
            }
        }
    }
}

/// What people write is looked at with samples: what those have and events have not would be found out by whoever gets no mail.
#[test]
fn the_sample_of_a_template_has_what_its_event_has_and_no_more() {
    let schemas = schemas();
    for rule in RULES {
        let schema = &schemas[rule.kind];
        let data = template::sample(rule.template, "en").data;
        let errors: Vec<_> = validator(schema).iter_errors(&data).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?} in {data}", rule.kind);
        let has: BTreeSet<_> = data.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(has, fields(schema), "{}", rule.kind);
    }
}
