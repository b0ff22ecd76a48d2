//! The parts that pages are made of. Each is a small template of its own: a page builds the value and writes
//! `{{ part|safe }}` where it goes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use askama::Template;

pub(crate) use super::icons::icon;
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
        Self { label: label.into(), tone }
    }
}

/// One choice of a list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Choice {
    /// What is sent.
    pub(crate) value: String,
    /// What is read.
    pub(crate) label: String,
    /// The heading under which it is listed; empty for none.
    pub(crate) group: String,
    /// The value this choice depends on in a list above it (for cascades); empty for none.
    pub(crate) parent: String,
}

impl Choice {
    /// A choice without heading.
    pub(crate) fn new(value: impl Into<String>, label: impl Into<String>) -> Self {
        Self { value: value.into(), label: label.into(), ..Self::default() }
    }

    /// Lists the choice under a heading.
    #[must_use]
    pub(crate) fn in_group(mut self, group: impl Into<String>) -> Self {
        self.group = group.into();
        self
    }

    /// Ties the choice to a value of another list.
    #[must_use]
    pub(crate) fn under(mut self, parent: impl Into<String>) -> Self {
        self.parent = parent.into();
        self
    }
}

/// What a field is.
#[derive(Debug, Clone)]
pub(crate) enum FieldKind {
    /// An `<input>` of this type.
    Input(&'static str),
    /// Several lines.
    Textarea(u8),
    /// A list; the text of its empty choice, if it has one.
    Select {
        /// The empty choice, such as « Choisir… ».
        empty: Option<String>,
        /// The choices, in order; those of one group follow each other.
        choices: Vec<Choice>,
    },
    /// One box to tick, sent as `1`.
    Checkbox,
    /// One choice of several, all visible.
    Radio(Vec<Choice>),
}

/// A form field with its label, its help and its error.
#[derive(Debug, Clone, Template)]
#[template(path = "components/field.html")]
pub(crate) struct Field {
    /// Name in the form, and end of its identifier in the page (`f-name`).
    pub(crate) name: String,
    /// The label.
    pub(crate) label: String,
    /// What it is.
    pub(crate) kind: FieldKind,
    /// The value shown.
    pub(crate) value: String,
    /// Whether it must be filled.
    pub(crate) required: bool,
    /// A sentence under the label.
    pub(crate) help: String,
    /// What is wrong; empty when nothing is.
    pub(crate) error: String,
    /// Class for the width on a wide screen: `w2`, `w3`, `w4`, `w8`, `w12`, or empty for half.
    pub(crate) width: &'static str,
    /// Shown after the input, such as « /20 ».
    pub(crate) suffix: String,
    /// More attributes, by name. The names are written as they are: never take them from a request.
    pub(crate) attributes: Vec<(&'static str, String)>,
    /// Class of the input itself: `short`, `mark`.
    pub(crate) input_class: &'static str,
}

impl Field {
    /// A field of any kind.
    pub(crate) fn new(name: impl Into<String>, label: impl Into<String>, kind: FieldKind) -> Self {
        Self {
            name: name.into(),
            label: label.into(),
            kind,
            value: String::new(),
            required: false,
            help: String::new(),
            error: String::new(),
            width: "",
            suffix: String::new(),
            attributes: Vec::new(),
            input_class: "",
        }
    }

    /// One line of text.
    pub(crate) fn text(name: impl Into<String>, label: impl Into<String>) -> Self {
        Self::new(name, label, FieldKind::Input("text"))
    }

    /// An input of this HTML type.
    pub(crate) fn input(kind: &'static str, name: impl Into<String>, label: impl Into<String>) -> Self {
        Self::new(name, label, FieldKind::Input(kind))
    }

    /// A date.
    pub(crate) fn date(name: impl Into<String>, label: impl Into<String>) -> Self {
        Self::new(name, label, FieldKind::Input("date"))
    }

    /// A number.
    pub(crate) fn number(name: impl Into<String>, label: impl Into<String>) -> Self {
        Self::new(name, label, FieldKind::Input("number"))
    }

    /// Several lines of text.
    pub(crate) fn textarea(name: impl Into<String>, label: impl Into<String>) -> Self {
        Self::new(name, label, FieldKind::Textarea(4)).wide()
    }

    /// A list to choose from.
    pub(crate) fn select(
        name: impl Into<String>,
        label: impl Into<String>,
        empty: Option<&str>,
        choices: Vec<Choice>,
    ) -> Self {
        Self::new(name, label, FieldKind::Select { empty: empty.map(str::to_owned), choices })
    }

    /// A box to tick; `checked` gives its state.
    pub(crate) fn checkbox(name: impl Into<String>, label: impl Into<String>, checked: bool) -> Self {
        Self::new(name, label, FieldKind::Checkbox).value(if checked { "1" } else { "" })
    }

    /// Sets the value.
    #[must_use]
    pub(crate) fn value(mut self, value: impl Into<String>) -> Self {
        self.value = value.into();
        self
    }

    /// It must be filled.
    #[must_use]
    pub(crate) fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Adds a sentence of help.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// Shows the error of this field, if `errors` has one.
    #[must_use]
    pub(crate) fn errors(mut self, errors: &FormErrors) -> Self {
        if let Some(message) = errors.get(&self.name) {
            message.clone_into(&mut self.error);
        }
        self
    }

    /// Sets the width class.
    #[must_use]
    pub(crate) fn width(mut self, width: &'static str) -> Self {
        self.width = width;
        self
    }

    /// The whole line.
    #[must_use]
    pub(crate) fn wide(self) -> Self {
        self.width("w12")
    }

    /// Text after the input.
    #[must_use]
    pub(crate) fn suffix(mut self, suffix: impl Into<String>) -> Self {
        self.suffix = suffix.into();
        self
    }

    /// Adds an attribute to the input.
    #[must_use]
    pub(crate) fn attribute(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }

    /// Sets the class of the input.
    #[must_use]
    pub(crate) fn input_class(mut self, class: &'static str) -> Self {
        self.input_class = class;
        self
    }

    /// The identifiers of what describes the input, for `aria-describedby`.
    fn described_by(&self) -> String {
        let mut ids = String::new();
        if !self.help.is_empty() {
            let _ = write!(ids, "f-{}-help", self.name);
        }
        if !self.error.is_empty() {
            if !ids.is_empty() {
                ids.push(' ');
            }
            let _ = write!(ids, "f-{}-error", self.name);
        }
        ids
    }

    /// The choices of a list by heading, in order.
    fn groups<'a>(&self, choices: &'a [Choice]) -> Vec<(&'a str, &'a [Choice])> {
        choices.chunk_by(|a, b| a.group == b.group).map(|run| (run[0].group.as_str(), run)).collect()
    }
}

/// What is wrong in a form, by field. Messages are in French and end without a full stop.
#[derive(Debug, Clone, Default)]
pub(crate) struct FormErrors(BTreeMap<String, String>);

impl FormErrors {
    /// No errors.
    #[must_use]
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds an error; the first one of a field stays.
    pub(crate) fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.entry(field.into()).or_insert_with(|| message.into());
    }

    /// The error of a field.
    #[must_use]
    pub(crate) fn get(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }

    /// Whether there are none.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The errors, in the order of `fields`, then the others.
    #[must_use]
    pub(crate) fn in_order(&self, fields: &[&str]) -> Vec<(String, String)> {
        let listed = fields.iter().filter_map(|name| self.0.get_key_value(*name));
        let others = self.0.iter().filter(|(name, _)| !fields.contains(&name.as_str()));
        listed.chain(others).map(|(name, message)| (name.clone(), message.clone())).collect()
    }
}

/// The list of a form's errors, on top of it, with links to the fields.
#[derive(Debug, Clone, Template)]
#[template(path = "components/error_summary.html")]
pub(crate) struct ErrorSummary {
    /// Field name and message. A name that is empty gives a line without link.
    pub(crate) errors: Vec<(String, String)>,
}

impl ErrorSummary {

    /// The summary of the errors shown by these fields.
    pub(crate) fn of_fields<'a>(fields: impl IntoIterator<Item = &'a Field>) -> Self {
        let errors = fields
            .into_iter()
            .filter(|field| !field.error.is_empty())
            .map(|field| (field.name.clone(), format!("{} : {}", field.label, field.error)))
            .collect();
        Self { errors }
    }
}

/// A group of fields with a heading.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    /// Its heading.
    pub(crate) title: String,
    /// A sentence under it; empty for none.
    pub(crate) help: String,
    /// Its fields.
    pub(crate) fields: Vec<Field>,
}

impl Section {
    /// A section without help.
    pub(crate) fn new(title: impl Into<String>, fields: Vec<Field>) -> Self {
        Self { title: title.into(), help: String::new(), fields }
    }

    /// Adds a sentence of help.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
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
        Self { label: label.into(), value: value.into(), ..Self::default() }
    }

    /// A fact the reader does not see, and why.
    pub(crate) fn hidden(label: impl Into<String>, why: &'static str) -> Self {
        Self { label: label.into(), hidden: why, ..Self::default() }
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
    [given_names, family_name].iter().filter_map(|name| name.chars().next()).flat_map(char::to_uppercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_escapes_what_it_carries() {
        let query = Query::new().and("q", "Koné & fils").and("page", "").and("sort", "-name");
        assert_eq!(query.url("/p"), "/p?q=Kon%C3%A9%20%26%20fils&sort=-name");
        assert_eq!(query.set("sort", "grade").without("q").url("/p"), "/p?sort=grade");
    }

    #[test]
    fn a_field_shows_its_error_and_keeps_its_value() {
        let mut errors = FormErrors::new();
        errors.add("matricule", "déjà attribué");
        let html = Field::text("matricule", "Matricule").value("<A1>").required().errors(&errors).to_string();
        assert!(html.contains("déjà attribué"), "{html}");
        assert!(html.contains("aria-invalid=\"true\""), "{html}");
        assert!(!html.contains("<A1>"), "{html}");
    }

    #[test]
    fn every_named_icon_draws() {
        for name in ["home", "people", "search", "chevron", "link"] {
            assert!(icon(name).starts_with("<svg"), "{name}");
        }
        assert_eq!(icon("nothing"), "");
    }
}
