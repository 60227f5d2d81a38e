//! etcd, the API server, the controller manager and the scheduler, on the first node.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::layout::{API_SERVICE, Layout, Node, SERVICES};
use super::pki::{self, Authority, Pair, SigningKey, Subject};
use super::supervise::{self, Component};
use super::tools::HostTools;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The control plane's certificates and keys.
pub(crate) struct ControlPlanePki {
    /// Signs clients and servers of Kubernetes itself.
    pub(crate) cluster: Authority,
    etcd_ca: Pair,
    etcd_server: Pair,
    etcd_client: Pair,
    front_proxy_ca: Pair,
    front_proxy_client: Pair,
    api_server: Pair,
    kubelet_client: Pair,
    service_accounts: SigningKey,
}

impl ControlPlanePki {
    /// Makes what is not there yet.
    pub(crate) fn ensure(layout: &Layout, first: &Node) -> Result<Self> {
        let folder = layout.pki();
        let cluster = Authority::ensure(&folder.join("cluster"), "ca")?;
        let etcd = Authority::ensure(&folder.join("etcd"), "ca")?;
        let front_proxy = Authority::ensure(&folder.join("front-proxy"), "ca")?;
        let api_names = [
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
        ];
        Ok(Self {
            etcd_ca: etcd.pair(),
            etcd_server: etcd
                .issue(&Subject { addresses: &[LOOPBACK], ..Subject::client("server", "etcd", None) })?,
            etcd_client: etcd.issue(&Subject::client("kube-apiserver", "kube-apiserver", None))?,
            front_proxy_ca: front_proxy.pair(),
            front_proxy_client: front_proxy.issue(&Subject::client("client", "front-proxy-client", None))?,
            api_server: cluster.issue(&Subject {
                dns: &api_names,
                addresses: &[LOOPBACK, API_SERVICE.into(), first.address().into()],
                ..Subject::client("kube-apiserver", "kube-apiserver", None)
            })?,
            kubelet_client: cluster.issue(&Subject::client(
                "kube-apiserver-kubelet-client",
                "kube-apiserver-kubelet-client",
                Some("system:masters"),
            ))?,
            service_accounts: SigningKey::ensure(&folder)?,
            cluster,
        })
    }

    /// A kubeconfig for a client of the API server.
    pub(crate) fn kubeconfig(&self, path: &Path, server: &str, subject: &Subject<'_>) -> Result<()> {
        pki::write_kubeconfig(path, server, &self.cluster.pair(), &self.cluster.issue(subject)?)
    }
}

/// The API server's address, for nodes and the host alike.
pub(crate) fn server_url(first: &Node) -> String {
    format!("https://{}:6443", first.address())
}

/// etcd.
pub(crate) fn etcd(layout: &Layout, first: &Node, tools: &HostTools, pki: &ControlPlanePki) -> Component {
    let mut arguments = Arguments::default();
    arguments
        .path("data-dir", &layout.etcd())
        .text("name", &first.name())
        .text("listen-client-urls", "https://127.0.0.1:2379")
        .text("advertise-client-urls", "https://127.0.0.1:2379")
        .text("listen-peer-urls", "http://127.0.0.1:2380")
        .text("initial-advertise-peer-urls", "http://127.0.0.1:2380")
        .text("initial-cluster", &format!("{}=http://127.0.0.1:2380", first.name()))
        .text("client-cert-auth", "true")
        .path("trusted-ca-file", &pki.etcd_ca.certificate)
        .path("cert-file", &pki.etcd_server.certificate)
        .path("key-file", &pki.etcd_server.key)
        // What is lost when the machine itself crashes is a test cluster's data; syncs are most of a slow disk's time.
        .text("unsafe-no-fsync", "true")
        .text("log-level", "warn");
    component("etcd", first, tools.etcd.program("etcd"), arguments)
}

/// The API server.
pub(crate) fn api_server(
    layout: &Layout,
    first: &Node,
    tools: &HostTools,
    pki: &ControlPlanePki,
) -> Result<Component> {
    let audit_policy = layout.config().join("audit-policy.yaml");
    supervise::write(&audit_policy, include_bytes!("control_plane/audit-policy.yaml"))?;
    let cluster_ca = pki.cluster.pair();
    let mut arguments = Arguments::default();
    arguments
        .text("advertise-address", &first.address().to_string())
        .text("secure-port", "6443")
        .text("etcd-servers", "https://127.0.0.1:2379")
        .path("etcd-cafile", &pki.etcd_ca.certificate)
        .path("etcd-certfile", &pki.etcd_client.certificate)
        .path("etcd-keyfile", &pki.etcd_client.key)
        .path("tls-cert-file", &pki.api_server.certificate)
        .path("tls-private-key-file", &pki.api_server.key)
        .path("client-ca-file", &cluster_ca.certificate)
        .path("kubelet-client-certificate", &pki.kubelet_client.certificate)
        .path("kubelet-client-key", &pki.kubelet_client.key)
        .path("kubelet-certificate-authority", &cluster_ca.certificate)
        .text("kubelet-preferred-address-types", "InternalIP")
        .text("service-cluster-ip-range", SERVICES)
        .text("service-account-issuer", "https://kubernetes.default.svc.cluster.local")
        .path("service-account-key-file", &pki.service_accounts.public)
        .path("service-account-signing-key-file", &pki.service_accounts.private)
        // Pod Security and ValidatingAdmissionPolicy are among the plugins that are on by default.
        .text("authorization-mode", "Node,RBAC")
        .text("enable-admission-plugins", "NodeRestriction")
        .text("allow-privileged", "true")
        .path("requestheader-client-ca-file", &pki.front_proxy_ca.certificate)
        .text("requestheader-allowed-names", "front-proxy-client")
        .text("requestheader-username-headers", "X-Remote-User")
        .text("requestheader-group-headers", "X-Remote-Group")
        .text("requestheader-extra-headers-prefix", "X-Remote-Extra-")
        .path("proxy-client-cert-file", &pki.front_proxy_client.certificate)
        .path("proxy-client-key-file", &pki.front_proxy_client.key)
        .text("enable-aggregator-routing", "true")
        .path("audit-policy-file", &audit_policy)
        .path("audit-log-path", &audit_log(layout))
        .text("audit-log-maxsize", "512")
        .text("audit-log-maxbackup", "1")
        .text("profiling", "false");
    Ok(Component {
        inputs: vec![audit_policy],
        ..component("kube-apiserver", first, tools.kubernetes.program("kube-apiserver"), arguments)
    })
}

/// Where the API server writes one JSON line a request.
pub(crate) fn audit_log(layout: &Layout) -> PathBuf {
    layout.log("audit")
}

/// The controller manager.
pub(crate) fn controller_manager(
    layout: &Layout,
    first: &Node,
    tools: &HostTools,
    pki: &ControlPlanePki,
) -> Result<Component> {
    let kubeconfig = layout.config().join("kube-controller-manager.kubeconfig");
    let user = "system:kube-controller-manager";
    pki.kubeconfig(&kubeconfig, &server_url(first), &Subject::client("kube-controller-manager", user, None))?;
    let cluster_ca = pki.cluster.pair();
    let mut arguments = Arguments::default();
    arguments
        .delegated(&kubeconfig)
        .text("leader-elect", "false")
        .text("use-service-account-credentials", "true")
        .path("root-ca-file", &cluster_ca.certificate)
        .path("service-account-private-key-file", &pki.service_accounts.private)
        .path("cluster-signing-cert-file", &cluster_ca.certificate)
        .path("cluster-signing-key-file", &cluster_ca.key)
        .text("service-cluster-ip-range", SERVICES)
        .path("requestheader-client-ca-file", &pki.front_proxy_ca.certificate)
        // Its default lies in /usr.
        .path("flex-volume-plugin-dir", &layout.state().join("flexvolume"))
        // Tests wait for these; the defaults suit clusters of thousands of nodes.
        .text("horizontal-pod-autoscaler-sync-period", "5s")
        .text("horizontal-pod-autoscaler-initial-readiness-delay", "5s")
        .text("horizontal-pod-autoscaler-cpu-initialization-period", "10s")
        .text("kube-api-qps", "200")
        .text("kube-api-burst", "400");
    let name = "kube-controller-manager";
    Ok(Component {
        inputs: vec![kubeconfig],
        ..component(name, first, tools.kubernetes.program(name), arguments)
    })
}

/// The scheduler.
pub(crate) fn scheduler(
    layout: &Layout,
    first: &Node,
    tools: &HostTools,
    pki: &ControlPlanePki,
) -> Result<Component> {
    let kubeconfig = layout.config().join("kube-scheduler.kubeconfig");
    let user = "system:kube-scheduler";
    pki.kubeconfig(&kubeconfig, &server_url(first), &Subject::client("kube-scheduler", user, None))?;
    let mut arguments = Arguments::default();
    arguments
        .delegated(&kubeconfig)
        .text("leader-elect", "false")
        .text("kube-api-qps", "200")
        .text("kube-api-burst", "400");
    let name = "kube-scheduler";
    Ok(Component {
        inputs: vec![kubeconfig],
        ..component(name, first, tools.kubernetes.program(name), arguments)
    })
}

/// A component whose name is unique because there is one of it in the cluster.
fn component(name: &str, first: &Node, program: PathBuf, arguments: Arguments) -> Component {
    Component {
        name: name.to_owned(),
        node: first.clone(),
        program,
        arguments: arguments.0,
        environment: Vec::new(),
        inputs: Vec::new(),
    }
}

/// Flags as `--name=value`.
#[derive(Default)]
pub(crate) struct Arguments(pub(crate) Vec<String>);

impl Arguments {
    pub(crate) fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.0.push(format!("--{name}={value}"));
        self
    }

    pub(crate) fn path(&mut self, name: &str, value: &Path) -> &mut Self {
        self.text(name, &value.to_string_lossy())
    }

    /// The API server as the one who says who may read a component's own endpoints.
    fn delegated(&mut self, kubeconfig: &Path) -> &mut Self {
        for name in ["kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"] {
            self.path(name, kubeconfig);
        }
        self.text("bind-address", "127.0.0.1").text("profiling", "false")
    }
}
