//! The machine's mounts, and removal of those below a folder.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::mount::{UnmountFlags, unmount};

/// One mount.
pub(crate) struct Mount {
    /// Where it is mounted.
    pub(crate) point: PathBuf,
    /// The type of its file system.
    pub(crate) kind: String,
}

/// All mounts, in the order in which they were made.
pub(crate) fn all() -> Result<Vec<Mount>> {
    const TABLE: &str = "/proc/self/mountinfo";
    let table = fs::read_to_string(TABLE).context(TABLE)?;
    Ok(table.lines().filter_map(parse).collect())
}

/// All mount points at or below a folder.
pub(crate) fn below(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(all()?.into_iter().map(|mount| mount.point).filter(|point| point.starts_with(folder)).collect())
}

/// Unmounts everything at or below a folder.
pub(crate) fn remove_below(folder: &Path) -> Result<()> {
    // Later mounts may lie on earlier ones.
    for point in below(folder)?.into_iter().rev() {
        // Detached, since a process that dies just now may still hold it open.
        unmount(&point, UnmountFlags::DETACH).with_context(|| format!("unmounting {}", point.display()))?;
    }
    Ok(())
}

/// A line of mountinfo: `36 35 98:0 /root /point options shared:1 - ext4 /dev/sda rw`.
fn parse(line: &str) -> Option<Mount> {
    let (front, back) = line.split_once(" - ")?;
    let point = front.split(' ').nth(4)?;
    let kind = back.split(' ').next()?;
    Some(Mount { point: unescape(point), kind: kind.to_owned() })
}

/// Undoes the octal escapes that the kernel puts for spaces and the like.
fn unescape(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(code) if *first == b'\\' => {
                bytes.push(code);
                rest = after.get(3..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn a_line_gives_the_mount_point_unescaped_and_the_type() {
        let line = r"36 35 98:0 /mnt1 /mnt\040one/\134x rw,noatime shared:1 master:2 - ext4 /dev/root rw,errors=continue";
        let mount = super::parse(line).unwrap();
        assert_eq!(mount.point, Path::new(r"/mnt one/\x"));
        assert_eq!(mount.kind, "ext4");
    }
}
