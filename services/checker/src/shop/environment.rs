//! What each process is told: as in `shop dev`, with the addresses of links in place of those of others, and with short times.

use std::net::SocketAddr;

use flotilla_shop::name::Name;

use super::{Instance, Shop, link::Link};

/// Seconds for which a refresh token that was exchanged may be exchanged again.
pub(super) const GRACE: u64 = 2;

/// What is told by a variable of a service leads over a link.
const ROUTES: [(Name, &str, Link); 14] = [
    (Name::UserService, "SHOP_DATABASE_URL", Link::UsersDatabase),
    (Name::ProductService, "SHOP_DATABASE_URL", Link::ProductsDatabase),
    (Name::OrderService, "SHOP_DATABASE_URL", Link::OrdersDatabase),
    (Name::NotificationService, "SHOP_DATABASE_URL", Link::NotificationsDatabase),
    (Name::UserService, "SHOP_BUS_URL", Link::Bus),
    (Name::ProductService, "SHOP_BUS_URL", Link::Bus),
    (Name::OrderService, "SHOP_BUS_URL", Link::Bus),
    (Name::NotificationService, "SHOP_BUS_URL", Link::Bus),
    (Name::OrderService, "SHOP_PSP_URL", Link::Paysim),
    (Name::OrderService, "SHOP_PRODUCT_GRPC", Link::Product),
    (Name::OrderService, "SHOP_JWKS_URL", Link::Keys),
    (Name::NotificationService, "SHOP_USER_GRPC", Link::Users),
    (Name::NotificationService, "SHOP_SMTP", Link::Smtp),
    (Name::Paysim, "PAYSIM_WEBHOOK_URL", Link::Webhooks),
];

impl Shop {
    /// What a process is told.
    pub(super) fn environment(
        &self,
        instance: Instance,
        failpoint: Option<&str>,
    ) -> Vec<(&'static str, String)> {
        let mut environment = self.direct(instance);
        for (variable, value) in &mut environment {
            let link = ROUTES.iter().find(|(name, of, _)| *name == instance.name && of == variable);
            if let Some(way) = link.and_then(|(.., link)| self.links.address(*link)) {
                *value = rerouted(value, way);
            }
        }
        environment.extend(times(instance.name));
        if instance.name == Name::Sink {
            environment.push(("SINK_JOURNAL", self.mails().display().to_string()));
        }
        environment.extend(self.clocks.iter().flat_map(|clocks| clocks.environment(instance)));
        environment.extend(failpoint.map(|point| ("SHOP_ORDER_FAILPOINT", point.to_owned())));
        environment
    }

    /// With nothing between it and others.
    fn direct(&self, instance: Instance) -> Vec<(&'static str, String)> {
        let mut environment = self.settings(instance).environment(instance.name);
        if let Some(broker) = &self.broker {
            for (_, value) in environment.iter_mut().filter(|(variable, _)| *variable == "SHOP_BUS_URL") {
                *value = broker.url();
            }
        }
        environment
    }

    /// Where a link leads.
    pub(super) fn upstream(&self, link: Link) -> Option<SocketAddr> {
        let (name, variable, _) = ROUTES.iter().find(|(.., of)| *of == link)?;
        let environment = self.direct(Instance::first(*name));
        environment.iter().find(|(of, _)| of == variable).and_then(|(_, value)| address(value))
    }
}

/// Leases end soon, so that what somebody leaves behind is soon somebody else's; and whoever waits for an answer does not for
/// longer.
fn times(name: Name) -> Vec<(&'static str, String)> {
    let times: &[(&str, u64)] = match name {
        Name::OrderService => {
            &[("SHOP_ORDER_LEASE_SECONDS", 8), ("SHOP_ORDER_RECONCILE_SECONDS", 2), ("SHOP_PSP_SECONDS", 3)]
        }
        Name::UserService => &[("SHOP_USER_REFRESH_GRACE_SECONDS", GRACE)],
        _ => &[],
    };
    times.iter().map(|(name, seconds)| (*name, seconds.to_string())).collect()
}

const LOOPBACK: &str = "127.0.0.1:";

/// The address on loopback in a text.
fn address(text: &str) -> Option<SocketAddr> {
    let (_, after) = text.split_once(LOOPBACK)?;
    let port: String = after.chars().take_while(char::is_ascii_digit).collect();
    format!("{LOOPBACK}{port}").parse().ok()
}

/// The text with another address on loopback.
fn rerouted(text: &str, way: SocketAddr) -> String {
    let there = address(text).map(|there| there.to_string());
    there.map_or_else(|| text.to_owned(), |there| text.replacen(&there, &way.to_string(), 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_and_changed_wherever_it_is() {
        let way = SocketAddr::from(([127, 0, 0, 1], 9));
        for (text, there, here) in [
            ("postgres://a:b@127.0.0.1:5432/orders", 5432, "postgres://a:b@127.0.0.1:9/orders"),
            ("http://127.0.0.1:80/v1/x?y=1", 80, "http://127.0.0.1:9/v1/x?y=1"),
            ("127.0.0.1:2525", 2525, "127.0.0.1:9"),
        ] {
            assert_eq!(address(text).map(|address| address.port()), Some(there));
            assert_eq!(rerouted(text, way), here);
        }
        assert_eq!((address("off"), rerouted("off", way)), (None, "off".to_owned()));
    }

    #[test]
    fn each_link_is_taken_by_somebody() {
        for link in Link::ALL {
            assert!(ROUTES.iter().any(|(.., of)| *of == link), "{link}");
        }
    }
}
