//! Password hashing for mppeep: argon2id for what is stored, and bcrypt hashes of an older system accepted at login.
//!
//! It implements the core's [`PasswordHasher`] and knows nothing of accounts. The work runs on blocking threads, never
//! more at once than the machine has processors, so that a crowd at the login page takes neither the runtime nor the
//! memory.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use async_trait::async_trait;
use mppeep_core::ports::error::{BackendError, BoxError};
use mppeep_core::ports::password::{PasswordHasher, Verified};
use tokio::sync::Semaphore;

const ADAPTER: &str = "password";

/// Memory in KiB, passes and lanes (OWASP Password Storage Cheat Sheet, 2025).
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Hashes that ask for more than this are not ours and not computed.
const MOST_MEMORY_KIB: u32 = 256 * 1024;
const MOST_PASSES: u32 = 16;
const MOST_BCRYPT_COST: u32 = 15;

/// What bcrypt looks at.
const BCRYPT_BYTES: usize = 72;

/// Blocks are taken in one piece above 32 MiB, the size from which on the system's allocator always gives memory back.
/// What is not used of it is never touched.
const LEAST_CAPACITY: usize = 33 * 1024;

/// How long a caller waits for a free worker.
const PATIENCE: Duration = Duration::from_secs(15);

/// Hashes with argon2id, verifies argon2id and bcrypt.
#[derive(Debug, Clone)]
pub struct Argon2Hasher {
    workers: Arc<Semaphore>,
}

impl Default for Argon2Hasher {
    /// As many workers as processors.
    fn default() -> Self {
        Self::new(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
    }
}

impl Argon2Hasher {
    /// A hasher that computes at most `workers` hashes at once; each takes 19 MiB while it runs.
    pub fn new(workers: usize) -> Self {
        Self {
            workers: Arc::new(Semaphore::new(workers.max(1))),
        }
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, BackendError> + Send + 'static,
    ) -> Result<T, BackendError> {
        let waiting = Arc::clone(&self.workers).acquire_owned();
        let permit = match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(closed)) => return Err(unavailable(closed)),
            Err(elapsed) => return Err(unavailable(elapsed)),
        };
        // The permit goes with the work: a caller that gives up does not free a worker that is still busy.
        let task = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(permit);
            result
        });
        task.await.map_err(unavailable)?
    }
}

#[async_trait]
impl PasswordHasher for Argon2Hasher {
    async fn hash(&self, password: &str) -> Result<String, BackendError> {
        let password = password.to_owned();
        self.work(move || {
            let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(failed)?;
            let salt = Salt::generate();
            let output = derive(
                Algorithm::Argon2id,
                Version::V0x13,
                params.clone(),
                &password,
                &salt,
            )?;
            let hash = PasswordHash {
                algorithm: Algorithm::Argon2id.ident(),
                version: Some(Version::V0x13.into()),
                params: ParamsString::try_from(&params).map_err(failed)?,
                salt: Some(salt),
                hash: Some(output),
            };
            Ok(hash.to_string())
        })
        .await
    }

    async fn verify(&self, password: &str, hash: Option<&str>) -> Result<Verified, BackendError> {
        let password = password.to_owned();
        let hash = hash.map(str::to_owned);
        self.work(move || match hash.as_deref() {
            Some(hash) if is_bcrypt(hash) => Ok(verify_bcrypt(&password, hash)),
            Some(hash) => match PasswordHash::new(hash) {
                Ok(parsed) => verify_argon2(&password, &parsed),
                Err(_) => burn(&password),
            },
            None => burn(&password),
        })
        .await
    }
}

/// The work of one verification for nothing, so that time does not tell.
fn burn(password: &str) -> Result<Verified, BackendError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(failed)?;
    let salt = Salt::new(b"nobody's salt").map_err(failed)?;
    derive(Algorithm::Argon2id, Version::V0x13, params, password, &salt)?;
    Ok(Verified::Wrong)
}

fn verify_argon2(password: &str, parsed: &PasswordHash) -> Result<Verified, BackendError> {
    let (Ok(algorithm), Some(salt), Some(expected)) = (
        Algorithm::try_from(parsed.algorithm.as_str()),
        parsed.salt.as_ref(),
        parsed.hash.as_ref(),
    ) else {
        return burn(password);
    };
    let version = match parsed.version.map(Version::try_from) {
        None => Version::V0x10,
        Some(Ok(version)) => version,
        Some(Err(_)) => return burn(password),
    };
    let Ok(params) = Params::try_from(parsed) else {
        return burn(password);
    };
    if params.m_cost() > MOST_MEMORY_KIB || params.t_cost() > MOST_PASSES {
        return burn(password);
    }
    let current = algorithm == Algorithm::Argon2id
        && version == Version::V0x13
        && (params.m_cost(), params.t_cost(), params.p_cost()) == (MEMORY_KIB, PASSES, LANES);
    // `Output` compares in constant time.
    if derive(algorithm, version, params, password, salt)? != *expected {
        return Ok(Verified::Wrong);
    }
    Ok(if current {
        Verified::Right
    } else {
        Verified::RightNeedsRehash
    })
}

fn derive(
    algorithm: Algorithm,
    version: Version,
    params: Params,
    password: &str,
    salt: &Salt,
) -> Result<Output, BackendError> {
    let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
    let blocks = params.block_count();
    let mut memory: Vec<Block> = Vec::with_capacity(blocks.max(LEAST_CAPACITY));
    memory.resize(blocks, Block::new());
    let argon2 = Argon2::new(algorithm, version, params);
    let mut out = vec![0; length];
    argon2
        .hash_password_into_with_memory(password.as_bytes(), salt, &mut out, &mut memory[..])
        .map_err(failed)?;
    Output::new(&out).map_err(failed)
}

/// `$2a$`, `$2b$` or `$2y$`, at a cost that is not out of proportion.
fn is_bcrypt(hash: &str) -> bool {
    let parts = hash.strip_prefix("$2").and_then(|rest| rest.split_once('$'));
    let Some((variant, rest)) = parts else {
        return false;
    };
    let cost = rest.split('$').next().and_then(|cost| cost.parse::<u32>().ok());
    matches!(variant, "a" | "b" | "y") && cost.is_some_and(|cost| cost <= MOST_BCRYPT_COST)
}

/// A password of more than 72 bytes is wrong here: bcrypt would not look at the rest of it.
fn verify_bcrypt(password: &str, hash: &str) -> Verified {
    if password.len() > BCRYPT_BYTES {
        return Verified::Wrong;
    }
    match bcrypt::verify(password, hash) {
        Ok(true) => Verified::RightNeedsRehash,
        Ok(false) | Err(_) => Verified::Wrong,
    }
}

fn unavailable(source: impl Into<BoxError>) -> BackendError {
    BackendError::Unavailable {
        adapter: ADAPTER,
        source: Some(source.into()),
    }
}

fn failed(error: impl std::fmt::Display) -> BackendError {
    BackendError::Other {
        adapter: ADAPTER,
        source: error.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_opens_its_own_hash_only() {
        let hasher = Argon2Hasher::new(2);
        let hash = hasher.hash("mot de passe à retenir").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, hasher.hash("mot de passe à retenir").await.unwrap());
        assert_eq!(
            hasher
                .verify("mot de passe à retenir", Some(&hash))
                .await
                .unwrap(),
            Verified::Right
        );
        for wrong in [
            "",
            "mot de passe à retenir ",
            "mot de passe à reteni",
            "Mot de passe à retenir",
        ] {
            assert_eq!(
                hasher.verify(wrong, Some(&hash)).await.unwrap(),
                Verified::Wrong,
                "{wrong:?}"
            );
        }
    }

    #[tokio::test]
    async fn long_passwords_count_whole() {
        let hasher = Argon2Hasher::new(2);
        let long = "a".repeat(128);
        let hash = hasher.hash(&long).await.unwrap();
        assert_eq!(hasher.verify(&long, Some(&hash)).await.unwrap(), Verified::Right);
        let mut other = long.clone();
        other.replace_range(72..73, "b");
        assert_eq!(hasher.verify(&other, Some(&hash)).await.unwrap(), Verified::Wrong);
    }

    #[tokio::test]
    async fn another_library_s_hash_is_understood_and_renewed() {
        let hasher = Argon2Hasher::new(2);
        let weaker = Argon2::new(
            Algorithm::Argon2id,
            Version::V0x13,
            Params::new(8192, 1, 1, None).unwrap(),
        );
        let hash = argon2::PasswordHasher::hash_password(&weaker, b"secret")
            .unwrap()
            .to_string();
        assert_eq!(
            hasher.verify("secret", Some(&hash)).await.unwrap(),
            Verified::RightNeedsRehash
        );
        assert_eq!(
            hasher.verify("Secret", Some(&hash)).await.unwrap(),
            Verified::Wrong
        );
        let usual = Argon2::new(
            Algorithm::Argon2id,
            Version::V0x13,
            Params::new(19_456, 2, 1, None).unwrap(),
        );
        let hash = argon2::PasswordHasher::hash_password(&usual, b"secret")
            .unwrap()
            .to_string();
        assert_eq!(
            hasher.verify("secret", Some(&hash)).await.unwrap(),
            Verified::Right
        );
    }

    #[tokio::test]
    async fn bcrypt_hashes_open_and_ask_for_a_new_one() {
        let hasher = Argon2Hasher::new(2);
        let parts = bcrypt::hash_with_result("ancien", 5).unwrap();
        for version in [
            bcrypt::Version::TwoA,
            bcrypt::Version::TwoB,
            bcrypt::Version::TwoY,
        ] {
            let hash = parts.format_for_version(version);
            assert_eq!(
                hasher.verify("ancien", Some(&hash)).await.unwrap(),
                Verified::RightNeedsRehash,
                "{hash}"
            );
            assert_eq!(
                hasher.verify("autre", Some(&hash)).await.unwrap(),
                Verified::Wrong,
                "{hash}"
            );
        }
        let long = "x".repeat(72);
        let hash = bcrypt::hash(&long, 5).unwrap();
        assert_eq!(
            hasher.verify(&long, Some(&hash)).await.unwrap(),
            Verified::RightNeedsRehash
        );
        assert_eq!(
            hasher.verify(&format!("{long}y"), Some(&hash)).await.unwrap(),
            Verified::Wrong
        );
    }

    #[tokio::test]
    async fn what_is_no_hash_opens_nothing() {
        let hasher = Argon2Hasher::new(2);
        for hash in [
            None,
            Some(""),
            Some("plain"),
            Some("$2b$31$abcdefghijklmnopqrstuuAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            Some("$2b$05$short"),
            Some("$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAA"),
            Some("$scrypt$ln=1$c29tZXNhbHQ$AAAA"),
        ] {
            assert_eq!(
                hasher.verify("", hash).await.unwrap(),
                Verified::Wrong,
                "{hash:?}"
            );
            assert_eq!(
                hasher.verify("plain", hash).await.unwrap(),
                Verified::Wrong,
                "{hash:?}"
            );
        }
    }

    #[tokio::test]
    async fn workers_are_bounded() {
        let hasher = Argon2Hasher::new(1);
        let held = Arc::clone(&hasher.workers).acquire_owned().await.unwrap();
        let waiting = tokio::spawn({
            let hasher = hasher.clone();
            async move { hasher.verify("x", None).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(held);
        assert_eq!(waiting.await.unwrap().unwrap(), Verified::Wrong);
    }
}
