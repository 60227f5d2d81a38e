//! Somebody who signs tokens, and shows the keys when it likes to.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    time::sleep,
};
use tokio_rustls::TlsAcceptor;

use crate::gateway::PATIENCE;

/// What it says to those who ask for its keys.
#[derive(Clone)]
pub(crate) enum Says {
    /// They are these.
    Keys(String),
    /// Something else.
    Status(u16),
    /// Nothing.
    Nothing,
}

/// A key with its name.
pub(crate) struct Key {
    name: &'static str,
    pair: Ed25519KeyPair,
}

impl Key {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, pair: Ed25519KeyPair::generate().unwrap() }
    }

    /// A set that has this key alone.
    pub(crate) fn set(&self) -> String {
        let x = URL_SAFE_NO_PAD.encode(self.pair.public_key());
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": self.name, "x": x}]}).to_string()
    }

    /// A token that says this, beside what a good one says.
    pub(crate) fn token(&self, claims: &Value) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let mut all = json!({"iss": "issuer", "sub": "anna", "exp": now + 600});
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        let header = json!({"alg": "EdDSA", "typ": "JWT", "kid": self.name});
        let encoded = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encoded(&header), encoded(&all));
        let signature = URL_SAFE_NO_PAD.encode(self.pair.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

/// Serves keys, until the test ends.
pub(crate) struct Issuer {
    pub(crate) address: SocketAddr,
    says: Arc<Mutex<Says>>,
    fetches: Arc<AtomicUsize>,
}

impl Issuer {
    pub(crate) async fn start(says: Says, tls: Option<rustls::ServerConfig>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let issuer = Self {
            address: listener.local_addr().unwrap(),
            says: Arc::new(Mutex::new(says)),
            fetches: Arc::default(),
        };
        let (says, fetches) = (Arc::clone(&issuer.says), Arc::clone(&issuer.fetches));
        let tls = tls.map(|tls| TlsAcceptor::from(Arc::new(tls)));
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                let (says, fetches, tls) = (Arc::clone(&says), Arc::clone(&fetches), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => answer(stream, &says, &fetches).await,
                        // A client that trusts somebody else goes.
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => answer(stream, &says, &fetches).await,
                            Err(_) => drop(fetches.fetch_add(1, Ordering::Relaxed)),
                        },
                    }
                });
            }
        });
        issuer
    }

    pub(crate) fn say(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    pub(crate) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::Relaxed)
    }

    /// Waits until it was asked so often.
    pub(crate) async fn is_asked(&self, count: usize) {
        let begun = tokio::time::Instant::now();
        while self.fetches() < count {
            assert!(begun.elapsed() < PATIENCE, "it is asked {} times", self.fetches());
            sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, says: &Mutex<Says>, fetches: &AtomicUsize) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    assert!(head.starts_with(b"GET /jwks?a=b HTTP/1.1\r\n"), "{:?}", String::from_utf8_lossy(&head));
    let says = says.lock().unwrap().clone();
    fetches.fetch_add(1, Ordering::Relaxed);
    let (status, text) = match says {
        Says::Keys(keys) => (200, keys),
        Says::Status(status) => (status, String::new()),
        Says::Nothing => return sleep(PATIENCE * 2).await,
    };
    let location = if status == 302 { "location: https://elsewhere.test/\r\n" } else { "" };
    let answer = format!("HTTP/1.1 {status} x\r\n{location}content-length: {}\r\n\r\n{text}", text.len());
    // Who asked may have gone.
    let _sent = stream.write_all(answer.as_bytes()).await;
}
