//! What people do not want.

use std::collections::BTreeSet;

use super::{category::Category, channel::Channel};

/// What somebody does not want. Whatever else there is, they want.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    off: BTreeSet<(Category, Channel)>,
}

/// It cannot be done without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} by {} is always sent and cannot be switched off", .0.as_str(), .1.as_str())]
pub struct Mandatory(pub Category, pub Channel);

impl Preferences {
    /// As they are stored. What is not known any more is left out.
    pub fn from_stored(off: &[String]) -> Self {
        let parse = |text: &String| {
            let (category, channel) = text.split_once('/')?;
            Some((category.parse().ok()?, channel.parse().ok()?))
        };
        Self { off: off.iter().filter_map(parse).collect() }
    }

    /// To be stored.
    pub fn to_stored(&self) -> Vec<String> {
        let text =
            |(category, channel): &(Category, Channel)| format!("{}/{}", category.as_str(), channel.as_str());
        self.off.iter().map(text).collect()
    }

    /// Switches something on or off.
    pub fn set(&mut self, category: Category, channel: Channel, wanted: bool) -> Result<(), Mandatory> {
        if wanted {
            self.off.remove(&(category, channel));
        } else if category.is_optional(channel) {
            self.off.insert((category, channel));
        } else {
            return Err(Mandatory(category, channel));
        }
        Ok(())
    }

    /// Whether somebody is to be told so.
    pub fn wants(&self, category: Category, channel: Channel) -> bool {
        !(category.is_optional(channel) && self.off.contains(&(category, channel)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_done_without_is_switched_off_and_nothing_else() {
        let mut preferences = Preferences::default();
        assert!(preferences.wants(Category::Updates, Channel::Email));
        preferences.set(Category::Updates, Channel::Email, false).unwrap();
        preferences.set(Category::Orders, Channel::Push, false).unwrap();
        assert!(!preferences.wants(Category::Updates, Channel::Email));
        assert!(!preferences.wants(Category::Orders, Channel::Push));
        for (category, channel) in [
            (Category::Security, Channel::Email),
            (Category::Security, Channel::Push),
            (Category::Orders, Channel::Email),
        ] {
            assert_eq!(preferences.set(category, channel, false), Err(Mandatory(category, channel)));
            assert!(preferences.wants(category, channel));
        }
        let stored = preferences.to_stored();
        assert_eq!(stored, ["orders/push", "updates/email"]);
        assert_eq!(Preferences::from_stored(&stored), preferences);
        preferences.set(Category::Updates, Channel::Email, true).unwrap();
        assert!(preferences.wants(Category::Updates, Channel::Email));
    }

    #[test]
    fn what_should_not_be_stored_switches_nothing_off() {
        let odd = ["security/email", "none/email", "updates", "updates/fax"].map(str::to_owned);
        assert!(Preferences::from_stored(&odd).wants(Category::Security, Channel::Email));
    }
}
