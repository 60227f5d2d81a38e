//! Tokens that were good before: a signature costs several times as much as everything else that is done with a request, and
//! clients send the same token again and again. Each worker has its own few, so nobody waits for anybody.

use std::{
    cell::RefCell,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Weak},
};

use super::{claims::Claims, jwk::KeySet, provider::Provider};

/// Tokens that a worker remembers at most.
const PLACES: usize = 1_024;

/// Longer ones are not remembered.
const LONGEST: usize = 4 * 1024;

thread_local! {
    static TOKENS: RefCell<Tokens> = RefCell::default();
}

#[derive(Default)]
struct Tokens {
    /// Nobody outside knows which tokens meet.
    hasher: RandomState,
    /// Made when there is one. Of two at one place the later stays.
    places: Vec<Option<Known>>,
}

struct Known {
    token: Box<str>,
    /// They are good for this provider, and by these keys.
    provider: Weak<Provider>,
    keys: Weak<KeySet>,
    claims: Arc<Claims>,
}

/// What a token says, when the signature has been looked at with these keys.
pub(super) fn recall(provider: &Arc<Provider>, keys: &Arc<KeySet>, token: &str) -> Option<Arc<Claims>> {
    TOKENS.with_borrow(|tokens| {
        let known = tokens.places.get(tokens.place(token))?.as_ref()?;
        let is_same = *known.token == *token
            && std::ptr::eq(known.provider.as_ptr(), Arc::as_ptr(provider))
            && std::ptr::eq(known.keys.as_ptr(), Arc::as_ptr(keys));
        is_same.then(|| Arc::clone(&known.claims))
    })
}

/// Remembers a token whose signature is good.
pub(super) fn keep(provider: &Arc<Provider>, keys: &Arc<KeySet>, token: &str, claims: &Arc<Claims>) {
    if token.len() > LONGEST {
        return;
    }
    TOKENS.with_borrow_mut(|tokens| {
        tokens.places.resize_with(PLACES, || None);
        let place = tokens.place(token);
        if let Some(place) = tokens.places.get_mut(place) {
            *place = Some(Known {
                token: token.into(),
                provider: Arc::downgrade(provider),
                keys: Arc::downgrade(keys),
                claims: Arc::clone(claims),
            });
        }
    });
}

impl Tokens {
    fn place(&self, token: &str) -> usize {
        usize::try_from(self.hasher.hash_one(token) % PLACES as u64).unwrap_or_default()
    }
}
