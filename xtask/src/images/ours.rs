//! Our own images: one static program each, on nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::archive::{self, Archived};
use super::authorities;
use super::compile::Programs;
use crate::cache;
use crate::oci::{Entry, Image};

/// Where our images are published.
const REGISTRY: &str = "ghcr.io/flotilla-dev";

/// The version of everything in this workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// More than this is a mistake: a debug build, or a dependency that should not be there. Services of the shop have the clients of
/// four kinds of bus.
const MAX_MEGABYTES: f64 = 25.0;
const MAX_MEGABYTES_OF_THE_SHOP: f64 = 30.0;

/// A program of this workspace. The `Dockerfile` in its folder makes the same image where there is Docker or buildah.
struct Program {
    package: &'static str,
    /// The package's features, if it has any.
    features: Option<&'static str>,
    /// What cargo calls the program.
    binary: &'static str,
    /// The profile of `Cargo.toml`.
    profile: &'static str,
    /// The name of its image.
    name: &'static str,
    description: &'static str,
    /// Where its own pages are: health, metrics.
    port: u16,
    /// Whether it connects to servers that anybody has certified.
    authorities: bool,
}

const OPERATOR: Program = Program {
    package: "flotilla-operator",
    features: Some("bin"),
    binary: "flotilla-operator",
    profile: "release",
    name: "operator",
    description: "The Flotilla operator: makes Microservice objects true",
    port: 8080,
    authorities: false,
};

const GATEWAY: Program = Program {
    package: "flotilla-api-gateway",
    features: None,
    binary: "api-gateway",
    profile: "fast",
    name: "api-gateway",
    description: "The gateway of Flotilla: routes HTTP requests as one configuration says",
    port: 9901,
    authorities: true,
};

/// The profile of `Cargo.toml` of all programs of the shop.
const SHOP_PROFILE: &str = "fast";

/// The programs of the shop. They are compiled together: what they share, once.
const SHOP: [Program; 6] = [
    shop(
        "flotilla-user-service",
        "user-service",
        "Who people are: accounts, sessions, roles and addresses",
        true,
    ),
    shop(
        "flotilla-product-service",
        "product-service",
        "What the shop sells: catalogue, search and stock",
        true,
    ),
    shop("flotilla-order-service", "order-service", "Carts, orders and payments of the shop", true),
    shop(
        "flotilla-notification-service",
        "notification-service",
        "Tells people what has happened in the shop",
        true,
    ),
    shop("flotilla-paysim", "paysim", "A payment provider for tests, that fails on command", false),
    shop("flotilla-sink", "sink", "Takes mail, pushes and webhooks, and shows them", false),
];

const fn shop(
    package: &'static str,
    name: &'static str,
    description: &'static str,
    authorities: bool,
) -> Program {
    Program {
        package,
        features: None,
        binary: name,
        profile: SHOP_PROFILE,
        name,
        description,
        port: 9090,
        authorities,
    }
}

/// The operator.
pub(super) fn operator() -> Result<Archived> {
    OPERATOR.build()
}

/// The program that is in the operator's image.
pub(super) fn operator_program() -> Result<PathBuf> {
    OPERATOR.compile()
}

/// The gateway.
pub(super) fn gateway() -> Result<Archived> {
    GATEWAY.build()
}

/// The folder with the programs of the shop.
pub(super) fn shop_programs() -> Result<PathBuf> {
    let shop = Programs {
        what: "the shop",
        packages: &SHOP.map(|program| program.package),
        profile: SHOP_PROFILE,
        arguments: &["--bins"],
        outputs: &SHOP.map(|program| program.binary),
    };
    shop.compile()
}

/// A program of the shop.
pub(super) fn of_the_shop(name: &str) -> Result<Archived> {
    let program = SHOP.iter().find(|program| program.name == name);
    program.with_context(|| format!("the shop has no program {name}"))?.build()
}

impl Program {
    /// What the image says of itself.
    fn image(&self) -> Image {
        let label = |key: &str, value: &str| (format!("org.opencontainers.image.{key}"), value.to_owned());
        Image {
            reference: format!("{REGISTRY}/{}:{VERSION}", self.name),
            entrypoint: vec![format!("/{}", self.binary)],
            user: "65532:65532".into(),
            ports: vec![format!("{}/tcp", self.port)],
            labels: BTreeMap::from([
                label("title", self.package),
                label("description", self.description),
                label("version", VERSION),
                label("licenses", "Apache-2.0"),
                label("vendor", "The Flotilla authors"),
            ]),
            ..Image::default()
        }
    }

    /// Compiles it and makes the image.
    fn build(&self) -> Result<Archived> {
        let binary = self.compile()?;
        let bundle = if self.authorities { Some(authorities::bundle()?) } else { None };
        let image = self.image();
        let content =
            cache::Key::default().path(&binary)?.text("authorities", bundle.as_deref().unwrap_or(""));
        let archived = archive::write(&image, content, || {
            let mut layer = vec![
                archive::tmp(),
                Entry::File { path: self.binary.into(), source: binary.clone(), mode: 0o755 },
            ];
            layer.extend(bundle.map(|content| Entry::Text {
                path: authorities::PATH.into(),
                content,
                mode: 0o444,
            }));
            Ok(vec![layer])
        })?;
        let size = archived.megabytes()?;
        let most = if self.is_of_the_shop() { MAX_MEGABYTES_OF_THE_SHOP } else { MAX_MEGABYTES };
        if size > most {
            bail!("{} has {size:.1} MB and may have {most} MB", image.reference);
        }
        Ok(archived)
    }

    fn is_of_the_shop(&self) -> bool {
        SHOP.iter().any(|program| program.package == self.package)
    }

    /// Compiles it, static.
    fn compile(&self) -> Result<PathBuf> {
        let features = self.features.map(|features| ["--features", features]);
        let mut arguments = vec!["--bin", self.binary];
        arguments.extend(features.iter().flatten());
        let alone = Programs {
            what: self.package,
            packages: &[self.package],
            profile: self.profile,
            arguments: &arguments,
            outputs: &[self.binary],
        };
        let folder = if self.is_of_the_shop() { shop_programs()? } else { alone.compile()? };
        Ok(folder.join(self.binary))
    }
}

/// Compiles a static example program, which shares with the images what is compiled already.
pub(super) fn compile_example(package: &str, name: &str) -> Result<PathBuf> {
    let programs = Programs {
        what: name,
        packages: &[package],
        profile: "release",
        arguments: &["--example", name],
        outputs: &[&format!("examples/{name}")],
    };
    Ok(programs.compile()?.join(name))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::workspace_root;

    /// The lines of a Dockerfile, with those joined that end in a backslash.
    fn instructions(text: &str) -> Vec<String> {
        let joined = text.replace("\\\n", " ");
        joined.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn the_dockerfile_makes_the_same_image() {
        let ours = [(&OPERATOR, "operator".to_owned()), (&GATEWAY, "services/api-gateway".to_owned())];
        let shop = SHOP.iter().map(|program| (program, format!("services/{}", program.name)));
        for (program, folder) in ours.into_iter().chain(shop) {
            let path = workspace_root().join(folder).join("Dockerfile");
            let text = fs::read_to_string(&path).unwrap();
            let has = |line: &str| {
                assert!(
                    instructions(&text).iter().any(|own| own.contains(line)),
                    "{} needs: {line}",
                    path.display()
                );
            };
            let image = program.image();
            has(&format!("ARG VERSION={VERSION}"));
            for (key, value) in &image.labels {
                has(&if value == VERSION {
                    format!("{key}=\"${{VERSION}}\"")
                } else {
                    format!("{key}=\"{value}\"")
                });
            }
            has(&format!("USER {}", image.user));
            has(&format!("ENTRYPOINT [\"{}\"]", image.entrypoint[0]));
            for port in &image.ports {
                has(&format!("EXPOSE {}", port.trim_end_matches("/tcp")));
            }
            has("FROM scratch");
            let features = program.features.map(|features| format!(" --features {features}"));
            has(&format!(
                "cargo build --locked --profile {} --package {}{} && install",
                program.profile,
                program.package,
                features.unwrap_or_default()
            ));
            has(&format!("target/{0}/{1} /out/{1}", program.profile, program.binary));
            assert_eq!(
                text.contains(authorities::PATH),
                program.authorities,
                "{}: {}",
                path.display(),
                authorities::PATH
            );
        }
    }
}
