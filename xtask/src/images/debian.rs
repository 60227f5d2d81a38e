//! Images of programs from Debian's packages, for what is neither ours nor written in Go.
//!
//! A package is unpacked with all that it depends on; nothing of it is run, so what its installation would set up is
//! said by the recipe.

use std::fs;

use anyhow::{Context, Result, bail};

use super::archive::{self, Archived};
use crate::debian::Apt;
use crate::oci::{Entry, Image};
use crate::{cache, host};

/// What every image has: a shell and the small programs that scripts use.
const BASE: [&str; 6] = ["coreutils", "dash", "grep", "mawk", "sed", "hostname"];

/// What nobody reads in a container.
const LEFT_OUT: [&str; 4] = ["usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info"];

/// An image to compose.
pub(super) struct Recipe<'a> {
    /// What it says of itself.
    pub(super) image: Image,
    /// The packages, without what they depend on.
    pub(super) packages: &'a [&'a str],
    /// Users, settings, scripts and folders, above the packages' files.
    pub(super) additions: Vec<Entry>,
}

/// Composes an image, unless it is there with the packages that Debian has today.
pub(super) fn compose(recipe: Recipe<'_>) -> Result<Archived> {
    let Recipe { image, packages, mut additions } = recipe;
    additions.push(Entry::Link { path: "bin/sh".into(), target: "dash".into() });
    additions.push(archive::tmp());
    if host::find("apt-get").is_none() || host::find("dpkg-deb").is_none() {
        bail!(
            "{} is composed from Debian's packages here, which needs apt-get and dpkg-deb; where they are not, let \
             the cluster pull it",
            image.reference
        );
    }
    let wanted: Vec<_> = BASE.iter().chain(packages).copied().collect();
    let apt = Apt::new()?;
    let files = apt.closure(&wanted).with_context(|| format!("resolving {}", packages.join(" ")))?;
    let content = cache::Key::default().text("packages", &files).text("additions", &format!("{additions:?}"));
    archive::write(&image, content, || {
        let root = apt.folder().join("root");
        apt.unpack(&wanted, &root)?;
        for folder in LEFT_OUT.map(|folder| root.join(folder)).iter().filter(|folder| folder.exists()) {
            fs::remove_dir_all(folder)?;
        }
        Ok(vec![vec![Entry::Tree { path: String::new(), source: root }], additions])
    })
}
