//! How a listener ends TLS, with which certificates, and what it asks of clients (GEP-91).

use flotilla_crds::gateway_api::{
    self as api, FrontendTlsValidation, FrontendValidationMode, Gateway, ObjectReference,
    SecretObjectReference, TlsMode,
};
use flotilla_gateway_config::{
    Certificate, ClientValidation, ClientValidationMode, ListenerProtocol, ListenerTls,
};
use kube::ResourceExt;

use super::{Fault, Listener, Owner};
use crate::gateway::{
    compile::{
        certificate,
        grant::{self, From, To},
    },
    objects::Objects,
};

/// Fills in how TLS is ended, and says what is wrong.
pub(super) fn resolve(
    objects: &Objects,
    gateway: &Gateway,
    written: &api::Listener,
    listener: &mut Listener,
) {
    let unsupported = |message: &str| Some(Fault::new("UnsupportedValue", message));
    let mode = written.tls.as_ref().and_then(|tls| tls.mode.clone()).unwrap_or(TlsMode::Terminate);
    match (listener.protocol, &written.tls, mode) {
        (Some(ListenerProtocol::Https), Some(_), TlsMode::Passthrough) => {
            listener.rejected = unsupported(
                "tls.mode: HTTPS is ended here: write Terminate, or protocol: TLS to let it through",
            );
        }
        (Some(ListenerProtocol::Https | ListenerProtocol::Tls), Some(tls), TlsMode::Terminate) => {
            let mut ended = ListenerTls::default();
            for reference in tls.certificate_refs.iter().flatten() {
                match server_certificate(objects, listener, reference) {
                    Ok((name, certificate)) => {
                        ended.certificates.push(name.clone());
                        listener.certificates.insert(name, certificate);
                    }
                    Err(fault) => drop(listener.unresolved.get_or_insert(fault)),
                }
            }
            if ended.certificates.is_empty() {
                listener.is_bare = true;
                let none = || Fault::new("InvalidCertificateRef", "tls.certificateRefs: name a Secret");
                listener.unresolved.get_or_insert_with(none);
            }
            validate_clients(objects, gateway, listener, &mut ended);
            listener.tls = Some(ended);
        }
        (Some(ListenerProtocol::Https), None, _) => {
            listener.rejected = unsupported("tls: HTTPS needs it: name a certificate");
        }
        _ => {}
    }
}

fn server_certificate(
    objects: &Objects,
    listener: &Listener,
    reference: &SecretObjectReference,
) -> Result<(String, Certificate), Fault> {
    let kind = match listener.owner {
        Owner::Gateway => "Gateway",
        Owner::Set(_) => "ListenerSet",
    };
    let from = From { kind, namespace: &listener.namespace };
    secret(objects, from, reference, "InvalidCertificateRef")
}

/// The certificate that a gateway shows to backends (GEP-3155). `None` when it shall show none.
pub(super) fn client_certificate(objects: &Objects, gateway: &Gateway) -> Option<Result<Certificate, Fault>> {
    let reference = gateway.spec.tls.as_ref()?.backend.as_ref()?.client_certificate_ref.as_ref()?;
    let namespace = gateway.namespace().unwrap_or_default();
    let from = From { kind: "Gateway", namespace: &namespace };
    Some(secret(objects, from, reference, "InvalidClientCertificateRef").map(|(_, certificate)| certificate))
}

/// Whether clients come in somewhere without a good certificate although one is asked for.
pub(super) fn is_insecure(gateway: &Gateway) -> bool {
    let Some(frontend) = gateway.spec.tls.as_ref().and_then(|tls| tls.frontend.as_ref()) else {
        return false;
    };
    let ports = frontend.per_port.iter().flatten().map(|port| &port.tls);
    let mut validations =
        std::iter::once(&frontend.default).chain(ports).filter_map(|tls| tls.validation.as_ref());
    validations.any(|found| found.mode == Some(FrontendValidationMode::AllowInsecureFallback))
}

fn secret(
    objects: &Objects,
    from: From<'_>,
    reference: &SecretObjectReference,
    invalid: &'static str,
) -> Result<(String, Certificate), Fault> {
    let group = reference.group.as_deref().unwrap_or_default();
    let kind = reference.kind.as_deref().unwrap_or("Secret");
    let (name, namespace) = (&reference.name, reference.namespace.as_deref().unwrap_or(from.namespace));
    if (group, kind) != ("", "Secret") {
        return Err(Fault::new(invalid, format!("{kind} {name:?}: a certificate is in a Secret")));
    }
    if !grant::permits(&objects.grants, from, To { group, kind, namespace, name }) {
        return Err(not_permitted(kind, namespace, name));
    }
    let Some(found) = objects.secrets.get(namespace, name) else {
        let message = format!("there is no Secret {namespace}/{name} of type kubernetes.io/tls");
        return Err(Fault::new(invalid, message));
    };
    let certificate = certificate::of_secret(found).map_err(|why| Fault::new(invalid, why))?;
    Ok((format!("{namespace}/{name}"), certificate))
}

fn not_permitted(kind: &str, namespace: &str, name: &str) -> Fault {
    let message =
        format!("{kind} {namespace}/{name}: a ReferenceGrant in namespace {namespace:?} has to allow it");
    Fault::new("RefNotPermitted", message)
}

/// Fills in which certificates of clients are good at the listener's port.
fn validate_clients(objects: &Objects, gateway: &Gateway, listener: &mut Listener, ended: &mut ListenerTls) {
    let Some(frontend) = gateway.spec.tls.as_ref().and_then(|tls| tls.frontend.as_ref()) else { return };
    let of_port = frontend.per_port.iter().flatten().find(|port| port.port == i32::from(listener.port));
    let wanted = of_port.map_or(&frontend.default, |port| &port.tls);
    let Some(FrontendTlsValidation { ca_certificate_refs, mode }) = &wanted.validation else { return };
    let namespace = gateway.namespace().unwrap_or_default();
    let mut authorities = String::new();
    for reference in ca_certificate_refs {
        match authority(objects, &namespace, reference) {
            Ok(pem) => {
                authorities.push_str(&pem);
                authorities.push('\n');
            }
            Err(fault) => drop(listener.unresolved.get_or_insert(fault)),
        }
    }
    if authorities.is_empty() {
        // Without them anybody would come in.
        let message =
            "spec.tls.frontend: no certificate of an authority can be used, so nobody could be let in";
        listener.rejected = Some(Fault::new("NoValidCACertificate", message));
        return;
    }
    let mode = match mode {
        Some(FrontendValidationMode::AllowInsecureFallback) => ClientValidationMode::AllowInsecureFallback,
        None | Some(FrontendValidationMode::AllowValidOnly) => ClientValidationMode::AllowValidOnly,
    };
    ended.client_validation = Some(ClientValidation { ca: authorities, mode });
}

fn authority(objects: &Objects, own: &str, reference: &ObjectReference) -> Result<String, Fault> {
    let ObjectReference { group, kind, name, namespace } = reference;
    let namespace = namespace.as_deref().unwrap_or(own);
    if (group.as_str(), kind.as_str()) != ("", "ConfigMap") {
        let message = format!("{kind} {name:?}: certificates of authorities are in a ConfigMap");
        return Err(Fault::new("InvalidCACertificateKind", message));
    }
    let from = From { kind: "Gateway", namespace: own };
    if !grant::permits(&objects.grants, from, To { group, kind, namespace, name }) {
        return Err(not_permitted(kind, namespace, name));
    }
    let Some(found) = objects.config_maps.get(namespace, name) else {
        return Err(Fault::new(
            "InvalidCACertificateRef",
            format!("there is no ConfigMap {namespace}/{name}"),
        ));
    };
    certificate::of_config_map(found).map_err(|why| Fault::new("InvalidCACertificateRef", why))
}
