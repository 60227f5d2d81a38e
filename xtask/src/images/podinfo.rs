//! podinfo, a small web service that nobody here wrote: the service of the README's example, and an old release of it,
//! from which and to which tests change.

use anyhow::Result;

use super::archive::{self, Archived};
use crate::cache::Key;
use crate::oci::{Entry, Image};
use crate::tool::ToolSet;

/// A release of podinfo.
struct Release {
    /// The name of the public image.
    reference: &'static str,
    tools: ToolSet,
    module: &'static str,
    /// Its programs, and where the public image has them.
    programs: &'static [(&'static str, &'static str)],
}

/// The module in `tools/podinfo/go.mod` is the commit of this release.
const NEW: Release = Release {
    reference: "ghcr.io/stefanprodan/podinfo:6.9.2",
    tools: ToolSet::go(
        "podinfo",
        &["github.com/stefanprodan/podinfo/cmd/podinfo", "github.com/stefanprodan/podinfo/cmd/podcli"],
    ),
    module: "github.com/stefanprodan/podinfo",
    programs: &[("podinfo", "home/app/podinfo"), ("podcli", "usr/local/bin/podcli")],
};

/// It had another module's name then.
const OLD: Release = Release {
    reference: "docker.io/stefanprodan/podinfo:1.8.0",
    tools: ToolSet::go("podinfo-1", &["github.com/stefanprodan/k8s-podinfo/cmd/podinfo"]),
    module: "github.com/stefanprodan/k8s-podinfo",
    programs: &[("podinfo", "home/app/podinfo")],
};

/// The service of the README's example.
pub(super) fn podinfo() -> Result<Archived> {
    NEW.image()
}

/// An old release of the same.
pub(super) fn podinfo_1() -> Result<Archived> {
    OLD.image()
}

impl Release {
    /// The image, laid out as the public one is.
    fn image(&self) -> Result<Archived> {
        let tools = self.tools.build()?;
        let page = self.tools.module(self.module)?.join("ui");
        let image = Image {
            reference: self.reference.into(),
            command: vec!["./podinfo".into()],
            environment: vec!["PATH=/usr/local/bin:/usr/bin:/bin".into()],
            user: "65532:65532".into(),
            working_directory: "/home/app".into(),
            ports: vec!["9898/tcp".into()],
            ..Image::default()
        };
        let content = Key::default().text("programs", &tools.folder().to_string_lossy()).path(&page)?;
        archive::write(&image, content, || {
            let mut layer =
                vec![archive::tmp(), Entry::Tree { path: "home/app/ui".into(), source: page.clone() }];
            for (program, path) in self.programs {
                let source = tools.program(program);
                layer.push(Entry::File { path: (*path).into(), source, mode: 0o755 });
            }
            Ok(vec![layer])
        })
    }
}
