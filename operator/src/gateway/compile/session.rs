//! Requests that go to the same endpoint: `sessionPersistence` of a rule (GEP-1619).

use flotilla_crds::gateway_api::{
    HttpRouteRulesSessionPersistenceCookieConfigLifetimeType as Lifetime,
    HttpRouteRulesSessionPersistenceType as Kind, SessionPersistence,
};
use flotilla_gateway_config::{
    Affinity, CookieName, HeaderName, Match, Path, PathMatch, SessionCookie, SessionHeader,
};

use super::{duration::milliseconds, filter::Unfit};
use crate::gateway::names::digest;

/// The route that a rule belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// How it is called in the configuration.
    pub name: &'a str,
    /// What nobody outside the cluster knows, and all gateways do.
    pub uid: &'a str,
}

/// Sessions of one rule. Its backends are others than those of rules without, as endpoints are chosen in another way.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// What tells its backends from others.
    pub suffix: String,
    /// What leads requests to the same endpoint.
    pub affinity: Affinity,
}

/// The sessions of the rule at this place of a route.
pub fn session(
    written: &SessionPersistence,
    origin: Origin<'_>,
    place: usize,
    matches: &[Match],
) -> Result<Session, Unfit> {
    let suffix = format!("session-{}", digest(&format!("{}#{place}", origin.name)));
    let name = written.session_name.clone().unwrap_or_else(|| suffix.clone());
    let key = Some(origin.uid.to_owned());
    let affinity = match written.r#type {
        Some(Kind::Header) => {
            refuse_timeout(written, "type: Cookie with lifetimeType: Permanent, or leave it out")?;
            let name = HeaderName::try_from(name)
                .map_err(|error| Unfit::value("sessionPersistence.sessionName", error))?;
            if name.frames_messages() {
                let why = "sessionPersistence.sessionName: this header is the gateway's own: write another";
                return Err(Unfit::Value(why.to_owned()));
            }
            Affinity::SessionHeader(SessionHeader { name, key })
        }
        None | Some(Kind::Cookie) => {
            let name = CookieName::try_from(name)
                .map_err(|error| Unfit::value("sessionPersistence.sessionName", error))?;
            let (path, max_age_seconds) = (common_path(matches), max_age(written)?);
            Affinity::Cookie(SessionCookie { name, path, max_age_seconds, key })
        }
    };
    Ok(Session { suffix, affinity })
}

/// Seconds for which a client keeps the cookie. `None`: until it ends.
fn max_age(written: &SessionPersistence) -> Result<Option<u64>, Unfit> {
    let lifetime = written.cookie_config.as_ref().and_then(|config| config.lifetime_type.as_ref());
    if lifetime != Some(&Lifetime::Permanent) {
        refuse_timeout(written, "cookieConfig.lifetimeType: Permanent, or leave it out")?;
        return Ok(None);
    }
    let text = written.absolute_timeout.as_deref().unwrap_or_default();
    match milliseconds(text).map(|milliseconds| milliseconds.div_ceil(1000)) {
        Some(seconds) if seconds > 0 => Ok(Some(seconds)),
        _ => {
            let why = format!("sessionPersistence.absoluteTimeout: {text:?} is no duration such as 1h");
            Err(Unfit::Value(why))
        }
    }
}

/// Gateways remember nothing of sessions, so that only clients can end one in time.
fn refuse_timeout(written: &SessionPersistence, instead: &str) -> Result<(), Unfit> {
    if written.absolute_timeout.is_none() {
        return Ok(());
    }
    let why = format!("sessionPersistence.absoluteTimeout: only a permanent cookie has one: write {instead}");
    Err(Unfit::Value(why))
}

/// The path that all requests of a rule are below, when it is written in one place.
fn common_path(matches: &[Match]) -> Option<Path> {
    match matches {
        [Match { path: Some(PathMatch::PathPrefix(path) | PathMatch::Exact(path)), .. }] => {
            Some(path.clone())
        }
        _ => None,
    }
}
