//! Images of what the upstream suite of the Gateway API sends requests to, by the names that its manifests say.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::archive::{self, Archived};
use crate::cluster::{CONFORMANCE, COREDNS};

/// Every image that the pods of the suite have. Those of its tests of meshes are left out, which are not run here.
pub(super) fn all() -> Result<Vec<Archived>> {
    let module = CONFORMANCE.module("sigs.k8s.io/gateway-api/conformance")?;
    let mut wanted = BTreeSet::new();
    for folder in ["base", "tests"] {
        collect(&module.join(folder), &mut wanted)?;
    }
    wanted.iter().map(|reference| make(reference)).collect()
}

/// Every release of the server is made of the suite's own, which has all that those before it had.
fn make(reference: &str) -> Result<Archived> {
    let program = match reference.rsplit_once(':').map(|(repository, _)| repository) {
        Some("registry.k8s.io/gateway-api/echo-basic") => CONFORMANCE.build()?.program("echo-basic"),
        Some("registry.k8s.io/coredns/coredns") => COREDNS.build()?.program("coredns"),
        _ => bail!("the suite of the Gateway API wants the image {reference}, which nothing here makes"),
    };
    archive::program(reference, &program)
}

/// The images that the manifests of a folder name.
fn collect(folder: &Path, found: &mut BTreeSet<String>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            found.extend(images(&text).map(str::to_owned));
        }
    }
    Ok(())
}

/// The images that a manifest names.
fn images(manifest: &str) -> impl Iterator<Item = &str> {
    let lines = manifest.lines().map(|line| line.trim_start().trim_start_matches("- "));
    lines.filter_map(|line| Some(line.strip_prefix("image:")?.trim().trim_matches('"')))
}

#[cfg(test)]
mod tests {
    use super::images;

    #[test]
    fn images_are_found_wherever_they_stand() {
        let manifest = "containers:\n- image: a/b:1\n  args: []\n- name: x\n  image: \"c:2\"\n  imagePullPolicy: Never\n";
        assert_eq!(images(manifest).collect::<Vec<_>>(), ["a/b:1", "c:2"]);
    }
}
