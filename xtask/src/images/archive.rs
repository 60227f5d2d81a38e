//! Image archives in the cache, each under the hash of what is in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::oci::{self, Entry, Image, Layer};
use crate::{cache, progress};

/// The name of the file in the cache entry.
const ARCHIVE: &str = "image.tar";

/// An image as an archive.
pub(crate) struct Archived {
    /// Its full name.
    pub(crate) reference: String,
    /// Where it is.
    pub(crate) archive: PathBuf,
}

impl Archived {
    /// The size of the archive, which is that of the unpacked image.
    pub(crate) fn megabytes(&self) -> Result<f64> {
        let data =
            fs::metadata(&self.archive).with_context(|| format!("reading {}", self.archive.display()))?;
        #[allow(clippy::cast_precision_loss, reason = "shown with one decimal")]
        Ok(data.len() as f64 / 1e6)
    }
}

/// Writes an image whose layers `content` identifies, unless it is there already.
pub(crate) fn write(
    image: &Image,
    content: cache::Key,
    layers: impl FnOnce() -> Result<Vec<Layer>>,
) -> Result<Archived> {
    let key = content.text("image", &format!("{image:?}"));
    let folder = cache::entry("images", &key, |out| {
        progress::during(format!("Composing {}", image.reference), || {
            oci::write_archive(image, &layers()?, &out.join(ARCHIVE))
        })
    })?;
    Ok(Archived { reference: image.reference.clone(), archive: folder.join(ARCHIVE) })
}

/// The folder for temporary files, which a read-only root leaves unwritable unless a volume is mounted there.
pub(crate) fn tmp() -> Entry {
    Entry::Folder { path: "tmp".into(), mode: 0o1777, uid: 0, gid: 0 }
}

/// An image of one static program that was built into the cache, run as nobody in particular.
pub(crate) fn program(reference: &str, program: &Path) -> Result<Archived> {
    let name = program.file_name().context("a program has a name")?.to_string_lossy().into_owned();
    let image = Image {
        reference: reference.to_owned(),
        entrypoint: vec![format!("/{name}")],
        user: "65532:65532".into(),
        labels: BTreeMap::from([("org.opencontainers.image.title".to_owned(), name.clone())]),
        ..Image::default()
    };
    // The path says all of the content, since it is a cache entry's.
    write(&image, cache::Key::default().text("program", &program.to_string_lossy()), || {
        Ok(vec![vec![tmp(), Entry::File { path: name, source: program.to_owned(), mode: 0o755 }]])
    })
}
