//! NetworkPolicy: a server, three clients, and what each policy opens and closes between them.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::{Check, NAMESPACE, Summary, TIMEOUT, eventually};
use crate::cluster::template::render;

/// A second namespace.
const ELSEWHERE: &str = "flotilla-check-elsewhere";
/// How long a change of a policy may take to be in force.
const SOON: Duration = Duration::from_secs(10);

/// Who asks the server: a pod that policies name, one that none names, and one of another namespace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Client {
    Friend,
    Stranger,
    Outsider,
}
use Client::{Friend, Outsider, Stranger};

const CLIENTS: [Client; 3] = [Friend, Stranger, Outsider];

/// A policy's spec, and the clients that still reach the server under it.
struct Case {
    title: &'static str,
    spec: &'static str,
    open: &'static [Client],
}

const DENY_INGRESS: &str = "{podSelector: {}, policyTypes: [Ingress]}";

const CASES: [Case; 8] = [
    Case { title: "An empty policy closes its namespace's pods", spec: DENY_INGRESS, open: &[] },
    Case {
        title: "A policy opens a pod to pods by their labels",
        spec: "{podSelector: {matchLabels: {app: server}}, \
               ingress: [{from: [{podSelector: {matchLabels: {app: friend}}}]}]}",
        open: &[Friend],
    },
    Case {
        title: "A policy opens a pod to a namespace by its labels",
        spec: "{podSelector: {matchLabels: {app: server}}, ingress: [{from: [{namespaceSelector: \
               {matchLabels: {kubernetes.io/metadata.name: ${elsewhere}}}}]}]}",
        open: &[Outsider],
    },
    Case {
        title: "A policy opens a pod to addresses, except some",
        spec: "{podSelector: {matchLabels: {app: server}}, \
               ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0, except: [${stranger}/32]}}]}]}",
        open: &[Friend, Outsider],
    },
    Case {
        title: "A policy opens a range of ports",
        spec: "{podSelector: {matchLabels: {app: server}}, \
               ingress: [{ports: [{protocol: TCP, port: 8000, endPort: 8080}]}]}",
        open: &CLIENTS,
    },
    Case {
        title: "A policy opens no port beside its range",
        spec: "{podSelector: {matchLabels: {app: server}}, \
               ingress: [{ports: [{protocol: TCP, port: 8081, endPort: 8090}]}]}",
        open: &[],
    },
    Case {
        title: "A policy opens a port by its name",
        spec: "{podSelector: {matchLabels: {app: server}}, ingress: [{ports: [{port: http}]}]}",
        open: &CLIENTS,
    },
    Case {
        title: "A policy closes the way out of a pod, but to DNS",
        spec: "{podSelector: {matchLabels: {app: friend}}, policyTypes: [Egress], egress: [{ports: \
               [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}], to: [{namespaceSelector: \
               {matchLabels: {kubernetes.io/metadata.name: kube-system}}}]}]}",
        open: &[Stranger, Outsider],
    },
];

pub(super) fn run(check: &Check<'_>, summary: &mut Summary) {
    let before = summary.failed;
    summary.check("Without a policy, all pods reach a pod and its Service", || {
        let values = [("image", check.shell_image), ("namespace", NAMESPACE), ("elsewhere", ELSEWHERE)];
        let manifests = render(include_str!("network_policy.yaml"), &values)?;
        check.cluster.kubectl.apply(&manifests)?;
        check.rollout("server")?;
        for client in CLIENTS {
            check.cluster.kubectl.rollout(client.namespace(), &client.workload(), TIMEOUT)?;
        }
        expect_open(check, &CLIENTS)
    });
    if summary.failed == before {
        for case in &CASES {
            summary.check(case.title, || {
                enforce(check, case.spec)?;
                expect_open(check, case.open)?;
                if case.spec.contains("port: 53") {
                    let question = format!("nslookup server.{NAMESPACE}.svc.cluster.local");
                    Friend.shell(check, &question).context("asking the DNS")?;
                }
                lift(check)?;
                expect_open(check, &CLIENTS).context("after the policy was deleted")
            });
        }
        summary.check(
            "A policy holds for pods that start under it, and the kubelet still reaches them",
            || {
                enforce(check, DENY_INGRESS)?;
                expect_open(check, &[])?;
                for deployment in ["server", "friend"] {
                    check.kubectl(&["rollout", "restart", &format!("deployment/{deployment}")])?;
                    check.rollout(deployment)?;
                }
                for client in CLIENTS {
                    ensure!(!client.reaches_server(check)?, "{client:?} reaches the new pod");
                }
                lift(check)?;
                expect_open(check, &CLIENTS).context("after the policy was deleted")
            },
        );
    }
    summary.check("The second namespace goes", || {
        let timeout = format!("--timeout={}s", TIMEOUT.as_secs());
        check.cluster.kubectl.output(&["delete", "namespace", ELSEWHERE, &timeout]).map(drop)
    });
}

impl Client {
    fn name(self) -> &'static str {
        match self {
            Friend => "friend",
            Stranger => "stranger",
            Outsider => "outsider",
        }
    }

    fn namespace(self) -> &'static str {
        match self {
            Friend | Stranger => NAMESPACE,
            Outsider => ELSEWHERE,
        }
    }

    fn workload(self) -> String {
        format!("deployment/{}", self.name())
    }

    fn shell(self, check: &Check<'_>, script: &str) -> Result<String> {
        let kubectl = &check.cluster.kubectl;
        kubectl.output(&["--namespace", self.namespace(), "exec", &self.workload(), "--", "sh", "-c", script])
    }

    /// Whether it reaches the server, which has to be the same by the pod's address and by the Service's.
    fn reaches_server(self, check: &Check<'_>) -> Result<bool> {
        let pod = running_pod_address(check, "server")?;
        let service = check.kubectl(&["get", "service/server", "--output=jsonpath={.spec.clusterIP}"])?;
        // Not `wget -T`, of which Debian's busybox dies. That it was refused, or that time ran out, is an answer; that
        // wget itself failed is none.
        let script = format!(
            "for url in http://{pod}:8080/hostname http://{service}/hostname; do \
             timeout 1 wget -q -O /dev/null $url 2>/dev/null; \
             case $? in 0) echo open;; 1|143) echo closed;; *) echo $?;; esac; done"
        );
        match self.shell(check, &script)?.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["open", "open"] => Ok(true),
            ["closed", "closed"] => Ok(false),
            answers => bail!("{self:?} finds the pod and its Service {answers:?}"),
        }
    }
}

/// Waits until just these clients reach the server.
fn expect_open(check: &Check<'_>, open: &[Client]) -> Result<()> {
    for client in CLIENTS {
        let expected = open.contains(&client);
        let what = format!("{client:?} {} the server", if expected { "reaches" } else { "does not reach" });
        eventually(&what, SOON, || Ok(client.reaches_server(check)? == expected))?;
    }
    Ok(())
}

fn enforce(check: &Check<'_>, spec: &str) -> Result<()> {
    let stranger = running_pod_address(check, "stranger")?;
    let spec = spec.replace("${elsewhere}", ELSEWHERE).replace("${stranger}", &stranger);
    check.cluster.kubectl.apply_in(
        NAMESPACE,
        &format!(
            "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: check}}, spec: {spec}}}"
        ),
    )
}

fn lift(check: &Check<'_>) -> Result<()> {
    check.kubectl(&["delete", "networkpolicy/check"]).map(drop)
}

/// The address of a deployment's one pod that is not on its way out.
fn running_pod_address(check: &Check<'_>, app: &str) -> Result<String> {
    let pods = check.cluster.kubectl.get(&[
        "--namespace",
        NAMESPACE,
        "pods",
        "--selector",
        &format!("app={app}"),
    ])?;
    let pods = pods["items"].as_array().into_iter().flatten();
    let pod = pods.into_iter().find(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    let address = pod.and_then(|pod| pod["status"]["podIP"].as_str());
    Ok(address.with_context(|| format!("{app} has no address"))?.to_owned())
}
