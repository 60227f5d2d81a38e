//! Ports on loopback.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
};

use flotilla_testbed::port;

use super::Error;
use crate::{config, name::Name};

/// Where a service of the shop listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its REST API.
    pub http: u16,
    /// Its gRPC API.
    pub grpc: u16,
    /// Its health and its metrics.
    pub admin: u16,
}

/// Where everything listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Of user-service.
    pub user: Service,
    /// Of product-service.
    pub product: Service,
    /// Of order-service.
    pub order: Service,
    /// Of notification-service.
    pub notification: Service,
    /// The shop itself.
    pub gateway: u16,
    /// Health of the gateway.
    pub gateway_admin: u16,
    /// The inbox.
    pub inbox: u16,
    /// Where mail is taken.
    pub smtp: u16,
    /// Health of the sink.
    pub sink_admin: u16,
    /// The payment provider.
    pub paysim: u16,
    /// Health of the payment provider.
    pub paysim_admin: u16,
}

/// The ports that a person may name, with how they do.
fn named(config: &config::Dev) -> [(u16, &'static str); 3] {
    [(config.port, "--port"), (config.inbox_port, "--inbox-port"), (config.paysim_port, "--paysim-port")]
}

/// How a person has named a port, if one has.
pub fn flag(config: &config::Dev, port: u16) -> Option<&'static str> {
    named(config).into_iter().find_map(|(named, flag)| (named == port).then_some(flag))
}

/// That nobody listens at a port. The gateway would share one with another gateway, as two of its threads do.
pub fn is_free(port: u16) -> io::Result<()> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map(drop)
}

impl Ports {
    /// That nobody listens where a person wants the shop to.
    pub fn check(config: &config::Dev) -> Result<(), Error> {
        for (port, flag) in named(config) {
            if port != 0 {
                is_free(port).map_err(|source| Error::Taken { port, flag, source })?;
            }
        }
        Ok(())
    }

    /// Those that a person has named, and free ones.
    pub fn choose(config: &config::Dev) -> Result<Self, Error> {
        let free = || loop {
            let port = port::free()?.port();
            if flag(config, port).is_none() {
                return Ok(port);
            }
        };
        let choose = || {
            let or_free = |port| if port == 0 { free() } else { Ok(port) };
            let (gateway, inbox, paysim) =
                (or_free(config.port)?, or_free(config.inbox_port)?, or_free(config.paysim_port)?);
            let service =
                || Ok::<_, flotilla_testbed::Error>(Service { http: free()?, grpc: free()?, admin: free()? });
            Ok(Self {
                user: service()?,
                product: service()?,
                order: service()?,
                notification: service()?,
                gateway,
                gateway_admin: free()?,
                inbox,
                smtp: free()?,
                sink_admin: free()?,
                paysim,
                paysim_admin: free()?,
            })
        };
        choose().map_err(Error::Ports)
    }

    /// Where a program answers whether it is ready.
    pub fn admin(&self, name: Name) -> u16 {
        match name {
            Name::UserService => self.user.admin,
            Name::ProductService => self.product.admin,
            Name::OrderService => self.order.admin,
            Name::NotificationService => self.notification.admin,
            Name::Paysim => self.paysim_admin,
            Name::Sink => self.sink_admin,
            Name::ApiGateway => self.gateway_admin,
        }
    }

    /// Where a program listens.
    pub fn of(&self, name: Name) -> Vec<u16> {
        let service = |service: Service| vec![service.http, service.grpc, service.admin];
        match name {
            Name::UserService => service(self.user),
            Name::ProductService => service(self.product),
            Name::OrderService => service(self.order),
            Name::NotificationService => service(self.notification),
            Name::Paysim => vec![self.paysim, self.paysim_admin],
            Name::Sink => vec![self.inbox, self.smtp, self.sink_admin],
            Name::ApiGateway => vec![self.gateway, self.gateway_admin],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::Parser;

    use super::*;

    fn dev(line: &[&str]) -> config::Dev {
        let line = ["shop", "dev"].iter().chain(line);
        match config::Arguments::try_parse_from(line).unwrap().command {
            config::Command::Dev(dev) => dev,
            _ => panic!("it is dev"),
        }
    }

    #[test]
    fn ports_are_those_that_were_named_or_free_and_all_differ() {
        let config = dev(&["--port=0", "--inbox-port=0"]);
        let ports = Ports::choose(&config).unwrap();
        let all = Name::BEHIND_THE_GATEWAY.into_iter().chain([Name::ApiGateway]);
        let all: Vec<u16> = all.flat_map(|name| ports.of(name)).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        assert!(!all.contains(&0));

        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let config = dev(&["--port=0", &format!("--inbox-port={port}")]);
        assert_eq!(Ports::choose(&config).unwrap().inbox, port);
        assert_eq!((flag(&config, port), flag(&config, 1)), (Some("--inbox-port"), None));
        let error = Ports::check(&config).unwrap_err().to_string();
        assert!(
            error.contains(&format!("the port {port} is taken")) && error.contains("--inbox-port"),
            "{error}"
        );
    }
}
