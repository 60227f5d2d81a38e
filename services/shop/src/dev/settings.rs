//! What each program is told, by its environment, as its pod would be.

use flotilla_testbed::Postgres;

use super::{
    databases::{self, BUS},
    folder::Folder,
    ports::{Ports, Service},
    secrets::Secrets,
};
use crate::name::Name;

/// What of this process's environment programs hear of.
pub(super) const PASSED_ON: [&str; 6] = [
    "SHOP_LOG",
    "SHOP_OTLP_ENDPOINT",
    "SHOP_TRACES",
    "GATEWAY_LOG",
    "GATEWAY_OTLP_ENDPOINT",
    "GATEWAY_TRACES",
];

/// What the environment of a program begins with, and is never taken from this process's.
pub(super) const PREFIXES: [&str; 4] = ["SHOP_", "PAYSIM_", "SINK_", "GATEWAY_"];

/// What a shop is made with.
#[derive(Clone, Debug)]
pub struct Settings<'a> {
    /// Where everything listens.
    pub ports: Ports,
    /// The secrets of all programs.
    pub secrets: &'a Secrets,
    /// Where they leave what they leave.
    pub folder: &'a Folder,
    /// The databases.
    pub postgres: &'a Postgres,
}

impl Settings<'_> {
    /// The environment of a program.
    pub fn environment(&self, name: Name) -> Vec<(&'static str, String)> {
        let ports = &self.ports;
        let mut environment = match name {
            Name::UserService => self.user(),
            Name::ProductService => self.product(),
            Name::OrderService => self.order(),
            Name::NotificationService => self.notification(),
            Name::Paysim => self.paysim(),
            Name::Sink => self.sink(),
            Name::ApiGateway => {
                return vec![
                    ("GATEWAY_CONFIG", self.folder.gateway().display().to_string()),
                    ("GATEWAY_BIND", "127.0.0.1".to_owned()),
                    ("GATEWAY_ADMIN", local(ports.gateway_admin)),
                    ("GATEWAY_LEAVING_SECONDS", "0".to_owned()),
                    ("GATEWAY_ENDING_SECONDS", "1".to_owned()),
                    ("GATEWAY_ACCESS_LOG", "1".to_owned()),
                    ("GATEWAY_LOG_FORMAT", "json".to_owned()),
                    // A cluster that somebody works with has nothing to do with this.
                    ("KUBECONFIG", "/dev/null".to_owned()),
                ];
            }
        };
        environment.extend([
            ("SHOP_LOG_FORMAT", "json".to_owned()),
            ("SHOP_LEAVING_SECONDS", "0".to_owned()),
            ("SHOP_ENDING_SECONDS", "1".to_owned()),
        ]);
        environment
    }

    /// What all services with a database are told.
    fn service(&self, name: Name, ports: Service) -> Vec<(&'static str, String)> {
        let mut environment = vec![
            ("SHOP_HTTP", local(ports.http)),
            ("SHOP_GRPC", local(ports.grpc)),
            ("SHOP_ADMIN", local(ports.admin)),
            ("SHOP_BUS_URL", self.database(BUS)),
            ("SHOP_SERVICE_KEYS", self.secrets.public_keys()),
        ];
        environment.extend(databases::role(name).map(|role| ("SHOP_DATABASE_URL", self.database(role))));
        environment
    }

    fn database(&self, role: &str) -> String {
        let password = self.secrets.passwords.get(role).map(String::as_str).unwrap_or_default();
        self.postgres.url_of(role, password, role)
    }

    fn identity(&self, name: Name) -> (&'static str, String) {
        ("SHOP_SERVICE_KEY", self.secrets.private_key(name).unwrap_or_default().to_owned())
    }

    fn keys_of_people(&self) -> (&'static str, String) {
        ("SHOP_JWKS_URL", url(self.ports.user.http, "/.well-known/jwks.json"))
    }

    fn user(&self) -> Vec<(&'static str, String)> {
        let mut environment = self.service(Name::UserService, self.ports.user);
        environment.extend([
            self.identity(Name::UserService),
            ("SHOP_USER_MASTER_KEY", self.secrets.master_key.clone()),
            ("SHOP_ORDER_GRPC", url(self.ports.order.grpc, "")),
            ("SHOP_NOTIFICATION_GRPC", url(self.ports.notification.grpc, "")),
        ]);
        environment
    }

    fn product(&self) -> Vec<(&'static str, String)> {
        let mut environment = self.service(Name::ProductService, self.ports.product);
        environment.extend([self.keys_of_people(), ("SHOP_CURSOR_KEY", self.secrets.cursors.clone())]);
        environment
    }

    fn order(&self) -> Vec<(&'static str, String)> {
        let mut environment = self.service(Name::OrderService, self.ports.order);
        environment.extend([
            self.keys_of_people(),
            self.identity(Name::OrderService),
            ("SHOP_CURSOR_KEY", self.secrets.cursors.clone()),
            ("SHOP_PRODUCT_GRPC", url(self.ports.product.grpc, "")),
            ("SHOP_PSP", "paysim".to_owned()),
            ("SHOP_PSP_URL", url(self.ports.paysim, "")),
            ("SHOP_PSP_SECRET_KEY", self.secrets.merchant.clone()),
            ("SHOP_PSP_WEBHOOK_SECRET", self.secrets.webhooks.clone()),
        ]);
        environment
    }

    fn notification(&self) -> Vec<(&'static str, String)> {
        let mut environment = self.service(Name::NotificationService, self.ports.notification);
        environment.extend([
            self.keys_of_people(),
            self.identity(Name::NotificationService),
            ("SHOP_NOTIFICATION_SECRET", self.secrets.notification.clone()),
            ("SHOP_USER_GRPC", url(self.ports.user.grpc, "")),
            ("SHOP_SMTP", local(self.ports.smtp)),
            ("SHOP_SMTP_TLS", "off".to_owned()),
            ("SHOP_PUBLIC_URL", url(self.ports.gateway, "")),
            ("SHOP_VAPID_KEY", self.secrets.pushes.clone()),
            // Those that are pushed to are on this machine as well.
            ("SHOP_OUTBOUND_NETWORKS", "127.0.0.0/8".to_owned()),
            ("SHOP_OUTBOUND_HTTP", "true".to_owned()),
        ]);
        environment
    }

    fn paysim(&self) -> Vec<(&'static str, String)> {
        vec![
            ("SHOP_HTTP", local(self.ports.paysim)),
            ("SHOP_ADMIN", local(self.ports.paysim_admin)),
            ("PAYSIM_SECRET_KEY", self.secrets.merchant.clone()),
            ("PAYSIM_WEBHOOK_SECRET", self.secrets.webhooks.clone()),
            // From outside, as webhooks of others come.
            ("PAYSIM_WEBHOOK_URL", url(self.ports.gateway, "/v1/webhooks/psp/paysim")),
            ("PAYSIM_JOURNAL", self.folder.payments().display().to_string()),
        ]
    }

    fn sink(&self) -> Vec<(&'static str, String)> {
        vec![
            ("SHOP_HTTP", local(self.ports.inbox)),
            ("SHOP_ADMIN", local(self.ports.sink_admin)),
            ("SINK_SMTP", local(self.ports.smtp)),
            ("SINK_PUBLIC_URL", url(self.ports.inbox, "")),
        ]
    }
}

fn local(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn url(port: u16, path: &str) -> String {
    format!("http://127.0.0.1:{port}{path}")
}
