//! Prints the table of the gateway's configuration; `cargo xtask gen` writes it into `docs/gateway.md`.

#![allow(clippy::print_stdout, reason = "printing is its purpose")]

use clap::CommandFactory;
use flotilla_api_gateway::config::Config;

fn main() {
    println!("## Configuration\n");
    println!("| variable | flag | default | meaning |\n|---|---|---|---|");
    for argument in Config::command().get_arguments() {
        let (Some(variable), Some(flag)) = (argument.get_env(), argument.get_long()) else { continue };
        let defaults: Vec<_> =
            argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let default = match defaults.join(",").as_str() {
            "" => "empty".to_owned(),
            text => format!("`{text}`"),
        };
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let values: Vec<_> =
            argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
        let values = if values.is_empty() { String::new() } else { format!(": {}", values.join(" or ")) };
        println!("| `{}` | `--{flag}` | {default} | {help}{values} |", variable.to_string_lossy());
    }
}
