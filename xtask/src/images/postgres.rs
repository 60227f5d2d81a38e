//! Postgres, which makes its database at the first start as the public image does.

use anyhow::Result;

use super::archive::Archived;
use super::debian::{Recipe, compose};
use crate::oci::{Entry, Image};

const PASSWD: &str = "root:x:0:0::/root:/bin/sh\npostgres:x:999:999::/var/lib/postgresql:/bin/sh\n";
const ENTRYPOINT: &str = include_str!("postgres/entrypoint.sh");

/// The version is that of Debian 12.
pub(super) fn postgres() -> Result<Archived> {
    let data = |path: &str| Entry::Folder { path: path.into(), mode: 0o1777, uid: 999, gid: 999 };
    compose(Recipe {
        image: Image {
            reference: "docker.io/library/postgres:15".into(),
            entrypoint: vec!["docker-entrypoint.sh".into()],
            command: vec!["postgres".into()],
            environment: vec![
                "PATH=/usr/local/bin:/usr/lib/postgresql/15/bin:/usr/sbin:/usr/bin:/sbin:/bin".into(),
                "PGDATA=/var/lib/postgresql/data".into(),
                "LANG=C.UTF-8".into(),
            ],
            user: "999:999".into(),
            ports: vec!["5432/tcp".into()],
            ..Image::default()
        },
        packages: &["postgresql-15", "libnss-wrapper"],
        additions: vec![
            Entry::Text { path: "etc/passwd".into(), content: PASSWD.into(), mode: 0o644 },
            Entry::Text {
                path: "usr/local/bin/docker-entrypoint.sh".into(),
                content: ENTRYPOINT.into(),
                mode: 0o755,
            },
            data("var/lib/postgresql/data"),
            data("var/run/postgresql"),
        ],
    })
}
