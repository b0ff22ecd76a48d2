//! Addresses with a query, and initials.

use std::fmt::Write as _;

/// The query of an address: pairs in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// No pairs.
    #[must_use]
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The same with one more pair; a value that is empty is left out.
    #[must_use]
    pub(crate) fn and(mut self, name: &str, value: impl Into<String>) -> Self {
        let value = value.into();
        if !value.is_empty() {
            self.0.push((name.to_owned(), value));
        }
        self
    }

    /// The same with `value` as the only one of `name`.
    #[must_use]
    pub(crate) fn set(&self, name: &str, value: impl Into<String>) -> Self {
        self.without(name).and(name, value)
    }

    /// The same without any `name`.
    #[must_use]
    pub(crate) fn without(&self, name: &str) -> Self {
        Self(self.0.iter().filter(|(key, _)| key != name).cloned().collect())
    }

    /// The pairs.
    #[must_use]
    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// The address `path` with this query.
    #[must_use]
    pub(crate) fn url(&self, path: &str) -> String {
        let mut url = path.to_owned();
        for (index, (name, value)) in self.0.iter().enumerate() {
            url.push(if index == 0 { '?' } else { '&' });
            encode(&mut url, name);
            url.push('=');
            encode(&mut url, value);
        }
        url
    }
}

/// Writes `text` as it goes in a query.
fn encode(url: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
}

/// The initials of a name, for an avatar.
#[must_use]
pub(crate) fn initials(given_names: &str, family_name: &str) -> String {
    [given_names, family_name]
        .iter()
        .filter_map(|name| name.chars().next())
        .flat_map(char::to_uppercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_escapes_what_it_carries() {
        let query = Query::new()
            .and("q", "Koné & fils")
            .and("page", "")
            .and("sort", "-name");
        assert_eq!(query.url("/p"), "/p?q=Kon%C3%A9%20%26%20fils&sort=-name");
        assert_eq!(query.set("sort", "grade").without("q").url("/p"), "/p?sort=grade");
    }
}
