//! The parts that pages are made of. Each is a small template of its own: a page builds the value and writes
//! `{{ part|safe }}` where it goes.

mod form;
mod parts;
mod query;

pub(crate) use form::{Choice, ErrorSummary, Field, FieldKind, FormErrors, Section};
pub(crate) use parts::{
    Badge, Change, Chip, Chips, Diff, EmptyState, Event, Fact, Facts, Kpi, Notice, Pager, SortHead, Steps,
    Tab, Tabs, Timeline, Tone,
};
pub(crate) use query::{Query, initials};

pub(crate) use super::icons::icon;
