//! podinfo, a small web service that nobody here wrote: the service of the README's example.

use anyhow::Result;

use super::archive::{self, Archived};
use crate::cache::Key;
use crate::oci::{Entry, Image};
use crate::tool::ToolSet;

const MODULE: &str = "github.com/stefanprodan/podinfo";

const PODINFO: ToolSet = ToolSet::go(
    "podinfo",
    &["github.com/stefanprodan/podinfo/cmd/podinfo", "github.com/stefanprodan/podinfo/cmd/podcli"],
);

/// The name of the public image; the module in `tools/podinfo/go.mod` is the commit of that release.
const REFERENCE: &str = "ghcr.io/stefanprodan/podinfo:6.9.2";

/// The image, laid out as the public one is.
pub(super) fn podinfo() -> Result<Archived> {
    let tools = PODINFO.build()?;
    let page = PODINFO.module(MODULE)?.join("ui");
    let image = Image {
        reference: REFERENCE.into(),
        command: vec!["./podinfo".into()],
        environment: vec!["PATH=/usr/local/bin:/usr/bin:/bin".into()],
        user: "65532:65532".into(),
        working_directory: "/home/app".into(),
        ports: vec!["9898/tcp".into(), "9999/tcp".into()],
        ..Image::default()
    };
    let content = Key::default().text("programs", &tools.folder().to_string_lossy()).path(&page)?;
    archive::write(&image, content, || {
        let program = |path: &str, name: &str| Entry::File {
            path: path.into(),
            source: tools.program(name),
            mode: 0o755,
        };
        Ok(vec![vec![
            archive::tmp(),
            program("home/app/podinfo", "podinfo"),
            program("usr/local/bin/podcli", "podcli"),
            Entry::Tree { path: "home/app/ui".into(), source: page.clone() },
        ]])
    })
}
