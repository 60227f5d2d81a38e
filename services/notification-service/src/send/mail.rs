//! Mail by SMTP. A connection is used for one mail after the other while it is good; of one that was broken off in the middle
//! nobody knows what the server makes of what comes next, so it is let go.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
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
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, Certificate, TlsParameters},
        extension::ClientId,
    },
};
use tokio::time::timeout;

use crate::{
    config::{self, Tls},
    domain::outcome::{Outcome, Report},
    template::Rendered,
};

/// Connections that are kept.
const IDLE: usize = 4;

/// Characters of a name that are written.
const MAX_NAME: usize = 100;

/// Statuses that say that there is no such recipient (RFC 5321, section 4.2.3).
const NO_RECIPIENT: [u16; 3] = [550, 551, 553];

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
#[derive(Clone, Debug)]
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
}

/// Sends mail.
pub struct Mailer {
    host: String,
    port: u16,
    tls: Tls,
    parameters: TlsParameters,
    credentials: Option<(String, Secret<String>)>,
    from: Mailbox,
    patience: Duration,
    idle: Mutex<Vec<AsyncSmtpConnection>>,
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Mailer")
            .field("host", &self.host)
            .field("port", &self.port)
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
        let from = config.from.parse().map_err(|error| Setup::From(config.from.clone(), error))?;
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
        Ok(Self {
            host: host.to_owned(),
            port,
            tls: config.smtp_tls,
            parameters,
            credentials,
            from,
            patience: Duration::from_secs(config.smtp_seconds.into()),
            idle: Mutex::default(),
        })
    }

    /// What Message-IDs end with.
    pub fn domain(&self) -> &str {
        self.from.email.domain()
    }

    /// Sends a mail.
    pub async fn send(&self, mail: &Mail<'_>) -> Report {
        let (envelope, message) = match self.message(mail) {
            Ok(message) => message,
            Err(reason) => return Report::new(Outcome::Refused, reason),
        };
        match timeout(self.patience, self.deliver(&envelope, &message)).await {
            Ok(Ok(())) => Report::new(Outcome::Sent, "the server took it").with_status(250),
            Ok(Err(error)) => report(&error),
            Err(_late) => {
                Report::new(Outcome::Later(None), format!("no answer within {} s", self.patience.as_secs()))
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

    /// Over a connection that there is, or a new one. Only one that has said yes is kept.
    async fn deliver(&self, envelope: &Envelope, message: &[u8]) -> Result<(), SmtpError> {
        let mut connection = match self.idle().await {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        connection.send(envelope, message).await?;
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
        let hello = ClientId::Domain(self.domain().to_owned());
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

fn certificates(path: &Path) -> Result<Vec<Certificate>, Setup> {
    let pem = fs::read(path).map_err(|error| Setup::Read(path.to_owned(), error))?;
    Certificate::from_pem(&pem).map(|certificate| vec![certificate]).map_err(Setup::Tls)
}

/// What a server says of a recipient that it does not have is for ever; 5xx of anything else is for a person to look at.
fn report(error: &SmtpError) -> Report {
    let status = error.status().map(u16::from);
    let outcome = match status {
        Some(status) if NO_RECIPIENT.contains(&status) => Outcome::Bounced,
        Some(500..) => Outcome::Refused,
        _ => Outcome::Later(None),
    };
    let mut detail = error.to_string();
    if let Some(source) = std::error::Error::source(error) {
        detail = format!("{detail}: {source}");
    }
    Report { status, ..Report::new(outcome, detail) }
}
