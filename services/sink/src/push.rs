//! A push service (RFC 8030) together with the browser behind it: it has the keys of its subscriptions, so it can tell whether
//! a push is one that a browser would show.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use aws_lc_rs::{
    aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree},
    hkdf::{HKDF_SHA256, KeyType, Salt},
    rand, signature,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Subscriptions that there may be.
const MAX: usize = 10_000;

/// Bytes of a body that a push service has to take (RFC 8030, section 7.2).
const MAX_BODY: usize = 4_096;

/// Salt, size of a record, and the length of the sender's key (RFC 8188, section 2.1).
const HEAD: usize = 21;

/// What a browser gives to the page that has asked it.
#[derive(Clone, Debug, Serialize)]
pub struct Subscription {
    /// Which one it is.
    pub id: Uuid,
    /// Where to push to.
    pub endpoint: String,
    /// For whom to encrypt.
    pub keys: SubscriptionKeys,
}

/// Keys, in base64url.
#[derive(Clone, Debug, Serialize)]
pub struct SubscriptionKeys {
    /// The public key.
    pub p256dh: String,
    /// The secret.
    pub auth: String,
}

/// A push as it was delivered.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pushed {
    /// What it says, decrypted.
    pub payload: String,
    /// Seconds that it is to be kept for.
    pub ttl: u32,
    /// How urgent it is.
    pub urgency: Option<String>,
    /// What it takes the place of.
    pub topic: Option<String>,
    /// Whom to ask about the sender.
    pub contact: Option<String>,
}

/// Why a push is refused, as push services do.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refusal {
    /// There never was such a subscription.
    #[error("there is no such subscription")]
    Unknown,
    /// It was given up.
    #[error("the subscription is gone")]
    Gone,
    /// It is too large.
    #[error("a push has at most {MAX_BODY} bytes")]
    TooLarge,
    /// A header is missing or wrong.
    #[error("{0}")]
    Header(&'static str),
    /// Its sender is not who it says, or it is not for this place (RFC 8292).
    #[error("the sender is not believed: {0}")]
    Sender(&'static str),
    /// A browser could not read it (RFC 8291).
    #[error("a browser cannot decrypt this: {0}")]
    Encryption(&'static str),
}

/// The headers of a push.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a> {
    /// `Authorization`.
    pub authorization: Option<&'a str>,
    /// `Content-Encoding`.
    pub encoding: Option<&'a str>,
    /// `TTL`.
    pub ttl: Option<&'a str>,
    /// `Urgency`.
    pub urgency: Option<&'a str>,
    /// `Topic`.
    pub topic: Option<&'a str>,
}

struct Mailbox {
    key: PrivateKey,
    public: Vec<u8>,
    auth: [u8; 16],
    /// What its endpoint begins with.
    origin: String,
}

/// Subscriptions by their ids. Those that were given up have nothing any more.
#[derive(Default)]
pub struct Mailboxes(Mutex<HashMap<Uuid, Option<Mailbox>>>);

impl std::fmt::Debug for Mailboxes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Mailboxes").finish_non_exhaustive()
    }
}

impl Mailboxes {
    /// Subscribes somebody at an origin such as `http://127.0.0.1:8080`. Nothing: there are too many, or no random numbers.
    pub fn subscribe(&self, origin: &str) -> Option<Subscription> {
        let id = Uuid::now_v7();
        let key = PrivateKey::generate(&ECDH_P256).ok()?;
        let public = key.compute_public_key().ok()?.as_ref().to_vec();
        let mut auth = [0; 16];
        rand::fill(&mut auth).ok()?;
        let keys = SubscriptionKeys {
            p256dh: BASE64_URL_SAFE_NO_PAD.encode(&public),
            auth: BASE64_URL_SAFE_NO_PAD.encode(auth),
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX {
            return None;
        }
        all.insert(id, Some(Mailbox { key, public, auth, origin: origin.to_owned() }));
        Some(Subscription { id, endpoint: format!("{origin}/push/{id}"), keys })
    }

    /// Gives a subscription up. False: there is none.
    pub fn give_up(&self, id: Uuid) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get_mut(&id).is_some_and(|mailbox| mailbox.take().is_some())
    }

    /// Takes a push.
    pub fn take(&self, id: Uuid, headers: Headers<'_>, body: &[u8]) -> Result<Pushed, Refusal> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mailbox = all.get(&id).ok_or(Refusal::Unknown)?.as_ref().ok_or(Refusal::Gone)?;
        if body.len() > MAX_BODY {
            return Err(Refusal::TooLarge);
        }
        let ttl = headers.ttl.and_then(|ttl| ttl.parse().ok());
        let ttl = ttl.ok_or(Refusal::Header("send TTL: a number of seconds"))?;
        if headers.encoding != Some("aes128gcm") {
            return Err(Refusal::Header("send Content-Encoding: aes128gcm"));
        }
        let authorization = headers.authorization.ok_or(Refusal::Sender("send Authorization: vapid"))?;
        let contact = check_sender(authorization, &mailbox.origin, Timestamp::now().as_second())?;
        let payload = decrypt(&mailbox.key, &mailbox.public, &mailbox.auth, body)?;
        let payload = String::from_utf8(payload).map_err(|_| Refusal::Encryption("it is no UTF-8"))?;
        let text = |header: Option<&str>| header.map(str::to_owned);
        Ok(Pushed { payload, ttl, urgency: text(headers.urgency), topic: text(headers.topic), contact })
    }
}

#[derive(Deserialize)]
struct Vapid {
    aud: String,
    exp: i64,
    sub: Option<String>,
}

/// RFC 8292: `vapid t=JWT, k=KEY`. Gives whom to ask about the sender.
fn check_sender(authorization: &str, origin: &str, now: i64) -> Result<Option<String>, Refusal> {
    let wrong = Refusal::Sender("write vapid t=JWT, k=KEY");
    let Some(parameters) = authorization.strip_prefix("vapid ") else { return Err(wrong) };
    let parameter = |name: &str| {
        let mut all = parameters.split(',').filter_map(|one| one.trim().split_once('='));
        all.find_map(|(known, value)| (known == name).then_some(value))
    };
    let (Some(token), Some(key)) = (parameter("t"), parameter("k")) else { return Err(wrong) };
    let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).ok();
    let (signed, signature) = token.rsplit_once('.').ok_or(Refusal::Sender("t is no JWT"))?;
    let (_header, claims) = signed.split_once('.').ok_or(Refusal::Sender("t is no JWT"))?;
    let (Some(key), Some(signature)) = (decode(key), decode(signature)) else {
        return Err(Refusal::Sender("it is no base64url"));
    };
    signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, key)
        .verify(signed.as_bytes(), &signature)
        .map_err(|_| Refusal::Sender("the signature is not of the key"))?;
    let claims: Vapid = decode(claims)
        .and_then(|claims| serde_json::from_slice(&claims).ok())
        .ok_or(Refusal::Sender("aud and exp are needed"))?;
    if claims.aud != origin {
        return Err(Refusal::Sender("aud is not the origin of the endpoint"));
    }
    if claims.exp <= now || claims.exp > now + 24 * 3_600 {
        return Err(Refusal::Sender("exp is over, or more than a day away"));
    }
    Ok(claims.sub)
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn derive<const N: usize>(salt: &[u8], secret: &[u8], info: &[&[u8]]) -> Result<[u8; N], Refusal> {
    let mut key = [0; N];
    let failed = |_| Refusal::Encryption("a key cannot be derived");
    let secret = Salt::new(HKDF_SHA256, salt).extract(secret);
    secret.expand(info, Length(N)).and_then(|okm| okm.fill(&mut key)).map_err(failed)?;
    Ok(key)
}

/// RFC 8291, section 3, of the receiver. Its body is one record (RFC 8188).
fn decrypt(key: &PrivateKey, public: &[u8], auth: &[u8], body: &[u8]) -> Result<Vec<u8>, Refusal> {
    let short = Refusal::Encryption("it ends in its head");
    let Some((head, rest)) = body.split_at_checked(HEAD) else { return Err(short) };
    let (salt, sizes) = head.split_at(16);
    let length = sizes.last().copied().map_or(0, usize::from);
    let Some((sender, record)) = rest.split_at_checked(length) else { return Err(short) };
    let peer = UnparsedPublicKey::new(&ECDH_P256, sender);
    let failed = Refusal::Encryption("the sender's key is none");
    let secret = agree(key, peer, failed, |shared| Ok(shared.to_vec()))?;
    let ikm: [u8; 32] = derive(auth, &secret, &[b"WebPush: info\0", public, sender])?;
    let content_key: [u8; 16] = derive(salt, &ikm, &[b"Content-Encoding: aes128gcm\0"])?;
    let nonce: [u8; 12] = derive(salt, &ikm, &[b"Content-Encoding: nonce\0"])?;
    let failed = |_| Refusal::Encryption("it is not for this subscription");
    let content_key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &content_key).map_err(failed)?);
    let mut record = record.to_vec();
    let nonce = Nonce::assume_unique_for_key(nonce);
    let plain = content_key.open_in_place(nonce, Aad::empty(), &mut record).map_err(failed)?;
    // The last record ends with a 2, and then zeroes.
    let end = plain.iter().rposition(|byte| *byte != 0).filter(|at| plain.get(*at) == Some(&2));
    let end = end.ok_or(Refusal::Encryption("it has no end"))?;
    Ok(plain.get(..end).unwrap_or_default().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> Vec<u8> {
        BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    /// RFC 8291, appendix A.
    #[test]
    fn the_example_of_the_rfc_is_decrypted() {
        let private = decode("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94");
        let public =
            decode("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4");
        let auth = decode("BTBZMqHH6r4Tts7J_aSIgg");
        let body = decode(
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3\
             jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN",
        );
        let key = PrivateKey::from_private_key(&ECDH_P256, &private).unwrap();
        let plain = decrypt(&key, &public, &auth, &body).unwrap();
        assert_eq!(plain, b"When I grow up, I want to be a watermelon");
        let mut changed = body.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(decrypt(&key, &public, &auth, &changed).is_err());
        for length in 0..body.len() {
            assert!(decrypt(&key, &public, &auth, &body[..length]).is_err(), "{length}");
        }
    }

    /// RFC 8292, section 2.4.
    #[test]
    fn the_sender_of_the_rfc_is_believed_at_its_time_and_place() {
        let sent = "vapid t=eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAi\
                    OjE0NTM1MjM3NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK\
                    2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSHzvoD1oA, k=BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK\
                    5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs";
        let (origin, now) = ("https://push.example.net", 1_453_523_768 - 3_600);
        let contact = check_sender(sent, origin, now).unwrap();
        assert_eq!(contact.as_deref(), Some("mailto:push@example.com"));
        assert!(check_sender(sent, "https://push.example.com", now).is_err());
        assert!(check_sender(sent, origin, now + 3_600).is_err());
        assert!(check_sender(sent, origin, now - 25 * 3_600).is_err());
        assert!(check_sender(&sent.replace("i3CYb7", "i3CYb8"), origin, now).is_err());
        for bad in ["", "vapid", "vapid t=a", "vapid t=a.b.c, k=d", "Bearer a", "vapid t=a, k=!"] {
            assert!(check_sender(bad, origin, now).is_err(), "{bad}");
        }
    }
}
