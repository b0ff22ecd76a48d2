//! Fields, choices and errors of forms.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use askama::Template;

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
        Self {
            value: value.into(),
            label: label.into(),
            ..Self::default()
        }
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
    /// Name in the form.
    pub(crate) name: String,
    /// End of its identifier in the page (`f-…`): its name, unless the page has two fields of that name.
    pub(crate) id: String,
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
        let name = name.into();
        Self {
            id: name.clone(),
            name,
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
        Self::new(
            name,
            label,
            FieldKind::Select {
                empty: empty.map(str::to_owned),
                choices,
            },
        )
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

    /// Sets the end of its identifier.
    #[must_use]
    pub(crate) fn id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.id);
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

    fn is_hidden(&self) -> bool {
        matches!(self.kind, FieldKind::Input("hidden"))
    }

    /// The identifiers of what describes the input, for `aria-describedby`.
    fn described_by(&self) -> String {
        let mut ids = String::new();
        if !self.help.is_empty() {
            let _ = write!(ids, "f-{}-help", self.id);
        }
        if !self.error.is_empty() {
            if !ids.is_empty() {
                ids.push(' ');
            }
            let _ = write!(ids, "f-{}-error", self.id);
        }
        ids
    }

    /// The choices of a list by heading, in order.
    fn groups<'a>(&self, choices: &'a [Choice]) -> Vec<(&'a str, &'a [Choice])> {
        choices
            .chunk_by(|a, b| a.group == b.group)
            .map(|run| (run[0].group.as_str(), run))
            .collect()
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
        listed
            .chain(others)
            .map(|(name, message)| (name.clone(), message.clone()))
            .collect()
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
        Self {
            title: title.into(),
            help: String::new(),
            fields,
        }
    }

    /// Adds a sentence of help.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_shows_its_error_and_keeps_its_value() {
        let mut errors = FormErrors::new();
        errors.add("matricule", "déjà attribué");
        let html = Field::text("matricule", "Matricule")
            .value("<A1>")
            .required()
            .errors(&errors)
            .to_string();
        assert!(html.contains("déjà attribué"), "{html}");
        assert!(html.contains("aria-invalid=\"true\""), "{html}");
        assert!(!html.contains("<A1>"), "{html}");
    }
}
