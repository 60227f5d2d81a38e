//! Names that listeners share in TLS.

use super::*;
use k8s_openapi::{ByteString, api::core::v1::Secret};

fn certificate(objects: &mut Objects, name: &str, hosts: &[&str]) {
    let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(hosts).unwrap();
    let mut secret: Secret = read(&format!("{{metadata: {{name: {name}, namespace: shop, uid: {name}}}}}"));
    let data = [("tls.crt", made.cert.pem()), ("tls.key", made.signing_key.serialize_pem())];
    secret.data =
        Some(data.into_iter().map(|(key, text)| (key.to_owned(), ByteString(text.into_bytes()))).collect());
    objects.secrets.put(secret);
}

/// What is said of listeners that are hosts with the names of their certificates, all at port 443.
fn overlaps(written: &[(&str, &[&str])]) -> Vec<&'static str> {
    let mut objects = objects();
    let listeners: Vec<_> = (written.iter().enumerate())
        .map(|(at, (host, names))| {
            certificate(&mut objects, &format!("c{at}"), names);
            format!("{{name: l{at}, port: 443, protocol: HTTPS, hostname: '{host}', tls: {{certificateRefs: [{{name: c{at}}}]}}}}")
        })
        .collect();
    gateway(&mut objects, &format!("[{}]", listeners.join(", ")));
    let outcome = Compiler::default().compile(&objects);
    let key = ("shop".to_owned(), "gw".to_owned());
    let said = |listener: &listener::Listener| {
        let verdicts = listener.verdicts(None);
        verdicts.iter().find(|said| said.type_ == "OverlappingTLSConfig").map_or("", |said| said.reason)
    };
    outcome.gateways[&key].listeners(&key).map(said).collect()
}

#[test]
fn listeners_that_share_names_in_tls_say_so() {
    let (hosts, certificates) = ("OverlappingHostnames", "OverlappingCertificates");
    let other: &[&str] = &["other.test"];
    for (written, expected) in [
        (&[("a.test", other), ("b.test", other)][..], vec!["", ""]),
        // As the Gateway API has it: the first and the third.
        (&[("foo.a.test", other), ("foo.b.test", other), ("*.a.test", other)], vec![hosts, "", hosts]),
        (&[("", other), ("a.test", other)], vec![hosts, hosts]),
        (&[("a.x.test", &["*.x.test"]), ("b.x.test", &["b.x.test"])], vec![certificates, certificates]),
        // It is good for both, and says more.
        (&[("a.x.test", &["a.x.test"]), ("*.x.test", &["*.x.test"])], vec![certificates, certificates]),
        (
            &[("a.x.test", &["*.x.test"]), ("b.x.test", &["*.x.test"]), ("c.x.test", &["*.x.test"])],
            vec![certificates; 3],
        ),
        (&[("*.a.test", &["*.a.test"]), ("*.b.test", &["*.b.test"])], vec!["", ""]),
        (&[("a.test", &["a.test"]), ("a.test", &["a.test"])], vec!["", ""]),
    ] {
        assert_eq!(overlaps(written), expected, "{written:?}");
    }
}
