//! What is not in a database of the shop: who wants events, what the payment provider knows, and the mail that came.

use std::{fs, io, path::Path};

use flotilla_bus::Subscription as Wanted;
use flotilla_kit::correlation::CorrelationId;
use flotilla_paysim::ledger::{Ledger, Movement};
use flotilla_shop::walk::{Client, Failure, client::Ask};
use http::Method;
use serde::Deserialize;
use uuid::Uuid;

use super::Error;
use crate::history::{DeadLetter, Found, Intent, Mail, Moved, Provider, Subscription};

/// Dead letters that are read of a consumer.
const LETTERS: u32 = 10_000;

/// What the subject of a mail that confirms an order is.
const CONFIRMATIONS: [&str; 2] = ["Your order is confirmed", "Deine Bestellung ist bestätigt"];

/// Who wants which events, and what of them nobody tries to deliver any more.
pub(super) async fn consumers(found: &mut Found, bus: &str) -> Result<(), Error> {
    let fail = |error: Box<dyn std::error::Error + Send + Sync>| Error::Subscription(error);
    let all: [Wanted; 3] = [
        flotilla_order_service::consumers::subscription().map_err(|error| fail(error.into()))?,
        flotilla_notification_service::consumers::subscription().map_err(fail)?,
        flotilla_user_service::consumers::subscription().map_err(|error| fail(error.into()))?,
    ];
    let bus = flotilla_bus::connect(bus)?;
    for Wanted { consumer, types, .. } in all {
        for letter in bus.dead_letters(&consumer, LETTERS).await? {
            found.dead_letters.push(DeadLetter {
                consumer: consumer.to_string(),
                id: letter.event.id.to_string(),
                reason: letter.reason,
            });
        }
        let types = types.iter().map(|kind| kind.as_str().to_owned()).collect();
        found.subscriptions.push(Subscription { consumer: consumer.to_string(), types });
    }
    Ok(())
}

/// What the payment provider knows.
pub(super) async fn provider(client: &Client) -> Result<Provider, Failure> {
    let id = CorrelationId::new();
    let ledger: Ledger = client.ask(Ask::new(Method::GET, "/paysim/ledger", &id)).await?.json()?;
    let order = |metadata: &std::collections::BTreeMap<String, String>| {
        metadata.get("order_id").cloned().unwrap_or_default()
    };
    let intents =
        ledger.intents.iter().map(|(id, intent)| (id.clone(), Intent { order: order(&intent.metadata) }));
    let moved = ledger.entries.iter().map(|entry| Moved {
        intent: entry.payment_intent.clone(),
        what: name(entry.movement).to_owned(),
        amount: entry.amount,
    });
    Ok(Provider { intents: intents.collect(), moved: moved.collect() })
}

const fn name(movement: Movement) -> &'static str {
    match movement {
        Movement::Authorize => "authorize",
        Movement::Capture => "capture",
        Movement::Void => "void",
        Movement::Refund => "refund",
    }
}

/// A line of the sink's journal, as far as it matters.
#[derive(Deserialize)]
struct Delivery {
    key: Option<String>,
    channel: String,
    #[serde(default)]
    subject: String,
    text: Option<String>,
}

/// All mail that came, each as often as it did. The last line may be one that was being written when the sink was killed: nobody
/// was told that it was taken.
pub(super) fn journal(path: &Path) -> io::Result<Vec<Mail>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        text => text?,
    };
    let deliveries = text.lines().filter_map(|line| serde_json::from_str::<Delivery>(line).ok());
    Ok(deliveries.filter(|delivery| delivery.channel == "mail").map(mail).collect())
}

/// Mail that is asked for at once: more than the last thousand nobody shows.
const SHOWN: usize = 1_000;

/// All mail that came, from who took it.
pub(super) async fn inbox(sink: &Client) -> Result<Vec<Mail>, Error> {
    #[derive(Deserialize)]
    struct Page {
        items: Vec<Delivery>,
    }
    let path = format!("/api/deliveries?channel=mail&limit={SHOWN}");
    let id = CorrelationId::new();
    let answer = sink.ask(Ask::new(Method::GET, &path, &id)).await.map_err(Error::Inbox)?;
    let page: Page = answer.json().map_err(Error::Inbox)?;
    if page.items.len() == SHOWN {
        return Err(Error::TooMuchMail(SHOWN));
    }
    Ok(page.items.into_iter().map(mail).collect())
}

fn mail(delivery: Delivery) -> Mail {
    let is_confirmation = CONFIRMATIONS.contains(&delivery.subject.as_str());
    let confirms = delivery.text.filter(|_| is_confirmation).and_then(|text| {
        let mut words = text.split_whitespace().map(|word| word.trim_end_matches('.'));
        words.find_map(|word| Uuid::try_parse(word).ok()).map(|id| id.to_string())
    });
    Mail { message_id: delivery.key.unwrap_or_default(), confirms }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_that_confirms_an_order_is_known_by_what_it_says() {
        let id = Uuid::now_v7();
        let of = |subject: &str| {
            mail(Delivery {
                key: Some("<a@shop>".to_owned()),
                channel: "mail".to_owned(),
                subject: subject.to_owned(),
                text: Some(format!("Hello,\n\nThank you for your order {id}. It is paid.\n")),
            })
        };
        assert_eq!(of("Your order is confirmed").confirms, Some(id.to_string()));
        assert_eq!(of("Your order is under way").confirms, None);
    }

    #[test]
    fn the_subjects_are_those_of_the_templates() {
        let templates = concat!(env!("CARGO_MANIFEST_DIR"), "/../notification-service/templates");
        for (locale, subject) in ["en", "de"].into_iter().zip(CONFIRMATIONS) {
            let folder = Path::new(templates).join(locale);
            let all = fs::read_dir(&folder).unwrap().flatten();
            let mut all =
                all.filter(|entry| entry.file_name().to_string_lossy().starts_with("order_confirmation"));
            let text = fs::read_to_string(all.next().unwrap().path()).unwrap();
            assert_eq!(text.lines().next(), Some(subject));
        }
    }
}
