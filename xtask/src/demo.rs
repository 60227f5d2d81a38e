//! `cargo xtask demo`: from nothing to the README's example and the shop, running on a real cluster.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::cluster::{self, Cluster};
use crate::install::{self, install};
use crate::{progress, shop, workspace_root};

/// The namespace of the example.
const NAMESPACE: &str = "demo";

/// Arguments of `demo`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave out the shop, whose programs take minutes to compile
    #[arg(long)]
    without_shop: bool,
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    let cluster = cluster::up(&cluster::Options::default())?;
    install(&cluster, &["operator", "podinfo"])?;
    let example = example()?;
    let manifest = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {NAMESPACE}}}\n");
    cluster.kubectl.apply(&manifest)?;
    println!("\n$ kubectl apply -f - <<EOF\n{example}EOF");
    cluster.kubectl.apply_in(NAMESPACE, &example)?;
    progress::during("Waiting until the service is ready", || {
        let arguments =
            ["wait", "msvc/hello", "--for=condition=Ready", "--timeout=120s", "--namespace", NAMESPACE];
        cluster.kubectl.output(&arguments).map(drop)
    })?;
    println!("\n$ kubectl get msvc\n{}", cluster.kubectl.output(&["get", "msvc", "--namespace", NAMESPACE])?);
    println!("What it became:\n{}", tree(&cluster)?);
    let path = format!("/api/v1/namespaces/{NAMESPACE}/services/hello:http/proxy/");
    println!("What the service answers:\n{}", cluster.kubectl.output(&["get", "--raw", &path])?);
    if !args.without_shop {
        shop::demo(&cluster)?;
    }
    println!("\nGo on with:\n{}", cluster.environment()?);
    println!(
        "  kubectl -n {NAMESPACE} describe msvc hello\n  kubectl -n {NAMESPACE} scale msvc hello --replicas=3"
    );
    println!(
        "The operator is in the namespace {}; `cargo xtask cluster down` ends everything.",
        install::NAMESPACE
    );
    Ok(())
}

/// The first YAML block of the README: what it promises is what runs.
pub(crate) fn example() -> Result<String> {
    let path = workspace_root().join("README.md");
    let readme = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let block = readme.split_once("```yaml\n").and_then(|(_, rest)| rest.split_once("```"));
    match block {
        Some((block, _)) => Ok(block.to_owned()),
        None => bail!("{} has no YAML block", path.display()),
    }
}

/// The objects of the example, each under its owner.
fn tree(cluster: &Cluster) -> Result<String> {
    let kinds = "microservices,serviceaccounts,services,endpointslices,deployments,replicasets,pods";
    let objects = cluster.kubectl.get(&[kinds, "--namespace", NAMESPACE])?;
    let objects = objects["items"].as_array().context("kubectl lists objects")?;
    let root = objects
        .iter()
        .find(|object| object["kind"] == "Microservice" && object["metadata"]["name"] == "hello")
        .context("the Microservice is there")?;
    let mut text = String::new();
    branch(root, objects, "", "", &mut text);
    Ok(text)
}

fn branch(object: &Value, all: &[Value], lead: &str, below: &str, text: &mut String) {
    let name = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let line = [lead, &name(&object["kind"]), "/", &name(&object["metadata"]["name"]), &state(object), "\n"];
    text.extend(line);
    let owned: Vec<_> = all
        .iter()
        .filter(|other| {
            let owners =
                other["metadata"]["ownerReferences"].as_array().map(Vec::as_slice).unwrap_or_default();
            owners.iter().any(|owner| owner["uid"] == object["metadata"]["uid"])
        })
        .collect();
    for (index, child) in owned.iter().enumerate() {
        let last = index + 1 == owned.len();
        let (lead, next) = if last { ("`-- ", "    ") } else { ("|-- ", "|   ") };
        branch(child, all, &format!("{below}{lead}"), &format!("{below}{next}"), text);
    }
}

/// What an object says of itself, in a word.
fn state(object: &Value) -> String {
    let ready = object["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "Ready");
    match (object["kind"].as_str(), ready) {
        (Some("Microservice"), Some(ready)) => format!("  {}", ready["reason"].as_str().unwrap_or_default()),
        (Some("Deployment"), _) => {
            let count = |name: &str| object["status"][name].as_i64().unwrap_or(0);
            format!("  {}/{} ready", count("readyReplicas"), count("replicas"))
        }
        (Some("Pod"), _) => format!("  {}", object["status"]["phase"].as_str().unwrap_or_default()),
        (Some("Service"), _) => format!("  {}", object["spec"]["clusterIP"].as_str().unwrap_or_default()),
        _ => String::new(),
    }
}
