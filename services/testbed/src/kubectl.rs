//! What a person does to a cluster, done by a test.

use std::{
    env,
    process::{Command, Stdio},
};

use crate::{Error, machine};

/// The kubectl that `KUBECTL` names, else the one in `PATH`, in one namespace.
#[derive(Clone, Copy, Debug)]
pub struct Kubectl {
    namespace: &'static str,
}

impl Kubectl {
    /// In a namespace of the cluster that `KUBECONFIG` names.
    pub const fn new(namespace: &'static str) -> Self {
        Self { namespace }
    }

    /// A command that has yet to be told what to do.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env::var_os("KUBECTL").unwrap_or_else(|| "kubectl".into()));
        command.args(["--namespace", self.namespace]).stdin(Stdio::null());
        command
    }

    /// What it prints.
    pub fn output(&self, arguments: &[&str]) -> Result<String, Error> {
        let output = self.command().args(arguments).output().map_err(machine("cannot start kubectl"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let output = format!("{arguments:?}: {}", said.trim_end());
            return Err(Error::Failed { program: "kubectl", output });
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
