//! The shop on a cluster: installed as a user would, with a customer who orders something there.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use flotilla_testbed::Forward;
use serde_json::Value;

use crate::cluster::{Cluster, Provider};
use crate::install::{self, helm};
use crate::{cache, images, process, progress, target_folder, workspace_root};

/// Its namespace.
pub(crate) const NAMESPACE: &str = "shop";

/// The images of its pods: ours, and those that anybody may pull.
const OURS: [&str; 7] = [
    "api-gateway",
    "user-service",
    "product-service",
    "order-service",
    "notification-service",
    "paysim",
    "sink",
];
const PUBLIC: [&str; 2] = ["postgres", "rabbitmq"];

/// What runs the gateway of the shop.
const GATEWAY: &str = "shop-flotilla";

/// Who keeps the shop of the demonstration (see `shop fill`).
const ADMIN: &str = "admin@shop.example";

/// The services that take part in an order.
const SERVICES: [&str; 6] =
    [GATEWAY, "order-service", "product-service", "paysim", "notification-service", "sink"];

/// Loads the images and installs the chart beside an operator; returns when every service is ready. All requests are logged.
pub(crate) fn install(cluster: &Cluster) -> Result<()> {
    progress::during("Having gateways log every request", || {
        install::upgrade(cluster, &["--set=gateway.accessLog=1"])
    })?;
    let names: Vec<_> = match cluster.provider {
        Provider::Host => OURS.into_iter().chain(PUBLIC).collect(),
        Provider::Kind => OURS.to_vec(),
        Provider::External => Vec::new(),
    };
    if !names.is_empty() {
        images::load(cluster, &images::build(&names)?)?;
    }
    progress::during("Installing the shop with Helm", || {
        let mut helm = helm(cluster)?;
        helm.args(["upgrade", "--install", "shop"]).arg(workspace_root().join("charts/shop"));
        helm.args(["--namespace", NAMESPACE, "--create-namespace", "--reset-values"]);
        process::run(&mut helm, &cache::root()?.join("logs/helm.log"))
    })?;
    progress::during("Waiting until every service of the shop is ready", || ready(cluster))
}

/// Takes it away again, with its data.
pub(crate) fn uninstall(cluster: &Cluster) -> Result<()> {
    progress::during("Uninstalling the shop", || {
        let mut helm = helm(cluster)?;
        // Whoever was killed while they did this has left the namespace.
        helm.args(["uninstall", "shop", "--namespace", NAMESPACE, "--ignore-not-found"]);
        process::run(&mut helm, &cache::root()?.join("logs/helm.log"))?;
        cluster.kubectl.output(&["delete", "namespace", NAMESPACE, "--timeout=180s"]).map(drop)
    })
}

/// Takes away a shop that a demonstration has left.
pub(crate) fn make_room(cluster: &Cluster) -> Result<()> {
    let left =
        cluster.kubectl.output(&["get", "namespace", NAMESPACE, "--ignore-not-found", "--output=name"])?;
    if left.trim().is_empty() { Ok(()) } else { uninstall(cluster) }
}

fn ready(cluster: &Cluster) -> Result<()> {
    let waited = kubectl(cluster, &["wait", "msvc", "--all", "--for=condition=Ready", "--timeout=600s"])
        .and_then(|_| {
            kubectl(cluster, &["wait", "gateway/shop", "--for=condition=Programmed", "--timeout=120s"])
        });
    waited.map(drop).map_err(|error| {
        let tell = |arguments: &[&str]| kubectl(cluster, arguments).unwrap_or_else(|error| error.to_string());
        let (services, pods) = (tell(&["get", "msvc"]), tell(&["get", "pods", "--output=wide"]));
        error.context(format!(
            "the shop is not ready\n{services}\n{pods}\n{}",
            tell(&["events", "--types=Warning"])
        ))
    })
}

/// Has a customer order something, and shows what comes of it: each step, the mail, and who logged what of it.
pub(crate) fn demo(cluster: &Cluster) -> Result<()> {
    install(cluster)?;
    println!("\n$ kubectl get msvc --namespace {NAMESPACE}\n{}", kubectl(cluster, &["get", "msvc"])?);
    let (shop, inbox) = (forward(cluster, GATEWAY, 80)?, forward(cluster, "sink", 8080)?);
    let url = |forward: &Forward| format!("http://{}", forward.address());
    let customer = Customer { program: program()?, shop: url(&shop), inbox: url(&inbox) };
    progress::during("Filling the shop", || {
        customer.run(&["fill", "people"])?;
        // The first admin has nobody else to ask.
        let grant = [
            "exec",
            "deployment/user-service",
            "--",
            "/user-service",
            "grant",
            "--email",
            ADMIN,
            "--role",
            "admin",
        ];
        kubectl(cluster, &grant)?;
        customer.run(&["fill", "catalogue"]).map(drop)
    })?;
    println!("A customer orders something through the gateway:");
    let told = customer.run(&["order", "--output=json"])?;
    let mut lines: Vec<Value> = told.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let walked = lines.pop().context("the customer says what came of it")?;
    for line in &lines {
        println!("  {:<13} {:>6} ms  {}", text(&line["step"]), line["milliseconds"], text(&line["what"]));
    }
    println!("\nThe mail that confirms it:\n{}", indented(text(&walked["mail"]["text"])));
    let order = lines.iter().find(|line| line["step"] == "order").context("something was ordered")?;
    let id = text(&order["correlation_id"]);
    println!("\nWhat the services logged of that order, by its correlation id {id}:");
    for service in SERVICES {
        let selector = format!("--selector=app.kubernetes.io/name={service}");
        let logs =
            kubectl(cluster, &["logs", &selector, "--tail=-1", "--all-containers", "--max-log-requests=20"])?;
        let lines: Vec<_> = logs.lines().filter(|line| line.contains(id)).collect();
        ensure!(!lines.is_empty(), "{service} logged nothing of {id}");
        println!(
            "  {service} ({} lines), the first: {}",
            lines.len(),
            lines.first().copied().unwrap_or_default()
        );
    }
    println!(
        "\nBuy something yourself:\n  kubectl --namespace {NAMESPACE} port-forward service/{GATEWAY} 8080:80\n  curl http://localhost:8080/v1/products"
    );
    Ok(())
}

fn forward(cluster: &Cluster, service: &str, port: u16) -> Result<Forward> {
    let kubectl = cluster.kubectl.clone();
    let command = move || {
        let mut command = kubectl.command();
        command.args(["--namespace", NAMESPACE]);
        command
    };
    Ok(Forward::to(command, service, port)?)
}

fn kubectl(cluster: &Cluster, arguments: &[&str]) -> Result<String> {
    cluster.kubectl.output(&[&["--namespace", NAMESPACE], arguments].concat())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn indented(text: &str) -> String {
    text.lines().flat_map(|line| ["  | ", line, "\n"]).collect()
}

/// The program that is a customer, compiled.
fn program() -> Result<PathBuf> {
    let log = cache::root()?.join("logs/build-shop-program.log");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(workspace_root()).args([
        "build",
        "--locked",
        "--package",
        "flotilla-shop",
        "--bin",
        "shop",
    ]);
    progress::during("Compiling a customer of the shop", || process::run(&mut cargo, &log))?;
    Ok(target_folder()?.join("debug/shop"))
}

/// A customer, who knows where the shop and the inbox are.
struct Customer {
    program: PathBuf,
    shop: String,
    inbox: String,
}

impl Customer {
    fn run(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.program);
        process::output(command.args(arguments).args(["--url", &self.shop, "--inbox-url", &self.inbox]))
    }
}
