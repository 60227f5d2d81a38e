//! One request and its answer, for all that is not measured.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(10);

/// An answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

impl Answer {
    /// Its body, when its status is this.
    pub(super) fn json(&self, status: u16) -> Result<Value> {
        if self.status != status {
            bail!("the answer is {} and not {status}: {}", self.status, self.body);
        }
        serde_json::from_str(&self.body).context("the answer is no JSON")
    }
}

/// Asks, as requests are written down for the load.
pub(super) fn ask(port: u16, request: &Value) -> Result<Answer> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let body = text(&request["body"]);
    let mut head = format!(
        "{} {} HTTP/1.0\r\nhost: 127.0.0.1:{port}\r\ncontent-length: {}\r\n",
        text(&request["method"]),
        text(&request["path"]),
        body.len(),
    );
    for header in request["headers"].as_array().into_iter().flatten() {
        // Writing to a String cannot fail.
        write!(head, "{}: {}\r\n", text(&header[0]), text(&header[1])).ok();
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    read(&answer)
}

/// An answer to HTTP/1.0, which ends with its connection.
fn read(answer: &str) -> Result<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no end of its head")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok(Answer { status: status.context("the answer has no status")?, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn an_answer_has_a_status_and_a_body() {
        let answer = read("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").unwrap();
        assert_eq!((answer.status, answer.json(200).unwrap()), (200, serde_json::json!({})));
        assert!(answer.json(201).is_err());
        assert!(read("HTTP/1.1 200 OK\r\n").is_err() && read("").is_err());
    }
}
