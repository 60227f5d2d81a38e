//! Every shop with every workload, in turns, so that whatever else the machine does meets all of them alike.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ask::ask;
use super::paid::{self, Paid};
use super::provider::Provider;
use super::rate::Search;
use super::stage::Stage;
use super::subject::{PORTS, Setup, Subject};
use super::workload::{Kind, Part, Workload, log_in};
use crate::bench::ports;
use crate::bench::quiet::Watch;
use crate::bench::running::{Running, Time};
use crate::{cache, process};

/// The processor that the shops have to themselves, and the one for all else: load, Postgres, the payment provider.
pub(super) const PROCESSORS: (usize, usize) = (0, 1);

/// How long a shop may take to answer.
const START: Duration = Duration::from_secs(60);

/// How long a shop that has answered is left alone before its memory at rest is read: what a login took is given back by then, by
/// whoever gives it back.
const REST: Duration = Duration::from_secs(5);

/// How long it is waited until the machine may have come to rest.
const PAUSE: Duration = Duration::from_secs(5);

/// How it is measured.
#[derive(Clone, Copy)]
pub(super) struct Method {
    pub(super) rounds: u32,
    /// Seconds of each rate that is tried.
    pub(super) seconds: u32,
    /// Seconds before that do not count.
    pub(super) warm_up: u32,
    /// How often a rate is tried again during which the machine did something else.
    pub(super) patience: u32,
    /// How many times longer answers may take than a workload says.
    pub(super) slack: f64,
}

/// What the load says that came back.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Answers {
    pub(super) requests: f64,
    pub(super) errors: f64,
    unsent: f64,
    p50: f64,
    p99: f64,
    first_error: Option<String>,
}

/// A rate that was tried.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    pub(super) rate: f64,
    /// Requests with the answer that was wanted.
    pub(super) requests: f64,
    /// Milliseconds, from when each request was to be sent.
    pub(super) p50: f64,
    pub(super) p99: f64,
    /// Whether all were answered as they should be, and in time.
    pub(super) is_borne: bool,
    /// Seconds of processor time for 1,000 requests: of the shop, and of Postgres.
    pub(super) shop: f64,
    pub(super) database: f64,
    pub(super) was_quiet: bool,
    /// What was wrong.
    pub(super) wrong: Option<String>,
}

/// A measurement.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// The highest rate that was borne.
    pub(super) best: Probe,
    /// Seconds from the start of the first program until an answer.
    pub(super) start: f64,
    /// Bytes of memory at rest, and at most.
    pub(super) idle: f64,
    pub(super) peak: f64,
}

/// What measuring needs.
pub(super) struct Bench<'b> {
    pub(super) stage: &'b Stage,
    /// The folder with the programs of our services.
    pub(super) programs: &'b Path,
    /// The program that makes load.
    pub(super) load: PathBuf,
    pub(super) method: Method,
}

/// A shop that runs.
struct Open<'o> {
    workload: &'o Workload,
    measured: Vec<Running>,
    /// What runs beside the load.
    others: Vec<Running>,
    port: u16,
    start: f64,
    token: Option<String>,
}

impl Bench<'_> {
    /// Measures a shop once. `known` is the rate that was found before.
    pub(super) fn sample(
        &self,
        workload: &Workload,
        subject: &dyn Subject,
        known: Option<f64>,
    ) -> Result<Sample> {
        self.stage.reset()?;
        let open = self.open(workload, subject)?;
        sleep(REST);
        let idle = sum(&open.measured, Running::memory)?;
        let requests = self.stage.folder().join("requests.json");
        fs::write(&requests, Value::from(workload.requests(open.token.as_deref())).to_string())?;
        self.warm_up(&open, &requests, known.unwrap_or(workload.first))?;
        let mut search = known.map_or_else(|| Search::from(workload.first), Search::around);
        let (mut best, mut wrong): (Option<Probe>, _) = (None, None);
        while let Some(rate) = search.next() {
            let mut probe = self.quiet_probe(&open, &requests, rate)?;
            if !probe.is_borne {
                // One pause of the machine would end the search far below what is borne.
                probe = self.quiet_probe(&open, &requests, rate)?;
            }
            search.tell(rate, probe.is_borne);
            if probe.is_borne && best.as_ref().is_none_or(|best| best.rate < rate) {
                best = Some(probe);
            } else if let Some(why) = probe.wrong {
                wrong = Some(why);
            }
        }
        let peak = sum(&open.measured, Running::peak)?;
        let best = best.with_context(|| {
            format!("no rate is borne; the last that was wrong: {}", wrong.as_deref().unwrap_or("too slow"))
        })?;
        Ok(Sample { best, start: open.start, idle, peak })
    }

    /// What a shop answers to some requests, without load.
    pub(super) fn answers(
        &self,
        workload: &Workload,
        subject: &dyn Subject,
        requests: &[Value],
    ) -> Result<Vec<Value>> {
        self.stage.reset()?;
        let open = self.open(workload, subject)?;
        requests.iter().map(|request| ask(open.port, request)?.json(200)).collect()
    }

    /// Starts a shop, and waits for its first answer.
    fn open<'o>(&self, workload: &'o Workload, subject: &dyn Subject) -> Result<Open<'o>> {
        let (ports, [address, admin]) = (ports::free::<PORTS>()?, ports::free()?);
        let provider = Provider { port: address, admin };
        let setup = Setup { stage: self.stage, provider: &provider, ports };
        let asked = workload.part();
        let port = subject.port(&ports, asked);
        let (mut measured, mut others) = (Vec::new(), Vec::new());
        if asked == Part::Orders {
            let command = provider.command(self.programs, port);
            others.push(started("paysim", &command, PROCESSORS.1, || {
                TcpStream::connect((Ipv4Addr::LOCALHOST, provider.port)).is_ok()
            })?);
        }
        let mut start = 0.0;
        for program in subject.programs(&setup, asked) {
            let own = match program.name {
                "user-service" => subject.port(&ports, Part::Users),
                "product-service" => subject.port(&ports, Part::Products),
                _ => port,
            };
            let path = if program.name == "order-service" { "/v1/orders" } else { "/v1/products?limit=1" };
            let look = json!({ "method": "GET", "path": path });
            let processor = if program.is_measured { PROCESSORS.0 } else { PROCESSORS.1 };
            let begun = Instant::now();
            let running = started(program.name, &program.command, processor, || {
                ask(own, &look).is_ok_and(|answer| answer.status < 500)
            })?;
            if program.is_measured {
                start += begun.elapsed().as_secs_f64();
                measured.push(running);
            } else {
                others.push(running);
            }
        }
        let token = workload.needs_token().then(|| -> Result<String> {
            let answer = ask(subject.port(&ports, Part::Users), &log_in(1))?.json(200)?;
            Ok(answer["access_token"].as_str().context("a login gives no token")?.to_owned())
        });
        Ok(Open { workload, measured, others, port, start, token: token.transpose()? })
    }

    /// Has connections be there and code be warm. What is wrong shows in what is measured.
    fn warm_up(&self, open: &Open<'_>, requests: &Path, rate: f64) -> Result<()> {
        let answers = self.load(open, requests, (rate / 2.0).max(1.0), self.method.warm_up)?;
        let wrong = answers.first_error.as_deref().unwrap_or("no answer came in time");
        ensure!(answers.requests > 0.0, "nothing is answered as it should be: {wrong}");
        if open.workload.kind == Kind::Order {
            paid::wait(self.stage)?;
            paid::check(self.stage)?;
        }
        Ok(())
    }

    /// Tries a rate until the machine does nothing else, or there is no more patience.
    fn quiet_probe(&self, open: &Open<'_>, requests: &Path, rate: f64) -> Result<Probe> {
        let mut probe = self.probe(open, requests, rate)?;
        for _ in 0..self.method.patience {
            if probe.was_quiet {
                break;
            }
            sleep(PAUSE);
            probe = self.probe(open, requests, rate)?;
        }
        Ok(probe)
    }

    fn probe(&self, open: &Open<'_>, requests: &Path, rate: f64) -> Result<Probe> {
        let watch = Watch::begin()?;
        let (before, others, database) = (times(&open.measured)?, times(&open.others)?, self.stage.time()?);
        let answers = self.load(open, requests, rate, self.method.seconds)?;
        let is_order = open.workload.kind == Kind::Order;
        let paid = if is_order {
            paid::wait(self.stage)?;
            Some(paid::times(self.stage, &self.made())?)
        } else {
            None
        };
        let shop = times(&open.measured)?.all() - before.all();
        let database = self.stage.time()?.all() - database.all();
        let others = times(&open.others)?.all() - others.all();
        let was_quiet = watch.was_quiet(shop + database + others)?;
        let (requests, p50, p99) = match &paid {
            Some(Paid { orders, p50, p99 }) => (*orders, *p50, *p99),
            None => (answers.requests, answers.p50, answers.p99),
        };
        // So many cost more than a tick of the clock that processor time is told by.
        ensure!(requests < 1_000.0 || shop > 0.0, "the requests went past the shop");
        let (p50, p99) = (p50 / 1_000.0, p99 / 1_000.0);
        let is_whole = answers.errors == 0.0 && answers.unsent == 0.0 && requests > 0.0;
        Ok(Probe {
            rate,
            requests,
            p50,
            p99,
            is_borne: is_whole
                && requests >= answers.requests
                && p99 <= open.workload.bound * self.method.slack,
            shop: shop * 1_000.0 / requests,
            database: database * 1_000.0 / requests,
            was_quiet,
            wrong: answers.first_error,
        })
    }

    fn made(&self) -> PathBuf {
        self.stage.folder().join("made.csv")
    }

    fn load(&self, open: &Open<'_>, requests: &Path, rate: f64, seconds: u32) -> Result<Answers> {
        let mut command = Command::new(&self.load);
        command.arg("--address").arg(format!("127.0.0.1:{}", open.port));
        command.args(["--rate", &format!("{rate:.0}"), "--seconds", &seconds.to_string()]);
        command.args(["--status", &open.workload.status.to_string()]).arg("--requests").arg(requests);
        if open.workload.kind == Kind::Order {
            command.arg("--idempotency-keys").arg("--made").arg(self.made());
        }
        // It has this program's processor.
        serde_json::from_str(&process::output(&mut command)?).context("the load says what came back")
    }
}

/// A program on a processor, once it does what it should.
fn started(name: &str, command: &Command, processor: usize, is_there: impl Fn() -> bool) -> Result<Running> {
    let log = cache::root()?.join(format!("logs/bench-shop-{name}.log"));
    // Of this start alone.
    drop(fs::remove_file(&log));
    let mut running = Running::start(command, processor, &log)?;
    running.wait_until(START, &log, is_there).with_context(|| format!("starting {name}"))?;
    Ok(running)
}

fn sum(programs: &[Running], of: impl Fn(&Running) -> Result<f64>) -> Result<f64> {
    programs.iter().map(of).sum()
}

fn times(programs: &[Running]) -> Result<Time> {
    programs.iter().try_fold(Time::default(), |sum, program| Ok(sum + program.time()?))
}
