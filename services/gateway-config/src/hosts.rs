//! What two patterns of hosts have in common: the hosts of a listener that a route is for.

use crate::HostPattern;

/// No host is meant by both patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disjoint;

/// What both patterns mean. `None` is every host.
pub fn intersection(
    listener: Option<&HostPattern>,
    route: Option<&HostPattern>,
) -> Result<Option<HostPattern>, Disjoint> {
    let (Some(one), Some(other)) = (listener, route) else {
        return Ok(listener.or(route).cloned());
    };
    let narrower = match (one, other) {
        (exact @ HostPattern::Exact(host), pattern) | (pattern, exact @ HostPattern::Exact(host)) => {
            pattern.fits(host.as_str()).then_some(exact)
        }
        // Of `*.example.com` and `*.a.example.com` the second is a part of the first.
        (HostPattern::Below(_), HostPattern::Below(parent)) if one == other || one.fits(parent.as_str()) => {
            Some(other)
        }
        (HostPattern::Below(parent), HostPattern::Below(_)) => other.fits(parent.as_str()).then_some(one),
    };
    narrower.cloned().map(Some).ok_or(Disjoint)
}
