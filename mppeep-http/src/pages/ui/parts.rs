//! Badges, messages, lists, figures and the other parts of a page.

use askama::Template;

use crate::catalogue;

/// How much a message or a badge matters; gives its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tone {
    /// Nothing special.
    #[default]
    Neutral,
    /// The colour of the ministry.
    Primary,
    /// Good to know.
    Info,
    /// It went well.
    Success,
    /// Something to look at.
    Warning,
    /// Something is wrong.
    Danger,
}

impl Tone {
    /// The class of the tone.
    #[must_use]
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Neutral => "neutral",
            Self::Primary => "primary",
            Self::Info => "info",
            Self::Success => "success",
            Self::Warning => "warning",
            Self::Danger => "danger",
        }
    }

    /// The icon that goes with a message of this tone.
    #[must_use]
    pub(crate) const fn icon(self) -> &'static str {
        match self {
            Self::Success => "check",
            Self::Warning | Self::Danger => "alert",
            Self::Neutral | Self::Primary | Self::Info => "info",
        }
    }
}

/// A short word on a coloured ground.
#[derive(Debug, Clone, Template)]
#[template(
    source = r#"<span class="badge {{ tone.class() }}">{{ label }}</span>"#,
    ext = "html"
)]
pub(crate) struct Badge {
    /// What is written.
    pub(crate) label: String,
    /// Its colour.
    pub(crate) tone: Tone,
}

impl Badge {
    /// A badge with this text and tone.
    pub(crate) fn new(label: impl Into<String>, tone: Tone) -> Self {
        Self {
            label: label.into(),
            tone,
        }
    }
}

/// A message inside a page.
#[derive(Debug, Clone, Template)]
#[template(path = "components/notice.html")]
pub(crate) struct Notice {
    /// Its tone.
    pub(crate) tone: Tone,
    /// Its heading; empty for none.
    pub(crate) title: String,
    /// Its text.
    pub(crate) text: String,
    /// A link after the text: label and address.
    pub(crate) action: Option<(String, String)>,
}

/// What a list shows when it has nothing to show.
#[derive(Debug, Clone, Template)]
#[template(path = "components/empty.html")]
pub(crate) struct EmptyState {
    /// Name of an icon.
    pub(crate) icon: &'static str,
    /// What there is not.
    pub(crate) title: String,
    /// Why, or what to do.
    pub(crate) text: String,
    /// Links: label, address; the first is the main one.
    pub(crate) actions: Vec<(String, String)>,
}

/// A removable filter.
#[derive(Debug, Clone)]
pub(crate) struct Chip {
    /// Such as « Grade : A4 ».
    pub(crate) label: String,
    /// The same list without this filter.
    pub(crate) remove: String,
}

/// The active filters of a list.
#[derive(Debug, Clone, Template)]
#[template(path = "components/chips.html")]
pub(crate) struct Chips {
    /// The filters.
    pub(crate) chips: Vec<Chip>,
    /// The list without any.
    pub(crate) clear: String,
}

/// Heading of a column that can be sorted.
#[derive(Debug, Clone, Template)]
#[template(path = "components/sort_head.html")]
pub(crate) struct SortHead {
    /// The heading.
    pub(crate) label: String,
    /// The list sorted by this column, or the other way round; empty when it cannot be sorted.
    pub(crate) url: String,
    /// `ascending`, `descending`, or empty when the list is not sorted by it.
    pub(crate) sorted: &'static str,
    /// Whether it holds numbers.
    pub(crate) numeric: bool,
}

/// What is under a list: its size and the ways to the next pages.
#[derive(Debug, Clone, Template, Default)]
#[template(path = "components/pager.html")]
pub(crate) struct Pager {
    /// What is shown, such as « 1–25 sur 10 000 agents ».
    pub(crate) summary: String,
    /// The first page, when this is not it.
    pub(crate) first: Option<String>,
    /// The page before.
    pub(crate) previous: Option<String>,
    /// The next page.
    pub(crate) next: Option<String>,
    /// Page sizes: number, address, whether it is the present one.
    pub(crate) sizes: Vec<(u32, String, bool)>,
}

/// A key figure.
#[derive(Debug, Clone, Template)]
#[template(path = "components/kpi.html")]
pub(crate) struct Kpi {
    /// What is counted.
    pub(crate) label: String,
    /// The figure, formatted.
    pub(crate) value: String,
    /// A unit after it, such as « /20 »; may be empty.
    pub(crate) unit: String,
    /// A sentence under it; may be empty.
    pub(crate) hint: String,
    /// The list it counts.
    pub(crate) url: Option<String>,
    /// Warning and danger get a mark.
    pub(crate) tone: Tone,
}

impl Kpi {
    /// A figure with a label.
    pub(crate) fn new(label: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            value: value.into(),
            unit: String::new(),
            hint: String::new(),
            url: None,
            tone: Tone::Neutral,
        }
    }

    /// A whole number with a label.
    pub(crate) fn count(label: impl Into<String>, value: u64) -> Self {
        Self::new(label, catalogue::number(value))
    }

    /// Adds a unit.
    #[must_use]
    pub(crate) fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = unit.into();
        self
    }

    /// Adds a sentence.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Links the figure to the list it counts.
    #[must_use]
    pub(crate) fn link(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// Sets the tone.
    #[must_use]
    pub(crate) fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }
}

/// Tabs that are links.
#[derive(Debug, Clone, Template)]
#[template(path = "components/tabs.html")]
pub(crate) struct Tabs {
    /// What they belong to, for screen readers.
    pub(crate) label: String,
    /// The tabs.
    pub(crate) tabs: Vec<Tab>,
}

/// One tab.
#[derive(Debug, Clone)]
pub(crate) struct Tab {
    /// Its text.
    pub(crate) label: String,
    /// Its address.
    pub(crate) url: String,
    /// Whether it is the one shown.
    pub(crate) current: bool,
    /// A number beside the text.
    pub(crate) count: Option<u64>,
}

/// The steps of an assistant.
#[derive(Debug, Clone, Template)]
#[template(path = "components/steps.html")]
pub(crate) struct Steps {
    /// The names of the steps.
    pub(crate) labels: Vec<String>,
    /// Which one is shown, from 0.
    pub(crate) current: usize,
}

/// A label and what it says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fact {
    /// The label.
    pub(crate) label: String,
    /// The value; empty is shown as « — ».
    pub(crate) value: String,
    /// Where the value leads.
    pub(crate) url: Option<String>,
    /// How it was derived, shown on demand; empty for none.
    pub(crate) why: String,
    /// Why the value is not shown, such as « Réservé SDRH »; empty when it is.
    pub(crate) hidden: &'static str,
}

impl Fact {
    /// A plain fact.
    pub(crate) fn new(label: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            value: value.into(),
            ..Self::default()
        }
    }

    /// A fact the reader does not see, and why.
    pub(crate) fn hidden(label: impl Into<String>, why: &'static str) -> Self {
        Self {
            label: label.into(),
            hidden: why,
            ..Self::default()
        }
    }

    /// Links the value.
    #[must_use]
    pub(crate) fn link(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// Adds the derivation.
    #[must_use]
    pub(crate) fn why(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }
}

/// A list of facts.
#[derive(Debug, Clone, Template)]
#[template(path = "components/facts.html")]
pub(crate) struct Facts {
    /// The facts.
    pub(crate) facts: Vec<Fact>,
    /// One a line instead of a grid.
    pub(crate) rows: bool,
}

/// One event of a timeline.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// When, as shown.
    pub(crate) when: String,
    /// The same for machines (`2026-11-22`).
    pub(crate) datetime: String,
    /// What happened.
    pub(crate) title: String,
    /// More about it; may be empty.
    pub(crate) text: String,
    /// Still to come.
    pub(crate) future: bool,
}

/// Events, one under the other.
#[derive(Debug, Clone, Template)]
#[template(path = "components/timeline.html")]
pub(crate) struct Timeline {
    /// The events, in the order shown.
    pub(crate) events: Vec<Event>,
}

/// One changed value.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    /// The field, in French.
    pub(crate) field: String,
    /// The value before; empty is shown as « — ».
    pub(crate) before: String,
    /// The value after.
    pub(crate) after: String,
}

/// Values before and after.
#[derive(Debug, Clone, Template)]
#[template(path = "components/diff.html")]
pub(crate) struct Diff {
    /// The changes.
    pub(crate) changes: Vec<Change>,
    /// Heading of the « before » column.
    pub(crate) before: String,
    /// Heading of the « after » column.
    pub(crate) after: String,
}
