//! The header at the beginning of a connection. Nothing behind it is taken.

use std::{io, time::Duration};

use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{Addresses, ENOUGH, parse};

/// How long to wait when less has come, which hardly ever happens.
const AGAIN: Duration = Duration::from_millis(5);

/// Why there is no header.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It does not come.
    #[error("no PROXY header in time")]
    Slow,
    /// The proxy has gone.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What comes is none.
    #[error(transparent)]
    Header(#[from] super::Error),
}

/// Takes the header from a connection, which may take as long as `patience`.
pub async fn accept(stream: &mut TcpStream, patience: Duration) -> Result<Option<Addresses>, Error> {
    timeout(patience, read(stream)).await.map_err(|_| Error::Slow)?
}

async fn read(stream: &mut TcpStream) -> Result<Option<Addresses>, Error> {
    let mut buffer = [0; ENOUGH];
    loop {
        let length = stream.peek(&mut buffer).await?;
        if length == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if let Some(header) = parse(buffer.get(..length).unwrap_or_default())? {
            skip(stream, header.length).await?;
            return Ok(header.addresses);
        }
        sleep(AGAIN).await;
    }
}

async fn skip(stream: &mut TcpStream, mut length: usize) -> io::Result<()> {
    let mut buffer = [0; ENOUGH];
    while length > 0 {
        let piece = buffer.get_mut(..length.min(ENOUGH)).unwrap_or_default();
        length -= stream.read_exact(piece).await?;
    }
    Ok(())
}
