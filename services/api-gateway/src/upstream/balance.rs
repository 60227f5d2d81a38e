//! Which endpoint takes a request: of two that chance names, the one with fewer requests (power of two choices).

use std::{sync::Arc, time::Instant};

use super::{Endpoint, Upstream};

impl Upstream {
    /// The endpoint for a request. Those in `tried` come last, and so do those that are left alone, unless more than half
    /// are: then their failures say more about something else. `None` without endpoints.
    pub fn choose(&self, tried: &[u64], now: Instant, random: u64) -> Option<Arc<Endpoint>> {
        choose(&self.endpoints.load(), tried, now, random).cloned()
    }
}

fn choose<'e>(
    endpoints: &'e [Arc<Endpoint>],
    tried: &[u64],
    now: Instant,
    random: u64,
) -> Option<&'e Arc<Endpoint>> {
    let count = endpoints.len();
    match count {
        0 => return None,
        1 => return endpoints.first(),
        _ => {}
    }
    let place = |half: u64, of: usize| usize::try_from((half * of as u64) >> 32).unwrap_or(0);
    let first = place(random & u64::from(u32::MAX), count);
    // The second is drawn from the others, so that it is never the same.
    let second = (first + 1 + place(random >> 32, count - 1)) % count;
    let one = endpoints.get(first)?;
    let other = endpoints.get(second)?;
    let better = if other.load() < one.load() { other } else { one };
    if is_usable(better, tried, now) {
        return Some(better);
    }
    let ejected = endpoints.iter().filter(|endpoint| !endpoint.health.is_good(now)).count();
    let counts_ejected = ejected * 2 > count;
    let from_here = endpoints.iter().cycle().skip(first).take(count);
    let fresh = from_here.filter(|endpoint| !tried.contains(&endpoint.id));
    let usable = |endpoint: &&Arc<Endpoint>| counts_ejected || endpoint.health.is_good(now);
    Some(fresh.clone().find(usable).or_else(|| fresh.clone().next()).unwrap_or(better))
}

fn is_usable(endpoint: &Endpoint, tried: &[u64], now: Instant) -> bool {
    endpoint.health.is_good(now) && !tried.contains(&endpoint.id)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use flotilla_gateway_config as config;
    use proptest::prelude::*;

    use super::*;

    fn upstream(count: u16) -> Upstream {
        let upstream = Upstream::new("a".into(), config::Backend::default(), None, &[]);
        upstream.place((1..=count).map(|port| config::Endpoint { host: "127.0.0.1".to_owned(), port }));
        upstream
    }

    fn eject(endpoint: &Endpoint, now: Instant) {
        while !endpoint.health.failed(now) {}
    }

    #[test]
    fn requests_go_to_all_alike() {
        let (upstream, now) = (upstream(3), Instant::now());
        let mut random = fastrand::Rng::with_seed(7);
        let mut hits = HashMap::new();
        for _ in 0..3_000 {
            let chosen = upstream.choose(&[], now, random.u64(..)).unwrap();
            *hits.entry(chosen.written.port).or_insert(0) += 1;
        }
        assert!(hits.len() == 3 && hits.values().all(|hits| (850..1150).contains(hits)), "{hits:?}");
    }

    #[test]
    fn the_one_with_fewer_requests_is_taken() {
        let (upstream, now) = (upstream(2), Instant::now());
        let busy = upstream.endpoints()[0].begin();
        assert!((0..100).all(|n| upstream.choose(&[], now, n << 25).unwrap().written.port == 2));
        drop(busy);
        let _other = upstream.endpoints()[1].begin();
        assert!((0..100).all(|n| upstream.choose(&[], now, n << 25).unwrap().written.port == 1));
    }

    #[test]
    fn when_most_fail_all_are_asked() {
        let (upstream, now) = (upstream(3), Instant::now());
        eject(&upstream.endpoints()[0], now);
        let ports = |tried: &[u64]| -> std::collections::BTreeSet<u16> {
            let mut random = fastrand::Rng::with_seed(7);
            (0..200).map(|_| upstream.choose(tried, now, random.u64(..)).unwrap().written.port).collect()
        };
        assert_eq!(ports(&[]), [2, 3].into());
        assert_eq!(ports(&[upstream.endpoints()[1].id]), [3].into());
        eject(&upstream.endpoints()[1], now);
        assert_eq!(ports(&[]), [1, 2, 3].into());
    }

    proptest! {
        #[test]
        fn there_is_always_one(count in 1u16..6, tried in 0usize..6, ejected in 0usize..6, random: u64) {
            let (upstream, now) = (upstream(count), Instant::now());
            upstream.endpoints().iter().take(ejected).for_each(|endpoint| eject(endpoint, now));
            let tried: Vec<_> = upstream.endpoints().iter().take(tried).map(|endpoint| endpoint.id).collect();
            let chosen = upstream.choose(&tried, now, random).unwrap();
            prop_assert!(tried.len() >= usize::from(count) || !tried.contains(&chosen.id));
        }
    }
}
