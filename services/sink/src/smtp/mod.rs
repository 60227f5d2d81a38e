//! An SMTP server (RFC 5321) that takes mail for everybody.

mod command;
mod lines;
mod session;

use std::{sync::Arc, time::Duration};

use flotilla_kit::drain::{Drain, Phase};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use self::session::{End, Session};
use crate::Sink;

/// Connections that it has at most.
const CONNECTIONS: usize = 256;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long to wait when no connection can be taken.
const PAUSE: Duration = Duration::from_millis(100);

/// Takes mail until the end.
pub async fn serve(listener: TcpListener, sink: Arc<Sink>, drain: Drain) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut ending = std::pin::pin!(drain.at_least(Phase::Ending));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let stream = tokio::select! {
            () = &mut ending => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _peer)) => stream,
                Err(error) => {
                    tracing::debug!(%error, "a connection could not be taken");
                    sleep(PAUSE).await;
                    continue;
                }
            },
        };
        let (sink, drain) = (Arc::clone(&sink), drain.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = drain.at_least(Phase::Ending) => {}
                ended = converse(stream, sink) => if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke");
                },
            }
            drop(place);
        });
    }
}

async fn converse(stream: TcpStream, sink: Arc<Sink>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let acceptor = sink.tls.clone().map(TlsAcceptor::from);
    let End::StartTls(stream) = Session::new(stream, &sink, false).run(true).await? else { return Ok(()) };
    let Some(acceptor) = acceptor else { return Ok(()) };
    let stream = timeout(HANDSHAKE, acceptor.accept(stream)).await??;
    // Who spoke before is to introduce itself anew (RFC 3207, section 4.2).
    Session::new(stream, &sink, true).run(false).await.map(|_end| ())
}
