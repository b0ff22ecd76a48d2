//! The number by which an agent is known.

use crate::domain::text;
use crate::domain::validation::Rule;

/// The number by which the State knows an agent: upper case, trimmed, unique whatever the case.
/// Read from a cache it is taken as it was stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Matricule(String);

impl Matricule {
    /// Reads a matricule that matches `pattern`.
    ///
    /// # Errors
    /// `Required`, `BadCharacters` or `Format`.
    pub fn parse(text: &str, pattern: &MatriculePattern) -> Result<Self, Rule> {
        let upper = text::line(text, 40)?.to_uppercase();
        if pattern.matches(&upper) {
            Ok(Self(upper))
        } else {
            Err(Rule::Format {
                expected: pattern.as_str().to_owned(),
            })
        }
    }

    /// A matricule as it was stored: it was valid under the pattern of its day.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Matricule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The form a matricule must have, as a regular expression over the whole text; a setting.
#[derive(Debug, Clone)]
pub struct MatriculePattern {
    source: String,
    compiled: regex_lite::Regex,
}

impl PartialEq for MatriculePattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl MatriculePattern {
    /// The pattern until an administrator sets another.
    pub const DEFAULT: &'static str = "[A-Z0-9-]{2,20}";

    /// Compiles a pattern.
    ///
    /// # Errors
    /// `Format` when it is not a regular expression, `TooLong` over 100 characters.
    pub fn new(source: &str) -> Result<Self, Rule> {
        let source = text::line(source, 100)?;
        let compiled = regex_lite::RegexBuilder::new(&format!("^(?:{source})$"))
            .size_limit(1 << 20)
            .build()
            .map_err(|_| Rule::Format {
                expected: Self::DEFAULT.to_owned(),
            })?;
        Ok(Self { source, compiled })
    }

    /// Its source.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    fn matches(&self, text: &str) -> bool {
        self.compiled.is_match(text)
    }
}
