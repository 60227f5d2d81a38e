//! The gRPC interfaces: fields with their numbers and types, values of enumerations, methods.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, ServiceDescriptorProto};

use crate::workspace_root;

/// Names, and what each of them is.
type Facts = BTreeMap<String, String>;

/// The interfaces of all services.
pub(super) fn all() -> Result<Facts> {
    let root = workspace_root().join("services/proto/proto");
    of(&files(&root)?, &root)
}

/// The files below a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(self::files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    Ok(files)
}

fn of(files: &[PathBuf], root: &Path) -> Result<Facts> {
    let compiled = protox::compile(files, [root]).context("compiling the interfaces")?;
    let mut facts = Facts::new();
    // Those of others are theirs to keep.
    for file in compiled.file.iter().filter(|file| !file.package().starts_with("google.")) {
        let package = file.package();
        file.message_type.iter().for_each(|one| message(package, one, &mut facts));
        file.enum_type.iter().for_each(|one| enumeration(package, one, &mut facts));
        file.service.iter().for_each(|one| service(package, one, &mut facts));
    }
    if facts.is_empty() {
        bail!("there are no interfaces in {}", root.display());
    }
    Ok(facts)
}

fn message(within: &str, message: &DescriptorProto, facts: &mut Facts) {
    let name = format!("{within}.{}", message.name());
    for one in &message.field {
        facts.insert(format!("{name}.{}", one.name()), field(one, message));
    }
    message.nested_type.iter().for_each(|one| self::message(&name, one, facts));
    message.enum_type.iter().for_each(|one| enumeration(&name, one, facts));
}

fn field(field: &FieldDescriptorProto, message: &DescriptorProto) -> String {
    let kind = match field.r#type() {
        Type::Message | Type::Enum | Type::Group => field.type_name().trim_start_matches('.').to_owned(),
        scalar => scalar.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
    };
    let label = match field.label() {
        Label::Repeated => "repeated ",
        _ if field.proto3_optional() => "optional ",
        _ => "",
    };
    let oneof = field
        .oneof_index
        .filter(|_| !field.proto3_optional())
        .and_then(|index| message.oneof_decl.get(usize::try_from(index).ok()?))
        .map(|oneof| format!(" of {}", oneof.name()))
        .unwrap_or_default();
    format!("{} {label}{kind}{oneof}", field.number())
}

fn enumeration(within: &str, enumeration: &EnumDescriptorProto, facts: &mut Facts) {
    for value in &enumeration.value {
        let name = format!("{within}.{}.{}", enumeration.name(), value.name());
        facts.insert(name, value.number().to_string());
    }
}

fn service(within: &str, service: &ServiceDescriptorProto, facts: &mut Facts) {
    for method in &service.method {
        let stream = |is: bool| if is { "stream " } else { "" };
        let said = format!(
            "{}{} -> {}{}",
            stream(method.client_streaming()),
            method.input_type().trim_start_matches('.'),
            stream(method.server_streaming()),
            method.output_type().trim_start_matches('.'),
        );
        facts.insert(format!("{within}.{}.{}", service.name(), method.name()), said);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(text: &str) -> Facts {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.proto");
        fs::write(&path, format!("syntax = \"proto3\"; package shop.v1; {text}")).unwrap();
        of(&[path], folder.path()).unwrap()
    }

    #[test]
    fn whatever_callers_rely_on_is_a_fact() {
        let written = facts(
            "enum State { STATE_UNSPECIFIED = 0; PAID = 1; }
             message Order {
                 message Line { string sku = 1; }
                 string id = 1; repeated Line lines = 2; optional int64 total = 3; State state = 4;
                 oneof way { string mail = 5; string shop = 6; }
                 map<string, int32> counts = 7;
             }
             service Orders { rpc Get(Order) returns (Order); rpc Watch(stream Order) returns (stream Order); }",
        );
        let wanted = [
            ("shop.v1.Order.CountsEntry.key", "1 string"),
            ("shop.v1.Order.CountsEntry.value", "2 int32"),
            ("shop.v1.Order.Line.sku", "1 string"),
            ("shop.v1.Order.counts", "7 repeated shop.v1.Order.CountsEntry"),
            ("shop.v1.Order.id", "1 string"),
            ("shop.v1.Order.lines", "2 repeated shop.v1.Order.Line"),
            ("shop.v1.Order.mail", "5 string of way"),
            ("shop.v1.Order.shop", "6 string of way"),
            ("shop.v1.Order.state", "4 shop.v1.State"),
            ("shop.v1.Order.total", "3 optional int64"),
            ("shop.v1.Orders.Get", "shop.v1.Order -> shop.v1.Order"),
            ("shop.v1.Orders.Watch", "stream shop.v1.Order -> stream shop.v1.Order"),
            ("shop.v1.State.PAID", "1"),
            ("shop.v1.State.STATE_UNSPECIFIED", "0"),
        ];
        let written: Vec<_> = written.iter().map(|(name, fact)| (name.as_str(), fact.as_str())).collect();
        assert_eq!(written, wanted);
    }
}
