//! The API server goes away and comes back.

use std::{net::SocketAddr, time::Duration};

use flotilla_gateway_config::package::PART_LIMIT;
use kube::Config;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    time::sleep,
};

use crate::{
    backend::Backend,
    client::eventually,
    gateway::Gateway,
    namespace::{Endpoint, SECRET, in_namespace},
    prober::Prober,
};

/// Stands before the API server, and can be as if it were not there.
struct Door {
    address: SocketAddr,
    is_open: watch::Sender<bool>,
}

impl Door {
    async fn start() -> Self {
        let server = Config::infer().await.unwrap().cluster_url;
        let server = format!("{}:{}", server.host().unwrap(), server.port_u16().unwrap_or(443));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let door = Self { address: listener.local_addr().unwrap(), is_open: watch::Sender::new(true) };
        let is_open = door.is_open.subscribe();
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let (mut is_open, server) = (is_open.clone(), server.clone());
                tokio::spawn(async move {
                    if !*is_open.borrow() {
                        return;
                    }
                    let mut server = TcpStream::connect(server).await.unwrap();
                    tokio::select! {
                        // Either side may go.
                        _ended = copy_bidirectional(&mut client, &mut server) => {}
                        _shut = is_open.wait_for(|is_open| !*is_open) => {}
                    }
                });
            }
        });
        door
    }

    fn set(&self, is_open: bool) {
        self.is_open.send_replace(is_open);
    }
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn without_the_api_server_everything_stays_as_it_was() {
    in_namespace(async |namespace| {
        let door = Door::start().await;
        let (a, b) = (Backend::start("a").await, Backend::start("b").await);
        namespace.slice("one", &[Endpoint::ready(&a)]).await;
        let server = format!("https://{}", door.address);
        let secret = format!("{}/{SECRET}", namespace.name);
        let gateway =
            Gateway::with(namespace, Some(&server), |_| vec!["--config-secret".to_owned(), secret.clone()])
                .await;
        namespace.configure(&namespace.config(gateway.port()), PART_LIMIT).await;
        gateway.ready().await;
        gateway.goes_to(&[a.address]).await;
        let prober = Prober::start(gateway.address);

        door.set(false);
        let up = async || gateway.metric("api_server_up").await;
        eventually("it notices", up, |up| *up == 0).await;
        assert!(gateway.metric("watch_failures_total").await > 0);
        namespace.slice("two", &[Endpoint::ready(&b)]).await;
        let mut config = namespace.config(gateway.port());
        config["routes"][0]["name"] = "renamed".into();
        namespace.configure(&config, PART_LIMIT).await;
        sleep(Duration::from_secs(3)).await;
        gateway.goes_to(&[a.address]).await;
        gateway.ready().await;

        door.set(true);
        eventually("it notices", up, |up| *up == 1).await;
        gateway.goes_to(&[a.address, b.address]).await;
        let loads = async || gateway.metric("config_loads_total").await;
        eventually("the configuration is taken", loads, |loads| *loads == 2).await;
        let (good, failures) = prober.end().await;
        assert_eq!(failures, [""; 0]);
        assert!(good > 500, "{good}");
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn a_gateway_that_starts_without_the_api_server_waits_for_it() {
    in_namespace(async |namespace| {
        let door = Door::start().await;
        door.set(false);
        let a = Backend::start("a").await;
        namespace.slice("one", &[Endpoint::ready(&a)]).await;
        let server = format!("https://{}", door.address);
        let secret = format!("{}/{SECRET}", namespace.name);
        let gateway =
            Gateway::with(namespace, Some(&server), |_| vec!["--config-secret".to_owned(), secret.clone()])
                .await;
        namespace.configure(&namespace.config(gateway.port()), PART_LIMIT).await;
        sleep(Duration::from_secs(1)).await;
        assert_eq!(gateway.readiness().await.1, "there is no configuration yet\n");
        door.set(true);
        gateway.ready().await;
        gateway.answers("/", 200, "a").await;
    })
    .await;
}
