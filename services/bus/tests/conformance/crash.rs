//! A consumer that is killed while it has something.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use flotilla_bus::{Consumer, Pattern, Subscription};
use tokio::task::spawn_blocking;

use super::case::{Case, next, nothing, policy};

/// Subscribes, says what it has got, and does nothing more.
#[expect(clippy::print_stdout, reason = "read by whoever started it")]
pub(crate) async fn consumer_process() {
    let variable = |name| std::env::var(name).unwrap();
    let bus = flotilla_bus::connect(&variable("CONFORMANCE_URL")).unwrap();
    let consumer = Consumer::try_from(variable("CONFORMANCE_CONSUMER").as_str()).unwrap();
    let pattern = Pattern::try_from(variable("CONFORMANCE_PATTERN").as_str()).unwrap();
    let mut subscription = Subscription::new(consumer, [pattern]);
    subscription.policy = policy();
    let mut deliveries = bus.subscribe(subscription).await.unwrap();
    let mut held = Vec::new();
    while let Some(delivery) = deliveries.next().await {
        println!("took {}", delivery.event.id);
        held.push(delivery);
    }
}

pub(crate) async fn what_a_killed_process_had_comes_again(case: &Case) {
    let consumer = case.consumer();
    // So that it is known before something is published.
    case.subscribe(&consumer).await.ended().await;
    let (held, behind) = (case.event("a", 1), case.event("a", 2));
    case.publish(&[held.clone(), behind.clone()]).await;
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["consumer_process", "--exact", "--ignored", "--nocapture"])
        .env("CONFORMANCE_URL", &case.url)
        .env("CONFORMANCE_CONSUMER", consumer.as_str())
        .env("CONFORMANCE_PATTERN", case.all().as_str())
        .stdout(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let output = process.stdout.take().unwrap();
    let took = spawn_blocking(move || {
        let lines = BufReader::new(output).lines().map(Result::unwrap);
        lines.into_iter().find_map(|line| Some(line.split_once("took ")?.1.to_owned()))
    });
    assert_eq!(took.await.unwrap(), Some(held.id.to_string()));

    // While it lives, nobody else gets it, for longer than its lease.
    let mut deliveries = case.subscribe(&consumer).await;
    for _ in 0..10 {
        nothing(&mut deliveries).await;
    }
    process.kill().unwrap();
    process.wait().unwrap();
    let again = next(&mut deliveries).await;
    assert_eq!(again.event, held);
    // Nobody had it in between.
    assert_eq!(again.attempt, 2);
    again.ack().await.unwrap();
    let delivery = next(&mut deliveries).await;
    assert_eq!(delivery.event, behind);
    delivery.ack().await.unwrap();
    nothing(&mut deliveries).await;
}
