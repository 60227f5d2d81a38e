//! The backend: HTTP/1.1 at one port, gRPC at another.

use std::net::Ipv4Addr;

use anyhow::Result;
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    task::spawn_local,
};

use crate::{grpc, http1};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Bytes of each answer's body; with gRPC, of its message
    #[arg(long)]
    body: usize,
}

pub(crate) async fn run(args: &Args) -> Result<()> {
    let (http1, grpc) = (listen().await?, listen().await?);
    println!("{}", json!({"http1": http1.local_addr()?.port(), "grpc": grpc.local_addr()?.port()}));
    let answer = http1::answer(args.body);
    let message = grpc::message(args.body);
    loop {
        tokio::select! {
            stream = accept(&http1) => drop(spawn_local(http1::serve(stream?, answer.clone()))),
            stream = accept(&grpc) => drop(spawn_local(grpc::serve(stream?, message.clone()))),
        }
    }
}

async fn listen() -> Result<TcpListener> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?)
}

async fn accept(listener: &TcpListener) -> Result<TcpStream> {
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
