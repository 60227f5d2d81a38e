//! Commands of clients.

/// Addresses that an envelope may have have at most so many bytes (RFC 5321, section 4.5.3.1).
const MAX_ADDRESS: usize = 254;

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Introduces itself; true: by `EHLO`.
    Hello(bool),
    /// Says who sends. Empty: nobody. With the size that it declares.
    From(String, Option<u64>),
    /// Says whom it is for.
    To(String),
    /// Sends the message.
    Data,
    /// Forgets the envelope.
    Reset,
    /// Does nothing.
    Noop,
    /// Asks about an address.
    Verify,
    /// Wants TLS.
    StartTls,
    /// Says who it is, by `PLAIN`, with what it sent along.
    Auth(Option<String>),
    /// Ends.
    Quit,
}

/// The answer to what is no command.
pub(super) type Refusal = &'static str;

const UNKNOWN: Refusal = "500 5.5.1 This command is not known";
const SYNTAX: Refusal = "501 5.5.4 Write MAIL FROM:<address> or RCPT TO:<address>";

impl Command {
    /// The command of a line.
    pub(super) fn parse(line: &[u8]) -> Result<Self, Refusal> {
        let line = std::str::from_utf8(line).map_err(|_| "500 5.5.2 This is no UTF-8")?;
        let line = line.trim_end_matches(['\r', '\n']);
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        Ok(match verb.to_ascii_uppercase().as_str() {
            "HELO" => Self::Hello(false),
            "EHLO" => Self::Hello(true),
            "MAIL" => {
                let (address, parameters) = path(rest, "FROM:")?;
                Self::From(address, size(parameters))
            }
            "RCPT" => match path(rest, "TO:")?.0 {
                address if address.is_empty() => return Err(SYNTAX),
                address => Self::To(address),
            },
            "DATA" => Self::Data,
            "RSET" => Self::Reset,
            "NOOP" => Self::Noop,
            "VRFY" => Self::Verify,
            "STARTTLS" => Self::StartTls,
            "AUTH" => {
                let (mechanism, initial) = rest.split_once(' ').unwrap_or((rest, ""));
                if !mechanism.eq_ignore_ascii_case("PLAIN") {
                    return Err("504 5.5.4 Only AUTH PLAIN is known here");
                }
                Self::Auth((!initial.is_empty()).then(|| initial.to_owned()))
            }
            "QUIT" => Self::Quit,
            _ => return Err(UNKNOWN),
        })
    }
}

/// `FROM:<address> PARAMETERS`.
fn path<'a>(rest: &'a str, keyword: &str) -> Result<(String, &'a str), Refusal> {
    let (start, rest) = rest.split_at_checked(keyword.len()).ok_or(SYNTAX)?;
    if !start.eq_ignore_ascii_case(keyword) {
        return Err(SYNTAX);
    }
    let (address, parameters) =
        rest.trim_start().strip_prefix('<').and_then(|rest| rest.split_once('>')).ok_or(SYNTAX)?;
    let is_good = address.is_empty()
        || (address.len() <= MAX_ADDRESS
            && address.contains('@')
            && !address.contains(|character: char| character.is_whitespace() || character.is_control()));
    if is_good { Ok((address.to_owned(), parameters)) } else { Err("553 5.1.3 This is no address") }
}

fn size(parameters: &str) -> Option<u64> {
    let sizes = parameters.split_whitespace().filter_map(|parameter| parameter.split_once('='));
    sizes.filter(|(name, _)| name.eq_ignore_ascii_case("SIZE")).find_map(|(_, size)| size.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_as_clients_write_them() {
        for (line, command) in [
            ("EHLO shop\r\n", Command::Hello(true)),
            ("helo shop\r\n", Command::Hello(false)),
            ("MAIL FROM:<a@b> SIZE=12 BODY=8BITMIME\r\n", Command::From("a@b".to_owned(), Some(12))),
            ("mail from: <>\r\n", Command::From(String::new(), None)),
            ("RCPT TO:<ann@shop.test>\r\n", Command::To("ann@shop.test".to_owned())),
            ("DATA\r\n", Command::Data),
            ("auth plain AGEAYg==\r\n", Command::Auth(Some("AGEAYg==".to_owned()))),
            ("AUTH PLAIN\r\n", Command::Auth(None)),
            ("QUIT\n", Command::Quit),
        ] {
            assert_eq!(Command::parse(line.as_bytes()), Ok(command), "{line}");
        }
        for (line, start) in [
            ("\r\n", "500"),
            ("GET / HTTP/1.1\r\n", "500"),
            ("MAIL FROM:a@b\r\n", "501"),
            ("MAIL FROMÜ<a@b>\r\n", "501"),
            ("RCPT TO:<>\r\n", "501"),
            ("RCPT TO:<nobody>\r\n", "553"),
            ("RCPT TO:<a b@c>\r\n", "553"),
            ("AUTH LOGIN\r\n", "504"),
        ] {
            assert!(Command::parse(line.as_bytes()).unwrap_err().starts_with(start), "{line}");
        }
        assert!(Command::parse(b"EHLO \xff\r\n").is_err());
    }
}
