//! The command line: flags, each with an environment variable, read once at start.

use std::{ffi::OsString, net::IpAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};
use http::Uri;

use crate::{
    name::Name,
    walk::{Options, Version},
};

/// The shop: all of it on this machine, or a customer of one that runs somewhere.
#[derive(Parser, Debug)]
#[command(name = "shop", version)]
pub struct Arguments {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What this program does.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run the whole shop on this machine, without a cluster, until Ctrl-C
    Dev(Dev),
    /// Be a customer: register, log in, fill a cart, order, pay, and wait for the mail that confirms it
    Order(Order),
    /// Put in what a shop has for those who try it, in two steps: people, and what they can buy
    Fill(Fill),
    /// Run one service of the shop, as its own program does
    // What follows its name is its own, and so is --help.
    #[command(disable_help_flag = true)]
    Service(Service),
}

/// What `shop dev` is told.
#[derive(Args, Clone, Debug)]
pub struct Dev {
    /// Port of the gateway, which is in front of all REST APIs. 0: any that is free
    #[arg(long, env = "SHOP_DEV_PORT", default_value_t = 8080)]
    pub port: u16,

    /// Port of the inbox, which shows the mail that the shop sends. 0: any that is free
    #[arg(long, env = "SHOP_DEV_INBOX_PORT", default_value_t = 8025)]
    pub inbox_port: u16,

    /// Port of the payment provider. 0: any that is free
    #[arg(long, env = "SHOP_DEV_PAYSIM_PORT", default_value_t = 0)]
    pub paysim_port: u16,

    /// The folder of all data, which stays, and has what an earlier run left there. Left out: one that goes at the end
    #[arg(long, env = "SHOP_DEV_DATA", value_name = "PATH")]
    pub data: Option<PathBuf>,

    /// Keep the data at the end, also where no folder is named
    #[arg(long, env = "SHOP_DEV_KEEP")]
    pub keep: bool,

    /// Show everything that services log, not only warnings and errors
    #[arg(long, short, env = "SHOP_DEV_VERBOSE")]
    pub verbose: bool,
}

/// Where a shop is.
#[derive(Args, Clone, Debug)]
pub struct Place {
    /// The shop's gateway
    #[arg(long, env = "SHOP_URL", default_value = "http://127.0.0.1:8080")]
    pub url: Uri,

    /// The inbox that the shop's mail goes to
    #[arg(long, env = "SHOP_INBOX_URL", default_value = "http://127.0.0.1:8025", value_name = "URL")]
    pub inbox_url: Uri,

    /// The address of all hosts in these URLs. Left out: what their names resolve to
    #[arg(long, env = "SHOP_CONNECT_TO", value_name = "ADDRESS")]
    pub connect_to: Option<IpAddr>,

    /// Speak HTTP/2; without TLS from the first byte (RFC 9113 section 3.3)
    #[arg(long, env = "SHOP_HTTP2")]
    pub http2: bool,

    /// Seconds to wait for the payment and for each mail
    #[arg(long, env = "SHOP_PATIENCE_SECONDS", default_value_t = 60, value_name = "SECONDS", value_parser = value_parser!(u32).range(1..))]
    pub patience_seconds: u32,
}

/// What `shop order` is told.
#[derive(Args, Clone, Debug)]
pub struct Order {
    /// Where the shop is
    #[command(flatten)]
    pub place: Place,

    /// What pays, as the payment provider names it: `pm_card_chargeDeclined` is refused
    #[arg(long, env = "SHOP_PAYMENT_METHOD", default_value = "pm_card_visa", value_name = "NAME")]
    pub payment_method: String,

    /// How steps are told
    #[arg(long, env = "SHOP_OUTPUT", default_value = "text")]
    pub output: Output,
}

/// How steps are told.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// For people.
    Text,
    /// A JSON object a line, the last with all that came of it.
    Json,
}

/// What `shop service` is told.
#[derive(Args, Clone, Debug)]
pub struct Service {
    /// Which one
    pub name: Name,

    /// End when standard input does, with whoever started this
    #[arg(long)]
    pub end_with_stdin: bool,

    /// What its program takes; its --help tells
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    pub arguments: Vec<OsString>,
}

/// What `shop fill` is told.
#[derive(Args, Clone, Debug)]
pub struct Fill {
    /// What is put in
    pub what: Filling,

    /// Where the shop is
    #[command(flatten)]
    pub place: Place,
}

/// What is put in.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filling {
    /// A customer and an admin, whose passwords everybody knows. The admin needs the role: user-service grant.
    People,
    /// What can be bought, by the admin.
    Catalogue,
}

impl Place {
    /// What is spoken.
    pub fn version(&self) -> Version {
        if self.http2 { Version::Http2 } else { Version::Http1 }
    }

    /// How long the payment and each mail may take.
    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.patience_seconds.into())
    }
}

impl Order {
    /// What the walk goes by.
    pub fn options(&self) -> Options {
        let place = &self.place;
        Options {
            shop: place.url.clone(),
            inbox: place.inbox_url.clone(),
            connect_to: place.connect_to,
            version: place.version(),
            payment_method: self.payment_method.clone(),
            patience: place.patience(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn what_a_service_is_told_is_its_own() {
        Arguments::command().debug_assert();
        let line = ["shop", "service", "--end-with-stdin", "user-service", "grant", "--email", "a@b.co"];
        let Command::Service(service) = Arguments::try_parse_from(line).unwrap().command else {
            panic!("it is a service");
        };
        assert_eq!((service.name, service.end_with_stdin), (Name::UserService, true));
        assert_eq!(service.arguments, ["grant", "--email", "a@b.co"]);
        let line = ["shop", "service", "sink", "--help"];
        let Command::Service(service) = Arguments::try_parse_from(line).unwrap().command else {
            panic!("it is a service");
        };
        assert_eq!(service.arguments, ["--help"]);
    }
}
