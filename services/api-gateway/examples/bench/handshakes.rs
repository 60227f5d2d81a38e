//! Clients that make a connection in TLS, send one request, read the answer to its end, and begin anew.

use std::{
    cell::RefCell,
    net::SocketAddr,
    path::PathBuf,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use rustls::{ClientConfig, pki_types::ServerName};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::{JoinSet, LocalSet},
};
use tokio_rustls::TlsConnector;

use crate::tls;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where the gateway is
    #[arg(long)]
    address: SocketAddr,
    /// The host that is asked for
    #[arg(long)]
    host: String,
    /// The path that is asked for
    #[arg(long)]
    path: String,
    /// The certificate that the gateway's has to be signed with, in PEM
    #[arg(long)]
    ca: PathBuf,
    /// Clients at the same time
    #[arg(long)]
    connections: usize,
    /// For how many seconds
    #[arg(long)]
    seconds: u64,
    /// Bytes that the body of each answer has
    #[arg(long)]
    body: usize,
}

#[derive(Default)]
struct Seen {
    microseconds: Vec<u128>,
    errors: u64,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let config = tls::config(&args.ca, b"http/1.1")?;
    let name = ServerName::try_from(args.host.clone())?;
    let request = format!("GET {} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", args.path, args.host);
    let seen = Rc::new(RefCell::new(Seen::default()));
    let begun = Instant::now();
    let end = begun + Duration::from_secs(args.seconds);
    let (clients, mut running) = (LocalSet::new(), JoinSet::new());
    for _ in 0..args.connections {
        let client = Client {
            address: args.address,
            config: Arc::clone(&config),
            name: name.clone(),
            request: request.clone(),
            body: args.body,
        };
        let seen = Rc::clone(&seen);
        running.spawn_local_on(
            async move {
                while Instant::now() < end {
                    let begun = Instant::now();
                    let answered = client.once().await;
                    let mut seen = seen.borrow_mut();
                    match answered {
                        Ok(()) => seen.microseconds.push(begun.elapsed().as_micros()),
                        Err(_) => seen.errors += 1,
                    }
                }
            },
            &clients,
        );
    }
    clients.run_until(async { while running.join_next().await.is_some() {} }).await;
    let time = begun.elapsed();
    let mut seen = seen.take();
    seen.microseconds.sort_unstable();
    let part = |percent: usize| seen.microseconds.get(seen.microseconds.len() * percent / 100);
    let result = json!({
        "requests": seen.microseconds.len(),
        "errors": seen.errors,
        "micros": u64::try_from(time.as_micros())?,
        "p50": part(50),
        "p99": part(99),
    });
    println!("{result}");
    Ok(())
}

struct Client {
    address: SocketAddr,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    request: String,
    body: usize,
}

impl Client {
    async fn once(&self) -> Result<()> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let mut stream = connector.connect(self.name.clone(), stream).await?;
        stream.write_all(self.request.as_bytes()).await?;
        let mut answer = Vec::with_capacity(self.body + 1_024);
        stream.read_to_end(&mut answer).await?;
        let length =
            answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").map(|end| answer.len() - end - 4);
        if !answer.starts_with(b"HTTP/1.1 200 ") || length != Some(self.body) {
            bail!("another answer than expected");
        }
        Ok(())
    }
}
