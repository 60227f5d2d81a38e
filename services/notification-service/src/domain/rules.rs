//! Who is told of what: a table of events.

use super::{category::Category, schedule::Urgency};

/// How often there is a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Once {
    /// For each event.
    PerEvent,
    /// For whatever the event is about, however many events there are.
    PerSubject,
}

/// What an event leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The type of the event.
    pub kind: &'static str,
    /// The template that it is told with.
    pub template: &'static str,
    /// What kind of notification it is.
    pub category: Category,
    /// How often.
    pub once: Once,
    /// How soon it is of no use.
    pub urgency: Urgency,
    /// Whether the mail has a secret, which the reference in the event is redeemed for.
    pub has_secret: bool,
    /// Whether it is pushed as well.
    pub is_pushed: bool,
}

const fn rule(kind: &'static str, template: &'static str, category: Category) -> Rule {
    let (once, urgency) = (Once::PerEvent, Urgency::Usual);
    Rule { kind, template, category, once, urgency, has_secret: false, is_pushed: false }
}

impl Rule {
    const fn once(mut self) -> Self {
        self.once = Once::PerSubject;
        self
    }

    const fn secret(mut self) -> Self {
        self.has_secret = true;
        self.urgency = Urgency::Urgent;
        self
    }

    const fn pushed(mut self) -> Self {
        self.is_pushed = true;
        self
    }
}

/// All of them.
pub const RULES: [Rule; 17] = [
    rule("shop.user.verification_requested.v1", "email_verification", Category::Security).secret(),
    rule("shop.user.password_reset_requested.v1", "password_reset", Category::Security).secret(),
    rule("shop.user.email_change_requested.v1", "email_change", Category::Security).secret(),
    // To the address that they have still. Once it is changed, whoever has lost an account would not hear of it.
    rule("shop.user.email_change_requested.v1", "email_change_notice", Category::Security),
    rule("shop.user.registration_repeated.v1", "registration_repeated", Category::Security),
    rule("shop.user.email_verified.v1", "welcome", Category::Updates).once(),
    rule("shop.user.email_changed.v1", "email_changed", Category::Security),
    rule("shop.user.password_changed.v1", "password_changed", Category::Security),
    rule("shop.user.locked.v1", "account_locked", Category::Security),
    rule("shop.user.session.compromised.v1", "session_compromised", Category::Security).pushed(),
    rule("shop.order.paid.v1", "order_confirmation", Category::Orders).once().pushed(),
    rule("shop.order.rejected.v1", "order_rejected", Category::Orders).once(),
    rule("shop.order.cancelled.v1", "order_cancelled", Category::Orders).once().pushed(),
    rule("shop.order.shipped.v1", "order_shipped", Category::Updates).once().pushed(),
    rule("shop.order.completed.v1", "order_completed", Category::Updates).once(),
    rule("shop.order.refunded.v1", "order_refunded", Category::Orders),
    rule("shop.payment.failed.v1", "payment_failed", Category::Orders).pushed(),
];

/// What a template that no event leads to is about: those that services send by name.
pub const BY_NAME: [(&str, Category); 1] = [("newsletter", Category::Marketing)];

/// What stands for a template where an endpoint of a webhook is told: it has the event itself.
pub const WEBHOOK: &str = "webhook";

/// The types of events that endpoints of webhooks may have. What is about accounts stays in the shop.
pub const FOR_WEBHOOKS: [&str; 2] = ["shop.order.", "shop.payment."];

/// The event that says that everything known of somebody is to go.
pub const ERASED: &str = "shop.user.erased.v1";

/// The rules of an event.
pub fn of(kind: &str) -> impl Iterator<Item = &'static Rule> {
    RULES.iter().filter(move |rule| rule.kind == kind)
}

/// The rule of a template.
pub fn of_template(template: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.template == template)
}

/// The kind of a template.
pub fn category(template: &str) -> Option<Category> {
    let by_name = || BY_NAME.iter().find(|(name, _)| *name == template).map(|(_, category)| *category);
    of_template(template).map(|rule| rule.category).or_else(by_name)
}

/// How soon what a template tells is of no use.
pub fn urgency(template: &str) -> Urgency {
    of_template(template).map_or(Urgency::Usual, |rule| rule.urgency)
}

/// Whether endpoints may have a type of events, or one that begins so.
pub fn is_for_webhooks(kind: &str) -> bool {
    FOR_WEBHOOKS.iter().any(|start| kind.starts_with(start))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_template_has_one_rule() {
        let templates: HashSet<_> = RULES.iter().map(|rule| rule.template).collect();
        assert_eq!(templates.len(), RULES.len());
        assert!(BY_NAME.iter().all(|(name, _)| !templates.contains(name)));
        for rule in &RULES {
            assert!(of(rule.kind).any(|one| one == rule));
            assert_eq!(of_template(rule.template), Some(rule));
            assert_eq!(category(rule.template), Some(rule.category));
        }
        assert_eq!((of("shop.order.created.v1").next(), category("none")), (None, None));
    }

    #[test]
    fn a_secret_is_urgent_and_never_leaves_by_a_webhook() {
        for rule in RULES.iter().filter(|rule| rule.has_secret) {
            assert_eq!((rule.urgency, rule.category), (Urgency::Urgent, Category::Security));
            assert!(!is_for_webhooks(rule.kind) && !rule.is_pushed);
        }
        assert!(is_for_webhooks("shop.order.paid.v1") && !is_for_webhooks("shop.user.registered.v1"));
    }
}
