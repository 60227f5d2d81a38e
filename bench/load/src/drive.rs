//! Sends what is due, on connections that stay.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    task::{JoinSet, spawn_local},
    time::{Instant, sleep_until, timeout},
};

use crate::{requests::Requests, schedule::Schedule};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// From now until the first request, so that all connections wait for it.
const START: Duration = Duration::from_millis(20);

/// What is sent.
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) schedule: Schedule,
    pub(crate) connections: u32,
    pub(crate) requests: Requests,
    /// Of an answer that is as it should be.
    pub(crate) status: u16,
    /// Whether each has an `Idempotency-Key`.
    pub(crate) has_keys: bool,
    /// Whether what was made is kept.
    pub(crate) has_made: bool,
}

/// What came back.
#[derive(Default)]
pub(crate) struct Driven {
    /// Microseconds until each answer, in no order.
    pub(crate) times: Vec<u32>,
    pub(crate) errors: usize,
    pub(crate) unsent: usize,
    pub(crate) seconds: f64,
    /// When the request was to be sent, in microseconds since 1970, and the id of what it made.
    pub(crate) made: Vec<(u128, String)>,
    pub(crate) first_error: Option<String>,
}

/// What all connections share.
struct Drive {
    plan: Plan,
    next: Cell<u32>,
    begin: Instant,
    /// The same moment on the clock that others read.
    begin_micros: u128,
    driven: RefCell<Driven>,
}

/// Sends all of it.
pub(crate) async fn drive(plan: Plan) -> Result<Driven> {
    let connections = plan.connections;
    let mut senders = Vec::new();
    for _ in 0..connections {
        senders.push(connect(plan.address).await.context("connecting")?);
    }
    let drive = Rc::new(Drive {
        begin: Instant::now() + START,
        begin_micros: (SystemTime::now() + START).duration_since(UNIX_EPOCH)?.as_micros(),
        plan,
        next: Cell::default(),
        driven: RefCell::default(),
    });
    let mut workers = JoinSet::new();
    for sender in senders {
        workers.spawn_local(work(Rc::clone(&drive), sender));
    }
    while let Some(ended) = workers.join_next().await {
        ended?;
    }
    let mut driven = drive.driven.take();
    driven.seconds = drive.begin.elapsed().as_secs_f64();
    let sent = driven.times.len() + driven.errors;
    driven.unsent = usize::try_from(drive.plan.schedule.count())?.saturating_sub(sent);
    Ok(driven)
}

/// Takes turns until there are none, or no more time.
async fn work(drive: Rc<Drive>, mut sender: SendRequest<Full<Bytes>>) {
    loop {
        let turn = drive.next.get();
        drive.next.set(turn.saturating_add(1));
        let Some(due) = drive.plan.schedule.due(turn) else { return };
        let begin = drive.begin + due;
        sleep_until(begin).await;
        if drive.begin.elapsed() > drive.plan.schedule.end() {
            return;
        }
        let asked = timeout(PATIENCE, ask(&drive, turn, &mut sender)).await;
        match asked.unwrap_or_else(|_| Err(anyhow!("no answer within {} s", PATIENCE.as_secs()))) {
            Ok(made) => {
                let mut driven = drive.driven.borrow_mut();
                driven.times.push(u32::try_from(begin.elapsed().as_micros()).unwrap_or(u32::MAX));
                driven.made.extend(made.map(|id| (drive.begin_micros + due.as_micros(), id)));
            }
            Err(error) => {
                drive.fail(&error);
                // A connection with half an answer on it is of no more use.
                match connect(drive.plan.address).await {
                    Ok(again) => sender = again,
                    Err(error) => return drive.fail(&error),
                }
            }
        }
    }
}

impl Drive {
    fn fail(&self, error: &anyhow::Error) {
        let mut driven = self.driven.borrow_mut();
        driven.errors += 1;
        driven.first_error.get_or_insert_with(|| format!("{error:#}"));
    }
}

/// The id of what the request made, if that is wanted.
async fn ask(drive: &Drive, turn: u32, sender: &mut SendRequest<Full<Bytes>>) -> Result<Option<String>> {
    let mut request: Request<_> = drive.plan.requests.turn(turn).context("there are no requests")?;
    if drive.plan.has_keys {
        let key = HeaderValue::from_str(&format!("{}-{turn}", drive.begin_micros))?;
        request.headers_mut().insert("idempotency-key", key);
    }
    sender.ready().await?;
    let response = sender.send_request(request).await?;
    let (head, mut body) = response.into_parts();
    let is_good = head.status == drive.plan.status;
    let mut start = Bytes::new();
    while let Some(frame) = body.frame().await {
        if let (Ok(data), true) = (frame?.into_data(), start.is_empty()) {
            start = data;
        }
    }
    if !is_good {
        let text = String::from_utf8_lossy(&start);
        return Err(anyhow!("{}: {}", head.status, text.chars().take(300).collect::<String>()));
    }
    if !drive.plan.has_made {
        return Ok(None);
    }
    let location = head.headers.get(header::LOCATION).context("there is no Location")?.to_str()?;
    Ok(location.rsplit('/').next().map(str::to_owned))
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // How it ends shows in what is asked on it.
    spawn_local(async move { connection.await.ok() });
    Ok(sender)
}
