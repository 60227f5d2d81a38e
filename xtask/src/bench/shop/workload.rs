//! What is measured: one workload a row, the same requests for everybody.

use serde_json::{Value, json};

/// The password of all accounts (`users.sql`).
const PASSWORD: &str = "correct-horse-battery";

/// As many as the seeds make.
const ACCOUNTS: u64 = 200;
const CATEGORIES: u64 = 10;
const PRODUCTS: u64 = 10_000;

/// Different searches.
const SEARCHES: u64 = 25;

/// Different orders.
const VARIETY: u64 = 2_000;

/// Requests go through what there is in steps of this, a prime: none is near the one before.
const STRIDE: u64 = 7_919;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One product, again and again.
    Hot,
    /// All products.
    Cold,
    /// One product that is known as it is.
    Known,
    /// Pages of the catalogue.
    List,
    /// Pages of what is like words.
    Search,
    /// A login.
    Login,
    /// Who one is, by a token.
    Token,
    /// An order that is paid.
    Order,
}

/// Which part of the shop is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The catalogue.
    Products,
    /// Accounts.
    Users,
    /// Orders, with stock and payments.
    Orders,
}

/// A row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Workload {
    /// Its name on the command line.
    pub(super) name: &'static str,
    /// Its name in the document.
    pub(super) title: &'static str,
    pub(super) kind: Kind,
    /// Milliseconds within which 99 of 100 answers have to come.
    pub(super) bound: f64,
    /// Requests a second that the search begins with.
    pub(super) first: f64,
    /// The status of an answer that is as it should be.
    pub(super) status: u16,
}

const fn read(name: &'static str, title: &'static str, kind: Kind) -> Workload {
    Workload { name, title, kind, bound: 25.0, first: 1_000.0, status: 200 }
}

/// All rows.
pub(super) const ALL: [Workload; 8] = [
    read("hot", "a product, always the same", Kind::Hot),
    read("cold", "a product of 10,000", Kind::Cold),
    Workload { status: 304, ..read("known", "a product that is known (304)", Kind::Known) },
    Workload { first: 500.0, ..read("list", "a page of 20 products", Kind::List) },
    Workload { bound: 100.0, first: 50.0, ..read("search", "a search, 20 products", Kind::Search) },
    Workload {
        bound: 250.0,
        first: 10.0,
        ..read("login", "a login (Argon2id, 19 MiB, 2 passes)", Kind::Login)
    },
    read("token", "who one is, by a token", Kind::Token),
    Workload {
        bound: 1_000.0,
        first: 20.0,
        status: 202,
        ..read("order", "an order of 2 lines, until it is paid", Kind::Order)
    },
];

impl Workload {
    /// Which part of the shop it asks.
    pub(super) fn part(&self) -> Part {
        match self.kind {
            Kind::Hot | Kind::Cold | Kind::Known | Kind::List | Kind::Search => Part::Products,
            Kind::Login | Kind::Token => Part::Users,
            Kind::Order => Part::Orders,
        }
    }

    /// Whether somebody has to be logged in.
    pub(super) fn needs_token(&self) -> bool {
        matches!(self.kind, Kind::Token | Kind::Order)
    }

    /// Its requests, which take turns.
    pub(super) fn requests(&self, token: Option<&str>) -> Vec<Value> {
        let get = |path: String| json!({ "method": "GET", "path": path });
        let bearer = || json!(["authorization", format!("Bearer {}", token.unwrap_or_default())]);
        match self.kind {
            Kind::Hot => vec![get(format!("/v1/products/{}", product(1)))],
            Kind::Cold => turns(PRODUCTS).map(|n| get(format!("/v1/products/{}", product(n)))).collect(),
            Kind::Known => {
                let mut request = get(format!("/v1/products/{}", product(1)));
                request["headers"] = json!([["if-none-match", "\"v1\""]]);
                vec![request]
            }
            Kind::List => turns(CATEGORIES)
                .map(|n| get(format!("/v1/products?limit=20&category={}", category(n))))
                .chain([get("/v1/products?limit=20".to_owned())])
                .collect(),
            Kind::Search => {
                turns(SEARCHES).map(|n| get(format!("/v1/products?limit=20&q={}", words(n)))).collect()
            }
            Kind::Login => turns(ACCOUNTS).map(log_in).collect(),
            Kind::Token => {
                let mut request = get("/v1/users/me".to_owned());
                request["headers"] = json!([bearer()]);
                vec![request]
            }
            Kind::Order => turns(VARIETY)
                .map(|n| {
                    let lines = json!([
                        { "sku": format!("P{n}-1"), "quantity": 2 },
                        { "sku": format!("P{}-2", n + VARIETY), "quantity": 1 },
                    ]);
                    let body = json!({ "currency": "EUR", "lines": lines, "payment_method": "pm_card_visa" });
                    json!({
                        "method": "POST",
                        "path": "/v1/orders",
                        "headers": [bearer(), ["content-type", "application/json"]],
                        "body": body.to_string(),
                    })
                })
                .collect(),
        }
    }
}

/// A login.
pub(super) fn log_in(account: u64) -> Value {
    let body = json!({ "email": format!("load-{account}@shop.example"), "password": PASSWORD });
    json!({
        "method": "POST",
        "path": "/v1/auth/login",
        "headers": [["content-type", "application/json"]],
        "body": body.to_string(),
    })
}

/// The id of a product (`products.sql`).
pub(super) fn product(number: u64) -> String {
    format!("01900000-0000-7000-8000-{number:012x}")
}

fn category(number: u64) -> String {
    format!("01900000-0000-7000-9000-{number:012x}")
}

/// Two words that ten of the names have (`products.sql`).
fn words(number: u64) -> String {
    const ADJECTIVES: [&str; 5] = ["blue", "steel", "striped", "wide", "linen"];
    const NOUNS: [&str; 5] = ["mug", "shelf", "brush", "vase", "cushion"];
    let of = |words: [&'static str; 5], at: u64| {
        usize::try_from(at).ok().and_then(|at| words.get(at % words.len()).copied()).unwrap_or_default()
    };
    format!("{}+{}", of(ADJECTIVES, number), of(NOUNS, number / 5))
}

/// The numbers from 1 to so many, each once, and none near the one before.
fn turns(count: u64) -> impl Iterator<Item = u64> {
    (0..count).map(move |turn| 1 + turn * STRIDE % count)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_number_has_its_turn() {
        for count in [ACCOUNTS, CATEGORIES, SEARCHES, VARIETY, PRODUCTS] {
            assert_eq!(turns(count).collect::<BTreeSet<_>>(), (1..=count).collect());
        }
    }

    #[test]
    fn requests_are_of_what_the_seeds_have() {
        let seeds = (include_str!("users.sql"), include_str!("products.sql"));
        assert!(seeds.0.contains(&format!("generate_series(1, {ACCOUNTS})")));
        assert!(seeds.1.contains(&format!("generate_series(1, {PRODUCTS})")));
        assert!(seeds.1.contains(&format!("generate_series(1, {CATEGORIES})")));
        for number in 0..25 {
            for word in words(number).split('+') {
                assert!(seeds.1.contains(&format!("'{word}'")), "{word}");
            }
        }
        assert_eq!(product(10_000), "01900000-0000-7000-8000-000000002710");
        for workload in ALL {
            let requests = workload.requests(Some("token"));
            assert!(!requests.is_empty());
            let has_token = requests.iter().all(|request| request.to_string().contains("Bearer token"));
            assert_eq!(has_token, workload.needs_token(), "{}", workload.name);
        }
    }
}
