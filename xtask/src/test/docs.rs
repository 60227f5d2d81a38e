//! The documents' examples: what a reader would copy is run here, word for word.
//!
//! In the order of the text, `yaml` blocks with an object are applied and `sh` blocks are run, all in one namespace. A
//! block below a line `<!-- not run: REASON -->` is left out, and the reason is shown.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cluster::{Cluster, HELM};
use crate::{cache, process, progress, target_folder, workspace_root};

/// Where examples go that name no namespace.
const NAMESPACE: &str = "docs-examples";

const NOT_RUN: &str = "<!-- not run: ";

/// A fenced block of a document.
#[derive(Debug, PartialEq, Eq)]
struct Block<'a> {
    /// The line of its fence, from 1.
    line: usize,
    language: &'a str,
    text: String,
    /// Why it is not run.
    not_run: Option<&'a str>,
}

/// Runs the examples of every document.
pub(super) fn run(cluster: &Cluster) -> Result<()> {
    let reader = Reader::new(cluster)?;
    let mut ran = 0;
    for document in documents()? {
        let text =
            fs::read_to_string(&document).with_context(|| format!("reading {}", document.display()))?;
        let shown = document.strip_prefix(workspace_root()).unwrap_or(&document).display();
        for block in blocks(&text) {
            let place = format!("{shown}:{}", block.line);
            let first = block.text.lines().next().unwrap_or_default();
            match (block.language, block.not_run) {
                ("sh", Some(reason)) => println!("{place} is not run: {reason}"),
                ("sh", None) => progress::during(format!("{place}: {first}"), || reader.shell(&block.text))
                    .with_context(|| {
                    format!("{place} does not work as it is written\n{}", reader.state())
                })?,
                ("yaml", None) if block.text.starts_with("apiVersion:") => {
                    progress::during(format!("{place}: {first}"), || reader.apply(&block.text))
                        .with_context(|| format!("{place} cannot be applied"))?;
                }
                _ => continue,
            }
            ran += 1;
        }
    }
    if ran == 0 {
        bail!("the documents have no examples");
    }
    reader.end()
}

/// The README first, whose service the other documents use.
fn documents() -> Result<Vec<PathBuf>> {
    let root = workspace_root();
    let mut documents = Vec::new();
    for folder in [root.join("docs"), root.to_owned(), root.join("charts/flotilla")] {
        for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "md") {
                documents.push(path);
            }
        }
    }
    documents.sort_by_key(|path| (*path != root.join("README.md"), path.clone()));
    Ok(documents)
}

/// Somebody who has kubectl, helm and a kubeconfig.
struct Reader<'a> {
    cluster: &'a Cluster,
    /// A kubeconfig whose namespace is the examples'.
    folder: tempfile::TempDir,
    path: OsString,
    log: PathBuf,
}

impl<'a> Reader<'a> {
    fn new(cluster: &'a Cluster) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let tools =
            [HELM.build()?.folder().to_owned(), folder_of(cluster.kubectl.program())?, command_line()?];
        let old = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(tools.into_iter().chain(std::env::split_paths(&old)))?;
        let reader = Self { cluster, folder, path, log: cache::root()?.join("logs/docs.log") };
        reader.remove()?;
        cluster.kubectl.output(&["create", "namespace", NAMESPACE])?;
        fs::copy(&cluster.kubeconfig, reader.kubeconfig())?;
        reader.shell(&format!("kubectl config set-context --current --namespace={NAMESPACE}"))?;
        Ok(reader)
    }

    fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    fn shell(&self, script: &str) -> Result<()> {
        let mut shell = Command::new("sh");
        shell.current_dir(workspace_root()).args(["-euxc", script]);
        // `cargo xtask` finds the cluster by itself, and would take KUBECONFIG for somebody else's.
        if !script.contains("cargo xtask") {
            shell.env("KUBECONFIG", self.kubeconfig());
        }
        process::run(shell.env("PATH", &self.path), &self.log)
    }

    fn apply(&self, manifest: &str) -> Result<()> {
        self.cluster.kubectl.apply_in(NAMESPACE, manifest)
    }

    /// What there is, for somebody who looks for the reason of a failure.
    fn state(&self) -> String {
        let questions: [&[&str]; 3] = [
            &["get", "microservices,pods", "--output=wide", "--namespace", NAMESPACE],
            &["events", "--types=Warning", "--all-namespaces"],
            &["describe", "nodes"],
        ];
        let told = questions.map(|question| {
            let answer = self.cluster.kubectl.output(question);
            format!("$ kubectl {}\n{}", question.join(" "), answer.unwrap_or_else(|error| error.to_string()))
        });
        told.join("\n")
    }

    fn end(&self) -> Result<()> {
        self.remove()
    }

    fn remove(&self) -> Result<()> {
        let arguments = ["delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=120s"];
        self.cluster.kubectl.output(&arguments).map(drop)
    }
}

/// Builds kubectl's plugin. Returns its folder.
fn command_line() -> Result<PathBuf> {
    progress::during("Building kubectl-flotilla", || {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(workspace_root()).args(["build", "--locked", "--package", "flotilla-cli"]);
        process::run(&mut cargo, &cache::root()?.join("logs/build-kubectl-flotilla.log"))
    })?;
    Ok(target_folder()?.join("debug"))
}

fn folder_of(program: &Path) -> Result<PathBuf> {
    Ok(program.parent().with_context(|| format!("{} lies in no folder", program.display()))?.to_owned())
}

/// The fenced blocks of a document (`CommonMark`, section 4.5, with three backticks and no indentation).
fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut open = false;
    let mut not_run = None;
    for (index, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), open) {
            (Some(language), false) => {
                let not_run = not_run.take();
                blocks.push(Block {
                    line: index + 1,
                    language: language.trim(),
                    text: String::new(),
                    not_run,
                });
                open = true;
            }
            (Some(_), true) => open = false,
            (None, true) => {
                if let Some(block) = blocks.last_mut() {
                    block.text.extend([line, "\n"]);
                }
            }
            (None, false) if !line.trim().is_empty() => {
                not_run = line.strip_prefix(NOT_RUN).and_then(|rest| rest.strip_suffix(" -->"));
            }
            (None, false) => {}
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::{Block, blocks};

    #[test]
    fn a_document_is_taken_apart() {
        let text =
            "a\n\n```sh\nb\nc\n```\n\n<!-- not run: it never ends -->\n\n```sh\nd\n```\n```yaml\ne: 1\n```\n";
        let block =
            |line, language, text: &str, not_run| Block { line, language, text: text.into(), not_run };
        assert_eq!(
            blocks(text),
            [
                block(3, "sh", "b\nc\n", None),
                block(10, "sh", "d\n", Some("it never ends")),
                block(13, "yaml", "e: 1\n", None),
            ]
        );
    }
}
