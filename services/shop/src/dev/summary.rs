//! What a person is told when a shop runs.

use super::Addresses;
use crate::fill::{ADMIN, CUSTOMER};

/// Where everything is, who may log in, and what to try next.
pub(super) fn summary(addresses: &Addresses, command: &str, is_kept: bool) -> String {
    let Addresses { shop, inbox, payments, folder } = addresses;
    let logs = folder.join("logs");
    let folder = folder.display();
    let end = if is_kept {
        format!("Ctrl-C ends it. Its data stay; go on with them: {command} dev --data {folder}")
    } else {
        "Ctrl-C ends it, and removes all of its data.".to_owned()
    };
    format!(
        "\
The shop runs.

  shop       http://{shop}   the REST APIs, behind the gateway
  inbox      http://{inbox}   the mail that it sends
  payments   http://{payments}   /paysim/ledger, /paysim/faults
  logs       {logs}

  customer   {customer}   {customer_password}
  admin      {admin}   {admin_password}

Try in another terminal:

  {command} order --url http://{shop} --inbox-url http://{inbox}
  curl http://{shop}/v1/products?q=coffee
  curl http://{shop}/v1/auth/login --json '{{\"email\":\"{customer}\",\"password\":\"{customer_password}\"}}'
  grep -h CORRELATION-ID {logs}/*.log

{end}
",
        logs = logs.display(),
        customer = CUSTOMER.email,
        customer_password = CUSTOMER.password,
        admin = ADMIN.email,
        admin_password = ADMIN.password,
    )
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn it_says_where_everything_is_and_what_becomes_of_it() {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let addresses =
            Addresses { shop: at(8080), inbox: at(8025), payments: at(9), folder: "/data".into() };
        let text = summary(&addresses, "shop", false);
        for part in [
            "http://127.0.0.1:8080 ",
            "  shop order --url http://127.0.0.1:8080 --inbox-url http://127.0.0.1:8025\n",
            "/data/logs/*.log",
            "removes all of its data",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(summary(&addresses, "shop", true).contains("shop dev --data /data"));
    }
}
