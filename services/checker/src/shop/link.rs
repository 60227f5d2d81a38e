//! The ways between the parts of a shop: TCP through this process, which can be slow, silent or cut.

use std::{
    collections::BTreeMap,
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::sleep,
};

/// Bytes that are taken at a time.
const CHUNK: usize = 16 * 1024;

/// A way from one to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Link {
    /// user-service to its database.
    UsersDatabase,
    /// product-service to its database.
    ProductsDatabase,
    /// order-service to its database.
    OrdersDatabase,
    /// notification-service to its database.
    NotificationsDatabase,
    /// All services to the bus.
    Bus,
    /// order-service to the payment provider.
    Paysim,
    /// order-service to product-service.
    Product,
    /// order-service to the keys of tokens.
    Keys,
    /// notification-service to user-service.
    Users,
    /// notification-service to the mail server.
    Smtp,
    /// The payment provider to the shop.
    Webhooks,
}

impl Link {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::UsersDatabase,
        Self::ProductsDatabase,
        Self::OrdersDatabase,
        Self::NotificationsDatabase,
        Self::Bus,
        Self::Paysim,
        Self::Product,
        Self::Keys,
        Self::Users,
        Self::Smtp,
        Self::Webhooks,
    ];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UsersDatabase => "users-database",
            Self::ProductsDatabase => "products-database",
            Self::OrdersDatabase => "orders-database",
            Self::NotificationsDatabase => "notifications-database",
            Self::Bus => "bus",
            Self::Paysim => "paysim",
            Self::Product => "product",
            Self::Keys => "keys",
            Self::Users => "users",
            Self::Smtp => "smtp",
            Self::Webhooks => "webhooks",
        }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// How a link is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// As it should be.
    #[default]
    Open,
    /// All that comes waits for so long, each way.
    Slow(Duration),
    /// Nothing comes, and nobody hears of it.
    Silent,
    /// Questions get there, and at the first answer the connection breaks.
    AnswersLost,
    /// There is no way.
    Cut,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    mode: Mode,
    /// Connections of an earlier one are broken.
    generation: u64,
}

/// A way, with who listens at its beginning.
#[derive(Debug)]
struct Way {
    address: SocketAddr,
    state: watch::Sender<State>,
    running: JoinHandle<()>,
}

impl Drop for Way {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// All ways.
#[derive(Debug, Default)]
pub struct Links(BTreeMap<Link, Way>);

impl Links {
    /// Opens ways to these.
    pub async fn start(upstreams: BTreeMap<Link, SocketAddr>) -> io::Result<Self> {
        let mut ways = BTreeMap::new();
        for (link, upstream) in upstreams {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let (address, state) = (listener.local_addr()?, watch::Sender::default());
            let running = tokio::spawn(accept(listener, upstream, state.subscribe()));
            ways.insert(link, Way { address, state, running });
        }
        Ok(Self(ways))
    }

    /// Where a way begins.
    pub fn address(&self, link: Link) -> Option<SocketAddr> {
        self.0.get(&link).map(|way| way.address)
    }

    /// Has a link be so from now on. Cutting it breaks the connections that there are.
    pub fn set(&self, link: Link, mode: Mode) {
        if let Some(way) = self.0.get(&link) {
            way.state.send_modify(|state| {
                state.mode = mode;
                state.generation += u64::from(mode == Mode::Cut);
            });
        }
    }

    /// Has all of them be as they should.
    pub fn open_all(&self) {
        for link in Link::ALL {
            self.set(link, Mode::Open);
        }
    }
}

async fn accept(listener: TcpListener, upstream: SocketAddr, state: watch::Receiver<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(carry(stream, upstream, state.clone()));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries a connection to its end, which both sides see for themselves.
async fn carry(client: TcpStream, upstream: SocketAddr, state: watch::Receiver<State>) {
    let State { mode, generation } = *state.borrow();
    if mode == Mode::Cut {
        return;
    }
    let Ok(server) = TcpStream::connect(upstream).await else { return };
    // They are few bytes, and somebody waits for them.
    let _hurried = client.set_nodelay(true).is_ok() && server.set_nodelay(true).is_ok();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut broken = state.clone();
    tokio::select! {
        _ = broken.wait_for(|state| state.generation != generation) => {}
        () = both(
            copy(from_client, to_server, state.clone(), false),
            copy(from_server, to_client, state, true),
        ) => {}
    }
}

/// Until both ways are done, or one of them has failed.
async fn both(question: impl Future<Output = io::Result<()>>, answer: impl Future<Output = io::Result<()>>) {
    // Which of them failed, and why, is seen by both sides.
    let _ended = tokio::try_join!(question, answer).is_ok();
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    is_answer: bool,
) -> io::Result<()> {
    let mut bytes = vec![0; CHUNK];
    loop {
        let count = from.read(&mut bytes).await?;
        let mode = state.borrow().mode;
        match mode {
            Mode::Slow(time) => sleep(time).await,
            Mode::Silent => {
                let heard = state.wait_for(|state| state.mode != Mode::Silent).await;
                drop(heard.map_err(|_| io::ErrorKind::BrokenPipe)?);
            }
            Mode::AnswersLost if is_answer && count > 0 => return Err(io::ErrorKind::ConnectionReset.into()),
            Mode::Open | Mode::AnswersLost | Mode::Cut => {}
        }
        if count == 0 {
            return to.shutdown().await;
        }
        to.write_all(bytes.get(..count).unwrap_or_default()).await?;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_millis(300);

    /// Somebody who answers each byte with the same one, and counts them.
    async fn echo() -> (SocketAddr, Arc<AtomicU32>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicU32::new(0)));
        let counted = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let counted = Arc::clone(&counted);
                tokio::spawn(async move {
                    while let Ok(byte) = stream.read_u8().await {
                        counted.fetch_add(1, Ordering::SeqCst);
                        stream.write_u8(byte).await.unwrap();
                    }
                });
            }
        });
        (address, count)
    }

    async fn ask(stream: &mut TcpStream) -> io::Result<u8> {
        stream.write_u8(7).await?;
        stream.read_u8().await
    }

    #[tokio::test]
    async fn a_link_is_open_slow_silent_or_cut() {
        let (upstream, count) = echo().await;
        let links = Links::start([(Link::Bus, upstream)].into()).await.unwrap();
        let address = links.address(Link::Bus).unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        assert_eq!(ask(&mut stream).await.unwrap(), 7);

        links.set(Link::Bus, Mode::Slow(SOON));
        assert!(timeout(SOON, ask(&mut stream)).await.is_err());
        assert_eq!(stream.read_u8().await.unwrap(), 7);

        links.set(Link::Bus, Mode::Silent);
        assert!(timeout(SOON, ask(&mut stream)).await.is_err());
        links.set(Link::Bus, Mode::Open);
        assert_eq!(stream.read_u8().await.unwrap(), 7);

        links.set(Link::Bus, Mode::AnswersLost);
        let before = count.load(Ordering::SeqCst);
        assert!(ask(&mut stream).await.is_err());
        assert_eq!(count.load(Ordering::SeqCst), before + 1);

        links.set(Link::Bus, Mode::Open);
        let mut stream = TcpStream::connect(address).await.unwrap();
        assert_eq!(ask(&mut stream).await.unwrap(), 7);
        links.set(Link::Bus, Mode::Cut);
        assert!(ask(&mut stream).await.is_err());
        let mut stream = TcpStream::connect(address).await.unwrap();
        assert!(ask(&mut stream).await.is_err());
        links.open_all();
        let mut stream = TcpStream::connect(address).await.unwrap();
        assert_eq!(ask(&mut stream).await.unwrap(), 7);
    }
}
