//! What several nodes are for: traffic between them, and pods that leave one.

use anyhow::{Context, Result, ensure};

use super::{Check, NAMESPACE, Summary, TIMEOUT, eventually};
use crate::cluster::template::render;

/// A pod of the check, and where it is.
struct Placed {
    pod: String,
    node: String,
    address: String,
}

/// Does nothing on a cluster of one node.
pub(super) fn run(check: &Check<'_>, summary: &mut Summary) -> Result<()> {
    let nodes = check.cluster.kubectl.output(&["get", "nodes", "--output=name"])?.lines().count();
    if nodes < 2 {
        return Ok(());
    }
    summary.check("Every node runs a pod, whose log can be read", || {
        let manifests = render(include_str!("nodes.yaml"), &[("image", check.shell_image)])?;
        check.cluster.kubectl.apply_in(NAMESPACE, &manifests)?;
        check.cluster.kubectl.rollout(NAMESPACE, "daemonset/everywhere", TIMEOUT)?;
        check.rollout("moves")?;
        let pods = placed(check, "everywhere")?;
        ensure!(pods.len() == nodes, "{} pods run on {nodes} nodes", pods.len());
        for pod in pods {
            check.kubectl(&["logs", &pod.pod])?;
        }
        Ok(())
    });
    summary.check("A pod of each node reaches the pods of all others, and their Service", || {
        let pods = placed(check, "everywhere")?;
        for from in &pods {
            for to in &pods {
                fetch(check, &from.pod, &format!("{} 8080", to.address), &to.pod)
                    .with_context(|| format!("from {} to {}", from.node, to.node))?;
            }
            // A Service answers from a node of its choice.
            let service = format!("everywhere.{NAMESPACE}.svc 80");
            for _ in 0..nodes * 2 {
                fetch(check, &from.pod, &service, "everywhere-")
                    .with_context(|| format!("from {}", from.node))?;
            }
        }
        Ok(())
    });
    summary.check("A drained node gives its pods to others, and takes some again", || {
        let [before] = placed(check, "moves")?.try_into().ok().context("one pod of the deployment")?;
        let drained = drain(check, &before.node);
        check.cluster.kubectl.output(&["uncordon", &before.node])?;
        drained?;
        eventually("the pod is on another node", TIMEOUT, || {
            let now = placed(check, "moves")?;
            Ok(now.len() == 1 && now[0].node != before.node && now[0].pod != before.pod)
        })?;
        check.rollout("moves")
    });
    Ok(())
}

fn drain(check: &Check<'_>, node: &str) -> Result<()> {
    let timeout = format!("--timeout={}s", TIMEOUT.as_secs());
    let only = "--pod-selector=app=moves";
    check.cluster.kubectl.output(&["drain", node, only, "--ignore-daemonsets", &timeout]).map(drop)
}

/// The pods with this label that run.
fn placed(check: &Check<'_>, app: &str) -> Result<Vec<Placed>> {
    let text = check.kubectl(&[
        "get",
        "pods",
        &format!("--selector=app={app}"),
        "--field-selector=status.phase=Running",
        "--output=jsonpath={range .items[*]}{.metadata.name} {.spec.nodeName} {.status.podIP}{\"\\n\"}{end}",
    ])?;
    let of_line = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_owned);
        Some(Placed { pod: words.next()?, node: words.next()?, address: words.next()? })
    };
    Ok(text.lines().filter_map(of_line).collect())
}

/// Fails unless the answer, the host name of a pod, begins with what is expected.
fn fetch(check: &Check<'_>, pod: &str, host_and_port: &str, expected: &str) -> Result<()> {
    let script = format!("printf 'GET /hostname HTTP/1.0\\r\\n\\r\\n' | nc -w 5 {host_and_port}");
    let answer = check.kubectl(&["exec", pod, "--", "sh", "-c", &script])?;
    let body = answer.lines().last().unwrap_or_default();
    ensure!(body.starts_with(expected), "{host_and_port} answered {answer:?}, not {expected}");
    Ok(())
}
