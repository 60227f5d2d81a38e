//! A configuration as it lies in Secrets, in base64 as the API server has their data.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use flotilla_gateway_config::package::{PART_LIMIT, PackError, Packer};

/// A configuration, ready for Secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Package {
    /// The index.
    pub index: String,
    /// The parts with the names of the Secrets that have them.
    pub parts: Vec<(String, String)>,
}

impl Package {
    /// Packs a configuration for the Secret of this name. The same bytes make the same package.
    pub fn new(packer: &mut Packer, name: &str, configuration: &Arc<[u8]>) -> Result<Self, PackError> {
        let (index, parts) = packer.pack(name, configuration, PART_LIMIT)?;
        let names = index.parts.iter().map(|part| part.name.clone());
        let parts = names.zip(parts.iter().map(|part| STANDARD.encode(part))).collect();
        // A name and digests are always JSON.
        let index = STANDARD.encode(serde_json::to_vec(&index).unwrap_or_default());
        Ok(Self { index, parts })
    }
}
