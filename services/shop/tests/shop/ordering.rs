//! Somebody orders something.

use std::{error::Error as _, process::Command};

use flotilla_shop::walk::{Error, Failure, Options, Step, Version, Walked, walk};
use serde_json::Value;

use crate::running::{PROGRAM, Running, processes_in};

/// The services that an order goes through, each of which tells of it.
const ON_THE_WAY: [&str; 6] =
    ["api-gateway", "order-service", "product-service", "paysim", "notification-service", "sink"];

/// Walks, and tells where it fails.
pub(crate) async fn walk_as(options: &Options) -> Walked {
    walk(options, |told| println!("{told}"))
        .await
        .unwrap_or_else(|error| panic!("{error}: {}: {:?}", error.failure, error.failure.source()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_orders_over_http_1_and_http_2_and_is_found_in_all_logs() {
    let shop = Running::start(&[]);
    for version in [Version::Http1, Version::Http2] {
        let walked = walk_as(&shop.options(version)).await;
        assert_eq!(walked.payment.captured_minor, walked.order.total_minor);
        assert_eq!(
            (walked.order.total_minor, walked.payment.status.as_str()),
            (walked.cart.total_minor, "paid")
        );
        // The mail comes of the request that placed the order.
        let id = walked.correlation_id(Step::Order).unwrap();
        assert_eq!(walked.mail.correlation_id.as_deref(), Some(id));
        for name in ON_THE_WAY {
            shop.eventually(name, &format!("{name} does not log {id}"), |log| log.contains(id)).await;
        }
    }

    // What is refused is told with its reason, at its step.
    let options =
        Options { payment_method: "pm_card_chargeDeclined".to_owned(), ..shop.options(Version::Http1) };
    match walk(&options, |_| {}).await.unwrap_err() {
        Error { step: Step::Pay, failure: Failure::Ended { status, .. }, .. } => {
            assert_eq!(status, "payment_failed");
        }
        other => panic!("{other:?}"),
    }

    // The same by the program.
    let order = |arguments: &[&str]| {
        let urls = [format!("--url={}", shop.url), format!("--inbox-url={}", shop.inbox)];
        Command::new(PROGRAM).arg("order").args(urls).args(arguments).output().unwrap()
    };
    let output = order(&["--output=json", "--http2"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 10);
    assert_eq!((&lines[0]["step"], &lines[8]["step"]), (&"register".into(), &"confirmation".into()));
    assert_eq!(lines[9]["payment"]["captured_minor"], lines[9]["order"]["total_minor"]);
    let output = order(&["--payment-method=pm_card_chargeDeclined"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && told.contains("is payment_failed"), "{told}");

    let folder = shop.folder.clone();
    shop.interrupt();
    assert!(!folder.exists());
    assert_eq!(processes_in(&folder), Vec::<u32>::new());
}
