//! One request as the load will be, and one that comes back: a gateway that answers quickly with the wrong thing, or does
//! not tell the backend what gateways tell, would win for nothing.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::{Context, Result, bail, ensure};
use bytes::{BufMut as _, Bytes, BytesMut};
use clap::ValueEnum;
use flotilla_api_gateway::local::LocalExecutor;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version, header, response::Parts};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::spawn_local,
};
use tokio_rustls::TlsConnector;

use crate::tls;

/// What a backend is told by every gateway here.
const TOLD: [&str; 4] = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port"];

/// The id of a request, by either name, which backend and client are told.
const IDS: [&str; 2] = ["x-correlation-id", "x-request-id"];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where the gateway is
    #[arg(long)]
    address: SocketAddr,
    /// What is spoken
    #[arg(long, value_enum)]
    protocol: Protocol,
    /// The host that is asked for
    #[arg(long)]
    host: String,
    /// The path that is asked for; with `echo` behind it, the backend answers with what it was told
    #[arg(long)]
    path: String,
    /// The certificate that the gateway's has to be signed with, in PEM; without, there is no TLS
    #[arg(long)]
    ca: Option<PathBuf>,
    /// Bytes that the body of the answer has; with gRPC, its message
    #[arg(long)]
    body: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Protocol {
    Http1,
    Http2,
    Grpc,
}

pub(crate) async fn run(args: &Args) -> Result<()> {
    let (parts, body, trailers) = ask(args, &args.path).await?;
    let is_grpc = args.protocol == Protocol::Grpc;
    let expected = if is_grpc { args.body + 5 } else { args.body };
    ensure!(body.len() == expected, "the body has {} bytes and not {expected}", body.len());
    ensure!(
        IDS.into_iter().any(|id| parts.headers.contains_key(id)),
        "the answer has no id of the request: {:?}",
        parts.headers
    );
    if is_grpc {
        let status = trailers.as_ref().and_then(|trailers| trailers.get("grpc-status"));
        ensure!(status.is_some_and(|status| status == "0"), "the trailers are {trailers:?}");
    }
    let (_, told, _) = ask(args, &format!("{}echo", args.path)).await?;
    let told = String::from_utf8_lossy(&told).to_ascii_lowercase();
    let is_told = |name: &str| told.lines().any(|line| line.starts_with(&format!("{name}: ")));
    ensure!(
        TOLD.into_iter().all(is_told) && IDS.into_iter().any(is_told),
        "the backend is not told {TOLD:?} and one of {IDS:?}, only:\n{told}"
    );
    Ok(())
}

async fn ask(args: &Args, path: &str) -> Result<(Parts, Bytes, Option<HeaderMap>)> {
    let stream = TcpStream::connect(args.address).await.context("connecting")?;
    let response = match &args.ca {
        None => send(args, path, stream).await?,
        Some(ca) => {
            let protocol: &[u8] = if args.protocol == Protocol::Http1 { b"http/1.1" } else { b"h2" };
            let connector = TlsConnector::from(tls::config(ca, protocol)?);
            let name = ServerName::try_from(args.host.clone())?;
            send(args, path, connector.connect(name, stream).await.context("TLS")?).await?
        }
    };
    let (parts, body) = response.into_parts();
    let body = body.collect().await.context("reading the body")?;
    let trailers = body.trailers().cloned();
    let body = body.to_bytes();
    if parts.status != StatusCode::OK {
        bail!("{path} is answered with {}: {}", parts.status, String::from_utf8_lossy(&body));
    }
    Ok((parts, body, trailers))
}

async fn send<T>(args: &Args, path: &str, stream: T) -> Result<Response<Incoming>>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let request = request(args, path)?;
    let io = TokioIo::new(stream);
    if args.protocol == Protocol::Http1 {
        let (mut sender, connection) = http1::handshake(io).await?;
        spawn_local(connection);
        return Ok(sender.send_request(request).await?);
    }
    let (mut sender, connection) = http2::handshake(LocalExecutor, io).await?;
    spawn_local(connection);
    Ok(sender.send_request(request).await?)
}

fn request(args: &Args, path: &str) -> Result<Request<Full<Bytes>>> {
    let mut request = Request::new(Full::default());
    *request.uri_mut() = path.parse()?;
    if args.protocol == Protocol::Http1 {
        request.headers_mut().insert(header::HOST, args.host.parse()?);
        return Ok(request);
    }
    let scheme = if args.ca.is_some() { "https" } else { "http" };
    *request.uri_mut() =
        Uri::builder().scheme(scheme).authority(args.host.as_str()).path_and_query(path).build()?;
    *request.version_mut() = Version::HTTP_2;
    if args.protocol == Protocol::Grpc {
        *request.method_mut() = Method::POST;
        request.headers_mut().insert(header::CONTENT_TYPE, "application/grpc".parse()?);
        request.headers_mut().insert(header::TE, "trailers".parse()?);
        let mut message = BytesMut::new();
        message.put_u8(0);
        message.put_u32(4);
        message.put_slice(b"ping");
        *request.body_mut() = Full::new(message.freeze());
    }
    Ok(request)
}
