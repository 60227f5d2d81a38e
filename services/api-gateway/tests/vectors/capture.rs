//! A backend that keeps what it gets, byte for byte, and reads it as strictly as the RFC has it.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::task::TaskTracker;

/// Headers that the gateway adds; `forwarding` in the other suite looks at them.
const ADDED: [&str; 5] =
    ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-correlation-id"];

pub(crate) struct Capture {
    pub(crate) port: u16,
    seen: Arc<Mutex<Vec<String>>>,
    connections: TaskTracker,
}

impl Capture {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        let connections = TaskTracker::new();
        let open = connections.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                open.spawn(serve(stream, Arc::clone(&kept)));
            }
        });
        Self { port, seen, connections }
    }

    /// What it got, once all its connections have ended.
    pub(crate) async fn seen(&self) -> Vec<String> {
        self.connections.close();
        self.connections.wait().await;
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, seen: Arc<Mutex<Vec<String>>>) {
    let mut buffer = Vec::new();
    loop {
        let Some(head) = until(&mut stream, &mut buffer, b"\r\n\r\n").await else { return };
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.trim_end_matches("\r\n").split("\r\n");
        let line = lines.next().unwrap().strip_suffix(" HTTP/1.1").unwrap_or("no HTTP/1.1");
        let headers: Vec<&str> = lines.collect();
        assert!(
            headers.iter().all(|header| header.contains(": ") && !header.contains(['\r', '\n', '\0'])),
            "{head:?}"
        );
        let value =
            |name: &str| headers.iter().find_map(|header| header.strip_prefix(name)?.strip_prefix(": "));
        let mut body = String::new();
        let is_whole = match (value("content-length"), value("transfer-encoding")) {
            (Some(length), None) => read(&mut stream, &mut buffer, length.parse().unwrap(), &mut body).await,
            (None, Some("chunked")) => chunks(&mut stream, &mut buffer, &mut body).await,
            (None, None) => Some(()),
            both => panic!("{both:?}: {head}"),
        };
        let kept = headers
            .iter()
            .filter(|header| !ADDED.iter().any(|added| header.starts_with(&format!("{added}: "))));
        let mut text: String = kept.fold(line.to_owned(), |text, header| text + "|" + header);
        if !body.is_empty() {
            text += "||";
            text += &body;
        }
        // What has no end is no request, and how much of it came depends on how its bytes arrived.
        if is_whole.is_none() {
            return;
        }
        seen.lock().unwrap().push(text);
        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.is_err() {
            return;
        }
    }
}

async fn until(stream: &mut TcpStream, buffer: &mut Vec<u8>, end: &[u8]) -> Option<Vec<u8>> {
    loop {
        if let Some(at) = buffer.windows(end.len()).position(|window| window == end) {
            return Some(buffer.drain(..at + end.len()).collect());
        }
        more(stream, buffer).await?;
    }
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let length = stream.read_buf(buffer).await.ok()?;
    (length > 0).then_some(())
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>, length: usize, body: &mut String) -> Option<()> {
    while buffer.len() < length {
        more(stream, buffer).await?;
    }
    let part: Vec<u8> = buffer.drain(..length).collect();
    body.push_str(&String::from_utf8_lossy(&part));
    Some(())
}

async fn chunks(stream: &mut TcpStream, buffer: &mut Vec<u8>, body: &mut String) -> Option<()> {
    loop {
        let line = until(stream, buffer, b"\r\n").await?;
        let size = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim_end(), 16).unwrap();
        if size == 0 {
            let trailers = until(stream, buffer, b"\r\n").await?;
            assert_eq!(trailers, b"\r\n", "no trailers are forwarded");
            return Some(());
        }
        read(stream, buffer, size, body).await?;
        assert_eq!(until(stream, buffer, b"\r\n").await?, b"\r\n");
    }
}
