//! Pages of lists, by keyset cursor or by number.

/// The value a list is sorted by, at the last row of a page.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum SortValue {
    /// A number (instants as microseconds, marks as hundredths).
    Integer(i64),
    /// Text.
    Text(String),
}

/// Where a page starts: after the row of that sort value and identifier.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Cursor {
    /// The sort value of the last row seen.
    pub value: SortValue,
    /// Its identifier, which breaks ties.
    pub id: uuid::Uuid,
}

impl Cursor {
    /// The cursor as opaque text for addresses.
    pub fn encode(&self) -> String {
        use base64::Engine;
        let json = serde_json::to_vec(self).unwrap_or_default();
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json)
    }

    /// Reads a cursor that [`Cursor::encode`] made.
    pub fn decode(text: &str) -> Option<Self> {
        use base64::Engine;
        if text.len() > 2_000 {
            return None;
        }
        let json = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(text)
            .ok()?;
        serde_json::from_slice(&json).ok()
    }
}

/// The start of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PageStart {
    /// The first row.
    #[default]
    First,
    /// The row after a cursor.
    After(Cursor),
    /// The row of that number, from 0.
    Offset(u32),
}

/// A page asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// Rows at most; none asks for the total alone.
    pub limit: u32,
    /// Where it starts.
    pub start: PageStart,
}

impl PageRequest {
    /// The first `limit` rows.
    pub fn first(limit: u32) -> Self {
        Self {
            limit,
            start: PageStart::First,
        }
    }

    /// No row: only how many there are.
    pub fn total_only() -> Self {
        Self::first(0)
    }
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Page<T> {
    /// Its rows.
    pub rows: Vec<T>,
    /// Rows of the whole list.
    pub total: u64,
    /// Where the next page starts, if there is one.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// A page of other rows at the same place.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        Page {
            rows: self.rows.into_iter().map(convert).collect(),
            total: self.total,
            next: self.next,
        }
    }
}
