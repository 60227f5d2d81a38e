//! Breaks a shop while customers order, and checks what came of it: see `checker --help`.

use std::{
    collections::VecDeque,
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, bail};
use clap::Parser;
use flotilla_checker::{
    config::{Arguments, Command, Run},
    fault::Fault,
    report,
    round::{PATIENCE, Place, Round, Settings},
    shop::{Clocks, Kind, Shop},
};
use tokio::task::JoinSet;

/// Violations of a round that are told.
const TOLD: usize = 40;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Run(config) => run(&config).await,
        Command::Faults => {
            let mut output = io::stdout().lock();
            Ok(Fault::all().into_iter().try_for_each(|fault| writeln!(output, "{fault}"))?)
        }
        Command::Service(config) => flotilla_shop::service::run(config).await,
    }
}

async fn run(config: &Run) -> anyhow::Result<()> {
    let program = env::current_exe().context("this program cannot be found")?;
    let seed = config.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    writeln!(io::stdout(), "seed {seed}\n\n{}", report::HEADER)?;
    let faults = config.faults();
    if faults.contains(&Fault::Clock) && Clocks::library().is_none() {
        bail!(
            "the fault {} needs libfaketime; on Debian or Ubuntu: apt-get install libfaketime",
            Fault::Clock
        );
    }
    let left = Arc::new(Mutex::new(faults.iter().copied().enumerate().collect::<VecDeque<_>>()));
    let mut shops = JoinSet::new();
    for _ in 0..config.shops.min(faults.len()) {
        let worker =
            Worker { program: program.clone(), config: config.clone(), seed, left: Arc::clone(&left) };
        shops.spawn(worker.run());
    }
    let mut rounds = Vec::new();
    while let Some(done) = shops.join_next().await {
        rounds.extend(done??);
    }
    let undone: Vec<_> = lost(&faults, &rounds).collect();
    if !undone.is_empty() {
        bail!("of these faults nothing is known: {}", undone.join(", "));
    }
    rounds.sort_by_key(|(number, _)| *number);
    let rounds: Vec<_> = rounds.into_iter().map(|(_, round)| round).collect();
    writeln!(io::stdout(), "\n{}", report::sum(&rounds))?;
    if let Some(path) = &config.write {
        let command = format!(
            "cargo run --package flotilla-checker -- run --orders {} --rate {} --seconds {} --shops {} --seed {seed}",
            config.orders, config.rate, config.seconds, config.shops
        );
        let text = report::document(&rounds, &command, &machine());
        fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    let violated = rounds.iter().filter(|round| !round.violations.is_empty()).count();
    if violated > 0 {
        bail!("with {violated} of {} faults something is not as it should be", rounds.len());
    }
    Ok(())
}

/// The faults that had no round.
fn lost(faults: &[Fault], rounds: &[(usize, Round)]) -> impl Iterator<Item = String> {
    let had = |number: usize| rounds.iter().any(|(of, _)| *of == number);
    faults.iter().enumerate().filter(move |(number, _)| !had(*number)).map(|(_, fault)| fault.to_string())
}

/// Who has one shop at a time, and breaks it in one way after the other.
struct Worker {
    program: PathBuf,
    config: Run,
    seed: u64,
    left: Arc<Mutex<VecDeque<(usize, Fault)>>>,
}

impl Worker {
    /// Takes faults until there are none left, and gives what came of each with its number. One that cannot be brought about is
    /// told of, and others come nevertheless.
    async fn run(self) -> anyhow::Result<Vec<(usize, Round)>> {
        let (mut rounds, mut place) = (Vec::new(), None::<(Kind, Place)>);
        let next = || self.left.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        while let Some((number, fault)) = next() {
            let there = place.take().filter(|(kind, _)| *kind == fault.shop()).map(|(_, place)| place);
            let (round, there) = match self.round(fault, there).await {
                Ok(done) => done,
                Err(error) => {
                    writeln!(io::stderr(), "{fault}: {error:#}")?;
                    continue;
                }
            };
            writeln!(io::stdout(), "{}", report::line(&round))?;
            for violation in round.violations.iter().take(TOLD) {
                writeln!(io::stderr(), "{fault}: {violation}")?;
            }
            if let Some(folder) = &self.config.histories {
                keep(folder, &round, &there.shop.logs())?;
            }
            // What is wrong in one shop is not to be found again with each fault that follows.
            place = round.violations.is_empty().then_some((fault.shop(), there));
            rounds.push((number, round));
        }
        Ok(rounds)
    }

    /// Has a round, in a shop that is there or in a new one.
    async fn round(&self, fault: Fault, there: Option<Place>) -> anyhow::Result<(Round, Place)> {
        let Self { program, config, seed, .. } = self;
        let mut place = if let Some(place) = there {
            place
        } else {
            let other = config.other.as_deref().unwrap_or(program);
            Place::new(Shop::start(program, other, fault.shop()).await?).await?
        };
        let settings = Settings {
            orders: config.orders,
            rate: config.rate,
            seed: *seed,
            way: None,
            lasts: Duration::from_secs(config.seconds),
            patience: PATIENCE,
        };
        Ok((place.round(fault, &settings).await?, place))
    }
}

/// Keeps what was asked and answered; and where something is wrong, what all processes had to say.
fn keep(folder: &Path, round: &Round, logs: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let mut file = io::BufWriter::new(fs::File::create(folder.join(format!("{}.jsonl", round.fault)))?);
    round.record.write_to(&mut file)?;
    file.flush()?;
    if !round.violations.is_empty() {
        let kept = folder.join(format!("{}-logs", round.fault));
        fs::create_dir_all(&kept)?;
        for entry in fs::read_dir(logs)? {
            let entry = entry?;
            fs::copy(entry.path(), kept.join(entry.file_name()))?;
        }
        let lines: Vec<_> = round.violations.iter().map(ToString::to_string).collect();
        fs::write(kept.join("violations.txt"), lines.join("\n"))?;
    }
    Ok(())
}

/// What it ran on, as far as it matters for the times.
fn machine() -> String {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let profile = if cfg!(debug_assertions) { "unoptimised" } else { "optimised" };
    format!("on {processors} processors, with {profile} programs, all on one machine")
}
