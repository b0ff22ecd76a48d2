//! What is wrong with an input, by field, as codes that the catalogues put into words.

use std::fmt;

/// One rule that a value breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// A value is needed.
    Required,
    /// Fewer characters than `min`.
    TooShort {
        /// The least number of characters.
        min: usize,
    },
    /// More characters than `max`.
    TooLong {
        /// The greatest number of characters.
        max: usize,
    },
    /// Control characters, or characters that cannot be stored.
    BadCharacters,
    /// Not of the expected form; the text is a pattern or an example.
    Format {
        /// What was expected, for instance a pattern or `2026-12-31`.
        expected: String,
    },
    /// Outside `min` to `max`.
    OutOfRange {
        /// The least value, as text.
        min: String,
        /// The greatest value, as text.
        max: String,
    },
    /// Not one of the known values; `nearest` are the ones that look alike.
    Unknown {
        /// Known values that resemble the one given.
        nearest: Vec<String>,
    },
    /// Must come after (or on, if `or_equal`) the date in another field.
    MustFollow {
        /// The other field's code.
        other: &'static str,
        /// Whether the same day is right.
        or_equal: bool,
    },
    /// Lies in the future.
    InFuture,
    /// Already used by another record.
    Taken,
    /// On the list of common passwords, or made of the account's own words.
    TooCommon,
    /// Does not agree with another field.
    Mismatch {
        /// The other field's code.
        other: &'static str,
    },
    /// No day of the period counts in this counting mode.
    NoDayCounted,
    /// Cannot be changed by this person.
    NotAllowed,
    /// The name of the file announces none of the accepted types.
    FileType {
        /// Ends of names that are accepted, without their dot.
        accepted: Vec<String>,
    },
    /// The content of the file is not what its name announces.
    FileContent {
        /// Code of what it seems to be, if that is known.
        found: Option<&'static str>,
    },
    /// The file is empty.
    EmptyFile,
    /// The content of the file cannot be read.
    Unreadable,
    /// Still in use, by that many records.
    InUse {
        /// How many.
        count: u64,
    },
}

impl Rule {
    /// A stable English code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::TooShort { .. } => "too-short",
            Self::TooLong { .. } => "too-long",
            Self::BadCharacters => "bad-characters",
            Self::Format { .. } => "format",
            Self::OutOfRange { .. } => "out-of-range",
            Self::Unknown { .. } => "unknown",
            Self::MustFollow { .. } => "must-follow",
            Self::InFuture => "in-future",
            Self::Taken => "taken",
            Self::TooCommon => "too-common",
            Self::Mismatch { .. } => "mismatch",
            Self::NoDayCounted => "no-day-counted",
            Self::NotAllowed => "not-allowed",
            Self::FileType { .. } => "file-type",
            Self::FileContent { .. } => "file-content",
            Self::EmptyFile => "empty-file",
            Self::Unreadable => "unreadable",
            Self::InUse { .. } => "in-use",
        }
    }
}

/// A rule broken by one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Code of the field, as the API names it.
    pub field: String,
    /// The rule.
    pub rule: Rule,
}

/// Everything wrong with an input; never empty when returned as an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Violations(pub Vec<Violation>);

impl Violations {
    /// One violation.
    pub fn one(field: impl Into<String>, rule: Rule) -> Self {
        Self(vec![Violation {
            field: field.into(),
            rule,
        }])
    }

    /// Notes a violation.
    pub fn push(&mut self, field: impl Into<String>, rule: Rule) {
        self.0.push(Violation {
            field: field.into(),
            rule,
        });
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `value` if nothing is wrong.
    ///
    /// # Errors
    /// The violations.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }

    /// The value of `result`, or its broken rule noted for `field`.
    pub fn take<T>(&mut self, field: &str, result: Result<T, Rule>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(rule) => {
                self.push(field, rule);
                None
            }
        }
    }
}

impl fmt::Display for Violations {
    /// Fields and codes only: values may be personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, violation) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{}: {}", violation.field, violation.rule.code())?;
        }
        Ok(())
    }
}

impl std::error::Error for Violations {}
