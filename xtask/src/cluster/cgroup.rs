//! The cgroup that holds all of a host cluster: its components and, for each node, its pods.
//!
//! The kernel keeps membership, so a process in here is ours whatever else was lost; and its name is fixed, so that
//! `down` finds it when even the state folder is gone.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::mounts;

/// The cgroup's path in each hierarchy.
pub(crate) const ROOT: &str = "/flotilla";

/// How long killed processes may take to go.
const KILL_TIMEOUT: Duration = Duration::from_secs(30);

/// Our cgroup in each mounted hierarchy: one with cgroup v2, one a controller with v1, both on hybrid machines.
fn roots() -> Result<Vec<PathBuf>> {
    let hierarchies =
        mounts::all()?.into_iter().filter(|mount| matches!(mount.kind.as_str(), "cgroup" | "cgroup2"));
    // A hierarchy that is mounted twice is the same one.
    let points: BTreeSet<_> =
        hierarchies.map(|mount| mount.point.join(ROOT.trim_start_matches('/'))).collect();
    Ok(points.into_iter().collect())
}

/// The `cgroupRoot` of a node's kubelet. Each has its own: a kubelet ends every pod in there that it does not know.
pub(crate) fn of_node(node: &str) -> String {
    format!("{ROOT}/{node}")
}

/// Creates the cgroups of the cluster and of its nodes in every hierarchy, as a kubelet asks of its `cgroupRoot`.
pub(crate) fn create(nodes: &[String]) -> Result<()> {
    for root in roots()? {
        prepare(&root)?;
        for node in nodes {
            prepare(&root.join(node))?;
        }
    }
    Ok(())
}

fn prepare(group: &Path) -> Result<()> {
    fs::create_dir_all(group).with_context(|| format!("creating the cgroup {}", group.display()))?;
    // With cgroup v1 a cpuset without CPUs and memory nodes takes no process.
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let (parent, own) = (group.with_file_name(file), group.join(file));
        if let (Ok(inherited), Ok(set)) = (fs::read_to_string(parent), fs::read_to_string(&own))
            && set.trim().is_empty()
        {
            fs::write(&own, inherited.trim()).with_context(|| format!("writing {}", own.display()))?;
        }
    }
    // With cgroup v2 a group has the controllers that its parent passes on.
    if let (Some(parent), Ok(controllers)) =
        (group.parent(), fs::read_to_string(group.with_file_name("cgroup.controllers")))
    {
        let passed: Vec<_> = controllers.split_whitespace().map(|name| format!("+{name}")).collect();
        let switch = parent.join("cgroup.subtree_control");
        fs::write(&switch, passed.join(" ")).with_context(|| format!("writing {}", switch.display()))?;
    }
    Ok(())
}

/// The file into which a component writes its pid to become a member.
pub(crate) fn membership(component: &str) -> Result<PathBuf> {
    let version_2 = mounts::all()?.into_iter().find(|mount| mount.kind == "cgroup2").map(|mount| mount.point);
    // Without cgroup v2 any hierarchy will do, since this is only for keeping track.
    let root = match version_2 {
        Some(point) => point.join(ROOT.trim_start_matches('/')),
        None => roots()?.into_iter().next().context("no cgroup hierarchy is mounted")?,
    };
    let group = root.join("components").join(component);
    fs::create_dir_all(&group).with_context(|| format!("creating the cgroup {}", group.display()))?;
    Ok(group.join("cgroup.procs"))
}

/// All processes of the cluster.
pub(crate) fn members() -> Result<BTreeSet<i32>> {
    let mut pids = BTreeSet::new();
    for root in roots()? {
        for group in groups_below(&root) {
            let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
            pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
        }
    }
    Ok(pids)
}

/// Kills every process of the cluster and removes the cgroups.
pub(crate) fn destroy() -> Result<()> {
    let deadline = Instant::now() + KILL_TIMEOUT;
    loop {
        for root in roots()? {
            // Where the kernel has it, this also catches what forks meanwhile.
            fs::write(root.join("cgroup.kill"), "1").ok();
        }
        let members = members()?;
        if members.is_empty() {
            break;
        }
        if Instant::now() > deadline {
            bail!("these processes of the cluster do not die: {members:?}");
        }
        for pid in members.into_iter().filter_map(Pid::from_raw) {
            // It may have gone by itself.
            kill_process(pid, Signal::KILL).ok();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    for root in roots()? {
        remove(&root, deadline)?;
    }
    Ok(())
}

fn remove(root: &Path, deadline: Instant) -> Result<()> {
    // Children first. A group whose last process has just died can be busy for a moment.
    for group in groups_below(root).into_iter().rev() {
        while let Err(error) = fs::remove_dir(&group) {
            if !group.exists() {
                break;
            }
            if Instant::now() > deadline {
                return Err(error).with_context(|| format!("removing the cgroup {}", group.display()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}

/// A cgroup and all below it, parents first; nothing if it does not exist.
fn groups_below(root: &Path) -> Vec<PathBuf> {
    if !root.is_dir() {
        return Vec::new();
    }
    let mut groups = vec![root.to_owned()];
    let children = fs::read_dir(root).into_iter().flatten().flatten();
    for child in children.filter(|child| child.file_type().is_ok_and(|kind| kind.is_dir())) {
        groups.extend(groups_below(&child.path()));
    }
    groups
}

/// What is left of the cluster's cgroups.
pub(crate) fn leftovers() -> Result<Vec<PathBuf>> {
    Ok(roots()?.into_iter().filter(|root| root.exists()).collect())
}
