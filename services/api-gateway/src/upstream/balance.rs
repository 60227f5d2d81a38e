//! Which endpoint takes a request: the one that it belongs to, or of two that chance names the one with fewer requests (power of
//! two choices).

use std::{sync::Arc, time::Instant};

use super::{Endpoint, Upstream, Wish, affinity::attraction};

impl Upstream {
    /// The endpoint for a request. Those in `tried` come last, and so do those that are not well, unless too few are well:
    /// then all are asked. `None` without endpoints, and when none may be asked.
    pub fn choose(&self, wish: Wish, tried: &[u64], now: Instant, random: u64) -> Option<Arc<Endpoint>> {
        let placed = self.placed.load();
        let endpoints = &*placed.endpoints;
        let wanted = match wish {
            Wish::None => None,
            Wish::Tag(tag) => placed.tagged(tag).filter(|endpoint| is_usable(endpoint, tried, now)),
            Wish::Key(key) => {
                let panics = self.panics(endpoints, now);
                let asked = |endpoint: &&Arc<Endpoint>| {
                    !tried.contains(&endpoint.id) && (panics || endpoint.health.is_good(now))
                };
                endpoints.iter().filter(asked).max_by_key(|endpoint| attraction(key, endpoint.number))
            }
        };
        wanted.or_else(|| self.balance(endpoints, tried, now, random)).cloned()
    }

    /// Whether it has endpoints at all.
    pub fn is_empty(&self) -> bool {
        self.placed.load().endpoints.is_empty()
    }

    fn balance<'e>(
        &self,
        endpoints: &'e [Arc<Endpoint>],
        tried: &[u64],
        now: Instant,
        random: u64,
    ) -> Option<&'e Arc<Endpoint>> {
        let count = endpoints.len();
        let place = |half: u64, of: usize| usize::try_from((half * of as u64) >> 32).unwrap_or(0);
        let first = place(random & u64::from(u32::MAX), count);
        let one = endpoints.get(first)?;
        // The second is drawn from the others, so that it is never the same, unless there is only one.
        let second = (first + 1 + place(random >> 32, count.saturating_sub(1))) % count;
        let other = endpoints.get(second)?;
        let better = self.better(one, other, now, random);
        if is_usable(better, tried, now) {
            return Some(better);
        }
        let panics = self.panics(endpoints, now);
        let from_here = endpoints.iter().cycle().skip(first).take(count);
        let fresh = from_here.clone().filter(|endpoint| !tried.contains(&endpoint.id));
        let asked = |endpoint: &&Arc<Endpoint>| panics || endpoint.health.is_good(now);
        if let Some(found) = fresh.clone().find(asked) {
            return Some(found);
        }
        if self.panic_percent == 0 {
            from_here.clone().find(asked)
        } else {
            fresh.clone().next().or(Some(better))
        }
    }

    /// Of two, the one with fewer requests; one whose share still grows is passed over for the rest of it.
    fn better<'e>(
        &self,
        one: &'e Arc<Endpoint>,
        other: &'e Arc<Endpoint>,
        now: Instant,
        random: u64,
    ) -> &'e Arc<Endpoint> {
        if let Some(window) = self.slow_start {
            // The halves of the number have been used; their mixture says nothing of either.
            let chance = attraction(random, 0);
            let takes = |endpoint: &Endpoint, chance: u64| chance % 100 < endpoint.share(window, now);
            match (takes(one, chance >> 32), takes(other, chance & u64::from(u32::MAX))) {
                (true, false) => return one,
                (false, true) => return other,
                _ => {}
            }
        }
        if other.load() < one.load() { other } else { one }
    }

    /// Whether too few endpoints are well.
    fn panics(&self, endpoints: &[Arc<Endpoint>], now: Instant) -> bool {
        let good = endpoints.iter().filter(|endpoint| endpoint.health.is_good(now)).count();
        good * 100 < self.panic_percent * endpoints.len()
    }
}

fn is_usable(endpoint: &Endpoint, tried: &[u64], now: Instant) -> bool {
    endpoint.health.is_good(now) && !tried.contains(&endpoint.id)
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, time::Duration};

    use flotilla_gateway_config as config;
    use proptest::prelude::*;

    use super::*;

    fn upstream(count: u16) -> Upstream {
        of(config::Backend::default(), count)
    }

    fn of(written: config::Backend, count: u16) -> Upstream {
        let upstream = Upstream::new("a".into(), written, None, None);
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
            let chosen = upstream.choose(Wish::None, &[], now, random.u64(..)).unwrap();
            *hits.entry(chosen.written.port).or_insert(0) += 1;
        }
        assert!(hits.len() == 3 && hits.values().all(|hits| (850..1150).contains(hits)), "{hits:?}");
    }

    #[test]
    fn the_one_with_fewer_requests_is_taken() {
        let (upstream, now) = (upstream(2), Instant::now());
        let busy = upstream.endpoints()[0].begin();
        assert!((0..100).all(|n| upstream.choose(Wish::None, &[], now, n << 25).unwrap().written.port == 2));
        drop(busy);
        let _other = upstream.endpoints()[1].begin();
        assert!((0..100).all(|n| upstream.choose(Wish::None, &[], now, n << 25).unwrap().written.port == 1));
    }

    #[test]
    fn when_most_fail_all_are_asked() {
        let (upstream, now) = (upstream(3), Instant::now());
        eject(&upstream.endpoints()[0], now);
        let ports = |tried: &[u64]| -> std::collections::BTreeSet<u16> {
            let mut random = fastrand::Rng::with_seed(7);
            (0..200)
                .map(|_| upstream.choose(Wish::None, tried, now, random.u64(..)).unwrap().written.port)
                .collect()
        };
        assert_eq!(ports(&[]), [2, 3].into());
        assert_eq!(ports(&[upstream.endpoints()[1].id]), [3].into());
        eject(&upstream.endpoints()[1], now);
        assert_eq!(ports(&[]), [1, 2, 3].into());
    }

    /// How many of so many requests each port gets.
    fn hits(upstream: &Upstream, now: Instant, requests: usize) -> HashMap<u16, usize> {
        let mut random = fastrand::Rng::with_seed(7);
        let mut hits = HashMap::new();
        for _ in 0..requests {
            let chosen = upstream.choose(Wish::None, &[], now, random.u64(..)).unwrap();
            *hits.entry(chosen.written.port).or_insert(0) += 1;
        }
        hits
    }

    #[test]
    fn a_new_endpoint_gets_more_and_more() {
        let written = config::Backend { slow_start_ms: Some(10_000), ..config::Backend::default() };
        let (upstream, now) = (of(written, 2), Instant::now());
        // Those of the beginning share alike.
        assert!((400..600).contains(&hits(&upstream, now, 1_000)[&1]));
        upstream.place((1..=3).map(|port| config::Endpoint { host: "127.0.0.1".to_owned(), port }));
        let share = |seconds| {
            hits(&upstream, now + Duration::from_secs(seconds), 9_000).get(&3).copied().unwrap_or_default()
        };
        // A third is its whole share.
        assert!((200..400).contains(&share(0)), "{}", share(0));
        assert!((1_300..1_700).contains(&share(5)), "{}", share(5));
        assert!((2_800..3_200).contains(&share(11)), "{}", share(11));
    }

    #[test]
    fn when_too_few_are_well_all_are_asked_or_none() {
        let with = |percent| of(config::Backend { panic_percent: percent, ..config::Backend::default() }, 4);
        let now = Instant::now();
        let ports = |upstream: &Upstream| {
            let mut ports: Vec<u16> = hits(upstream, now, 500).into_keys().collect();
            ports.sort_unstable();
            ports
        };
        let (usual, early, never) = (with(None), with(Some(100)), with(Some(0)));
        for upstream in [&usual, &early, &never] {
            eject(&upstream.endpoints()[0], now);
        }
        assert_eq!(ports(&usual), [2, 3, 4]);
        assert_eq!(ports(&early), [1, 2, 3, 4]);
        for endpoint in &usual.endpoints()[1..3] {
            eject(endpoint, now);
        }
        assert_eq!(ports(&usual), [1, 2, 3, 4]);
        for endpoint in &never.endpoints()[1..3] {
            eject(endpoint, now);
        }
        assert_eq!(ports(&never), [4]);
        // A repetition goes to it again, as there is no other.
        let last = &never.endpoints()[3];
        assert_eq!(never.choose(Wish::None, &[last.id], now, 7).unwrap().id, last.id);
        eject(last, now);
        assert!(never.choose(Wish::None, &[], now, 7).is_none());
        assert!(!never.is_empty());
    }

    #[test]
    fn a_key_stays_where_it_is_while_others_come_and_go() {
        let (upstream, now) = (upstream(10), Instant::now());
        let place = |key| upstream.choose(Wish::Key(key), &[], now, key).unwrap().written.port;
        let all =
            || (0..5_000_u64).map(|key| place(key.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect::<Vec<_>>();
        let before = all();
        for port in 1..=10 {
            let share = before.iter().filter(|found| **found == port).count();
            assert!((400..600).contains(&share), "{port} has {share}");
        }
        let ten = |but: u16, more: u16| {
            let ports = (1..=10 + more).filter(move |port| *port != but);
            ports.map(|port| config::Endpoint { host: "127.0.0.1".to_owned(), port })
        };
        upstream.place(ten(3, 0));
        let without = all();
        assert!(before.iter().zip(&without).all(|(before, after)| before == after || *before == 3));
        upstream.place(ten(0, 1));
        let with_more = all();
        assert!(before.iter().zip(&with_more).all(|(before, after)| before == after || *after == 11));
        // One that is not well is passed over, and so is one that was tried.
        upstream.place(ten(0, 0));
        eject(&upstream.endpoints()[0], now);
        assert!(
            before.iter().zip(all()).all(|(before, after)| *before == after || *before == 1 && after != 1)
        );
        let key = 7_777;
        let first = upstream.choose(Wish::Key(key), &[], now, 0).unwrap();
        assert_ne!(upstream.choose(Wish::Key(key), &[first.id], now, 0).unwrap().id, first.id);
    }

    #[test]
    fn a_cookie_leads_to_its_endpoint_as_long_as_that_is_well() {
        let cookie = serde_json::from_value(serde_json::json!({"cookie": {"name": "s"}})).unwrap();
        let upstream = of(config::Backend { affinity: Some(cookie), ..config::Backend::default() }, 3);
        let now = Instant::now();
        let wish = |endpoint: &Endpoint| {
            let (_, given) = upstream.token(endpoint, Wish::None, false).unwrap();
            let (pair, _) = given.to_str().unwrap().split_once(';').unwrap();
            let headers = [(http::header::COOKIE, pair.parse().unwrap())].into_iter().collect();
            upstream.wish(&headers, || unreachable!())
        };
        let endpoints = upstream.endpoints();
        for endpoint in &endpoints {
            let wish = wish(endpoint);
            let place = |random: u64| upstream.choose(wish, &[], now, random << 26).unwrap().id;
            assert!((0..50).all(|random| place(random) == endpoint.id));
            assert_ne!(upstream.choose(wish, &[endpoint.id], now, 0).unwrap().id, endpoint.id);
        }
        eject(&endpoints[0], now);
        let wish = wish(&endpoints[0]);
        let elsewhere = upstream.choose(wish, &[], now, 0).unwrap();
        assert_ne!(elsewhere.id, endpoints[0].id);
        assert!(upstream.token(&elsewhere, wish, false).is_some(), "it gets another cookie");
        assert!(upstream.choose(Wish::Tag(7), &[], now, 0).is_some());
    }

    proptest! {
        #[test]
        fn there_is_always_one(count in 1u16..6, tried in 0usize..6, ejected in 0usize..6, random: u64) {
            let (upstream, now) = (upstream(count), Instant::now());
            upstream.endpoints().iter().take(ejected).for_each(|endpoint| eject(endpoint, now));
            let tried: Vec<_> = upstream.endpoints().iter().take(tried).map(|endpoint| endpoint.id).collect();
            let chosen = upstream.choose(Wish::None, &tried, now, random).unwrap();
            prop_assert!(tried.len() >= usize::from(count) || !tried.contains(&chosen.id));
        }
    }
}
