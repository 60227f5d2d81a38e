//! Mails, and what becomes of them.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use flotilla_kit::{Secret, config::Error as ConfigError};
use lettre::{
    Address, Message,
    address::Envelope,
    message::{
        Mailbox, MultiPart,
        header::{Header, HeaderName, HeaderValue},
    },
    transport::smtp::{
        Error as SmtpError,
        client::{Certificate, TlsParameters},
    },
};
use tokio::time::timeout;

use super::smtp::{Error, Server};
use crate::{
    config,
    domain::outcome::{Outcome, Report, without},
    template::Rendered,
};

/// Characters of a name that are written.
const MAX_NAME: usize = 100;

/// What stands in a log for what was left out of an answer.
const ADDRESS: &str = "ADDRESS";
const SECRET: &str = "SECRET";

/// Why no mail can be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum Setup {
    /// A secret is missing.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The server is no address.
    #[error("SHOP_SMTP: {0:?} is no address of a server: write HOST:PORT")]
    Server(String),
    /// The sender is none.
    #[error("SHOP_MAIL_FROM: {0:?} is no sender: write NAME <ADDRESS>")]
    From(String, #[source] lettre::address::AddressError),
    /// The certificates cannot be read.
    #[error("SHOP_SMTP_CA: cannot read {0}")]
    Read(PathBuf, #[source] io::Error),
    /// TLS cannot be set up.
    #[error("there is no TLS with SHOP_SMTP_CA")]
    Tls(#[source] SmtpError),
}

/// A mail.
#[derive(Clone, Copy)]
pub struct Mail<'a> {
    /// To whom.
    pub address: &'a str,
    /// Their name; may be empty.
    pub name: &'a str,
    /// What it says.
    pub rendered: &'a Rendered,
    /// Its Message-ID.
    pub message_id: &'a str,
    /// Which request it comes from.
    pub correlation_id: Option<&'a str>,
    /// The link that unsubscribes, where there is one (RFC 8058).
    pub unsubscribe_url: Option<&'a str>,
    /// What in it nobody else is to read.
    pub secret: Option<&'a Secret<String>>,
}

impl std::fmt::Debug for Mail<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Mail").field("message_id", &self.message_id).finish_non_exhaustive()
    }
}

/// Sends mail.
pub struct Mailer {
    server: Server,
    from: Mailbox,
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Mailer")
            .field("host", &self.server.host)
            .field("port", &self.server.port)
            .finish_non_exhaustive()
    }
}

macro_rules! text_header {
    ($type:ident, $name:literal) => {
        #[derive(Clone)]
        struct $type(String);

        impl Header for $type {
            fn name() -> HeaderName {
                HeaderName::new_from_ascii_str($name)
            }

            fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
                Ok(Self(text.to_owned()))
            }

            fn display(&self) -> HeaderValue {
                HeaderValue::new(Self::name(), self.0.clone())
            }
        }
    };
}

text_header!(ListUnsubscribe, "List-Unsubscribe");
text_header!(ListUnsubscribePost, "List-Unsubscribe-Post");
text_header!(CorrelationId, "X-Correlation-ID");
text_header!(AutoSubmitted, "Auto-Submitted");

impl Mailer {
    /// As it is configured.
    pub fn new(config: &config::Mail) -> Result<Self, Setup> {
        let server = || Setup::Server(config.smtp.clone());
        let (host, port) = config.smtp.rsplit_once(':').ok_or_else(server)?;
        let port = port.parse().map_err(|_| server())?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(server());
        }
        let from: Mailbox = config.from.parse().map_err(|error| Setup::From(config.from.clone(), error))?;
        let mut builder = TlsParameters::builder(host.to_owned());
        for certificate in config.smtp_ca.as_deref().map(certificates).transpose()?.unwrap_or_default() {
            builder = builder.add_root_certificate(certificate);
        }
        let parameters = builder.build_rustls().map_err(Setup::Tls)?;
        let credentials = match &config.smtp_user {
            Some(user) => {
                Some((user.clone(), config.password()?.ok_or(ConfigError::Missing("SHOP_SMTP_PASSWORD"))?))
            }
            None => None,
        };
        let server = Server {
            host: host.to_owned(),
            port,
            tls: config.smtp_tls,
            parameters,
            credentials,
            hello: from.email.domain().to_owned(),
            patience: Duration::from_secs(config.smtp_seconds.into()),
            idle: Mutex::default(),
        };
        Ok(Self { server, from })
    }

    /// What Message-IDs end with.
    pub fn domain(&self) -> &str {
        self.from.email.domain()
    }

    /// Sends a mail.
    pub async fn send(&self, mail: &Mail<'_>) -> Report {
        let (envelope, message) = match self.message(mail) {
            Ok(message) => message,
            Err(reason) => return Report::new(Outcome::Refused, without(&reason, mail.address, ADDRESS)),
        };
        let patience = self.server.patience;
        match timeout(patience, self.server.take(&envelope, &message)).await {
            Ok(Ok(())) => Report::new(Outcome::Sent, "the server took it").with_status(250),
            Ok(Err(error)) => report(mail, &error),
            Err(_late) => {
                Report::new(Outcome::Later(None), format!("no answer within {} s", patience.as_secs()))
            }
        }
    }

    fn message(&self, mail: &Mail<'_>) -> Result<(Envelope, Vec<u8>), String> {
        let address: Address =
            mail.address.parse().map_err(|error| format!("the address is none: {error}"))?;
        // What is no text in a name could be taken for the next header.
        let name: String =
            mail.name.chars().filter(|character| !character.is_control()).take(MAX_NAME).collect();
        let name = Some(name.trim().to_owned()).filter(|name| !name.is_empty());
        let rendered = mail.rendered.clone();
        let mut message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(name, address))
            .subject(rendered.subject)
            .message_id(Some(mail.message_id.to_owned()))
            // RFC 3834: whoever is away does not answer this.
            .header(AutoSubmitted("auto-generated".to_owned()));
        if let Some(id) = mail.correlation_id {
            message = message.header(CorrelationId(id.to_owned()));
        }
        if let Some(url) = mail.unsubscribe_url {
            message = message
                .header(ListUnsubscribe(format!("<{url}>")))
                .header(ListUnsubscribePost("List-Unsubscribe=One-Click".to_owned()));
        }
        let parts = MultiPart::alternative_plain_html(rendered.text, rendered.html);
        let message = message.multipart(parts).map_err(|error| format!("there is no such mail: {error}"))?;
        Ok((message.envelope().clone(), message.formatted()))
    }
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, Setup> {
    let pem = fs::read(path).map_err(|error| Setup::Read(path.to_owned(), error))?;
    Certificate::from_pem(&pem).map(|certificate| vec![certificate]).map_err(Setup::Tls)
}

/// What a server says is kept, without what it repeats of the mail.
fn report(mail: &Mail<'_>, error: &Error) -> Report {
    let detail = without(&error.to_string(), mail.address, ADDRESS);
    let detail = mail.secret.map_or(detail.clone(), |secret| without(&detail, secret.expose(), SECRET));
    let outcome = error.outcome();
    let bounced = (outcome == Outcome::Bounced).then(|| Secret::new(mail.address.to_owned()));
    Report { status: error.status(), bounced, ..Report::new(outcome, detail) }
}
