//! Programs as processes, which end with this one.

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use flotilla_kit::correlation::CorrelationId;
use http::{Method, Uri};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, ChildStdin, Command},
    time::{Instant, sleep, timeout_at},
};

use super::{
    Error, PATIENCE,
    journal::{Journal, Shown},
    ports,
    settings::{PASSED_ON, PREFIXES, Settings},
};
use crate::{
    name::Name,
    walk::{Client, Failure, Version, client::Ask},
};

/// How often a program is asked whether it is ready.
const PAUSE: Duration = Duration::from_millis(30);

/// How often it is looked whether programs still run.
const LOOK: Duration = Duration::from_millis(200);

/// How long programs have for what they are doing, once they are to end.
const GRACE: Duration = Duration::from_secs(3);

/// A program that is to be started.
#[derive(Debug)]
pub struct Program {
    name: Name,
    command: Command,
    log: PathBuf,
    shown: Shown,
}

impl Program {
    /// One of a shop's, in its environment.
    pub fn new(name: Name, program: &Path, settings: &Settings<'_>, shown: Shown) -> Self {
        let mut command = Command::new(program);
        for (variable, _) in std::env::vars_os() {
            let text = variable.to_string_lossy();
            let is_ours = PREFIXES.iter().any(|prefix| text.starts_with(prefix));
            if is_ours && !PASSED_ON.contains(&text.as_ref()) {
                command.env_remove(&variable);
            }
        }
        command.envs(settings.environment(name)).args(["service", "--end-with-stdin", name.as_str()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C is for this process, which ends the others in their order.
        command.process_group(0).kill_on_drop(true);
        Self { name, command, log: settings.folder.log(name), shown }
    }

    /// With this in its environment instead.
    #[must_use]
    pub fn with(mut self, environment: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        self.command.envs(environment);
        self
    }

    /// Has it serve.
    pub fn serve(self) -> Result<Running, Error> {
        self.run(&[])
    }

    /// Has it do something else.
    pub fn run(mut self, arguments: &[&str]) -> Result<Running, Error> {
        let name = self.name;
        let mut child = self.command.args(arguments).spawn().map_err(|source| Error::Spawn(name, source))?;
        let pipe = child.stdin.take();
        let journal = Journal::keep(name, child.stdout.take(), child.stderr.take(), &self.log, self.shown)?;
        Ok(Running { name, child, journal, _pipe: pipe })
    }
}

/// A program that runs.
#[derive(Debug)]
pub struct Running {
    name: Name,
    child: Child,
    journal: Journal,
    /// Where it waits for the end of this process.
    _pipe: Option<ChildStdin>,
}

impl Running {
    /// Waits until it has done what it was told.
    pub async fn succeeded(mut self) -> Result<(), Error> {
        let status = self.child.wait().await.map_err(|source| Error::Spawn(self.name, source))?;
        if status.success() { Ok(()) } else { Err(self.ended(status).await) }
    }

    /// Waits until it is ready.
    pub async fn ready(&mut self, settings: &Settings<'_>) -> Result<(), Error> {
        let until = Instant::now() + PATIENCE;
        let base = Uri::try_from(format!("http://127.0.0.1:{}", settings.ports.admin(self.name)));
        let why = |error: &dyn std::fmt::Display| error.to_string();
        let client = match base.map_err(|error| why(&error)) {
            Ok(base) => Client::new(&base, Version::Http1, None).map_err(|error| why(&error)),
            Err(error) => Err(error),
        };
        let client = client.map_err(|why| Error::Unready { name: self.name, why, said: String::new() })?;
        let id = CorrelationId::new();
        loop {
            let Err(failure) = client.ask(Ask::new(Method::GET, "/readyz", &id)).await else { return Ok(()) };
            if let Some(status) = self.status()? {
                let mut ports = settings.ports.of(self.name).into_iter();
                let lost = ports.find_map(|port| Some((port, ports::is_free(port).err()?)));
                return Err(match lost {
                    Some((port, source)) => Error::Lost { port, source },
                    None => self.ended(status).await,
                });
            }
            if Instant::now() > until {
                let why = match failure {
                    Failure::Refused { detail, .. } => detail.trim().to_owned(),
                    other => other.to_string(),
                };
                return Err(Error::Unready { name: self.name, why, said: self.journal.said() });
            }
            sleep(PAUSE).await;
        }
    }

    /// How it ended, if it has.
    pub fn status(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.child.try_wait().map_err(|source| Error::Spawn(self.name, source))
    }

    async fn ended(&mut self, status: ExitStatus) -> Error {
        self.journal.finish().await;
        Error::Ended { name: self.name, status, said: self.journal.said() }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        // It may have gone by itself.
        let _gone = pid.is_some_and(|pid| kill_process(pid, signal).is_err());
    }

    /// Waits until it has ended, however that is.
    pub async fn gone(&mut self) -> Result<ExitStatus, Error> {
        self.child.wait().await.map_err(|source| Error::Spawn(self.name, source))
    }
}

/// All programs that run. Dropped, they are killed.
#[derive(Debug, Default)]
pub(super) struct Fleet(Vec<Running>);

impl Fleet {
    pub(super) fn add(&mut self, running: Running) {
        self.0.push(running);
    }

    /// Waits until all of them are ready.
    pub(super) async fn ready(&mut self, settings: &Settings<'_>) -> Result<(), Error> {
        for running in &mut self.0 {
            running.ready(settings).await?;
        }
        Ok(())
    }

    /// Waits until one of them ends.
    pub(super) async fn broken(&mut self) -> Error {
        loop {
            for running in &mut self.0 {
                match running.status() {
                    Ok(None) => {}
                    Ok(Some(status)) => return running.ended(status).await,
                    Err(error) => return error,
                }
            }
            sleep(LOOK).await;
        }
    }

    /// Ends all of them, and kills those that take too long.
    pub(super) async fn end(mut self) {
        for running in &self.0 {
            running.signal(Signal::TERM);
        }
        let until = Instant::now() + GRACE;
        for running in &mut self.0 {
            if timeout_at(until, running.child.wait()).await.is_err() {
                // It may have gone by itself just now.
                let _gone = running.child.kill().await.is_err();
            }
        }
    }
}
