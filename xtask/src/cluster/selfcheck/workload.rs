//! Pods, networking, storage, metrics and autoscaling.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{Check, NAMESPACE, Summary, TIMEOUT, eventually};
use crate::cluster::Provider;
use crate::cluster::template::render;

const PAGE: &str = "a page of the check";

pub(super) fn run(check: &Check<'_>, summary: &mut Summary) {
    summary.check("Pods run where Pod Security restricted is enforced", || {
        let manifests = render(include_str!("workload.yaml"), &[("image", check.shell_image)])?;
        check.cluster.kubectl.apply_in(NAMESPACE, &manifests)?;
        check.rollout("web")
    });
    summary.check("A pod reaches a Service by its DNS name", || {
        // kube-proxy may learn of the ready pod a second after its Deployment does.
        eventually("the Service has the page", TIMEOUT, || {
            let ask = format!("wget -q -O - http://web.{NAMESPACE}.svc.cluster.local/");
            Ok(check.shell("web", &ask)?.trim() == PAGE)
        })
    });
    summary.check("A pod reaches the API server through its Service", || {
        check.shell("web", "nc -w 5 kubernetes.default.svc 443 < /dev/null").map(drop)
    });
    if check.cluster.provider == Provider::Host {
        summary.check("This machine reaches Services and pods", || {
            let service = check.kubectl(&["get", "service/web", "--output=jsonpath={.spec.clusterIP}"])?;
            let pod = check.kubectl(&[
                "get",
                "pods",
                "--selector=app=web",
                "--output=jsonpath={.items[0].status.podIP}",
            ])?;
            for address in [format!("{service}:80"), format!("{pod}:8080")] {
                let answer = http_get(&address).with_context(|| format!("asking {address}"))?;
                ensure!(answer.ends_with(PAGE), "{address} answered {answer:?}");
            }
            Ok(())
        });
    }
    summary.check("A pod's log can be read", || {
        eventually("the web server has logged a request", TIMEOUT, || {
            Ok(check.kubectl(&["logs", "--selector=app=web", "--tail=-1"])?.contains("response:200"))
        })
    });
    summary
        .check("A volume of the default class keeps its data when its pod is replaced", || keeps_data(check));
    summary.check("kubectl top shows nodes and pods", || {
        eventually("there are metrics", TIMEOUT, || {
            let node = check.kubectl(&["top", "node", "--no-headers"])?;
            let pods = check.kubectl(&["top", "pod", "--no-headers"])?;
            Ok(!node.contains("<unknown>") && pods.lines().any(|line| line.starts_with("web-")))
        })
    });
    summary.check("An autoscaler adds a replica to a busy deployment", || {
        eventually("there are two replicas", TIMEOUT, || {
            let replicas =
                check.kubectl(&["get", "deployment/busy", "--output=jsonpath={.status.readyReplicas}"])?;
            Ok(replicas == "2")
        })
    });
}

fn keeps_data(check: &Check<'_>) -> Result<()> {
    check.rollout("keeper")?;
    check.shell("keeper", "echo kept > /data/file")?;
    let pod = || {
        check.kubectl(&["get", "pods", "--selector=app=keeper", "--output=jsonpath={.items[*].metadata.uid}"])
    };
    let before = pod()?;
    check.kubectl(&["rollout", "restart", "deployment/keeper"])?;
    check.rollout("keeper")?;
    ensure!(pod()? != before, "the pod was not replaced");
    let content = check.shell("keeper", "cat /data/file")?;
    ensure!(content.trim() == "kept", "the file has {content:?}");
    Ok(())
}

fn http_get(address: &str) -> Result<String> {
    let address: SocketAddr = address.parse()?;
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.trim_end().to_owned())
}
