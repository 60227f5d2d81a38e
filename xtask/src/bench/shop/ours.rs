//! Our services, each its own program as it is in its image, with everything on that is on by default.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use rcgen::{KeyPair, PKCS_ED25519};
use serde_json::json;

use super::provider::{SECRET_KEY, WEBHOOK_SECRET};
use super::subject::{PORTS, Program, Setup, Subject, bytes};
use super::workload::Part;

/// Services, each with three ports.
const SERVICES: [&str; 3] = ["user-service", "product-service", "order-service"];

pub(super) struct Ours {
    /// The folder of the programs.
    programs: PathBuf,
    /// With which order-service says who it is (PKCS #8, PEM), and how others know it (a JSON Web Key Set).
    private: String,
    public: String,
}

impl Ours {
    pub(super) fn new(programs: PathBuf) -> Result<Self> {
        let pair = KeyPair::generate_for(&PKCS_ED25519).context("making a key")?;
        let x = BASE64_URL_SAFE_NO_PAD.encode(pair.public_key_raw());
        let public =
            json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "order-service/1", "x": x }] });
        Ok(Self { programs, private: pair.serialize_pem(), public: public.to_string() })
    }

    fn service(&self, setup: &Setup<'_>, at: usize, database: &str) -> Command {
        let local = |port: u16| format!("127.0.0.1:{port}");
        let (own, ports) = (|of| port(&setup.ports, at, of), &setup.ports);
        let mut command = Command::new(self.programs.join(SERVICES.get(at).copied().unwrap_or_default()));
        command.envs([
            ("SHOP_HTTP", local(own(0))),
            ("SHOP_GRPC", local(own(1))),
            ("SHOP_ADMIN", local(own(2))),
            ("SHOP_DATABASE_URL", setup.stage.url(database)),
            ("SHOP_BUS_URL", setup.stage.url("bus")),
            ("SHOP_SERVICE_KEYS", self.public.clone()),
            ("SHOP_JWKS_URL", format!("http://{}/.well-known/jwks.json", local(port(ports, 0, 0)))),
            ("SHOP_PRODUCT_GRPC", format!("http://{}", local(port(ports, 1, 1)))),
            ("SHOP_SERVICE_KEY", self.private.clone()),
            ("SHOP_USER_MASTER_KEY", BASE64_STANDARD.encode([7; 32])),
            ("SHOP_CURSOR_KEY", "bench".to_owned()),
            ("SHOP_PSP_URL", setup.provider.url()),
            ("SHOP_PSP_SECRET_KEY", SECRET_KEY.to_owned()),
            ("SHOP_PSP_WEBHOOK_SECRET", WEBHOOK_SECRET.to_owned()),
        ]);
        command
    }
}

/// A port of a service: 0 for HTTP, 1 for gRPC, 2 for its health.
fn port(ports: &[u16; PORTS], service: usize, of: usize) -> u16 {
    ports.get(service * 3 + of).copied().unwrap_or_default()
}

impl Subject for Ours {
    fn name(&self) -> &'static str {
        "Flotilla"
    }

    fn made_with(&self) -> String {
        format!("Flotilla {}: Rust, axum, sqlx; static programs", env!("CARGO_PKG_VERSION"))
    }

    fn size(&self) -> Result<f64> {
        SERVICES.iter().map(|service| bytes(&self.programs.join(service))).sum()
    }

    fn programs(&self, setup: &Setup<'_>, part: Part) -> Vec<Program> {
        let program = |at, database, is_measured| Program {
            name: SERVICES.get(at).copied().unwrap_or_default(),
            command: self.service(setup, at, database),
            is_measured,
        };
        // The others have its keys, so it is always there.
        let mut programs = vec![program(0, "users", part == Part::Users)];
        if part != Part::Users {
            programs.push(program(1, "products", true));
        }
        if part == Part::Orders {
            programs.push(program(2, "orders", true));
        }
        programs
    }

    fn port(&self, ports: &[u16; PORTS], part: Part) -> u16 {
        match part {
            Part::Users => port(ports, 0, 0),
            Part::Products => port(ports, 1, 0),
            Part::Orders => port(ports, 2, 0),
        }
    }
}
