//! The commands of `docs/shop.md`, word for word, but for the ports and the program.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use flotilla_testbed::port;

use crate::running::PROGRAM;

/// How the document runs the program.
const CARGO: &str = "cargo run --quiet --package flotilla-shop --";

/// The blocks that a reader would run, without those that are marked.
fn blocks(document: &str) -> Vec<String> {
    let mut parts = document.split("```");
    let mut blocks = Vec::new();
    while let (Some(before), Some(block)) = (parts.next(), parts.next()) {
        let is_run = !before.trim_end().ends_with("-->");
        blocks.extend(block.strip_prefix("sh\n").filter(|_| is_run).map(str::to_owned));
    }
    blocks
}

#[test]
fn the_commands_of_the_document_work_as_they_are_written() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/shop.md");
    let blocks = blocks(&fs::read_to_string(path).unwrap());
    assert!(blocks.iter().any(|block| block.contains(CARGO)), "{blocks:?}");
    assert!(blocks.iter().any(|block| block.contains("/v1/orders")), "{blocks:?}");
    let folder = tempfile::tempdir().unwrap();
    let (shop, inbox) = (port::free().unwrap().port(), port::free().unwrap().port());
    let mut failed = None;
    for block in &blocks {
        let block = block
            .replace(&format!("{CARGO} dev"), &format!("{PROGRAM} dev --port {shop} --inbox-port {inbox}"))
            .replace(
                &format!("{CARGO} order"),
                &format!(
                    "{PROGRAM} order --url http://127.0.0.1:{shop} --inbox-url http://127.0.0.1:{inbox}"
                ),
            )
            .replace(CARGO, PROGRAM)
            .replace("127.0.0.1:8080", &format!("127.0.0.1:{shop}"))
            .replace("127.0.0.1:8025", &format!("127.0.0.1:{inbox}"))
            .replace("/tmp/shop", &folder.path().join("shop").display().to_string());
        // The last block ends what the first has begun, whatever happened in between.
        let is_last = block.contains("kill ");
        if failed.is_some() && !is_last {
            continue;
        }
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-euxc", &block]).stdin(Stdio::null());
        shell.stdout(log.try_clone().unwrap()).stderr(log);
        if !shell.status().unwrap().success() {
            failed.get_or_insert(format!(
                "{block}\n{}",
                fs::read_to_string(folder.path().join("log")).unwrap()
            ));
        }
    }
    assert!(failed.is_none(), "{}", failed.unwrap());
}
