//! `cargo xtask images`: builds every image without a registry, and puts them into the cluster when asked to.

pub(crate) mod archive;
mod authorities;
mod compile;
mod conformance;
mod debian;
mod ours;
mod podinfo;
mod postgres;
mod rabbitmq;
mod redis;

use std::path::PathBuf;

use anyhow::{Result, bail};

pub(crate) use self::archive::Archived;
use crate::{cluster, progress};

/// Compiles the programs of the shop, as they are in the images. Returns the folder that has them.
pub(crate) fn shop_programs() -> Result<PathBuf> {
    ours::shop_programs()
}

/// Compiles a static example program of this workspace.
pub(crate) fn compile_example(package: &str, name: &str) -> Result<PathBuf> {
    ours::compile_example(package, name)
}

/// Arguments of `images`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The images to build, by the names that --list shows; without, all
    names: Vec<String>,
    /// Import them into the cluster that is up
    #[arg(long)]
    load: bool,
    /// Show the names and do nothing
    #[arg(long)]
    list: bool,
}

/// How an image is made.
struct Recipe {
    name: &'static str,
    about: &'static str,
    build: fn() -> Result<Archived>,
}

/// Every image, ours first.
const RECIPES: [Recipe; 13] = [
    Recipe { name: "operator", about: "the Flotilla operator", build: ours::operator },
    Recipe { name: "api-gateway", about: "the gateway", build: ours::gateway },
    Recipe {
        name: "user-service",
        about: "who people are in the shop",
        build: || ours::of_the_shop("user-service"),
    },
    Recipe {
        name: "product-service",
        about: "what the shop sells",
        build: || ours::of_the_shop("product-service"),
    },
    Recipe {
        name: "order-service",
        about: "orders and payments of the shop",
        build: || ours::of_the_shop("order-service"),
    },
    Recipe {
        name: "notification-service",
        about: "mail, pushes and webhooks of the shop",
        build: || ours::of_the_shop("notification-service"),
    },
    Recipe { name: "paysim", about: "a payment provider for tests", build: || ours::of_the_shop("paysim") },
    Recipe { name: "sink", about: "what takes mail and shows it", build: || ours::of_the_shop("sink") },
    Recipe { name: "podinfo", about: "the service of the README's example", build: podinfo::podinfo },
    Recipe { name: "podinfo-1", about: "an old release of it, to change from", build: podinfo::podinfo_1 },
    Recipe { name: "redis", about: "a cache", build: redis::redis },
    Recipe { name: "rabbitmq", about: "a message broker, with its management", build: rabbitmq::rabbitmq },
    Recipe { name: "postgres", about: "a database", build: postgres::postgres },
];

/// Runs the verb.
pub(crate) fn run(args: Args) -> Result<()> {
    if args.list {
        for recipe in &RECIPES {
            println!("{:<20} {}", recipe.name, recipe.about);
        }
        return Ok(());
    }
    let names: Vec<_> = args.names.iter().map(String::as_str).collect();
    let images = build(&names)?;
    for image in &images {
        println!("{:>8.1} MB  {}", image.megabytes()?, image.reference);
    }
    if args.load {
        load(&cluster::current()?, &images)?;
    }
    Ok(())
}

/// Builds the images of these names; without a name, all.
pub(crate) fn build(names: &[&str]) -> Result<Vec<Archived>> {
    if let Some(unknown) = names.iter().find(|name| RECIPES.iter().all(|recipe| recipe.name != **name)) {
        let known: Vec<_> = RECIPES.iter().map(|recipe| recipe.name).collect();
        bail!("there is no image {unknown:?}; there are {}", known.join(", "));
    }
    let wanted = RECIPES.iter().filter(|recipe| names.is_empty() || names.contains(&recipe.name));
    wanted.map(|recipe| (recipe.build)()).collect()
}

/// Builds what the upstream suite of the Gateway API sends requests to.
pub(crate) fn build_conformance() -> Result<Vec<Archived>> {
    conformance::all()
}

/// The program that is in the operator's image.
pub(crate) fn operator_program() -> Result<PathBuf> {
    ours::operator_program()
}

/// Imports images into a cluster.
pub(crate) fn load(cluster: &cluster::Cluster, images: &[Archived]) -> Result<()> {
    let archives: Vec<PathBuf> = images.iter().map(|image| image.archive.clone()).collect();
    progress::during(format!("Loading {} images into the cluster", archives.len()), || {
        cluster.load(&archives)
    })
}
