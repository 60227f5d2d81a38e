//! What a password has to be (NIST SP 800-63B): long, and none that everybody tries first. Rules of which characters it has
//! only make it easier to guess.

use flotilla_kit::Secret;

use super::email::Email;

/// Characters that it has at least.
const MIN: usize = 10;

/// Bytes that it has at most, so that nobody keeps the hashes busy with a book.
const MAX: usize = 256;

/// Long ones that are tried first.
const COMMON: [&str; 16] = [
    "password",
    "passwort",
    "qwertyuiop",
    "1234567890",
    "0123456789",
    "letmein",
    "iloveyou",
    "administrator",
    "abcdefghij",
    "1q2w3e4r5t",
    "asdfghjkl",
    "changeme",
    "welcome",
    "baseball",
    "football",
    "superman",
];

/// Why a password is not taken.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum WeakPassword {
    /// It is too short.
    #[error("write at least {MIN} characters")]
    Short,
    /// It is too long.
    #[error("write at most {MAX} bytes")]
    Long,
    /// Everybody tries it.
    #[error("this one is among the first that are tried; write another one")]
    Common,
    /// Everybody knows it.
    #[error("do not write your address or your name")]
    Personal,
}

/// Whether somebody may have a password.
pub fn check(password: &Secret<String>, email: &Email, name: &str) -> Result<(), WeakPassword> {
    let text = password.expose();
    if text.chars().count() < MIN {
        return Err(WeakPassword::Short);
    }
    if text.len() > MAX {
        return Err(WeakPassword::Long);
    }
    let lower = text.to_lowercase();
    // What is put at its end makes it no better.
    let stem = lower.trim_end_matches(|character: char| !character.is_alphabetic());
    let is_same = lower.chars().next().is_some_and(|first| lower.chars().all(|character| character == first));
    if is_same || COMMON.contains(&stem) || COMMON.contains(&lower.as_str()) {
        return Err(WeakPassword::Common);
    }
    let key = email.key();
    let local = key.split('@').next().unwrap_or_default();
    let personal = [key.as_str(), local, &name.to_lowercase()];
    if personal.iter().any(|text| !text.is_empty() && (*text == lower || *text == stem)) {
        return Err(WeakPassword::Personal);
    }
    Ok(())
}

/// Whether a text could be anybody's password. One that could not is not worth a hash.
pub fn is_possible(password: &Secret<String>) -> bool {
    (1..=MAX).contains(&password.expose().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_long_and_nobodys_first_guess() {
        let email = Email::parse("ada.lovelace@example.org").unwrap();
        let check = |text: &str| check(&Secret::new(text.to_owned()), &email, "Ada Lovelace");
        assert_eq!(check("correct horse battery"), Ok(()));
        assert_eq!(check("пароль-из-слов"), Ok(()));
        assert_eq!(check("ninechars"), Err(WeakPassword::Short));
        assert_eq!(check(&"ab".repeat(129)), Err(WeakPassword::Long));
        for common in ["password123!", "Password2024", "1234567890", "aaaaaaaaaaaa", "ADMINISTRATOR1"] {
            assert_eq!(check(common), Err(WeakPassword::Common), "{common}");
        }
        for personal in ["ada.lovelace@example.org", "Ada.Lovelace1", "ada lovelace"] {
            assert_eq!(check(personal), Err(WeakPassword::Personal), "{personal}");
        }
    }
}
