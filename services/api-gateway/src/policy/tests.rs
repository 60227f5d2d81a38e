use flotilla_gateway_config::load;

use super::*;

fn policies(config: &GatewayConfig, before: Option<&Policies>) -> Policies {
    Policies::compile(config, before, &Metrics::default())
}

fn config(more: &str) -> GatewayConfig {
    let keys =
        r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    load(&format!(
        "
rateLimits:
  addresses: {{requests: 2, per: Hour, key: clientAddress}}
  everybody: {{requests: 5, per: Hour}}
  users: {{requests: 2, per: Hour, key: {{claim: sub}}}}
jwtProviders:
  a: {{issuer: a, jwks: {{inline: '{keys}'}}, claimHeaders: [{{claim: sub, header: x-user}}]}}
  b: {{issuer: b, jwks: {{inline: '{keys}'}}}}
{more}
"
    ))
    .unwrap()
}

fn written(text: &str) -> config::Policy {
    serde_json::from_str(text).unwrap()
}

fn admit(policy: &Policy, headers: &HeaderMap) -> Result<bool, &'static str> {
    let asking = Asking { headers, client: || IpAddr::from([10, 0, 0, 1]), time: Instant::now() };
    policy.admit(&asking).map(|good| good.is_some()).map_err(|refusal| refusal.reason())
}

#[test]
fn a_rule_without_a_policy_has_none() {
    let policies = policies(&config(""), None);
    let nothing = config::Policy::default();
    assert!(policies.of(&nothing, &nothing).is_none());
    assert!(policies.of(&written(r#"{"maxBodyBytes": 1}"#), &nothing).is_some());
}

#[test]
fn limits_of_listener_and_rule_all_count_each_once_and_those_by_claims_last() {
    let policies = policies(&config(""), None);
    let policy = policies
        .of(
            &written(r#"{"rateLimits": ["users", "everybody"], "maxBodyBytes": 10}"#),
            &written(r#"{"rateLimits": ["everybody", "addresses"], "maxBodyBytes": 20}"#),
        )
        .unwrap();
    let names: Vec<&str> = policy.limits().map(|limit| &*limit.name).collect();
    assert_eq!(names, ["everybody", "addresses", "users"]);
    assert_eq!(policy.body_bytes, Some(20));
    for expected in [Ok(false), Ok(false), Err("rate-limited"), Err("rate-limited"), Err("rate-limited")] {
        assert_eq!(admit(&policy, &HeaderMap::new()), expected);
    }
    let of_everybody = policies.limits["everybody"].limited.get();
    assert_eq!((of_everybody, policies.limits["addresses"].limited.get()), (0, 3));
    // What the second refused has counted in the first.
    assert_eq!(admit(&policy, &HeaderMap::new()), Err("rate-limited"));
    assert_eq!(policies.limits["everybody"].limited.get(), 1);
}

#[test]
fn a_limit_without_a_claim_keeps_tokens_from_being_looked_at() {
    let policies = policies(&config(""), None);
    let policy = policies
        .of(&written(r#"{"jwt": {"providers": ["a"]}}"#), &written(r#"{"rateLimits": ["addresses"]}"#))
        .unwrap();
    for expected in ["token-missing", "token-missing", "rate-limited"] {
        assert_eq!(admit(&policy, &HeaderMap::new()), Err(expected));
    }
}

#[test]
fn tokens_of_a_rule_count_in_place_of_those_of_its_listener() {
    let policies = policies(&config(""), None);
    let listener = written(r#"{"jwt": {"providers": ["a"]}}"#);
    let of = |rule: &str| policies.of(&listener, &written(rule)).unwrap();
    let names =
        |policy: &Policy| policy.providers().map(|provider| provider.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&of("{}")), ["a"]);
    assert_eq!(names(&of(r#"{"jwt": {"providers": ["b"]}}"#)), ["b"]);
    let open = of(r#"{"jwt": {"providers": [], "required": false}}"#);
    assert!(names(&open).is_empty() && !open.needs_token());
    assert_eq!(admit(&open, &HeaderMap::new()), Ok(false));
    // Nobody gets past the headers that the listener's tokens fill.
    let mut headers: HeaderMap =
        [(HeaderName::from_static("x-user"), "eve".parse().unwrap())].into_iter().collect();
    open.tell(None, &mut headers);
    assert!(headers.is_empty());
}

#[test]
fn what_stays_as_it_was_keeps_what_it_has_counted() {
    let before = policies(&config(""), None);
    let policy = |policies: &Policies| {
        policies.of(&config::Policy::default(), &written(r#"{"rateLimits": ["addresses"]}"#)).unwrap()
    };
    assert_eq!(admit(&policy(&before), &HeaderMap::new()), Ok(false));
    assert_eq!(admit(&policy(&before), &HeaderMap::new()), Ok(false));
    let mut changed = config("");
    changed.rate_limits.get_mut("users").unwrap().requests = 3;
    let after = policies(&changed, Some(&before));
    assert_eq!(admit(&policy(&after), &HeaderMap::new()), Err("rate-limited"));
    assert!(!Arc::ptr_eq(&before.limits["users"], &after.limits["users"]));
    assert!(Arc::ptr_eq(&before.providers["a"], &after.providers["a"]));
    changed.rate_limits.get_mut("addresses").unwrap().burst = Some(3);
    let last = policies(&changed, Some(&after));
    assert_eq!(admit(&policy(&last), &HeaderMap::new()), Ok(false));
}

#[test]
fn keys_from_the_same_place_stay_when_something_else_of_a_provider_changes() {
    let remote = |audience: &str, uri: &str| {
        load(&format!(
            "jwtProviders: {{p: {{issuer: a, audiences: [{audience}], jwks: {{remote: {{uri: '{uri}'}}}}}}}}"
        ))
        .unwrap()
    };
    let first = policies(&remote("x", "https://a.test/jwks"), None);
    let second = policies(&remote("y", "https://a.test/jwks"), Some(&first));
    assert!(!Arc::ptr_eq(&first.providers["p"], &second.providers["p"]));
    assert!(Arc::ptr_eq(&first.providers["p"].keys, &second.providers["p"].keys));
    let third = policies(&remote("y", "https://b.test/jwks"), Some(&second));
    assert!(!Arc::ptr_eq(&second.providers["p"].keys, &third.providers["p"].keys));
}
