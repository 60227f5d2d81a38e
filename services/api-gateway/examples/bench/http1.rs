//! HTTP/1.1 without hyper, so that the backend costs little beside what calls it: only GET, and one answer that is made
//! beforehand. A path that ends in `/echo` gets the head of its own request back.

use std::io;

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const END: &[u8] = b"\r\n\r\n";

/// Heads that are longer are not for this backend.
const LONGEST: usize = 16 * 1024;

/// The answer to every request, with a body of so many bytes.
pub(crate) fn answer(body: usize) -> Bytes {
    with_head(&vec![b'a'; body])
}

fn with_head(body: &[u8]) -> Bytes {
    let head = format!(
        "HTTP/1.1 200 OK\r\ndate: Thu, 26 Nov 2026 00:00:00 GMT\r\nserver: bench\r\ncontent-type: application/octet-stream\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat().into()
}

/// Serves a connection. What it does not understand ends it, which its client counts as an error.
pub(crate) async fn serve(mut stream: TcpStream, answer: Bytes) {
    // A connection that breaks is its client's to report.
    exchange(&mut stream, &answer).await.ok();
}

async fn exchange(stream: &mut TcpStream, answer: &[u8]) -> io::Result<()> {
    let mut buffer = vec![0; LONGEST];
    let mut filled = 0;
    loop {
        let come = stream.read(buffer.get_mut(filled..).unwrap_or_default()).await?;
        if come == 0 {
            return Ok(());
        }
        filled += come;
        let mut begin = 0;
        while let Some(unread) = buffer.get(begin..filled)
            && let Some(end) = unread.windows(END.len()).position(|bytes| bytes == END)
        {
            let head = unread.get(..end + END.len()).unwrap_or_default();
            if !head.starts_with(b"GET ") {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if wants_echo(head) {
                stream.write_all(&with_head(head)).await?;
            } else {
                stream.write_all(answer).await?;
            }
            begin += head.len();
        }
        buffer.copy_within(begin..filled, 0);
        filled -= begin;
    }
}

fn wants_echo(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    line.ends_with(b"/echo HTTP/1.1")
}
