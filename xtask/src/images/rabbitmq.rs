//! RabbitMQ with its management, laid out as the public image is.

use anyhow::Result;

use super::archive::Archived;
use super::debian::{Recipe, compose};
use crate::oci::{Entry, Image};

const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nrabbitmq:x:999:999::/var/lib/rabbitmq:/bin/sh\n";
const PLUGINS: &str = "[rabbitmq_management].\n";
/// Anybody may log in from elsewhere, as in the public image: the default user is named by the environment.
const SETTINGS: &str = "loopback_users = none\nlog.console = true\nlog.file = false\n";

/// The version is that of Debian 12.
pub(super) fn rabbitmq() -> Result<Archived> {
    let text =
        |path: &str, content: &str| Entry::Text { path: path.into(), content: content.into(), mode: 0o644 };
    let data = |path: &str| Entry::Folder { path: path.into(), mode: 0o1777, uid: 999, gid: 999 };
    compose(Recipe {
        image: Image {
            reference: "docker.io/library/rabbitmq:3.10.8-management".into(),
            command: vec!["rabbitmq-server".into()],
            environment: vec![
                // Debian's own wrappers in /usr/sbin would change the user, which a container may not.
                "PATH=/usr/lib/rabbitmq/lib/rabbitmq_server-3.10.8/sbin:/usr/sbin:/usr/bin:/sbin:/bin".into(),
                "HOME=/var/lib/rabbitmq".into(),
                "LANG=C.UTF-8".into(),
            ],
            user: "999:999".into(),
            ports: vec!["5672/tcp".into(), "15672/tcp".into()],
            ..Image::default()
        },
        packages: &["rabbitmq-server", "python3"],
        additions: vec![
            text("etc/passwd", PASSWD),
            text("etc/rabbitmq/enabled_plugins", PLUGINS),
            text("etc/rabbitmq/rabbitmq.conf", SETTINGS),
            data("var/lib/rabbitmq"),
            data("var/log/rabbitmq"),
        ],
    })
}
