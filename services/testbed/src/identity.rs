//! Who a server with TLS is.

/// Who it says it is, in PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its certificate, and those up to the authority.
    pub certificates: String,
    /// Its private key (PKCS #8).
    pub key: String,
}
