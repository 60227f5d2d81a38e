//! `completion`: a script for a shell.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::{Answer, Error, args::Cli, output::Terminal};

/// Arguments of `completion`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub fn run(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Result<Answer, Error> {
    let mut script = Vec::new();
    // The script completes the program; kubectl completes its plugins by `__complete`.
    clap_complete::generate(arguments.shell, &mut Cli::command(), "kubectl-flotilla", &mut script);
    terminal.data(&String::from_utf8_lossy(&script))?;
    Ok(Answer::Yes)
}
