//! The jars of the broker: Debian has no package of it, so Maven brings them, once, into a folder outside the clone under the
//! hash of what names them.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use sha2::{Digest, Sha256};

use crate::{Error, machine, program};

/// What names them.
const POM: &str = include_str!("pom.xml");

/// Their folder. Filled the first time; who comes meanwhile waits.
pub(super) fn folder() -> Result<PathBuf, Error> {
    let parent = cache()?.join("kafka");
    let hash = Sha256::digest(POM);
    let place = parent
        .join(format!("{:016x}", hash.iter().take(8).fold(0_u64, |all, byte| all << 8 | u64::from(*byte))));
    if place.is_dir() {
        return Ok(place);
    }
    fs::create_dir_all(&parent).map_err(machine("cannot make a folder for the jars of Kafka"))?;
    let lock = File::create(parent.join(".lock")).map_err(machine("cannot make a file"))?;
    lock.lock().map_err(machine("cannot lock a file"))?;
    if !place.is_dir() {
        // Renamed when it is whole: one that was cut off leaves nothing that looks like it.
        let making = parent.join(".making");
        if making.exists() {
            fs::remove_dir_all(&making).map_err(machine("cannot remove a folder"))?;
        }
        fill(&making)?;
        fs::rename(making.join("jars"), &place).map_err(machine("cannot rename a folder"))?;
        fs::remove_dir_all(&making).map_err(machine("cannot remove a folder"))?;
    }
    Ok(place)
}

fn fill(making: &Path) -> Result<(), Error> {
    let write = || {
        fs::create_dir_all(making)?;
        fs::write(making.join("pom.xml"), POM)
    };
    write().map_err(machine("cannot write the pom of Kafka"))?;
    let mut maven = Command::new(program::find("mvn", "maven", &[])?);
    maven.current_dir(making);
    // What it fetches has to have the hash that the repository names.
    maven.args(["--batch-mode", "--quiet", "--strict-checksums", "dependency:copy-dependencies"]);
    maven.args(["-DincludeScope=runtime", "-DoutputDirectory=jars"]);
    program::run("mvn", None, &mut maven)
}

/// `$XDG_CACHE_HOME/flotilla` or `~/.cache/flotilla`, as for all that is kept outside the clone.
fn cache() -> Result<PathBuf, Error> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_CACHE_HOME").or_else(|| env::home_dir().map(|home| home.join(".cache")));
    base.map(|base| base.join("flotilla")).ok_or(Error::Failed {
        program: "mvn",
        output: "there is no folder for the jars of Kafka: set XDG_CACHE_HOME or HOME".to_owned(),
    })
}
