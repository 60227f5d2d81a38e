//! The payment provider of all: paysim, with webhooks.

use std::path::Path;
use std::process::Command;

/// What merchants send.
pub(super) const SECRET_KEY: &str = "sk_test_bench";

/// What webhooks are signed with.
pub(super) const WEBHOOK_SECRET: &str = "whsec_bench";

/// Where it is.
pub(super) struct Provider {
    pub(super) port: u16,
    pub(super) admin: u16,
}

impl Provider {
    /// Its address.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How it is started, for a shop at a port.
    pub(super) fn command(&self, programs: &Path, merchant: u16) -> Command {
        let mut command = Command::new(programs.join("paysim"));
        command.envs([
            ("SHOP_HTTP", format!("127.0.0.1:{}", self.port)),
            ("SHOP_ADMIN", format!("127.0.0.1:{}", self.admin)),
            ("SHOP_LOG", "warn".to_owned()),
            ("PAYSIM_SECRET_KEY", SECRET_KEY.to_owned()),
            ("PAYSIM_WEBHOOK_SECRET", WEBHOOK_SECRET.to_owned()),
            ("PAYSIM_WEBHOOK_URL", format!("http://127.0.0.1:{merchant}/v1/webhooks/psp/paysim")),
        ]);
        command
    }
}
