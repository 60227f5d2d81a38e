//! The subcommands, one a file.

pub mod check;
pub mod complete;
pub mod completion;
pub mod convert;
pub mod diff;
pub mod history;
pub mod logs;
pub mod render;
pub mod rollback;
pub mod status;
pub mod trace;
pub mod tree;
pub mod validate;
pub mod version;
pub mod why;

use crate::{
    Answer, Error,
    args::{Cli, Command, Files},
    given::Given,
    input::Document,
    output::Terminal,
};

/// Runs the subcommand.
pub async fn run(cli: Cli, terminal: &mut Terminal<'_>) -> Result<Answer, Error> {
    let global = cli.global;
    match cli.command {
        Command::Render(arguments) => render::run(&arguments, &global, terminal),
        Command::Validate(arguments) => validate::run(&arguments, terminal),
        Command::Diff(arguments) => Box::pin(diff::run(&arguments, &global, terminal)).await,
        Command::Status(arguments) => status::run(&arguments, &global, terminal).await,
        Command::Tree(arguments) => tree::run(&arguments, &global, terminal).await,
        Command::Trace(arguments) => trace::run(&arguments, &global, terminal).await,
        Command::Why(arguments) => why::run(&arguments, &global, terminal).await,
        Command::Logs(arguments) => logs::run(&arguments, &global, terminal).await,
        Command::History(arguments) => history::run(&arguments, &global, terminal).await,
        Command::Rollback(arguments) => rollback::run(&arguments, &global, terminal).await,
        Command::Check(arguments) => check::run(&arguments, &global, terminal).await,
        Command::Convert(arguments) => convert::run(&arguments, &global, terminal).await,
        Command::Completion(arguments) => completion::run(&arguments, terminal),
        Command::Complete(arguments) => complete::run(&arguments, terminal),
        Command::Version(arguments) => version::run(&arguments, &global, terminal).await,
    }
}

/// The `Microservice` objects of the files; others are named and left out.
fn microservices(files: &Files, terminal: &mut Terminal<'_>) -> Result<Vec<Document>, Error> {
    Ok(Given::read(files, terminal)?.with_services(files)?.microservices)
}
