//! What makes a notification this one, however often its cause comes: its key, and the Message-ID of its mail (RFC 5322).

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::rules::Once;

/// The key of a notification that comes from an event about a subject.
pub fn dedupe_key(template: &str, once: Once, subject: &str, event: &str) -> String {
    match once {
        Once::PerSubject => format!("{template}/subject/{subject}"),
        Once::PerEvent => format!("{template}/event/{event}"),
    }
}

/// The Message-ID of the mail of a notification. The same notification has the same one for ever, also when it is sent twice
/// because nobody knows whether it was sent: whoever gets it sees one. Another notification has another one.
pub fn message_id(dedupe_key: &str, domain: &str) -> String {
    let is_plain = |text: &str| {
        !text.is_empty()
            && text.len() <= 64
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let parts: Vec<_> = dedupe_key.split('/').collect();
    if let [template, "subject" | "event", id] = parts[..]
        && is_plain(template)
        && is_plain(id)
    {
        return format!("<{id}.{template}@{domain}>");
    }
    // Of any other key all of it counts: two services may use the same word for what each of them asks for.
    let digest = Sha256::digest(dedupe_key);
    let hash = Uuid::from_slice(digest.get(..16).unwrap_or_default()).unwrap_or_default().simple();
    format!("<{hash}@{domain}>")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_order_has_one_confirmation_and_as_many_refunds_as_there_are() {
        let key = |once, event| dedupe_key("order_refunded", once, "o-12", event);
        assert_eq!(key(Once::PerSubject, "e-1"), key(Once::PerSubject, "e-2"));
        assert_ne!(key(Once::PerEvent, "e-1"), key(Once::PerEvent, "e-2"));
        let confirmation = dedupe_key("order_confirmation", Once::PerSubject, "o-12", "e-1");
        assert_eq!(message_id(&confirmation, "shop.test"), "<o-12.order_confirmation@shop.test>");
    }

    #[test]
    fn notifications_that_are_not_the_same_have_no_message_id_in_common() {
        let keys = [
            "newsletter/request/ann/k-1",
            "newsletter/request/ben/k-1",
            "newsletter/service/order-service/k-1",
            "newsletter/service/user-service/k-1",
            "newsletter/service/user-service/a/k-1",
            "newsletter/service/user-service/b/k-1",
            "newsletter/subject/k-1",
            "newsletter/subject/a/k-1",
            "newsletter/subject/a b",
            "newsletter/subject/",
        ];
        let ids: BTreeSet<_> = keys.iter().map(|key| message_id(key, "shop.test")).collect();
        assert_eq!(ids.len(), keys.len(), "{ids:?}");
    }

    proptest! {
        #[test]
        fn a_message_id_is_one_whatever_the_key_is(key in ".{0,200}") {
            let id = message_id(&key, "shop.test");
            prop_assert_eq!(&id, &message_id(&key, "shop.test"));
            let inner = id.strip_prefix('<').and_then(|id| id.strip_suffix("@shop.test>")).unwrap();
            prop_assert!(inner.len() <= 160);
            prop_assert!(inner.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)), "{}", inner);
        }
    }
}
