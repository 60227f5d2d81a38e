use std::{collections::HashMap, thread};

use flotilla_gateway_config::{RateUnit, load};
use http::HeaderValue;
use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;

fn gcra(requests: u32, per: RateUnit) -> Gcra {
    Gcra::new(&RateLimit { requests, per, burst: None, key: RateKey::Everybody })
}

/// As the limits hash: any bits may be set.
fn hash(key: u64) -> u64 {
    foldhash::quality::FixedState::default().hash_one(key)
}

fn limit(written: &str) -> Limit {
    let config = load(&format!("rateLimits: {{a: {written}}}")).unwrap();
    Limit::new("a", config.rate_limits["a"].clone(), Counter::default())
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// How many of so many requests pass that come at once.
fn passing(limit: &Limit, count: usize, headers: &HeaderMap, client: &str, time: Instant) -> usize {
    let client: IpAddr = client.parse().unwrap();
    (0..count).filter(|_| limit.take(headers, || client, None, time).is_ok()).count()
}

#[test]
fn clients_are_counted_by_their_addresses_and_networks() {
    let (limit, now) = (limit("{requests: 2, per: Hour, key: clientAddress}"), Instant::now());
    let none = HeaderMap::new();
    assert_eq!(passing(&limit, 5, &none, "10.0.0.1", now), 2);
    assert_eq!(passing(&limit, 5, &none, "10.0.0.2", now), 2);
    assert_eq!(passing(&limit, 1, &none, "2001:db8:0:1::1", now), 1);
    assert_eq!(passing(&limit, 5, &none, "2001:db8:0:1:ffff::2", now), 1);
    assert_eq!(passing(&limit, 5, &none, "2001:db8:0:2::1", now), 2);
}

#[test]
fn values_of_a_header_are_counted_apart_and_requests_without_it_together() {
    let (limit, now) = (limit("{requests: 2, per: Hour, key: {header: x-tenant}}"), Instant::now());
    for lines in
        [vec![("x-tenant", "a")], vec![("x-tenant", "b")], vec![("x-tenant", "a"), ("x-tenant", "b")]]
    {
        assert_eq!(passing(&limit, 5, &headers(&lines), "10.0.0.1", now), 2, "{lines:?}");
    }
    assert_eq!(passing(&limit, 1, &headers(&[]), "10.0.0.1", now), 1);
    assert_eq!(passing(&limit, 5, &headers(&[("x-other", "a")]), "10.0.0.2", now), 1);
}

#[test]
fn threads_share_one_limit() {
    for written in ["{requests: 500, per: Hour}", "{requests: 500, per: Hour, key: clientAddress}"] {
        let (limit, now) = (limit(written), Instant::now());
        let passed: usize = thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| passing(&limit, 1_000, &HeaderMap::new(), "10.0.0.1", now)))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(passed, 500, "{written}");
    }
}

#[test]
fn keys_are_counted_apart_as_long_as_there_is_room() {
    let (table, gcra) = (Table::new(100_000), gcra(3, RateUnit::Hour));
    assert_eq!(table.room(), 0);
    for round in 1..=4 {
        for key in 0..10_000 {
            assert_eq!(table.take(hash(key), &gcra, SECOND).is_ok(), round <= 3, "{round} {key}");
        }
    }
    assert!(table.room() < 60_000, "{}", table.room());
}

#[test]
fn keys_whose_room_is_whole_again_leave_their_slots() {
    let (table, gcra) = (Table::new(100_000), gcra(1, RateUnit::Second));
    for key in 0..1_000_000u64 {
        // 1,000 keys at a time have used something.
        assert!(table.take(hash(key), &gcra, SECOND + key * 1_000_000).is_ok());
    }
    assert!(table.room() <= 32_768, "{}", table.room());
}

#[test]
fn a_flood_of_keys_takes_no_more_memory_and_gives_nobody_room_back() {
    let (table, gcra) = (Table::new(4_096), gcra(5, RateUnit::Hour));
    let known = hash(u64::MAX);
    for _ in 0..5 {
        table.take(known, &gcra, SECOND).unwrap();
    }
    let flooded = (0..1_000_000u64).filter(|key| table.take(hash(*key), &gcra, SECOND).is_ok()).count();
    assert_eq!(table.room(), 4_096);
    // All of them together have had what so many keys may have, and no more.
    assert!(flooded < 5 * 4_096, "{flooded}");
    assert!(table.take(known, &gcra, SECOND).is_err());
    // In time there is room for them again.
    assert!(table.take(hash(0), &gcra, SECOND + 3_600 * SECOND).is_ok());
}

#[test]
fn whoever_has_used_more_keeps_its_slot() {
    let (table, gcra) = (Table::new(1), gcra(1_000, RateUnit::Hour));
    let known = hash(u64::MAX);
    for _ in 0..1_000 {
        table.take(known, &gcra, SECOND).unwrap();
    }
    for key in 0..50_000 {
        let _flooded = table.take(hash(key), &gcra, SECOND);
        assert!(table.take(known, &gcra, SECOND).is_err(), "{key}");
    }
}

proptest! {
    /// Whatever keys come, and however small the table is: no key has more than its burst and rate.
    #[test]
    fn no_key_has_more_than_it_may(
        requests in 1u32..6,
        keys in prop::sample::select(vec![1usize, 1_024, 65_536]),
        asked in prop::collection::vec((0u64..2_000, 0u64..50_000_000), 1..2_000),
    ) {
        let (table, gcra) = (Table::new(keys), gcra(requests, RateUnit::Minute));
        let mut now = SECOND;
        let mut admitted: HashMap<u64, Vec<u64>> = HashMap::new();
        for (key, gap) in asked {
            now += gap;
            if table.take(hash(key), &gcra, now).is_ok() {
                admitted.entry(key).or_default().push(now);
            }
        }
        for times in admitted.values() {
            for (first, from) in times.iter().enumerate() {
                for (last, to) in times.iter().enumerate().skip(first) {
                    let by_rate = (to - from) * u64::from(requests) / (60 * SECOND);
                    prop_assert!((last - first + 1) as u64 <= u64::from(requests) + by_rate);
                }
            }
        }
    }
}
