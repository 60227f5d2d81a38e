//! `cargo xtask cluster`: a real Kubernetes for development and tests.

mod addon_images;
mod addons;
mod cgroup;
mod control_plane;
mod dns;
mod down;
mod external;
mod host;
mod kind;
mod kubectl;
mod layout;
mod mounts;
mod network;
mod network_policy;
mod node;
mod pki;
mod provider;
mod runtime;
pub(crate) mod selfcheck;
mod status;
mod strays;
mod supervise;
mod template;
mod tools;
mod topology;
mod tunables;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Subcommand;

pub(crate) use self::addons::GatewayApi;
pub(crate) use self::kubectl::Kubectl;
use self::layout::Layout;
pub(crate) use self::provider::Provider;
pub(crate) use self::tools::{CONFORMANCE, COREDNS, GATEWAY_API, GITOPS, H2SPEC, HELM};

/// Arguments of `cluster`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Start the cluster, or repair it if it runs in part
    Up(Options),
    /// Stop it and remove everything that it made
    Down,
    /// Say what runs
    Status,
    /// Check that the cluster does what the tests rely on
    Check {
        /// Check instead what becomes of a host cluster when parts of it are killed; it is down afterwards
        #[arg(long)]
        lifecycle: bool,
        /// Check instead with the upstream suite that NetworkPolicy is enforced
        #[arg(long, conflicts_with = "lifecycle")]
        network_policy: bool,
    },
    /// Import image archives (docker-archive or OCI tar) into every node
    Load {
        /// The archives
        #[arg(required = true)]
        archives: Vec<PathBuf>,
    },
}

/// What cluster to start.
#[derive(Clone, clap::Args)]
pub(crate) struct Options {
    /// Who makes it; without, the first that this machine can
    #[arg(long, value_enum)]
    pub(crate) provider: Option<Provider>,
    /// Which Gateway API resources it has
    #[arg(long, value_enum, default_value = "experimental")]
    pub(crate) gateway_api: GatewayApi,
    /// How many nodes it has, where it is not somebody else's
    #[arg(long, default_value_t = 1)]
    pub(crate) nodes: u8,
}

impl Default for Options {
    fn default() -> Self {
        Self { provider: None, gateway_api: GatewayApi::Experimental, nodes: 1 }
    }
}

/// A cluster that is up.
pub(crate) struct Cluster {
    /// Who made it.
    pub(crate) provider: Provider,
    /// The administrator's kubeconfig.
    pub(crate) kubeconfig: PathBuf,
    /// kubectl for it.
    pub(crate) kubectl: Kubectl,
    /// Where its API server writes one JSON line a request, if we can read that.
    pub(crate) audit_log: Option<PathBuf>,
    layout: Layout,
}

/// Runs the verb.
pub(crate) fn run(args: Args) -> Result<()> {
    match args.action {
        Action::Up(options) => {
            let cluster = up(&options)?;
            println!("The cluster is up. For kubectl and helm:\n{}", cluster.environment()?);
            Ok(())
        }
        Action::Down => down(),
        Action::Status => status::print(&Layout::from_environment()?),
        Action::Check { network_policy: true, .. } => selfcheck::run_netpol(&current()?)?.end(),
        Action::Check { lifecycle: false, .. } => selfcheck::run(&current()?)?.end(),
        Action::Check { lifecycle: true, .. } => selfcheck::run_lifecycle(&Options::default())?.end(),
        Action::Load { archives } => current()?.load(&archives),
    }
}

/// Starts or repairs the cluster and waits until it is ready.
pub(crate) fn up(options: &Options) -> Result<Cluster> {
    let layout = Layout::from_environment()?;
    match provider::choose(&layout, options.provider)? {
        Provider::External => external::check()?,
        Provider::Kind => kind::up(&layout, options)?,
        Provider::Host => host::up(&layout, options)?,
    }
    current()
}

/// The cluster that is up, or is said to be.
pub(crate) fn current() -> Result<Cluster> {
    let layout = Layout::from_environment()?;
    let Some(provider) = provider::current(&layout) else {
        bail!("no cluster is up; start one with: cargo xtask cluster up");
    };
    let kubeconfig = match provider {
        Provider::External => external::kubeconfig()?,
        Provider::Kind | Provider::Host => layout.kubeconfig(),
    };
    Ok(Cluster {
        kubectl: Kubectl::new(&kubeconfig)?,
        kubeconfig,
        audit_log: (provider == Provider::Host).then(|| control_plane::audit_log(&layout)),
        provider,
        layout,
    })
}

impl Cluster {
    /// What a shell needs for kubectl and helm, which are built here, to work on this cluster.
    pub(crate) fn environment(&self) -> Result<String> {
        let kubectl = self.kubectl.program().parent().unwrap_or(Path::new("/"));
        let helm = HELM.build()?;
        let (kubeconfig, helm) = (self.kubeconfig.display(), helm.folder().display());
        Ok(format!("  export KUBECONFIG={kubeconfig}\n  export PATH=$PATH:{}:{helm}", kubectl.display()))
    }

    /// The addresses that gateways may be given and that this machine reaches, if it is known of any.
    pub(crate) fn gateway_addresses(&self) -> Option<&'static str> {
        (self.provider == Provider::Host).then_some(layout::GATEWAYS)
    }

    /// Installs or updates the Gateway API's resources of a channel.
    pub(crate) fn install_gateway_api(&self, channel: GatewayApi) -> Result<()> {
        addons::apply_gateway_api(&self.kubectl, channel)
    }

    /// Imports image archives into every node.
    pub(crate) fn load(&self, archives: &[PathBuf]) -> Result<()> {
        match self.provider {
            Provider::Host => host::load(&self.layout, archives),
            Provider::Kind => kind::load(archives),
            Provider::External => bail!(
                "images cannot be put into a cluster that is somebody else's; push them to a registry that it pulls from"
            ),
        }
    }
}

pub(crate) fn down() -> Result<()> {
    let layout = Layout::from_environment()?;
    match provider::current(&layout) {
        Some(Provider::External) => bail!("KUBECONFIG names a cluster that is not ours to take down"),
        Some(Provider::Kind) => kind::down(&layout),
        // Also when nothing is known of a cluster: there may be a part of one whose state was lost.
        Some(Provider::Host) | None => match host::obstacle() {
            Some(obstacle) => bail!("nothing to take down: {obstacle}"),
            None => down::down(&layout),
        },
    }
}
