//! Names of keys, and the tags that bind a value to its key.

use mppeep_core::ports::cache::CacheKey;
use sha2::{Digest, Sha256};

/// Longest text that may stand in a key as it is.
const PLAIN_MAX_BYTES: usize = 80;

/// Length of a tag.
pub(crate) const TAG_BYTES: usize = 16;

/// The name of a cache entry, and what its values are bound to.
pub(crate) struct EntryKey {
    pub(crate) name: Vec<u8>,
    identity: [u8; 32],
}

impl EntryKey {
    pub(crate) fn new(prefix: &str, key: &CacheKey) -> Self {
        let identity = digest(&[
            b"cache",
            key.namespace.as_bytes(),
            &key.schema.to_le_bytes(),
            &key.epoch.to_le_bytes(),
            key.key.as_bytes(),
        ]);
        // Plain parts hold no colon, so the readable form is unambiguous; the two forms differ in their second field.
        let name = if is_plain(&key.namespace) && is_plain(&key.key) {
            format!(
                "{prefix}cache:{}:{}:{}:{}",
                key.namespace, key.schema, key.epoch, key.key
            )
        } else {
            format!("{prefix}cache::{}", hex(&identity))
        };
        Self {
            name: name.into_bytes(),
            identity,
        }
    }

    /// A tag that no other value, and no value of another key, has.
    pub(crate) fn tag(&self, value: &[u8]) -> [u8; TAG_BYTES] {
        cut(digest(&[&self.identity, value]))
    }
}

/// The name of a limit's state. Keys are addresses of people, so they are never stored in clear.
pub(crate) fn limit_name(prefix: &str, policy: &str, key: &str) -> Vec<u8> {
    let digest = digest(&[b"limit", policy.as_bytes(), key.as_bytes()]);
    format!("{prefix}limit:{}", hex(&digest)).into_bytes()
}

/// The name of a channel on the server.
pub(crate) fn channel_name(prefix: &str, channel: &str) -> String {
    format!("{prefix}channel:{channel}")
}

/// The tag of a message on a channel.
pub(crate) fn message_tag(name: &str, payload: &[u8]) -> [u8; TAG_BYTES] {
    cut(digest(&[b"message", name.as_bytes(), payload]))
}

fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= PLAIN_MAX_BYTES
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_./=,".contains(&byte))
}

/// SHA-256 over parts, each after its length.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

fn cut(digest: [u8; 32]) -> [u8; TAG_BYTES] {
    let mut tag = [0u8; TAG_BYTES];
    for (to, from) in tag.iter_mut().zip(digest) {
        *to = from;
    }
    tag
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(namespace: &str, schema: u32, epoch: i64, key: &str) -> CacheKey {
        CacheKey {
            namespace: namespace.to_owned(),
            schema,
            epoch,
            key: key.to_owned(),
        }
    }

    #[test]
    fn plain_keys_stay_readable_and_others_are_hashed() {
        let name = |k: &CacheKey| String::from_utf8(EntryKey::new("p:", k).name).unwrap();
        assert_eq!(
            name(&key("figures", 1, -7, "by-grade")),
            "p:cache:figures:1:-7:by-grade"
        );
        for odd in ["", "a b", "a:b", "é", "a\0", "a\n", "*", &"x".repeat(81)] {
            let name = name(&key("figures", 1, 7, odd));
            assert!(name.starts_with("p:cache::") && name.len() == 9 + 64, "{name}");
        }
    }

    #[test]
    fn a_tag_belongs_to_one_value_of_one_key() {
        let one = EntryKey::new("p:", &key("figures", 1, 7, "a"));
        let tags = [
            one.tag(b"v"),
            one.tag(b"w"),
            one.tag(b""),
            EntryKey::new("p:", &key("figures", 1, 8, "a")).tag(b"v"),
            EntryKey::new("p:", &key("figures", 1, 7, "b")).tag(b"v"),
        ];
        for (index, tag) in tags.iter().enumerate() {
            assert!(tags[index + 1..].iter().all(|other| other != tag));
        }
        assert_eq!(
            one.tag(b"v"),
            EntryKey::new("q:", &key("figures", 1, 7, "a")).tag(b"v")
        );
    }

    #[test]
    fn limits_never_show_whom_they_limit() {
        let name = String::from_utf8(limit_name("p:", "api", "192.0.2.7")).unwrap();
        assert!(!name.contains("192.0.2.7"));
        assert_ne!(limit_name("p:", "a", "bc"), limit_name("p:", "ab", "c"));
    }
}
