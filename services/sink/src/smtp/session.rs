//! A conversation with a client.

use std::io;

use base64::{Engine, prelude::BASE64_STANDARD};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    command::Command,
    lines::{Line, Lines},
};
use crate::{Channel, Detail, Effect, Mail, Sink};

/// Bytes that a message may have.
const MAX: usize = 10 * 1024 * 1024;

/// Recipients that a message may have (RFC 5321, section 4.5.3.1).
const RECIPIENTS: usize = 100;

/// Answers with a failure that a client may get, until it is told to go.
const PATIENCE: u32 = 100;

/// How a conversation ended.
#[derive(Debug)]
pub(super) enum End<S> {
    /// It is over.
    Over,
    /// It goes on with TLS.
    StartTls(S),
}

/// What is known of a message before it comes.
#[derive(Debug, Default)]
struct Envelope {
    sender: Option<String>,
    recipients: Vec<String>,
}

/// A conversation.
#[derive(Debug)]
pub(super) struct Session<'a, S> {
    lines: Lines<S>,
    sink: &'a Sink,
    is_secure: bool,
    has_greeted: bool,
    user: Option<String>,
    envelope: Envelope,
    failures: u32,
}

/// What comes after a command.
enum Next {
    Answer(&'static str),
    StartTls,
    Over,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Session<'a, S> {
    pub(super) fn new(stream: S, sink: &'a Sink, is_secure: bool) -> Self {
        Self {
            lines: Lines::new(stream),
            sink,
            is_secure,
            has_greeted: false,
            user: None,
            envelope: Envelope::default(),
            failures: 0,
        }
    }

    /// Speaks until one of both ends it.
    pub(super) async fn run(mut self, with_banner: bool) -> io::Result<End<S>> {
        if with_banner {
            self.lines.answer("220 sink ESMTP").await?;
        }
        loop {
            let line = match self.lines.next().await? {
                Line::Whole(line) => line,
                Line::End => return Ok(End::Over),
                Line::TooLong => {
                    self.lines.answer("500 5.5.6 This line is too long").await?;
                    return Ok(End::Over);
                }
            };
            let next = match Command::parse(&line) {
                Ok(command) => self.obey(command).await?,
                Err(refusal) => Next::Answer(refusal),
            };
            match next {
                Next::Over => return Ok(End::Over),
                Next::StartTls => {
                    self.lines.answer("220 2.0.0 Begin").await?;
                    // What came along in plain text would be taken for something said in TLS.
                    return Ok(self.lines.into_inner().map_or(End::Over, End::StartTls));
                }
                Next::Answer(answer) => {
                    if !answer.is_empty() {
                        self.lines.answer(answer).await?;
                    }
                    self.failures += u32::from(answer.starts_with(['4', '5']));
                    if self.failures >= PATIENCE {
                        self.lines.answer("421 4.7.0 These are too many failures").await?;
                        return Ok(End::Over);
                    }
                }
            }
        }
    }

    async fn obey(&mut self, command: Command) -> io::Result<Next> {
        Ok(Next::Answer(match command {
            Command::Hello(is_extended) => {
                self.has_greeted = true;
                self.envelope = Envelope::default();
                if is_extended {
                    let tls =
                        if self.sink.tls.is_some() && !self.is_secure { "250-STARTTLS\r\n" } else { "" };
                    let greeting = format!(
                        "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-SIZE {MAX}\r\n{tls}250-AUTH \
                         PLAIN\r\n250 ENHANCEDSTATUSCODES"
                    );
                    self.lines.answer(&greeting).await?;
                    ""
                } else {
                    "250 sink"
                }
            }
            Command::From(..) if !self.has_greeted => "503 5.5.1 Say EHLO first",
            Command::From(..) if self.envelope.sender.is_some() => "503 5.5.1 There is a sender; say RSET",
            Command::From(_, Some(size)) if size > MAX as u64 => "552 5.3.4 This is too large",
            Command::From(sender, _) => {
                self.envelope.sender = Some(sender);
                "250 2.1.0 Good"
            }
            Command::To(_) if self.envelope.sender.is_none() => "503 5.5.1 Say MAIL first",
            Command::To(_) if self.envelope.recipients.len() >= RECIPIENTS => "452 4.5.3 These are too many",
            Command::To(recipient) => {
                if let Some(status) = self.sink.failures.reject(&recipient) {
                    let class = status / 100;
                    let answer = format!("{status} {class}.1.1 <{recipient}>: there is nobody of this name");
                    self.lines.answer(&answer).await?;
                    return Ok(Next::Answer(""));
                }
                self.envelope.recipients.push(recipient);
                "250 2.1.5 Good"
            }
            Command::Data if self.envelope.recipients.is_empty() => "503 5.5.1 Say RCPT first",
            Command::Data => return self.take().await,
            Command::Reset => {
                self.envelope = Envelope::default();
                "250 2.0.0 Forgotten"
            }
            Command::Noop => "250 2.0.0 Nothing done",
            Command::Verify => "252 2.1.5 Send it, and see",
            Command::StartTls if self.is_secure || self.sink.tls.is_none() => {
                "502 5.5.1 There is no TLS to begin"
            }
            Command::StartTls => return Ok(Next::StartTls),
            Command::Auth(initial) => return self.know(initial).await,
            Command::Quit => {
                self.lines.answer("221 2.0.0 Until next time").await?;
                return Ok(Next::Over);
            }
        }))
    }

    /// RFC 4616. Everybody is believed, and kept with what they send.
    async fn know(&mut self, initial: Option<String>) -> io::Result<Next> {
        let response = if let Some(initial) = initial {
            initial
        } else {
            self.lines.answer("334 ").await?;
            let Line::Whole(line) = self.lines.next().await? else { return Ok(Next::Over) };
            String::from_utf8_lossy(&line).trim().to_owned()
        };
        let decoded = BASE64_STANDARD.decode(response).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let user =
            decoded.as_deref().and_then(|text| text.split('\0').nth(1)).filter(|user| !user.is_empty());
        let Some(user) = user else { return Ok(Next::Answer("501 5.5.2 This is no PLAIN response")) };
        self.user = Some(user.to_owned());
        Ok(Next::Answer("235 2.7.0 Welcome"))
    }

    /// Takes a message, or fails as it was told to.
    async fn take(&mut self) -> io::Result<Next> {
        self.lines.answer("354 Send it, and a dot at the end").await?;
        let Some(message) = self.message().await? else { return Ok(Next::Over) };
        let envelope = std::mem::take(&mut self.envelope);
        if message.len() > MAX {
            return Ok(Next::Answer("552 5.3.4 This is too large"));
        }
        let failures = &self.sink.failures;
        let effect = envelope.recipients.iter().find_map(|to| failures.take(Channel::Mail, to));
        if let Some(Effect::Status { status, .. }) = effect {
            let class = status / 100;
            let answer = format!("{status} {class}.3.0 As it was told to");
            self.lines.answer(&answer).await?;
            return Ok(Next::Answer(""));
        }
        let sender = envelope.sender.unwrap_or_default();
        let mail = Mail::parse(sender, envelope.recipients, self.user.clone(), self.is_secure, message);
        let key = mail.header("Message-ID").map(str::to_owned);
        for recipient in &mail.recipients {
            if let Err(error) = self.sink.journal.deliver(recipient, key.clone(), Detail::Mail(mail.clone()))
            {
                tracing::error!(%error, "the journal cannot be written");
                return Ok(Next::Answer("451 4.3.0 It cannot be kept now"));
            }
        }
        match effect {
            Some(Effect::Hang) => {
                // Until the client has gone: whoever waits for nobody takes the place of others.
                while self.lines.next().await? != Line::End {}
                Ok(Next::Over)
            }
            Some(Effect::Cut) => Ok(Next::Over),
            _ => Ok(Next::Answer("250 2.0.0 Taken")),
        }
    }

    /// A message up to its dot, alone on its line between two whole line ends: any other end lets somebody smuggle in a
    /// second message. Of one that is too large only so much is kept that it is seen to be. Nothing: the client has gone.
    async fn message(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut message = Vec::new();
        let mut is_after_end = true;
        loop {
            let line = match self.lines.next().await? {
                Line::Whole(line) => line,
                Line::End | Line::TooLong => return Ok(None),
            };
            if is_after_end && line == b".\r\n" {
                return Ok(Some(message));
            }
            let line = if is_after_end { line.strip_prefix(b".").unwrap_or(&line) } else { &line };
            if message.len() <= MAX {
                message.extend_from_slice(line);
            }
            is_after_end = line.ends_with(b"\r\n");
        }
    }
}
