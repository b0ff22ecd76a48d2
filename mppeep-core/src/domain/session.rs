//! Session tokens and sessions.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::id::UserId;
use crate::ports::clock::Entropy;

/// Number of shards that users are spread over; the shard names the cache namespace of their sessions.
pub const SHARDS: u8 = 100;

/// How long a session lives from its login. It does not slide.
pub const LIFETIME: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 3600);

/// The secret that opens a session: `sess_<shard>_<43 base64url characters>`, 256 random bits. It exists in the cookie
/// only; stores hold its digest.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken(String);

impl SessionToken {
    /// A new token for a user.
    pub fn generate(user: UserId, entropy: &dyn Entropy) -> Self {
        let mut bits = [0u8; 32];
        entropy.fill(&mut bits);
        Self(format!(
            "sess_{:02}_{}",
            shard_of(user),
            URL_SAFE_NO_PAD.encode(bits)
        ))
    }

    /// Reads a cookie's value; anything of another form is no token.
    pub fn parse(text: &str) -> Option<Self> {
        let (shard, secret) = text.strip_prefix("sess_")?.split_once('_')?;
        let digits = shard.len() == 2 && shard.bytes().all(|b| b.is_ascii_digit());
        let well_formed = secret.len() == 43 && URL_SAFE_NO_PAD.decode(secret).is_ok();
        (digits && well_formed).then(|| Self(text.to_owned()))
    }

    /// The token's text, for the cookie only.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What stores know it by.
    pub fn key(&self) -> SessionKey {
        let shard = self.0.get(5..7).and_then(|digits| digits.parse().ok());
        SessionKey(Sha256::digest(self.0.as_bytes()).into(), shard.unwrap_or(0))
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(…)")
    }
}

/// The SHA-256 digest of a token, with the shard that the token names. The shard is part of what was digested: a token
/// that names another opens nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionKey(pub [u8; 32], u8);

impl SessionKey {
    /// The shard of the session's user.
    pub const fn shard(&self) -> u8 {
        self.1
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(…)")
    }
}

/// The shard of a user.
pub fn shard_of(user: UserId) -> u8 {
    let digest = Sha256::digest(user.as_uuid().as_bytes());
    digest.first().copied().unwrap_or(0) % SHARDS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::clock::SeededEntropy;

    #[test]
    fn tokens_are_read_back_and_nothing_else_is() {
        let user = UserId::from_uuid(uuid::Uuid::from_u128(7));
        let token = SessionToken::generate(user, &SeededEntropy::new(1));
        assert_eq!(token.expose().len(), 51);
        assert_eq!(token.key().shard(), shard_of(user));
        assert_eq!(SessionToken::parse(token.expose()), Some(token.clone()));
        assert!(!format!("{token:?}{:?}", token.key()).contains(&token.expose()[8..20]));
        for text in [
            "",
            "sess_00_",
            "sess_0_x",
            &token.expose()[1..],
            &format!("{}A", token.expose()),
        ] {
            assert_eq!(SessionToken::parse(text), None, "{text}");
        }
        let other = SessionToken::generate(user, &SeededEntropy::new(2));
        assert_ne!(token.key(), other.key());
    }
}
