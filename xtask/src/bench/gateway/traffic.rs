//! Every gateway in every scenario, in turns, so that whatever else the machine does meets all of them alike.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::load::{Answers, Load};
use super::scenario::Scenario;
use super::subject::{Certificate, Setup, Subject};
use crate::bench::median::median;
use crate::bench::ports;
use crate::bench::quiet::Watch;
use crate::bench::running::Running;
use crate::{cache, progress};

/// The processor that gateways have to themselves, and the one for all else.
const PROCESSORS: (usize, usize) = (0, 1);

/// How long a gateway may take to listen, with all its routes.
const START: Duration = Duration::from_secs(60);

/// How long it is waited until the machine may have come to rest.
const PAUSE: Duration = Duration::from_secs(5);

/// How a scenario is measured.
pub(super) struct Method {
    pub(super) rounds: u32,
    /// For how many seconds each time.
    pub(super) seconds: u32,
    /// For how many seconds before that, so that connections are there and memory is warm.
    pub(super) warm_up: u32,
    /// How often a measurement is made again during which the machine did something else.
    pub(super) patience: u32,
}

/// One measurement of one gateway.
#[derive(Clone, Copy)]
pub(super) struct Sample {
    pub(super) answers: Answers,
    /// Microseconds of processor time for each request, in the program and in the kernel for it.
    pub(super) user: f64,
    pub(super) system: f64,
    /// Bytes, at the end.
    pub(super) memory: f64,
    /// How much of its processor it had.
    pub(super) share: f64,
    /// Whether nothing else had the processors meanwhile.
    pub(super) was_quiet: bool,
}

/// What a scenario has brought.
pub(super) struct Row {
    pub(super) scenario: &'static Scenario,
    /// Of each gateway, in their order, one for each round.
    pub(super) samples: Vec<Vec<Sample>>,
    /// Without a gateway, one for each round.
    pub(super) direct: Vec<Answers>,
}

/// What measuring needs.
pub(super) struct Bench<'b> {
    pub(super) load: Load<'b>,
    pub(super) certificate: Certificate,
    pub(super) method: Method,
}

/// The ports of a backend.
#[derive(Deserialize)]
struct Ports {
    http1: u16,
    grpc: u16,
}

/// A running backend.
struct Backend {
    running: Running,
    port: u16,
}

impl Bench<'_> {
    /// The processor for all but the gateways.
    pub(super) const OTHERS: usize = PROCESSORS.1;

    /// Measures a scenario.
    pub(super) fn row(&self, scenario: &'static Scenario, subjects: &[Box<dyn Subject + '_>]) -> Result<Row> {
        let mut row = Row { scenario, samples: vec![Vec::new(); subjects.len()], direct: Vec::new() };
        let backend = self.backend(scenario)?;
        for round in 0..self.method.rounds {
            let title = format!("{}, round {} of {}", scenario.name, round + 1, self.method.rounds);
            progress::during(title, || {
                if scenario.can_go_direct() {
                    let folder = tempfile::tempdir()?;
                    row.direct.push(self.loaded(
                        scenario,
                        backend.port,
                        self.method.seconds,
                        folder.path(),
                    )?);
                }
                for (subject, samples) in subjects.iter().zip(&mut row.samples) {
                    let sample = self.quiet_sample(scenario, subject.as_ref(), &backend, round == 0);
                    samples
                        .push(sample.with_context(|| format!("{} with {}", scenario.name, subject.name()))?);
                }
                Ok(())
            })?;
        }
        Ok(row)
    }

    /// Measures until the machine does nothing else, or there is no more patience.
    fn quiet_sample(
        &self,
        scenario: &Scenario,
        subject: &dyn Subject,
        backend: &Backend,
        is_first: bool,
    ) -> Result<Sample> {
        let mut sample = self.sample(scenario, subject, backend, is_first)?;
        for _ in 0..self.method.patience {
            if sample.was_quiet {
                break;
            }
            sleep(PAUSE);
            sample = self.sample(scenario, subject, backend, false)?;
        }
        Ok(sample)
    }

    /// Starts a backend.
    fn backend(&self, scenario: &Scenario) -> Result<Backend> {
        let mut command = std::process::Command::new(&self.load.helper);
        command.args(["backend", "--body", &scenario.body.to_string()]);
        let (running, stdout) = Running::start_piped(&command, self.load.processor)?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let ports: Ports = serde_json::from_str(&line).context("the backend says its ports")?;
        Ok(Backend { running, port: if scenario.is_grpc() { ports.grpc } else { ports.http1 } })
    }

    fn sample(
        &self,
        scenario: &Scenario,
        subject: &dyn Subject,
        backend: &Backend,
        is_first: bool,
    ) -> Result<Sample> {
        let folder = tempfile::tempdir()?;
        let [port, admin] = ports::free()?;
        let setup = Setup {
            scenario,
            folder: folder.path(),
            port,
            admin,
            backend: backend.port,
            certificate: &self.certificate,
        };
        let command = subject.command(&setup)?;
        let log = cache::root()?.join(format!("logs/bench-{}.log", subject.name()));
        // Of this start alone.
        drop(fs::remove_file(&log));
        let mut running = Running::start(&command, PROCESSORS.0, &log)?;
        running.wait_until(START, &log, || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())?;
        if is_first {
            self.load.check(scenario, port, &self.certificate)?;
        }
        self.loaded(scenario, port, self.method.warm_up, folder.path())?;
        let (begun, before, others_before) = (Instant::now(), running.time()?, backend.running.time()?);
        let watch = Watch::begin()?;
        let answers = self.loaded(scenario, port, self.method.seconds, folder.path())?;
        let (wall, after) = (begun.elapsed().as_secs_f64(), running.time()?);
        let (user, system) = (after.user - before.user, after.system - before.system);
        ensure!(user + system > 0.0 && answers.requests > 0.0, "the requests went past the gateway");
        let own = user + system + backend.running.time()?.all() - others_before.all();
        let was_quiet = watch.was_quiet(own)?;
        let each = |seconds: f64| seconds * 1_000_000.0 / answers.requests;
        Ok(Sample {
            answers,
            user: each(user),
            system: each(system),
            memory: running.memory()?,
            share: (user + system) / wall,
            was_quiet,
        })
    }

    fn loaded(&self, scenario: &Scenario, port: u16, seconds: u32, folder: &Path) -> Result<Answers> {
        self.load.run(scenario, port, &self.certificate, seconds, folder)
    }
}

impl Sample {
    /// Microseconds of processor time for each request.
    pub(super) fn time(&self) -> f64 {
        self.user + self.system
    }
}

impl Row {
    /// The median of all rounds of a gateway.
    pub(super) fn median(&self, subject: usize, of: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.get(subject).into_iter().flatten().map(of))
    }

    /// The same without a gateway; `None` where the load cannot go there.
    pub(super) fn direct(&self) -> Option<f64> {
        (!self.direct.is_empty()).then(|| median(self.direct.iter().map(|answers| answers.a_second())))
    }

    /// Requests that were not answered as they should, of all gateways in all rounds.
    pub(super) fn errors(&self) -> f64 {
        self.samples.iter().flatten().map(|sample| sample.answers.errors).sum()
    }
}
