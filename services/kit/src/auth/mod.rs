//! Who asks. From outside somebody has a token of the user-service ([`Verifier`]), whose keys it publishes ([`Jwks`]). Between
//! services a request has an [`Identity`], signed by the service that makes it for the one that it asks, for a minute: a
//! header alone would be believed from anybody.
//!
//! Only asymmetric algorithms are known here: EdDSA and ES256.

mod bearer;
mod internal;
mod jwks;
mod keys;
mod refused;

use rustls::{ClientConfig, RootCertStore};

pub use self::{
    bearer::{Bearer, Claims, Verifier, token},
    internal::{Caller, HEADER, Identity, NoIdentity, Signer, Subject, Trust},
    jwks::{Jwks, NoKeys},
    refused::Refused,
};

/// TLS to others, with the roots of this machine.
pub(crate) fn trust() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
}
