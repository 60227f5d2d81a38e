//! The program behind `kubectl flotilla`.

use std::{
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
};

use anyhow::anyhow;
use clap::{CommandFactory as _, FromArgMatches as _};
use flotilla_cli::{
    Answer, EXIT_ERROR, Error,
    args::Cli,
    command,
    output::{Paint, Terminal},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::from(1),
        Err(error) => {
            // Whoever reads the output has seen enough.
            if error.downcast_ref::<Error>().is_some_and(Error::is_broken_pipe) {
                return ExitCode::SUCCESS;
            }
            // When standard error is gone too, there is nobody left to tell.
            writeln!(io::stderr(), "error: {error}").ok();
            ExitCode::from(EXIT_ERROR)
        }
    }
}

async fn run() -> anyhow::Result<Answer> {
    let matches = Cli::command().bin_name(shown_name()).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow!("a TLS provider was installed twice"))?;
    let no_color = cli.global.no_color || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let paint = Paint { on: !no_color && io::stdout().is_terminal() };
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let mut terminal = Terminal { out: &mut out, err: &mut err, paint };
    Ok(command::run(cli, &mut terminal).await?)
}

/// How help names the program: as it was called, which for a plugin is by way of kubectl.
fn shown_name() -> String {
    let called = std::env::args_os().next().unwrap_or_default();
    let name = std::path::Path::new(&called).file_stem().unwrap_or_default().to_string_lossy();
    name.strip_prefix("kubectl-").map_or_else(|| name.to_string(), |plugin| format!("kubectl {plugin}"))
}
