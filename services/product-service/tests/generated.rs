//! Files that are made of the program: they are as it would write them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use flotilla_product_service::{events, graphql, http};

const COMMAND: &str = "FLOTILLA_WRITE=1 cargo test -p flotilla-product-service --test generated";

/// What there is to be, by its path in this crate.
fn wanted() -> BTreeMap<PathBuf, String> {
    let mut files = BTreeMap::new();
    files.insert("openapi.json".into(), http::openapi().unwrap().to_pretty_json().unwrap());
    files.insert("schema.graphql".into(), graphql::sdl().trim_end().to_owned());
    for (kind, mut schema) in events::schemas() {
        schema.insert("title".to_owned(), kind.into());
        schema.insert("$id".to_owned(), format!("https://flotilla.dev/events/{kind}.json").into());
        let text = serde_json::to_string_pretty(&schema).unwrap();
        files.insert(Path::new("events").join(format!("{kind}.json")), text);
    }
    files.into_iter().map(|(path, text)| (path, text + "\n")).collect()
}

#[test]
fn descriptions_are_as_the_program_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (path, text) in wanted() {
        let path = root.join(path);
        if env::var_os("FLOTILLA_WRITE").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert!(written == text, "{} is not as the program says; run {COMMAND}", path.display());
    }
}
