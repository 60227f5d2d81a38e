//! Datagrams: each client has a socket of its own towards an endpoint, so that answers find back to it.
//!
//! A client stays with its endpoint as long as datagrams go between them. The kernel gives all of a client's datagrams to
//! one worker's socket, by its address, as long as the sockets of a port stay the same; a gateway with other workers may
//! begin anew with another endpoint.

mod open;
mod recent;
mod session;
mod socket;

pub use self::{session::Sessions, socket::Socket};

use std::{
    io,
    pin::pin,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{
    sync::oneshot,
    time::{interval, sleep},
};

use self::{
    open::{Arrived, open},
    session::Key,
};
use crate::{drain::Phase, worker::Worker};

/// How often sessions that say nothing are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// How long a session may say nothing once the gateway ends: nobody says when it is over.
const LAST_IDLE: Duration = Duration::from_secs(2);

/// Datagrams that are taken from one socket before others have their turn.
const BURST: usize = 64;

/// How long receiving waits after it failed.
const AGAIN: Duration = Duration::from_millis(50);

/// Takes datagrams at a port. When it is told to stop, its sessions end; when the gateway ends, it takes no more clients,
/// and ends once those that it has say no more.
pub async fn serve(worker: Rc<Worker>, port: u16, socket: Socket, mut stopped: oneshot::Receiver<()>) {
    let socket = Rc::new(socket);
    let mut ticks = interval(SWEEP);
    let mut ending = pin!(worker.drain.at_least(Phase::Ending));
    let mut is_ending = false;
    loop {
        tokio::select! {
            biased;
            _gone = &mut stopped => break,
            () = ending.as_mut(), if !is_ending => {
                is_ending = true;
                ticks.reset_immediately();
            }
            _now = ticks.tick() => {
                let idle = worker.settings.streams.datagram_idle;
                let idle = if is_ending { idle.min(LAST_IDLE) } else { idle };
                worker.sessions.sweep(&worker.snapshot(), Instant::now(), idle);
                if is_ending && worker.sessions.has_none_at(port) {
                    return;
                }
            }
            readable = socket.readable() => {
                if let Err(error) = readable.and_then(|()| receive(&worker, port, &socket, is_ending)) {
                    tracing::warn!(port, %error, "cannot take datagrams");
                    sleep(AGAIN).await;
                }
            }
        }
    }
    worker.sessions.close(port);
}

/// Takes what has come, or some of it.
fn receive(worker: &Rc<Worker>, port: u16, socket: &Rc<Socket>, is_ending: bool) -> io::Result<()> {
    let mut buffer = worker.buffers.take();
    let mut received = Ok(());
    for _ in 0..BURST {
        match socket.try_receive(&mut buffer) {
            Ok((length, from, local)) => {
                let bytes = buffer.get(..length).unwrap_or_default();
                let arrived = Arrived { key: Key { port, client: from, local }, socket, bytes };
                take(worker, &arrived, is_ending);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => {
                received = Err(error);
                break;
            }
        }
    }
    worker.buffers.put(buffer);
    received
}

fn take(worker: &Rc<Worker>, arrived: &Arrived<'_>, is_ending: bool) {
    let mut failed = None;
    if let Some(session) = worker.sessions.take_up(&arrived.key, Instant::now()) {
        match session.send(arrived.bytes) {
            Ok(()) => return,
            // What the endpoint's machine says of an earlier datagram: this one goes to another.
            Err(error) => {
                worker.sessions.fail(&arrived.key, &error, &worker.metrics);
                failed = Some(session.endpoint());
            }
        }
    }
    if !is_ending {
        open(worker, arrived, failed);
    }
}
