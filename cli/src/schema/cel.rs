//! The CEL rules of a definition, evaluated where they stand, as the API server does it.
//!
//! `kube-cel` does this too, but on a version of the interpreter that has no optional fields (`self.?min.orValue(1)`), on
//! which our rules rely.

use cel::{Context, Env, Program};
use serde_json::{Map, Value};

use super::{Finding, Report};

/// The rules of a schema, compiled.
#[derive(Default)]
pub(super) struct Rules {
    here: Vec<Rule>,
    /// Rules of the fields of an object, by name.
    properties: Vec<(String, Rules)>,
    /// Rules of the items of a list, or of the values of a map.
    items: Option<Box<Rules>>,
}

struct Rule {
    text: String,
    message: String,
    /// Below the field that has the rule, such as `.name`.
    field_path: String,
    program: Result<Program, String>,
}

impl Rules {
    /// The rules of a schema. Those that cannot be compiled are reported by each check.
    pub(super) fn of(schema: &Value) -> Self {
        Self::compile(schema, &Env::stdlib())
    }

    fn compile(schema: &Value, env: &Env) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let rules = schema["x-kubernetes-validations"].as_array().into_iter().flatten().map(|rule| Rule {
            text: text(&rule["rule"]),
            message: rule["message"]
                .as_str()
                .map_or_else(|| format!("breaks the rule {}", rule["rule"]), str::to_owned),
            field_path: text(&rule["fieldPath"]),
            program: env
                .compile(rule["rule"].as_str().unwrap_or_default())
                .map_err(|error| error.to_string()),
        });
        let properties = schema["properties"].as_object().into_iter().flatten();
        let items =
            [&schema["items"], &schema["additionalProperties"]].into_iter().find(|items| items.is_object());
        Self {
            here: rules.collect(),
            properties: properties
                .map(|(name, schema)| (name.clone(), Self::compile(schema, env)))
                .filter(|(_, rules)| !rules.is_empty())
                .collect(),
            items: items.map(|items| Box::new(Self::compile(items, env))).filter(|rules| !rules.is_empty()),
        }
    }

    fn is_empty(&self) -> bool {
        self.here.is_empty() && self.properties.is_empty() && self.items.is_none()
    }

    /// Adds what the rules say of an object that fits its schema. Rules with `oldSelf` compare with a former object:
    /// there is none here, as when an object is created.
    pub(super) fn check(&self, object: &Value, schema: &Value, report: &mut Report) {
        self.walk(object, schema, "", report);
    }

    fn walk(&self, value: &Value, schema: &Value, path: &str, report: &mut Report) {
        for rule in self.here.iter().filter(|rule| !rule.text.contains("oldSelf")) {
            let unknown = |why: String| Finding {
                field: path.to_owned(),
                message: format!("the rule {:?} cannot be evaluated here: {why}", rule.text),
            };
            match rule.holds(value, schema) {
                Ok(true) => {}
                Ok(false) => report.findings.push(Finding {
                    field: format!("{path}{}", rule.field_path).trim_start_matches('.').to_owned(),
                    message: rule.message.clone(),
                }),
                Err(why) => report.unknown.push(unknown(why)),
            }
        }
        for (name, rules) in &self.properties {
            if let Some(field) = value.get(name) {
                let place = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                rules.walk(field, &schema["properties"][name], &place, report);
            }
        }
        if let Some(rules) = &self.items {
            for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                rules.walk(item, &schema["items"], &format!("{path}[{index}]"), report);
            }
            for (key, item) in value.as_object().into_iter().flatten() {
                rules.walk(item, &schema["additionalProperties"], &format!("{path}.{key}"), report);
            }
        }
    }
}

impl Rule {
    fn holds(&self, value: &Value, schema: &Value) -> Result<bool, String> {
        let program = self.program.as_ref().map_err(Clone::clone)?;
        let mut context = Context::default();
        context.add_variable("self", escaped(value, schema)).map_err(|error| error.to_string())?;
        match program.execute(&context).map_err(|error| error.to_string())? {
            cel::Value::Bool(holds) => Ok(holds),
            other => Err(format!("it gives {other:?}, neither true nor false")),
        }
    }
}

/// A value with the names of its fields as rules have them. The keys of a map stay as they are.
fn escaped(value: &Value, schema: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let (known, schema_of_values) =
                (schema["properties"].as_object(), schema["additionalProperties"].clone());
            let mut named = Map::new();
            for (name, value) in fields {
                let schema = known.and_then(|known| known.get(name));
                let value = escaped(value, schema.unwrap_or(&schema_of_values));
                if schema.is_some() {
                    named.insert(escape(name), value.clone());
                }
                // The API server takes a word that CEL keeps to itself also as it is: `self.namespace`.
                named.insert(name.clone(), value);
            }
            Value::Object(named)
        }
        Value::Array(items) => items.iter().map(|item| escaped(item, &schema["items"])).collect(),
        other => other.clone(),
    }
}

/// Words that CEL keeps to itself: a field of that name has underscores around it in a rule.
const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

fn escape(name: &str) -> String {
    if RESERVED.contains(&name) {
        return format!("__{name}__");
    }
    name.replace("__", "__underscores__")
        .replace('.', "__dot__")
        .replace('-', "__dash__")
        .replace('/', "__slash__")
}
