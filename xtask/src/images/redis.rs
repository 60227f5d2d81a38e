//! Redis, laid out as the public image is.

use anyhow::Result;

use super::archive::Archived;
use super::debian::{Recipe, compose};
use crate::oci::{Entry, Image};

const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nredis:x:999:999::/data:/bin/sh\n";

/// The version is that of Debian 12.
pub(super) fn redis() -> Result<Archived> {
    compose(Recipe {
        image: Image {
            reference: "docker.io/library/redis:7.0.15".into(),
            command: vec!["redis-server".into()],
            environment: vec!["PATH=/usr/sbin:/usr/bin:/sbin:/bin".into()],
            user: "999:999".into(),
            working_directory: "/data".into(),
            ports: vec!["6379/tcp".into()],
            ..Image::default()
        },
        packages: &["redis-server", "redis-tools"],
        additions: vec![
            Entry::Text { path: "etc/passwd".into(), content: PASSWD.into(), mode: 0o644 },
            Entry::Folder { path: "data".into(), mode: 0o1777, uid: 999, gid: 999 },
        ],
    })
}
