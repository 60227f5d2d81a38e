//! The secrets of all programs: made at random, once for a folder, as what lies in databases is sealed with them.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
};

use aws_lc_rs::{
    rand::{self, SystemRandom},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Error, databases, folder::Folder};
use crate::name::Name;

/// Characters of a line of PEM (RFC 7468, section 2).
const LINE: usize = 64;

/// The secrets of all programs.
#[derive(Serialize, Deserialize)]
pub struct Secrets {
    /// Of each role of the database.
    pub passwords: BTreeMap<String, String>,
    /// Of user-service: 32 bytes in base64.
    pub master_key: String,
    /// Of notification-service.
    pub notification: String,
    /// What cursors are signed with.
    pub cursors: String,
    /// Between order-service and the payment provider.
    pub merchant: String,
    /// What the payment provider signs its webhooks with.
    pub webhooks: String,
    /// What pushes are signed with, in PEM.
    pub pushes: String,
    /// With what each service says who it is.
    identities: BTreeMap<String, Identity>,
}

/// With what a service says who it is.
#[derive(Serialize, Deserialize)]
struct Identity {
    /// Its private key, in PEM.
    private: String,
    /// Its public key (RFC 8037): `x`.
    public: String,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secrets")
    }
}

impl Secrets {
    /// Those of a folder, which are made when there are none.
    pub fn of(folder: &Folder) -> Result<Self, Error> {
        let path = folder.secrets();
        let fail = |source| Error::File(format!("{} cannot be used", path.display()), source);
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|source| Error::Secrets(path.clone(), source)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let secrets = Self::random()?;
                let text =
                    serde_json::to_vec(&secrets).map_err(|source| Error::Secrets(path.clone(), source))?;
                // Under another name until it is whole: without it nothing in the databases can be read.
                let unfinished = path.with_extension("unfinished");
                let mut options = OpenOptions::new();
                options.write(true).create(true).truncate(true).mode(0o600);
                options.open(&unfinished).and_then(|mut file| file.write_all(&text)).map_err(fail)?;
                fs::rename(&unfinished, &path).map_err(fail)?;
                Ok(secrets)
            }
            Err(error) => Err(fail(error)),
        }
    }

    fn random() -> Result<Self, Error> {
        let passwords: Result<_, Error> =
            databases::ROLES.iter().map(|role| Ok(((*role).to_owned(), hex(bytes()?)))).collect();
        let identities: Result<_, Error> = Name::WITH_DATABASE
            .into_iter()
            .map(|name| Ok((name.as_str().to_owned(), Identity::random()?)))
            .collect();
        let pushes = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        Ok(Self {
            passwords: passwords?,
            master_key: BASE64_STANDARD.encode(bytes()?),
            notification: hex(bytes()?),
            cursors: hex(bytes()?),
            merchant: format!("sk_test_{}", hex(bytes()?)),
            webhooks: format!("whsec_{}", hex(bytes()?)),
            pushes: pem(pushes.map_err(|_| Error::Keys)?.as_ref()),
            identities: identities?,
        })
    }

    /// The private key of a service, when it has one.
    pub fn private_key(&self, name: Name) -> Option<&str> {
        self.identities.get(name.as_str()).map(|identity| identity.private.as_str())
    }

    /// The public keys of all services, as a JSON Web Key Set.
    pub fn public_keys(&self) -> String {
        let keys: Vec<_> = self
            .identities
            .iter()
            .map(|(name, identity)| {
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": format!("{name}/1"), "x": identity.public })
            })
            .collect();
        json!({ "keys": keys }).to_string()
    }
}

impl Identity {
    fn random() -> Result<Self, Error> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| Error::Keys)?;
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).map_err(|_| Error::Keys)?;
        let public = BASE64_URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        Ok(Self { private: pem(document.as_ref()), public })
    }
}

fn bytes() -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| Error::Keys)?;
    Ok(bytes)
}

fn hex(bytes: [u8; 32]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).concat()
}

fn pem(key: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(key);
    let lines: Vec<_> = text.as_bytes().chunks(LINE).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use flotilla_kit::{
        Secret,
        auth::{Signer, Subject, Trust},
    };

    use super::*;

    #[test]
    fn a_service_is_believed_by_the_others_and_after_a_restart() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::new(parent.path()).unwrap();
        let (first, second) = (Secrets::of(&folder).unwrap(), Secrets::of(&folder).unwrap());
        let key = Secret::new(first.private_key(Name::OrderService).unwrap().to_owned());
        let signer = Signer::new("order-service", "1", &key).unwrap();
        let token = signer.sign("product-service", &Subject::default()).unwrap();
        let trust = Trust::new("product-service", &second.public_keys()).unwrap();
        assert_eq!(trust.verify(token.expose()).unwrap().service, "order-service");
        assert_eq!(first.private_key(Name::Sink), None);
        assert_eq!((first.master_key, first.passwords), (second.master_key, second.passwords));

        fs::write(folder.secrets(), "{}").unwrap();
        let error = Secrets::of(&folder).unwrap_err().to_string();
        assert!(error.contains("secrets.json is not of this program"), "{error}");
    }
}
