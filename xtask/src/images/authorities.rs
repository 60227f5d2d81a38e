//! The certificates of the authorities that browsers trust, for programs that connect to servers which anybody runs.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::host::{self, Package};

/// Where programs look for them (Debian's place, the first of those that `rustls-native-certs` knows).
pub(super) const PATH: &str = "etc/ssl/certs/ca-certificates.crt";

/// What Debian's package brings. This machine's own bundle may have authorities besides that only its owner trusts.
const FOLDER: &str = "/usr/share/ca-certificates/mozilla";

/// All of them as one file in PEM.
pub(super) fn bundle() -> Result<String> {
    host::require(&[Package::new("ca-certificates", FOLDER)])?;
    let bundle = joined(Path::new(FOLDER))?;
    if bundle.is_empty() {
        bail!("{FOLDER} has no certificates: install the package ca-certificates again");
    }
    Ok(bundle)
}

/// The certificates of a folder, in the order of their names.
fn joined(folder: &Path) -> Result<String> {
    let entries = fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))?;
    let mut files: Vec<_> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "crt"));
    files.sort();
    let mut bundle = String::new();
    for file in files {
        let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        bundle.extend([text.trim_end(), "\n"]);
    }
    Ok(bundle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_joined_by_name_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("b.crt", "two"), ("a.crt", "one\n\n"), ("README", "not one")] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        assert_eq!(joined(folder.path()).unwrap(), "one\ntwo\n");
    }
}
