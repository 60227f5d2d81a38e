//! Ports: those of `ports`, whose host side has no counterpart, and those of `expose`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::convert::{Fields, Notes, fields::plain, names};

pub(super) fn all(fields: &mut Fields, notes: &mut Notes) -> Value {
    let path = fields.join("ports");
    let (mut ports, mut seen, mut taken) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let written: Vec<_> = fields.list("ports").into_iter().map(|port| (port, true)).collect();
    let exposed: Vec<_> = fields.list("expose").into_iter().map(|port| (port, false)).collect();
    for (port, is_published) in written.into_iter().chain(exposed) {
        let shown = plain(&port);
        let Some((number, published, is_udp)) = parse(&port) else {
            notes.add(format!("{path}: {shown} is not carried over: write its ports one by one"));
            continue;
        };
        if let Some(published) = published.filter(|_| is_published) {
            notes.add(format!(
                "{path}: {published} of the host is not carried over: port {number} is reached in the cluster, and from outside by a route or kubectl port-forward"
            ));
        }
        if !seen.insert((number, is_udp)) {
            continue;
        }
        let (name, protocol) = names::of_port(number);
        let name = if is_udp || !taken.insert(name.clone()) {
            format!("{}-{number}", if is_udp { "udp" } else { "port" })
        } else {
            name
        };
        let protocol = if is_udp { Some("UDP") } else { protocol };
        if let Some(protocol) = protocol.filter(|_| !is_udp) {
            notes.add(format!("{path}: port {number} is taken for {protocol}: correct spec.ports if it speaks something else"));
        }
        ports.push(json!({"name": name, "port": number, "protocol": protocol}));
    }
    ports.into()
}

/// The port of the container, that of the host, and whether it is UDP.
fn parse(port: &Value) -> Option<(u16, Option<String>, bool)> {
    if let Value::Object(long) = port {
        let number = plain(long.get("target")?).parse().ok()?;
        return Some((
            number,
            long.get("published").map(plain),
            long.get("protocol").is_some_and(|name| name == "udp"),
        ));
    }
    let text = plain(port);
    let (text, transport) = text.split_once('/').unwrap_or((&text, "tcp"));
    // The address of the host may stand before its port, and may have colons of its own.
    let (published, number) = match text.rsplit_once(':') {
        Some((host, number)) => (Some(host.to_owned()), number),
        None => (None, text),
    };
    Some((number.parse().ok()?, published, transport == "udp"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_port() {
        let some = |text: &str| Some(text.to_owned());
        let table = [
            (json!("8080:80"), Some((80, some("8080"), false))),
            (json!("127.0.0.1:8080:80/udp"), Some((80, some("127.0.0.1:8080"), true))),
            (json!("[::1]:8080:80"), Some((80, some("[::1]:8080"), false))),
            (json!(9000), Some((9000, None, false))),
            (json!({"target": 80, "published": "8080", "protocol": "udp"}), Some((80, some("8080"), true))),
            (json!("3000-3005"), None),
        ];
        for (port, expected) in table {
            assert_eq!(parse(&port), expected, "{port}");
        }
    }
}
