//! The command line.

use std::{path::PathBuf, str::FromStr};

use clap::{Args, Parser, Subcommand};

use crate::fault::{Fault, NoFault};

/// Whether the shop loses no order and charges no one twice: has customers order while things break, and checks what came of it.
#[derive(Parser, Debug)]
#[command(name = "checker", version)]
pub struct Arguments {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What this program does.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Have customers order while a fault happens, and check what came of it
    Run(Run),
    /// List the faults
    Faults,
    /// Run one service of the shop, as its own program does
    #[command(disable_help_flag = true)]
    Service(flotilla_shop::config::Service),
}

/// What is checked.
#[derive(Args, Clone, Debug)]
pub struct Run {
    /// Orders that customers place while a fault happens
    #[arg(long, default_value_t = 300, value_name = "NUMBER")]
    pub orders: usize,

    /// Orders in a second, whatever becomes of those before
    #[arg(long, default_value_t = 12.0, value_name = "NUMBER")]
    pub rate: f64,

    /// Seconds for which customers order at least with each fault
    #[arg(long, default_value_t = 20, value_name = "NUMBER")]
    pub seconds: u64,

    /// Shops that are broken at a time, each with its own faults: they share the machine
    #[arg(long, default_value_t = 1, value_name = "NUMBER", value_parser = parse_shops)]
    pub shops: usize,

    /// The faults, one after the other: their names, or all
    #[arg(long, default_value = "all", value_name = "NAME", value_delimiter = ',')]
    pub fault: Vec<Chosen>,

    /// Where chance begins. Left out: anywhere
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,

    /// The program of another version for the second order-service: `shop` or `checker` of then. Left out: this one
    #[arg(long, value_name = "PATH")]
    pub other: Option<PathBuf>,

    /// A folder for the histories, a file of JSON lines for each fault
    #[arg(long, value_name = "PATH")]
    pub histories: Option<PathBuf>,

    /// The document that the table is written into
    #[arg(long, value_name = "PATH")]
    pub write: Option<PathBuf>,
}

fn parse_shops(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(shops @ 1..=16) => Ok(shops),
        _ => Err("write from 1 to 16".to_owned()),
    }
}

/// Faults that somebody chooses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen(Vec<Fault>);

impl FromStr for Chosen {
    type Err = NoFault;

    fn from_str(text: &str) -> Result<Self, NoFault> {
        if text == "all" { Ok(Self(Fault::all())) } else { text.parse().map(|fault| Self(vec![fault])) }
    }
}

impl Run {
    /// The faults, in their order. Two versions are two only if there is another one.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults: Vec<_> = self.fault.iter().flat_map(|chosen| chosen.0.clone()).collect();
        if self.other.is_none() {
            faults.retain(|fault| *fault != Fault::TwoVersions);
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn run(line: &[&str]) -> Run {
        let line = ["checker", "run"].iter().chain(line);
        match Arguments::try_parse_from(line).unwrap().command {
            Command::Run(run) => run,
            _ => panic!("it is run"),
        }
    }

    #[test]
    fn faults_are_all_or_those_that_are_named() {
        Arguments::command().debug_assert();
        assert_eq!(run(&[]).faults().len(), Fault::all().len() - 1);
        assert_eq!(run(&["--other", "/bin/shop"]).faults(), Fault::all());
        assert_eq!(run(&["--fault", "none,everything"]).faults(), [Fault::None, Fault::Everything]);
        assert!(Arguments::try_parse_from(["checker", "run", "--fault", "melt"]).is_err());
    }
}
