//! A server under a guard, which ends it when this process is gone.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, test_kill_process};

use crate::{Error, PATIENCE, folder::Folder, machine, program::Owner};

const SCRIPT: &str = include_str!("guard.sh");

/// A running server.
#[derive(Debug)]
pub(crate) struct Guard {
    program: &'static str,
    folder: Folder,
    server: Pid,
    script: Child,
    /// The pipe that the guard waits at. Gone once the server has been ended.
    pipe: Option<ChildStdin>,
}

impl Guard {
    /// Starts a server in a folder. `signal` is what ends it at once, with all that it started.
    pub(crate) fn start(
        program: &'static str,
        folder: &Folder,
        signal: &str,
        owner: Option<Owner>,
        server: &Command,
    ) -> Result<Self, Error> {
        let mut script = Command::new("sh");
        let after = if folder.is_kept() { "keep" } else { "remove" };
        script.args(["-c", SCRIPT, "guard"]).arg(folder.path()).args([after, signal]);
        script.arg(server.get_program()).args(server.get_args());
        script.envs(server.get_envs().filter_map(|(name, value)| Some((name, value?))));
        // It tells of each process that it ends.
        script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        // Ctrl-C is for who started this: it ends the server when it is done with it.
        script.process_group(0);
        if let Some(owner) = owner {
            script.uid(owner.user).gid(owner.group);
        }
        let mut script = script.spawn().map_err(machine("cannot start sh"))?;
        let pipe = script.stdin.take();
        let mut line = String::new();
        if let Some(output) = script.stdout.take() {
            BufReader::new(output).read_line(&mut line).map_err(machine("cannot hear of the server"))?;
        }
        let server = line.trim().parse().ok().and_then(Pid::from_raw);
        let Some(server) = server else {
            let output = "its guard ended at once".to_owned();
            return Err(Error::Failed { program, output });
        };
        Ok(Self { program, folder: folder.clone(), server, script, pipe })
    }

    /// Waits until the server answers.
    pub(crate) fn wait(&self, mut answers: impl FnMut() -> bool) -> Result<(), Error> {
        let deadline = Instant::now() + PATIENCE;
        while !answers() {
            // It ended by itself.
            let is_gone = test_kill_process(self.server).is_err();
            if is_gone {
                return Err(Error::Failed { program: self.program, output: self.log() });
            }
            if Instant::now() > deadline {
                return Err(Error::Silent { program: self.program, log: self.log() });
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Ends the server at once; its folder stays.
    pub(crate) fn kill(mut self) -> Result<(), Error> {
        if let Some(mut pipe) = self.pipe.take() {
            pipe.write_all(b"keep\n").map_err(machine("cannot speak with the guard"))?;
        }
        self.script.wait().map_err(machine("cannot wait for the guard"))?;
        Ok(())
    }

    fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // The end of the pipe has the guard remove the folder as well.
        if self.pipe.take().is_some() {
            let _ended = self.script.wait().is_ok();
        }
    }
}
