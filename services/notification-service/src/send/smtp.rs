//! A conversation with a server of mail. What a refusal means depends on what was refused: the server itself, the sender, the
//! recipient or the message. Only a recipient that is refused is one that is not there.
//!
//! A connection is used for one mail after the other while it is good; of one that was broken off in the middle nobody knows
//! what the server makes of what comes next, so it is let go.

use std::{
    error::Error as _,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use flotilla_kit::Secret;
use lettre::{
    address::Envelope,
    transport::smtp::{
        Error as SmtpError,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
    },
};

use tokio::time::timeout;

use crate::{config::Tls, domain::outcome::Outcome};

/// Connections that are kept.
const IDLE: usize = 4;

/// How long a server may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(1);

/// Statuses that say that there is no such recipient (RFC 5321, section 4.2.3).
const NO_RECIPIENT: [u16; 3] = [550, 551, 553];

/// What was not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A connection, with TLS and as the user.
    Connect,
    /// The server takes mail of the sender.
    Sender,
    /// It takes mail for the recipient.
    Recipient,
    /// It takes the message.
    Message,
}

/// Why a server did not take a mail.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// It said so, or nothing.
    #[error("{step}: {source}")]
    Server {
        /// What was not to be had.
        step: Step,
        /// Why.
        source: SmtpError,
    },
    /// It cannot have it: it knows only ASCII.
    #[error("the server does not know {0}, which this mail needs")]
    Extension(Extension),
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Connect => "there is no connection",
            Self::Sender => "the sender is refused",
            Self::Recipient => "the recipient is refused",
            Self::Message => "the message is refused",
        })
    }
}

impl Error {
    /// The status that the server gave.
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Server { source, .. } => source.status().map(u16::from),
            Self::Extension(_) => None,
        }
    }

    /// What it means for the mail.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Server { step, source } => {
                let text = source.source().map(ToString::to_string).unwrap_or_default();
                outcome(*step, self.status(), &text)
            }
            Self::Extension(_) => Outcome::Refused,
        }
    }
}

/// What an answer means. A server that does not know this service, or has no TLS, is one for later: somebody mends it, and
/// nothing was said of the mail.
fn outcome(step: Step, status: Option<u16>, text: &str) -> Outcome {
    let Some(status) = status.filter(|status| *status >= 500) else { return Outcome::Later(None) };
    // RFC 3463: the subject of the status, 1 being addresses, 2 mailboxes and 7 policies.
    let is_about = |subject: &str| text.split_whitespace().any(|word| word.starts_with(subject));
    match step {
        Step::Connect => Outcome::Later(None),
        Step::Recipient if NO_RECIPIENT.contains(&status) && !is_about("5.7.") => Outcome::Bounced,
        Step::Message if is_about("5.1.1") => Outcome::Bounced,
        Step::Sender | Step::Recipient | Step::Message => Outcome::Refused,
    }
}

/// A server of mail.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Tls,
    pub(super) parameters: TlsParameters,
    pub(super) credentials: Option<(String, Secret<String>)>,
    /// What this service calls itself.
    pub(super) hello: String,
    pub(super) patience: Duration,
    pub(super) idle: Mutex<Vec<AsyncSmtpConnection>>,
}

impl Server {
    /// Has it take a message, over a connection that there is or a new one. Only one that has said yes is kept.
    pub(super) async fn take(&self, envelope: &Envelope, message: &[u8]) -> Result<(), Error> {
        let mut connection = match self.idle().await {
            Some(connection) => connection,
            None => self.connect().await.map_err(|source| Error::Server { step: Step::Connect, source })?,
        };
        if let Err(error) = hand_over(&mut connection, envelope, message).await {
            // Whatever it says to that, the mail was refused.
            let _left = timeout(FAREWELL, connection.quit()).await.is_ok();
            return Err(error);
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(connection);
        }
        Ok(())
    }

    async fn idle(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let mut connection = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            // A server ends what is not used.
            if connection.test_connected().await {
                return Some(connection);
            }
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, SmtpError> {
        let hello = ClientId::Domain(self.hello.clone());
        let server = (self.host.as_str(), self.port);
        let implicit = (self.tls == Tls::Implicit).then(|| self.parameters.clone());
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(self.patience), &hello, implicit, None).await?;
        if self.tls == Tls::Starttls {
            connection.starttls(self.parameters.clone(), &hello).await?;
        }
        if let Some((user, password)) = &self.credentials {
            let credentials = Credentials::new(user.clone(), password.expose().clone());
            connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await?;
        }
        Ok(connection)
    }
}

async fn hand_over(
    connection: &mut AsyncSmtpConnection,
    envelope: &Envelope,
    message: &[u8],
) -> Result<(), Error> {
    let failed = |step| move |source| Error::Server { step, source };
    let mut parameters = Vec::new();
    let knows = connection.server_info();
    let mut need = |extension, parameter| {
        if knows.supports_feature(extension) {
            parameters.push(parameter);
            Ok(())
        } else {
            Err(Error::Extension(extension))
        }
    };
    let mut addresses = envelope.from().into_iter().chain(envelope.to());
    if !addresses.all(|address| AsRef::<str>::as_ref(address).is_ascii()) {
        need(Extension::SmtpUtfEight, MailParameter::SmtpUtfEight)?;
    }
    if !message.is_ascii() {
        need(Extension::EightBitMime, MailParameter::Body(MailBodyParameter::EightBitMime))?;
    }
    let sender = Mail::new(envelope.from().cloned(), parameters);
    connection.command(sender).await.map_err(failed(Step::Sender))?;
    for recipient in envelope.to() {
        let recipient = Rcpt::new(recipient.clone(), Vec::new());
        connection.command(recipient).await.map_err(failed(Step::Recipient))?;
    }
    connection.command(Data).await.map_err(failed(Step::Message))?;
    connection.message(message).await.map_err(failed(Step::Message))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_recipient_that_is_not_there_has_bounced() {
        let later = Outcome::Later(None);
        for (step, status, text, expected) in [
            (Step::Recipient, Some(550), "5.1.1 <ann@shop.test>: no such user", Outcome::Bounced),
            (Step::Recipient, Some(550), "no such user", Outcome::Bounced),
            (Step::Recipient, Some(553), "", Outcome::Bounced),
            (Step::Message, Some(550), "5.1.1 no such user", Outcome::Bounced),
            // A whole shop would be silent for ever if these were taken for the recipient's.
            (Step::Recipient, Some(550), "5.7.1 this client is blocked", Outcome::Refused),
            (Step::Recipient, Some(554), "5.7.1 relay access denied", Outcome::Refused),
            (Step::Sender, Some(550), "5.1.8 this sender is not known", Outcome::Refused),
            (Step::Sender, Some(553), "", Outcome::Refused),
            (Step::Message, Some(550), "5.7.1 this looks like spam", Outcome::Refused),
            (Step::Message, Some(554), "", Outcome::Refused),
            // Nothing was said of the mail.
            (Step::Connect, Some(535), "5.7.8 wrong password", later.clone()),
            (Step::Connect, Some(554), "not now", later.clone()),
            (Step::Recipient, Some(450), "4.2.0 greylisted", later.clone()),
            (Step::Message, None, "", later.clone()),
        ] {
            assert_eq!(outcome(step, status, text), expected, "{step:?} {status:?} {text}");
        }
    }
}
