//! The network between host and nodes: a namespace a node, joined by one bridge on the host.
//!
//! ```text
//! host --- flotilla0 (10.200.0.254) --+-- eth0 (10.200.0.1) node flotilla-1: pods 10.201.0.0/20
//!                                     +-- eth0 (10.200.0.2) node flotilla-2: pods 10.201.16.0/20
//! ```
//!
//! The host reaches pods and Services through routes to the nodes, and nodes reach the outside through one NAT rule of
//! the host. Everything has a fixed name, so that it can be removed without knowing what was made.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::layout::{GATEWAYS, NODES, Node, PODS, RUNTIME, SERVICES};
use super::{mounts, supervise};
use crate::{host, process};

/// What the names of our network namespaces begin with; the node's number follows.
pub(crate) const NETNS_PREFIX: &str = "flotilla-";
const BRIDGE: &str = "flotilla0";
/// The host's address on the bridge.
const HOST: Ipv4Addr = Ipv4Addr::new(10, 200, 0, 254);
/// The host's own nftables table.
const TABLE: &str = "flotilla";

/// Makes the bridge and each node's namespace, links and routes, as far as they are not there.
pub(crate) fn ensure(nodes: &[Node]) -> Result<()> {
    if !link_exists(BRIDGE) {
        refuse_foreign_routes()?;
        ip(&["link", "add", BRIDGE, "type", "bridge"])?;
    }
    ip(&["address", "replace", &format!("{HOST}/24"), "dev", BRIDGE])?;
    ip(&["link", "set", BRIDGE, "up"])?;
    for node in nodes {
        ensure_node(node)?;
    }
    for node in nodes {
        for other in nodes.iter().filter(|other| other.number() != node.number()) {
            let via = other.address().to_string();
            ip_in(node, &["route", "replace", &other.pod_network(), "via", &via])?;
        }
        ip(&["route", "replace", &node.pod_network(), "via", &node.address().to_string()])?;
    }
    if let Some(first) = nodes.first() {
        for network in [SERVICES, GATEWAYS] {
            ip(&["route", "replace", network, "via", &first.address().to_string()])?;
        }
    }
    allow_outside()
}

/// Removes all of it, whatever part there is.
pub(crate) fn remove() -> Result<()> {
    for name in netns_names()? {
        let path = Path::new("/run/netns").join(&name);
        mounts::remove_below(&path)?;
        fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
    }
    if link_exists(BRIDGE) {
        ip(&["link", "delete", BRIDGE])?;
    }
    // A namespace dies when its last process has gone, and its links with it; a moment later than our call.
    for name in host_ends()? {
        process::succeeds(Command::new("ip").args(["link", "delete", &name]));
    }
    if table_exists() {
        process::output(Command::new("nft").args(["delete", "table", "inet", TABLE]))?;
    }
    restore_forwarding()
}

/// What is left of it.
pub(crate) fn leftovers() -> Result<Vec<String>> {
    let mut found: Vec<_> =
        netns_names()?.into_iter().map(|name| format!("network namespace {name}")).collect();
    if link_exists(BRIDGE) {
        found.push(format!("link {BRIDGE}"));
    }
    found.extend(host_ends()?.into_iter().map(|name| format!("link {name}")));
    if table_exists() {
        found.push(format!("nftables table inet {TABLE}"));
    }
    Ok(found)
}

fn ensure_node(node: &Node) -> Result<()> {
    let name = node.name();
    // A file without its mount is left when a run was cut off between the two.
    if node.netns().exists() && mounts::below(&node.netns())?.is_empty() {
        fs::remove_file(node.netns()).with_context(|| format!("removing {}", node.netns().display()))?;
    }
    if !node.netns().exists() {
        ip(&["netns", "add", &name])?;
    }
    if !link_exists_in(node, "eth0")? {
        let end = host_end(node);
        if link_exists(&end) {
            ip(&["link", "delete", &end])?;
        }
        ip(&["link", "add", &end, "type", "veth", "peer", "name", "eth0", "netns", &name])?;
    }
    let end = host_end(node);
    ip(&["link", "set", &end, "master", BRIDGE])?;
    ip(&["link", "set", &end, "up"])?;
    ip_in(node, &["link", "set", "lo", "up"])?;
    ip_in(node, &["address", "replace", &format!("{}/24", node.address()), "dev", "eth0"])?;
    ip_in(node, &["link", "set", "eth0", "up"])?;
    ip_in(node, &["route", "replace", "default", "via", &HOST.to_string()])?;
    // An address that no gateway has is refused here; sent on, it would come back until a client has waited for long.
    ip_in(node, &["route", "replace", "unreachable", GATEWAYS])?;
    sysctl_in(node, "net/ipv4/ip_forward", "1")
}

/// The host's end of a node's link.
fn host_end(node: &Node) -> String {
    format!("{BRIDGE}n{}", node.number())
}

/// The host's ends that exist, of any node.
fn host_ends() -> Result<Vec<String>> {
    let prefix = format!("{BRIDGE}n");
    let links = fs::read_dir("/sys/class/net").context("/sys/class/net")?;
    let names = links.filter_map(|link| Some(link.ok()?.file_name().to_string_lossy().into_owned()));
    Ok(names.filter(|name| name.starts_with(&prefix)).collect())
}

fn netns_names() -> Result<Vec<String>> {
    let Ok(entries) = fs::read_dir("/run/netns") else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.strip_prefix(NETNS_PREFIX).is_some_and(|number| number.parse::<u8>().is_ok()) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Another network that uses our addresses would be cut off.
fn refuse_foreign_routes() -> Result<()> {
    let routes = process::output(Command::new("ip").args(["-4", "route", "show", "table", "main"]))?;
    for route in routes.lines() {
        let target = route.split(' ').next().unwrap_or_default();
        if ["10.200.", "10.201.", "10.202."].iter().any(|prefix| target.starts_with(prefix)) {
            bail!(
                "the cluster needs the networks {NODES}, {PODS} and {SERVICES}, but this machine has the route: {route}"
            );
        }
    }
    Ok(())
}

/// Lets nodes and pods reach what the host reaches, to pull images for instance.
fn allow_outside() -> Result<()> {
    // The table is emptied in the same transaction that fills it, so that there is never a moment without the rule.
    let rules = format!(
        "table inet {TABLE} {{}}\n\
         flush table inet {TABLE}\n\
         table inet {TABLE} {{\n\
           chain postrouting {{\n\
             type nat hook postrouting priority srcnat;\n\
             iifname \"{BRIDGE}\" oifname != \"{BRIDGE}\" masquerade\n\
           }}\n\
         }}\n"
    );
    process::output_with_input(Command::new("nft").args(["-f", "-"]), rules.as_bytes())?;
    // Forwarding is decided where a packet comes in. The bridge's switch goes with the bridge; the uplink's is put
    // back by `down`.
    write_sysctl(&forwarding(BRIDGE), "1")?;
    if let Some(uplink) = uplink()?
        && fs::read_to_string(forwarding(&uplink)).is_ok_and(|value| value.trim() == "0")
    {
        supervise::write(&changed_uplink(), uplink.as_bytes())?;
        write_sysctl(&forwarding(&uplink), "1")?;
    }
    Ok(())
}

fn restore_forwarding() -> Result<()> {
    let Ok(uplink) = fs::read_to_string(changed_uplink()) else {
        return Ok(());
    };
    // Where the whole machine forwards by now, somebody else wants it.
    let machine_forwards =
        fs::read_to_string("/proc/sys/net/ipv4/ip_forward").is_ok_and(|value| value.trim() == "1");
    if !machine_forwards && forwarding(&uplink).exists() {
        write_sysctl(&forwarding(&uplink), "0")?;
    }
    fs::remove_file(changed_uplink()).context("removing the note on forwarding")
}

fn changed_uplink() -> PathBuf {
    Path::new(RUNTIME).join("forwarding-was-off")
}

fn forwarding(link: &str) -> PathBuf {
    Path::new("/proc/sys/net/ipv4/conf").join(link).join("forwarding")
}

/// The link of the host's default route.
fn uplink() -> Result<Option<String>> {
    let route = process::output(Command::new("ip").args(["-4", "route", "show", "default"]))?;
    let mut words = route.split_whitespace();
    Ok(words.find(|word| *word == "dev").and_then(|_| words.next()).map(str::to_owned))
}

fn write_sysctl(path: &Path, value: &str) -> Result<()> {
    fs::write(path, value).with_context(|| format!("writing {value} to {}", path.display()))
}

fn sysctl_in(node: &Node, name: &str, value: &str) -> Result<()> {
    let script = format!("echo {value} > /proc/sys/{name}");
    process::output(in_netns(node).args(["sh", "-c", &script])).map(drop)
}

fn table_exists() -> bool {
    host::find("nft").is_some()
        && process::succeeds(Command::new("nft").args(["list", "table", "inet", TABLE]))
}

fn link_exists(name: &str) -> bool {
    Path::new("/sys/class/net").join(name).exists()
}

fn link_exists_in(node: &Node, name: &str) -> Result<bool> {
    // `ip link show NAME` fails alike for a missing link and for anything else, so read the list.
    let links = process::output(in_netns(node).args(["ip", "-brief", "link", "show"]))?;
    Ok(links.lines().filter_map(|line| line.split([' ', '@']).next()).any(|link| link == name))
}

/// A command that runs in a node's network namespace and shares all else with the host.
fn in_netns(node: &Node) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net={}", node.netns().display())).arg("--");
    command
}

fn ip(arguments: &[&str]) -> Result<()> {
    process::output(Command::new("ip").args(arguments)).map(drop)
}

fn ip_in(node: &Node, arguments: &[&str]) -> Result<()> {
    process::output(in_netns(node).arg("ip").args(arguments)).map(drop)
}
