//! The third-party programs that a cluster is made of, pinned in `tools/*/go.mod`.

use anyhow::Result;

use crate::host::Package;
use crate::tool::{ToolSet, Tools};

// The releases that the modules in `tools` pin, where a build or an image has to name them.
pub(crate) const COREDNS_VERSION: &str = "v1.15.0";
pub(crate) const METRICS_SERVER_VERSION: &str = "v0.9.0";
pub(crate) const PROVISIONER_VERSION: &str = "v0.0.30";

/// Programs and clients name their version, and clients are chosen by it.
const KUBERNETES_LDFLAGS: &[&str] = &[
    "-X k8s.io/component-base/version.gitVersion=v1.37.2",
    "-X k8s.io/component-base/version.gitMajor=1",
    "-X k8s.io/component-base/version.gitMinor=37",
    "-X k8s.io/client-go/pkg/version.gitVersion=v1.37.2",
];

const KUBERNETES: ToolSet = ToolSet {
    ldflags: KUBERNETES_LDFLAGS,
    ..ToolSet::go(
        "kubernetes",
        &[
            "k8s.io/kubernetes/cmd/kube-apiserver",
            "k8s.io/kubernetes/cmd/kube-controller-manager",
            "k8s.io/kubernetes/cmd/kube-scheduler",
            "k8s.io/kubernetes/cmd/kube-proxy",
            "k8s.io/kubernetes/cmd/kubelet",
        ],
    )
};

/// Apart from the rest, since it is all that a cluster of somebody else's needs.
pub(crate) const KUBECTL: ToolSet =
    ToolSet { ldflags: KUBERNETES_LDFLAGS, ..ToolSet::go("kubernetes", &["k8s.io/kubernetes/cmd/kubectl"]) };

const ETCD: ToolSet =
    ToolSet { renames: &[("server", "etcd")], ..ToolSet::go("etcd", &["go.etcd.io/etcd/server/v3"]) };

const CONTAINERD: ToolSet = ToolSet::go(
    "containerd",
    &[
        "github.com/containerd/containerd/v2/cmd/containerd",
        "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
        "github.com/containerd/containerd/v2/cmd/ctr",
    ],
);

const RUNC: ToolSet = ToolSet {
    tags: "seccomp",
    c_libraries: &[
        Package::new("gcc", "gcc"),
        Package::new("libc6-dev", "/usr/include/stdio.h"),
        Package::new("libseccomp-dev", "/usr/include/seccomp.h"),
        Package::new("pkg-config", "pkg-config"),
    ],
    ..ToolSet::go("runc", &["github.com/opencontainers/runc"])
};

const CNI: ToolSet = ToolSet::go(
    "cni",
    &[
        "github.com/containernetworking/plugins/plugins/main/loopback",
        "github.com/containernetworking/plugins/plugins/ipam/host-local",
        "github.com/containernetworking/plugins/plugins/meta/portmap",
    ],
);

/// The pod network's own plugin, and Felix, which enforces NetworkPolicy.
pub(crate) const CALICO: ToolSet = ToolSet::go(
    "calico",
    &[
        "github.com/projectcalico/calico/cni-plugin/cmd/calico",
        "github.com/projectcalico/calico/felix/cmd/calico-felix",
    ],
);

/// What Flux and Argo CD say of an object.
pub(crate) const GITOPS: ToolSet = ToolSet::go("gitops", &["."]);

/// The upstream suite of NetworkPolicy and the program of its pods.
pub(crate) const NETPOL: ToolSet = ToolSet::go("netpol", &[".", "k8s.io/kubernetes/test/images/agnhost"]);
/// The tag by which that suite names its pods' image.
pub(crate) const AGNHOST_VERSION: &str = "2.66.1";

/// A main package of our own, which links only the plugins that a cluster's DNS needs.
pub(crate) const COREDNS: ToolSet = ToolSet::go("coredns", &["."]);

pub(crate) const METRICS_SERVER: ToolSet =
    ToolSet::go("metrics-server", &["sigs.k8s.io/metrics-server/cmd/metrics-server"]);

pub(crate) const PROVISIONER: ToolSet =
    ToolSet::go("local-path-provisioner", &["github.com/rancher/local-path-provisioner"]);

/// Only its CRDs are used.
pub(crate) const GATEWAY_API: ToolSet = ToolSet::go("gateway-api", &[]);

pub(crate) const KIND: ToolSet = ToolSet::go("kind", &["sigs.k8s.io/kind"]);

/// Helm, with which charts are installed as a user does it.
pub(crate) const HELM: ToolSet = ToolSet::go("helm", &["helm.sh/helm/v4/cmd/helm"]);

/// What holds a server against the RFC of HTTP/2.
pub(crate) const H2SPEC: ToolSet = ToolSet::go("h2spec", &["github.com/summerwind/h2spec/cmd/h2spec"]);

/// The upstream suite of the Gateway API, and the server of its pods.
pub(crate) const CONFORMANCE: ToolSet = ToolSet {
    tests: &["."],
    ..ToolSet::go("conformance", &["sigs.k8s.io/gateway-api/conformance/echo-basic"])
};

/// The programs of a host cluster.
pub(crate) struct HostTools {
    pub(crate) kubernetes: Tools,
    pub(crate) etcd: Tools,
    pub(crate) containerd: Tools,
    pub(crate) runc: Tools,
    pub(crate) cni: Tools,
    pub(crate) calico: Tools,
}

impl HostTools {
    /// Builds what is not built yet.
    pub(crate) fn build() -> Result<Self> {
        Ok(Self {
            // The longest first, while the person still watches.
            kubernetes: KUBERNETES.build()?,
            etcd: ETCD.build()?,
            containerd: CONTAINERD.build()?,
            runc: RUNC.build()?,
            cni: CNI.build()?,
            calico: CALICO.build()?,
        })
    }
}
