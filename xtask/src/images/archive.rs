//! Image archives in the cache, each under the hash of what is in it.

use std::fs;
use std::path::PathBuf;

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
