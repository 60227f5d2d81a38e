//! Takes what the shop sends to people where there are none: mail by SMTP, pushes as a push service does (RFC 8030), webhooks.
//! It keeps a log of all, shows mail on a page, and fails on command, so that a test sees what the sender makes of that.
//!
//! It checks what receivers of the real world would check: a push that cannot be decrypted (RFC 8291) or is not signed for
//! this place (RFC 8292) is refused.

pub mod config;
pub mod failure;
pub mod http;
mod journal;
mod mail;
pub mod program;
mod push;
pub mod smtp;

use std::{io, net::SocketAddr, sync::Arc};

use flotilla_kit::{
    drain::{Announcement, Phase},
    http::layer::{Limits, wrap},
    metrics::Metrics,
    serve::serve,
};
use tokio::{net::TcpListener, task::JoinHandle};

pub use self::{
    failure::{Effect, Failure, Failures},
    journal::{Channel, Delivery, Detail, Journal, NoJournal},
    mail::Mail,
    push::{Mailboxes, Pushed, Refusal, Subscription},
};

/// What all of its parts share.
#[derive(Debug)]
pub struct Sink {
    /// What was delivered.
    pub journal: Journal,
    /// How it is to fail.
    pub failures: Failures,
    /// Who takes pushes.
    pub mailboxes: Mailboxes,
    /// Its address for those that push, such as `http://127.0.0.1:8080`. Nothing: what a client says in `Host`.
    pub public_url: Option<String>,
    /// The TLS of its SMTP server, when it has one.
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

impl Sink {
    /// With a log.
    pub fn new(
        journal: Journal,
        public_url: Option<String>,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> Arc<Self> {
        let (failures, mailboxes) = (Failures::default(), Mailboxes::default());
        Arc::new(Self { journal, failures, mailboxes, public_url, tls })
    }
}

/// One that runs in this process, until it is dropped: for tests, and for a shop without a cluster.
#[derive(Debug)]
pub struct Running {
    /// What it shares, to look into.
    pub sink: Arc<Sink>,
    /// Where it takes mail.
    pub smtp: SocketAddr,
    /// Where it takes everything else, and shows it.
    pub http: SocketAddr,
    announcement: Announcement,
    _tasks: [JoinHandle<()>; 2],
}

impl Running {
    /// Starts one at these addresses; port 0 is any that is free.
    pub async fn start(sink: Arc<Sink>, smtp: SocketAddr, http: SocketAddr) -> io::Result<Self> {
        let (mail, web) = (TcpListener::bind(smtp).await?, TcpListener::bind(http).await?);
        let (smtp, http) = (mail.local_addr()?, web.local_addr()?);
        let announcement = Announcement::default();
        let metrics = Arc::new(Metrics::new("sink", env!("CARGO_PKG_VERSION")));
        let router = wrap(self::http::router(Arc::clone(&sink)), limits(), metrics);
        let tasks = [
            tokio::spawn(self::smtp::serve(mail, Arc::clone(&sink), announcement.hear())),
            tokio::spawn(serve(web, router, announcement.hear())),
        ];
        Ok(Self { sink, smtp, http, announcement, _tasks: tasks })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.announcement.enter(Phase::Ending);
    }
}

/// A hang on command may take as long as somebody has patience.
pub fn limits() -> Limits {
    Limits { deadline: std::time::Duration::from_secs(3_600), ..Limits::default() }
}
