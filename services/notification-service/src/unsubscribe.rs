//! Links that unsubscribe without logging in: they say who does not want what, and are signed, so that nobody makes one for
//! somebody else.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use uuid::Uuid;

use crate::{
    domain::{category::Category, channel::Channel},
    keys::{Keys, Purpose},
};

/// Bytes of a signature.
const TAG: usize = 16;

/// Characters that a token may have.
const MAX: usize = 200;

/// What a link switches off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsubscribe {
    /// For whom.
    pub user: Uuid,
    /// What.
    pub category: Category,
    /// By which way.
    pub channel: Channel,
}

/// The token of a link.
pub fn token(keys: &Keys, of: Unsubscribe) -> String {
    let text = format!("{}/{}/{}", of.user.simple(), of.category.as_str(), of.channel.as_str());
    let tag = keys.authenticate(Purpose::Unsubscribe, text.as_bytes());
    let tag = tag.get(..TAG).unwrap_or_default();
    BASE64_URL_SAFE_NO_PAD.encode([tag, text.as_bytes()].concat())
}

/// What a token switches off, if it is one.
pub fn open(keys: &Keys, token: &str) -> Option<Unsubscribe> {
    let bytes = if token.len() > MAX { None } else { BASE64_URL_SAFE_NO_PAD.decode(token).ok() }?;
    let (tag, text) = bytes.split_at_checked(TAG)?;
    let wanted = keys.authenticate(Purpose::Unsubscribe, text);
    let differences = tag.iter().zip(wanted).fold(0, |sum, (sent, wanted)| sum | (sent ^ wanted));
    if differences != 0 {
        return None;
    }
    let mut parts = std::str::from_utf8(text).ok()?.splitn(3, '/');
    let (user, category, channel) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Unsubscribe {
        user: user.parse().ok()?,
        category: category.parse().ok()?,
        channel: channel.parse().ok()?,
    })
}

/// The link of a notification, where there is one: what has to be sent has none.
pub fn url(keys: &Keys, base: &str, user: Uuid, category: Category, channel: Channel) -> Option<String> {
    let token = || token(keys, Unsubscribe { user, category, channel });
    category.is_optional(channel).then(|| format!("{base}/v1/unsubscribe/{}", token()))
}

#[cfg(test)]
mod tests {
    use flotilla_kit::Secret;
    use proptest::prelude::*;

    use super::*;

    fn keys() -> Keys {
        Keys::new(&Secret::new("a".repeat(32))).unwrap()
    }

    fn of() -> Unsubscribe {
        Unsubscribe { user: Uuid::from_u128(7), category: Category::Updates, channel: Channel::Email }
    }

    #[test]
    fn a_link_says_who_does_not_want_what() {
        assert_eq!(open(&keys(), &token(&keys(), of())), Some(of()));
        let other = Keys::new(&Secret::new("b".repeat(32))).unwrap();
        assert_eq!(open(&other, &token(&keys(), of())), None);
        for nonsense in ["", "a", "????", &"A".repeat(1_000)] {
            assert_eq!(open(&keys(), nonsense), None);
        }
        let url = |category| url(&keys(), "https://shop", Uuid::nil(), category, Channel::Email);
        assert!(url(Category::Marketing).unwrap().starts_with("https://shop/v1/unsubscribe/"));
        assert_eq!((url(Category::Security), url(Category::Orders)), (None, None));
    }

    proptest! {
        #[test]
        fn a_link_that_was_changed_is_none(at in 0_usize..70, bit in 0_u8..8) {
            let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(token(&keys(), of())).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(open(&keys(), &BASE64_URL_SAFE_NO_PAD.encode(bytes)), None);
        }
    }
}
