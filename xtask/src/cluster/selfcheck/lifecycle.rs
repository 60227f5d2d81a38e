//! What becomes of a host cluster when parts of it are killed, and what `down` leaves behind.

use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::{NAMESPACE, Summary};
use crate::cluster::layout::{Layout, Node};
use crate::cluster::{Cluster, Options, Provider, down, supervise, up};

/// After how long a starting cluster is cut off: before, while and after its components start.
const CUT_OFF: [Duration; 4] =
    [Duration::from_millis(150), Duration::from_millis(600), Duration::from_secs(2), Duration::from_secs(5)];

/// Kills and takes down the host cluster in several ways. It is down at the end.
pub(crate) fn run(options: &Options) -> Result<Summary> {
    let options = Options { provider: Some(Provider::Host), ..options.clone() };
    let layout = Layout::from_environment()?;
    let cluster = up(&options)?;
    let mut summary = Summary::default();
    for component in supervise::reports(&layout)? {
        let name = component.name;
        summary.check(&format!("`up` brings back {name} after kill -9"), || {
            kill(&layout, &name)?;
            up(&options)?;
            alive(&layout, &name)?;
            still_serves(&cluster)
        });
    }
    summary.check("`up` brings back all components after kill -9 at once, and pods go on", || {
        let pods = || {
            cluster.kubectl.output(&[
                "get",
                "pods",
                "--all-namespaces",
                "--output=jsonpath={.items[*].status.containerStatuses[*].containerID}",
            ])
        };
        let before = pods()?;
        for component in supervise::reports(&layout)? {
            kill(&layout, &component.name)?;
        }
        up(&options)?;
        ensure!(pods()? == before, "pods were started anew");
        still_serves(&cluster)
    });
    summary.check("`down` leaves nothing", || {
        down::down(&layout)?;
        nothing_left(&layout)
    });
    summary.check("`down` leaves nothing when nothing is up", || {
        down::down(&layout)?;
        nothing_left(&layout)
    });
    let node = Node::new(&layout, 1).name();
    for dead in [format!("containerd-{node}"), format!("kubelet-{node}"), "kube-apiserver".to_owned()] {
        summary.check(&format!("`down` leaves nothing when {dead} is dead"), || {
            up(&options)?;
            kill(&layout, &dead)?;
            down::down(&layout)?;
            nothing_left(&layout)
        });
    }
    summary.check("`down` leaves nothing when the state folder's records are lost", || {
        up(&options)?;
        std::fs::remove_dir_all(layout.records())?;
        std::fs::remove_file(layout.provider())?;
        down::down(&layout)?;
        nothing_left(&layout)
    });
    for after in CUT_OFF {
        summary.check(
            &format!("`down` leaves nothing of an `up` that was killed after {} ms", after.as_millis()),
            || {
                cut_off_up(after)?;
                down::down(&layout)?;
                nothing_left(&layout)
            },
        );
    }
    summary.check("`up` completes an `up` that was killed", || {
        cut_off_up(Duration::from_secs(3))?;
        still_serves(&up(&options)?)
    });
    down::down(&layout)?;
    Ok(summary)
}

fn kill(layout: &Layout, name: &str) -> Result<()> {
    let reports = supervise::reports(layout)?;
    let pid = reports.iter().find(|report| report.name == name).and_then(|report| report.pid);
    let pid = pid.and_then(Pid::from_raw).with_context(|| format!("{name} does not run"))?;
    kill_process(pid, Signal::KILL)?;
    // A killed process is gone a moment later.
    for _ in 0..100 {
        if alive(layout, name).is_err() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(20));
    }
    bail!("{name} survives kill -9");
}

fn alive(layout: &Layout, name: &str) -> Result<()> {
    let reports = supervise::reports(layout)?;
    ensure!(reports.iter().any(|report| report.name == name && report.pid.is_some()), "{name} does not run");
    Ok(())
}

/// Has the API server, the controllers, the scheduler and the node make and remove a pod.
fn still_serves(cluster: &Cluster) -> Result<()> {
    let namespace = format!("{NAMESPACE}-after");
    let image = cluster.kubectl.output(&[
        "--namespace=kube-system",
        "get",
        "deployment/coredns",
        "--output=jsonpath={.spec.template.spec.containers[0].image}",
    ])?;
    cluster.kubectl.output(&["create", "namespace", &namespace])?;
    let outcome = cluster
        .kubectl
        .output(&[
            "--namespace",
            &namespace,
            "create",
            "deployment",
            "probe",
            "--image",
            &image,
            "--",
            "/coredns",
            "-dns.port=1053",
        ])
        .and_then(|_| cluster.kubectl.rollout(&namespace, "deployment/probe", super::TIMEOUT));
    cluster.kubectl.output(&["delete", "namespace", &namespace])?;
    outcome
}

fn nothing_left(layout: &Layout) -> Result<()> {
    let left = down::leftovers(layout)?;
    ensure!(left.is_empty(), "this is left:\n  {}", left.join("\n  "));
    Ok(())
}

/// Starts `up` as a process of its own and kills it after a while.
fn cut_off_up(after: Duration) -> Result<()> {
    // Not `current_exe`, which names a file that a build may have replaced meanwhile.
    let mut child = Command::new("/proc/self/exe")
        .args(["cluster", "up", "--provider", "host"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    thread::sleep(after);
    ensure!(child.try_wait()?.is_none(), "`up` has ended before it could be killed");
    child.kill()?;
    child.wait()?;
    Ok(())
}
