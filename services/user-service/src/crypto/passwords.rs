//! Hashes of passwords (Argon2id, RFC 9106). One takes tens of milliseconds and megabytes, so there are never more at a time
//! than there are cores, and few wait: a service that takes in more logins than it can hash serves nobody.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use aws_lc_rs::rand;
use flotilla_kit::Secret;
use tokio::{sync::Semaphore, task::spawn_blocking};

use super::{Unable, memory::Memory};

/// Bytes of a salt.
const SALT: usize = 16;

/// What a hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

/// Why nothing was hashed.
#[derive(Debug, thiserror::Error)]
pub enum Busy {
    /// Too many wait already.
    #[error("too many passwords wait to be checked")]
    Full,
    /// The hash could not be made or read.
    #[error("a password cannot be hashed")]
    Unable(#[from] Unable),
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is not the password.
    Wrong,
    /// It is.
    Right {
        /// The hash was made at another cost than is paid now.
        is_outdated: bool,
    },
}

/// Hashes passwords and checks them.
#[derive(Clone, Debug)]
pub struct Passwords {
    cost: Cost,
    params: Params,
    memory: Memory,
    running: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    queue: usize,
    /// What is checked for somebody who is not there, so that it takes as long.
    nobody: Arc<str>,
}

impl Passwords {
    /// At this cost, so many at a time, while so many more wait.
    pub fn new(cost: Cost, at_a_time: usize, queue: usize) -> Result<Self, Unable> {
        let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, None).map_err(|_| Unable)?;
        // As no password is known of which it is the hash, it need not be one.
        let mut unknown = [0; Params::DEFAULT_OUTPUT_LEN];
        rand::fill(&mut unknown)?;
        let nobody = text(&params, &salt()?, Output::new(&unknown).map_err(|_| Unable)?)?.into();
        let (memory, running, waiting) =
            (Memory::default(), Arc::new(Semaphore::new(at_a_time)), Arc::default());
        Ok(Self { cost, params, memory, running, waiting, queue: at_a_time.saturating_add(queue), nobody })
    }

    /// The hash to keep of a password.
    pub async fn hash(&self, password: &Secret<String>) -> Result<String, Busy> {
        let (memory, params, password) = (self.memory.clone(), self.params.clone(), password.clone());
        self.run(move || hash(&memory, &params, password.expose().as_bytes())).await
    }

    /// Whether a password is the one that a hash was made of. With none it is never, and takes as long.
    pub async fn verify(&self, password: &Secret<String>, known: Option<&str>) -> Result<Verdict, Busy> {
        let text = known.map_or_else(|| Arc::clone(&self.nobody), Arc::from);
        let (memory, password, cost, is_known) =
            (self.memory.clone(), password.clone(), self.cost, known.is_some());
        self.run(move || {
            let hash = PasswordHash::new(&text).map_err(|_| Unable)?;
            let params = Params::try_from(&hash).map_err(|_| Unable)?;
            let (salt, known) = hash.salt.zip(hash.hash).ok_or(Unable)?;
            let is_right = output(&memory, &params, password.expose().as_bytes(), &salt)? == known;
            if !is_right || !is_known {
                return Ok(Verdict::Wrong);
            }
            let paid = Cost { memory_kib: params.m_cost(), passes: params.t_cost(), lanes: params.p_cost() };
            Ok(Verdict::Right { is_outdated: paid != cost })
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Unable> + Send + 'static,
    ) -> Result<T, Busy> {
        let _place = Place::take(&self.waiting, self.queue).ok_or(Busy::Full)?;
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| Unable)?;
        let memory = self.memory.clone();
        // It goes on when whoever asked has gone, and counts for as long.
        let done = spawn_blocking(move || {
            let result = work();
            drop(running);
            memory.watch();
            result
        });
        Ok(done.await.map_err(|_| Unable)??)
    }
}

/// A place among those who wait or run.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(waiting: &Arc<AtomicUsize>, limit: usize) -> Option<Self> {
        let more = |count| (count < limit).then_some(count + 1);
        waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Self(Arc::clone(waiting)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn hash(memory: &Memory, params: &Params, password: &[u8]) -> Result<String, Unable> {
    let salt = salt()?;
    text(params, &salt, output(memory, params, password, &salt)?)
}

fn salt() -> Result<Salt, Unable> {
    let mut salt = [0; SALT];
    rand::fill(&mut salt)?;
    Salt::new(&salt).map_err(|_| Unable)
}

/// A hash as it is kept.
fn text(params: &Params, salt: &Salt, output: Output) -> Result<String, Unable> {
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).map_err(|_| Unable)?,
        salt: Some(*salt),
        hash: Some(output),
    };
    Ok(hash.to_string())
}

/// What is kept of a password. It is compared in a time that tells nothing.
fn output(memory: &Memory, params: &Params, password: &[u8], salt: &Salt) -> Result<Output, Unable> {
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let mut bytes = [0; Output::MAX_LENGTH];
    let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
    let bytes = bytes.get_mut(..length).ok_or(Unable)?;
    memory
        .with(params.block_count(), |blocks| {
            argon.hash_password_into_with_memory(password, salt, bytes, blocks)
        })
        .map_err(|_| Unable)?;
    Output::new(bytes).map_err(|_| Unable)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };

    fn password(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[tokio::test]
    async fn a_password_is_known_by_its_hash_and_an_old_hash_is_told() {
        let passwords = Passwords::new(CHEAP, 1, 10).unwrap();
        let hash = passwords.hash(&password("correct horse")).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        let verify =
            async |passwords: &Passwords, text| passwords.verify(&password(text), Some(&hash)).await.unwrap();
        assert_eq!(verify(&passwords, "correct horse").await, Verdict::Right { is_outdated: false });
        assert_eq!(verify(&passwords, "correct house").await, Verdict::Wrong);
        let dearer = Passwords::new(Cost { memory_kib: 128, ..CHEAP }, 1, 10).unwrap();
        assert_eq!(verify(&dearer, "correct horse").await, Verdict::Right { is_outdated: true });
        assert_eq!(dearer.verify(&password("correct horse"), None).await.unwrap(), Verdict::Wrong);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn few_wait_and_the_others_are_told_at_once() {
        let dear = Cost { memory_kib: 16 * 1024, passes: 2, lanes: 1 };
        let passwords = Passwords::new(dear, 1, 2).unwrap();
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let passwords = passwords.clone();
                tokio::spawn(async move { passwords.hash(&password("correct horse")).await })
            })
            .collect();
        let (mut done, mut refused) = (0, 0);
        for task in tasks {
            match task.await.unwrap() {
                Ok(_hash) => done += 1,
                Err(Busy::Full) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert!((3..20).contains(&done), "{done}");
        assert_eq!(done + refused, 20);
        // All places are free again.
        passwords.hash(&password("correct horse")).await.unwrap();
    }
}
