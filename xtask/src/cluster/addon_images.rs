//! Images of the cluster's own pods, made here from built programs and Debian packages.
//!
//! Each has the name of the public image of the same program, so that the manifests say what a user's cluster would
//! pull.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::node::PAUSE_IMAGE;
use super::tools::{
    AGNHOST_VERSION, COREDNS, COREDNS_VERSION, METRICS_SERVER, METRICS_SERVER_VERSION, NETPOL, PROVISIONER,
    PROVISIONER_VERSION,
};
use crate::host::{self, Package};
use crate::images::archive::{self, Archived, program};
use crate::oci::{Entry, Image};
use crate::{cache, process, workspace_root};

/// The process that holds a pod's namespaces.
pub(crate) fn pause() -> Result<Archived> {
    let source = workspace_root().join("tools/pause/pause.c");
    let key = cache::Key::default().path(&source)?.text("architecture", std::env::consts::ARCH);
    let folder = cache::entry("tools/pause", &key, |out| {
        host::require(&[Package::new("gcc", "gcc"), Package::new("libc6-dev", "/usr/include/stdio.h")])?;
        let log = cache::root()?.join("logs/build-pause.log");
        process::run(
            Command::new("gcc").args(["-Os", "-static", "-s", "-o"]).arg(out.join("pause")).arg(&source),
            &log,
        )
    })?;
    program(PAUSE_IMAGE, &folder.join("pause"))
}

/// CoreDNS.
pub(crate) fn coredns() -> Result<Archived> {
    program(
        &format!("registry.k8s.io/coredns/coredns:{COREDNS_VERSION}"),
        &COREDNS.build()?.program("coredns"),
    )
}

/// metrics-server.
pub(crate) fn metrics_server() -> Result<Archived> {
    let reference = format!("registry.k8s.io/metrics-server/metrics-server:{METRICS_SERVER_VERSION}");
    program(&reference, &METRICS_SERVER.build()?.program("metrics-server"))
}

/// local-path-provisioner.
pub(crate) fn provisioner() -> Result<Archived> {
    let reference = format!("docker.io/rancher/local-path-provisioner:{PROVISIONER_VERSION}");
    program(&reference, &PROVISIONER.build()?.program("local-path-provisioner"))
}

/// Servers and clients of many kinds, for the upstream suites.
pub(crate) fn agnhost() -> Result<Archived> {
    let reference = format!("registry.k8s.io/e2e-test-images/agnhost:{AGNHOST_VERSION}");
    program(&reference, &NETPOL.build()?.program("agnhost"))
}

/// A shell and the usual small programs, from Debian's static busybox.
pub(crate) fn busybox() -> Result<Archived> {
    host::require(&[Package::new("busybox-static", "/usr/share/doc/busybox-static")])?;
    let program = Path::new("/bin/busybox");
    let help = process::output(&mut Command::new(program))?;
    let version = help.split_whitespace().nth(1).context("busybox does not say its version")?;
    let applets = process::output(Command::new(program).arg("--list"))?;
    let image = Image {
        reference: format!("docker.io/library/busybox:{}", version.trim_start_matches('v')),
        command: vec!["sh".into()],
        environment: vec!["PATH=/bin".into()],
        ..Image::default()
    };
    archive::write(&image, cache::Key::default().path(program)?, || {
        let mut layer = vec![
            archive::tmp(),
            Entry::File { path: "bin/busybox".into(), source: program.into(), mode: 0o755 },
        ];
        for applet in applets.lines().filter(|applet| *applet != "busybox") {
            layer.push(Entry::Link { path: format!("bin/{applet}"), target: "busybox".into() });
        }
        Ok(vec![layer])
    })
}
