//! The programs of servers, and who they run as.

use std::{env, fs, os::unix::process::CommandExt, path::PathBuf, process::Command};

use crate::{Error, machine};

/// Who a server runs as when this process is root: Postgres refuses to be root, and the others need not be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    pub(crate) user: u32,
    pub(crate) group: u32,
}

impl Owner {
    /// `nobody`, when this process is root.
    pub(crate) fn when_root() -> Result<Option<Self>, Error> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let accounts = fs::read_to_string("/etc/passwd").map_err(machine("cannot read /etc/passwd"))?;
        // Name, password, user, group, and what follows.
        let nobody = accounts.lines().map(|line| line.split(':')).find_map(|mut fields| {
            (fields.next()? == "nobody").then_some(())?;
            let mut numbers = fields.skip(1).map(str::parse);
            Some(Self { user: numbers.next()?.ok()?, group: numbers.next()?.ok()? })
        });
        nobody.map(Some).ok_or(Error::Failed {
            program: "initdb",
            output: "this process is root, and there is no user nobody to run servers as".to_owned(),
        })
    }
}

/// A program in `PATH` or one of these folders, which are looked into first.
pub(crate) fn find(
    program: &'static str,
    package: &'static str,
    folders: &[PathBuf],
) -> Result<PathBuf, Error> {
    let path = env::var_os("PATH").unwrap_or_default();
    folders
        .iter()
        .cloned()
        .chain(env::split_paths(&path))
        // Administrators' programs are not in everybody's PATH.
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .ok_or(Error::Missing { program, package })
}

/// The folders of each version of Postgres that Debian has installed, the newest first.
pub(crate) fn postgres_folders() -> Vec<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort();
    versions.into_iter().rev().map(|(_, folder)| folder).collect()
}

/// Runs a program to its end.
pub(crate) fn run(program: &'static str, owner: Option<Owner>, command: &mut Command) -> Result<(), Error> {
    if let Some(owner) = owner {
        command.uid(owner.user).gid(owner.group);
    }
    // Ctrl-C is for who started this: the program would fail, and say so.
    let output = command.process_group(0).output().map_err(machine("cannot start a program"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    Err(Error::Failed { program, output: String::from_utf8_lossy(&text).into_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_is_an_error_that_says_what_to_install() {
        let error = find("no-such-server", "some-package", &[]).unwrap_err().to_string();
        assert!(
            error.contains("no-such-server") && error.contains("apt-get install some-package"),
            "{error}"
        );
    }

    #[test]
    fn folders_given_are_looked_into_before_the_path() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("sh"), "").unwrap();
        let found = find("sh", "dash", &[folder.path().to_owned()]).unwrap();
        assert_eq!(found, folder.path().join("sh"));
    }
}
