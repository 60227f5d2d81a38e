//! `TLSRoute`, `TCPRoute` and `UDPRoute` as streams of the configuration.

use flotilla_crds::gateway_api::StreamRouteRule;
use flotilla_gateway_config::{HostPattern, Stream, StreamBackend};

use super::{backend::Backends, filter::Unfit, route::Compiled};

/// The streams of a route of this name: one for each rule, of which the first that fits counts.
pub fn streams(
    name: &str,
    hostnames: &[HostPattern],
    rules: &[StreamRouteRule],
    backends: &mut Backends<'_>,
) -> serde_json::Result<(Compiled, Vec<Unfit>)> {
    let mut streams = Vec::new();
    let mut unfit = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let share = |reference: &flotilla_crds::gateway_api::BackendRef, backends: &mut Backends<'_>| {
            let weight = u32::try_from(reference.weight.unwrap_or(1))
                .map_err(|error| Unfit::value("backendRefs.weight", error))?;
            Ok(StreamBackend { backend: backends.name(reference.into()), weight })
        };
        let shares: Result<Vec<_>, Unfit> =
            rule.backend_refs.iter().map(|reference| share(reference, backends)).collect();
        match shares {
            Ok(shares) => {
                let name = if index == 0 { name.to_owned() } else { format!("{name}#{index}") };
                let stream = Stream { name: name.clone(), hostnames: hostnames.to_vec(), backends: shares };
                streams.push((name, serde_json::value::to_raw_value(&stream)?));
            }
            Err(found) => unfit.push(found),
        }
    }
    let compiled = if streams.is_empty() { Compiled::Nothing } else { Compiled::Streams(streams) };
    Ok((compiled, unfit))
}
