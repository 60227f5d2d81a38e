//! Asks a name server one question, to see that the cluster's DNS answers.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long one try waits for its answer.
const TRY: Duration = Duration::from_millis(300);

/// Waits until `server` knows an address for `name`.
pub(crate) fn wait_for_answer(server: Ipv4Addr, name: &str, timeout: Duration) -> Result<()> {
    let deadline = Instant::now() + timeout;
    loop {
        match ask(server, name) {
            Ok(true) => return Ok(()),
            outcome if Instant::now() > deadline => match outcome {
                Ok(_) => bail!("the DNS at {server} knows no address for {name}"),
                Err(error) => {
                    return Err(error).with_context(|| format!("asking the DNS at {server} for {name}"));
                }
            },
            _ => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// Whether the server answers with at least one record.
fn ask(server: Ipv4Addr, name: &str) -> Result<bool> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_read_timeout(Some(TRY))?;
    socket.connect(SocketAddr::from((server, 53)))?;
    socket.send(&question(name)?)?;
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer)?;
    Ok(has_answer(answer.get(..length).unwrap_or_default()))
}

const ID: [u8; 2] = [0x46, 0x6c];

/// A query for an A record (RFC 1035, section 4).
fn question(name: &str) -> Result<Vec<u8>> {
    let mut message = vec![ID[0], ID[1], 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).context("a label is too long")?);
        message.extend_from_slice(label.as_bytes());
    }
    message.extend_from_slice(&[0, 0, 1, 0, 1]);
    Ok(message)
}

/// Whether a message answers our question without an error and with records.
fn has_answer(message: &[u8]) -> bool {
    matches!(message, [a, b, flags, code, _, _, high, low, ..]
        if [*a, *b] == ID && flags & 0x80 != 0 && code % 16 == 0 && (*high, *low) != (0, 0))
}

#[cfg(test)]
mod tests {
    use super::{has_answer, question};

    #[test]
    fn only_an_answer_with_records_counts() {
        let mut message = question("a.bc").unwrap();
        assert_eq!(message[12..17], [1, b'a', 2, b'b', b'c']);
        assert!(!has_answer(&message), "the question itself");
        message[2] |= 0x80;
        assert!(!has_answer(&message), "no record");
        message[7] = 1;
        assert!(has_answer(&message));
        message[3] |= 3;
        assert!(!has_answer(&message), "no such name");
    }
}
