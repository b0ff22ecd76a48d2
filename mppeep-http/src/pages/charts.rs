//! Charts as SVG, each with the table of its numbers behind it.
//!
//! Lengths are percentages, so that a chart takes the width it is given while its words keep their size. Nothing here
//! uses a style attribute: colours are classes, lengths are SVG attributes.

use askama::Template;

use crate::catalogue;

/// One counted thing.
#[derive(Debug, Clone)]
pub(crate) struct Datum {
    /// What is counted.
    pub(crate) label: String,
    /// How many; `None` when the number is too small to be shown to this reader.
    pub(crate) value: Option<u64>,
    /// The list behind the number.
    pub(crate) url: Option<String>,
}

impl Datum {
    /// A number with its label and the list behind it.
    pub(crate) fn new(label: impl Into<String>, value: Option<u64>, url: Option<String>) -> Self {
        Self {
            label: label.into(),
            value,
            url,
        }
    }

    /// The number as shown.
    #[must_use]
    pub(crate) fn shown(&self) -> String {
        shown(self.value)
    }
}

/// A number as shown: « < 5 » when it is masked.
fn shown(value: Option<u64>) -> String {
    value.map_or_else(|| "< 5".to_owned(), catalogue::number)
}

/// `part` of `whole` as a percentage with one decimal, for an SVG length.
fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "0".to_owned();
    }
    let tenths = (u128::from(part) * 1000).div_ceil(u128::from(whole));
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// `part` of `whole` as read, such as « 12,5 % ».
#[must_use]
pub(crate) fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "—".to_owned();
    }
    let tenths = (u128::from(part) * 1000 + u128::from(whole) / 2) / u128::from(whole);
    format!("{},{}\u{a0}%", tenths / 10, tenths % 10)
}

/// Horizontal bars, one a line.
#[derive(Debug, Clone, Template)]
#[template(path = "components/bar_list.html")]
pub(crate) struct BarList {
    /// What the labels are, such as « Grade ».
    pub(crate) heading: String,
    /// The bars, in the order shown.
    pub(crate) items: Vec<Datum>,
    /// Short labels (« A4 ») take a narrow column.
    pub(crate) narrow: bool,
    /// Class of the colour: `s1` … `s7`.
    pub(crate) colour: &'static str,
}

impl BarList {
    fn width(&self, item: &Datum) -> String {
        let longest = self.items.iter().filter_map(|item| item.value).max().unwrap_or(0);
        percent(item.value.unwrap_or(0), longest)
    }
}

/// Parts of a whole, around a ring.
#[derive(Debug, Clone, Template)]
#[template(path = "components/donut.html")]
pub(crate) struct Donut {
    /// What the labels are, such as « Catégorie ».
    pub(crate) heading: String,
    /// What is counted, under the total, such as « agents ».
    pub(crate) unit: String,
    /// The parts.
    pub(crate) items: Vec<Datum>,
    /// Colour classes of the parts, where they are not simply in order.
    pub(crate) palette: &'static [&'static str],
}

impl Donut {
    fn total(&self) -> u64 {
        self.items.iter().filter_map(|item| item.value).sum()
    }

    /// Colour class, length and offset of each part, on a ring of length 100.
    fn arcs(&self) -> Vec<(&Datum, &'static str, String, String)> {
        let total = self.total();
        let mut before = 0;
        self.items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let value = item.value.unwrap_or(0);
                let class = self.palette.get(index).copied().unwrap_or_else(|| series(index));
                let arc = (item, class, percent(value, total), percent(before, total));
                before += value;
                arc
            })
            .collect()
    }

    fn share_of(&self, item: &Datum) -> String {
        item.value
            .map_or_else(String::new, |value| share(value, self.total()))
    }
}

/// The colour class of the n-th series.
#[must_use]
pub(crate) fn series(index: usize) -> &'static str {
    const CLASSES: [&str; 7] = ["s1", "s2", "s3", "s4", "s5", "s6", "s7"];
    CLASSES[index % CLASSES.len()]
}

/// One age band of a pyramid.
#[derive(Debug, Clone)]
pub(crate) struct Band {
    /// Such as « 30–34 ».
    pub(crate) label: String,
    /// Men.
    pub(crate) left: Datum,
    /// Women.
    pub(crate) right: Datum,
}

/// Ages by sex, the youngest at the bottom.
#[derive(Debug, Clone, Template)]
#[template(path = "components/pyramid.html")]
pub(crate) struct Pyramid {
    /// The bands, the oldest first.
    pub(crate) bands: Vec<Band>,
    /// Heading of the left side.
    pub(crate) left: String,
    /// Heading of the right side.
    pub(crate) right: String,
}

impl Pyramid {
    fn longest(&self) -> u64 {
        self.bands
            .iter()
            .flat_map(|band| [band.left.value, band.right.value])
            .flatten()
            .max()
            .unwrap_or(0)
    }

    fn width(&self, datum: &Datum) -> String {
        percent(datum.value.unwrap_or(0), self.longest())
    }

    /// Where a bar that grows to the left starts.
    fn start(&self, datum: &Datum) -> String {
        let longest = self.longest();
        percent(longest.saturating_sub(datum.value.unwrap_or(0)), longest)
    }
}

/// One period of a column chart.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// Its label, short enough to stand under a column.
    pub(crate) label: String,
    /// The full label, for the table.
    pub(crate) title: String,
    /// The number of each series.
    pub(crate) values: Vec<u64>,
    /// The list behind the column.
    pub(crate) url: Option<String>,
}

impl Column {
    fn total(&self) -> u64 {
        self.values.iter().sum()
    }
}

/// Vertical columns over time, stacked when there are several series.
#[derive(Debug, Clone, Template)]
#[template(path = "components/columns.html")]
pub(crate) struct Columns {
    /// What the labels are, such as « Mois ».
    pub(crate) heading: String,
    /// Names of the series.
    pub(crate) series: Vec<String>,
    /// The columns, the oldest first.
    pub(crate) columns: Vec<Column>,
    /// Whether the series stand side by side instead of one on the other.
    pub(crate) grouped: bool,
}

impl Columns {
    fn legend(&self) -> Vec<(&'static str, &str)> {
        self.series
            .iter()
            .enumerate()
            .map(|(index, name)| (series(index), name.as_str()))
            .collect()
    }

    /// Each piece of a column.
    fn pieces(&self, column: &Column) -> Vec<Piece> {
        let height = |column: &Column| {
            if self.grouped {
                column.values.iter().max().copied().unwrap_or(0)
            } else {
                column.total()
            }
        };
        let tallest = self.columns.iter().map(height).max().unwrap_or(0);
        let places = if self.grouped { self.series.len().max(1) } else { 1 };
        let width = 76 / places;
        let mut below = 0;
        let mut pieces = Vec::new();
        for (index, value) in column.values.iter().enumerate() {
            if *value == 0 {
                continue;
            }
            let (foot, place) = if self.grouped { (0, index) } else { (below, 0) };
            below += value;
            pieces.push(Piece {
                class: series(index),
                x: 12 + width * place,
                width: if self.grouped {
                    width.saturating_sub(2)
                } else {
                    width
                },
                top: percent(tallest.saturating_sub(foot + value), tallest),
                height: percent(*value, tallest),
            });
        }
        pieces
    }

    /// What stands above a column: its total, or its numbers one after the other.
    fn above(&self, column: &Column) -> String {
        if self.grouped {
            let numbers: Vec<String> = column
                .values
                .iter()
                .map(|value| catalogue::number(*value))
                .collect();
            numbers.join(" · ")
        } else {
            catalogue::number(column.total())
        }
    }
}

/// One rectangle of a column, in percent of its box.
struct Piece {
    class: &'static str,
    x: usize,
    width: usize,
    top: String,
    height: String,
}

/// A number that changes over time.
#[derive(Debug, Clone, Template)]
#[template(path = "components/line.html")]
pub(crate) struct Line {
    /// What the labels are, such as « Mois ».
    pub(crate) heading: String,
    /// What is counted, such as « Effectif ».
    pub(crate) series: String,
    /// The points, the oldest first.
    pub(crate) points: Vec<(String, u64)>,
}

impl Line {
    /// The lowest and highest value of the axis, a little beyond the data.
    fn bounds(&self) -> (u64, u64) {
        let low = self.points.iter().map(|point| point.1).min().unwrap_or(0);
        let high = self.points.iter().map(|point| point.1).max().unwrap_or(0);
        let margin = ((high - low) / 8).max(high / 200).max(1);
        (low.saturating_sub(margin), high.saturating_add(margin))
    }

    /// The points in a box of 100 × 100.
    fn coordinates(&self) -> String {
        let (low, high) = self.bounds();
        let steps = u64::try_from(self.points.len().saturating_sub(1))
            .unwrap_or(1)
            .max(1);
        (0_u64..)
            .zip(&self.points)
            .map(|(index, (_, value))| {
                format!(
                    "{},{}",
                    percent(index, steps),
                    percent(high.saturating_sub(*value), high - low)
                )
            })
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn ticks(&self) -> [String; 3] {
        let (low, high) = self.bounds();
        [high, low + (high - low) / 2, low].map(catalogue::number)
    }

    /// At most seven labels, so that they stand side by side on a telephone.
    fn labels(&self) -> Vec<&str> {
        let step = self.points.len().div_ceil(7).max(1);
        self.points
            .iter()
            .step_by(step)
            .map(|point| point.0.as_str())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datum(label: &str, value: u64) -> Datum {
        Datum::new(label, Some(value), Some(format!("/l?x={label}")))
    }

    #[test]
    fn the_longest_bar_fills_its_line() {
        let chart = BarList {
            heading: "Grade".into(),
            items: vec![datum("A4", 50), datum("A3", 25), Datum::new("A2", None, None)],
            narrow: true,
            colour: "s1",
        };
        let html = chart.to_string();
        assert!(
            html.contains(r#"width="100.0%""#) && html.contains(r#"width="50.0%""#),
            "{html}"
        );
        assert!(html.contains("&#60; 5") || html.contains("&lt; 5"), "{html}");
        assert!(!html.contains("style="), "{html}");
    }

    #[test]
    fn the_arcs_of_a_ring_follow_each_other() {
        let chart = Donut {
            heading: String::new(),
            unit: String::new(),
            items: vec![datum("A", 1), datum("B", 3)],
            palette: &[],
        };
        let arcs: Vec<_> = chart
            .arcs()
            .into_iter()
            .map(|(_, _, length, start)| (length, start))
            .collect();
        assert_eq!(
            arcs,
            [("25.0".into(), "0.0".into()), ("75.0".into(), "25.0".into())]
        );
    }

    #[test]
    fn an_empty_chart_draws() {
        let line = Line {
            heading: String::new(),
            series: String::new(),
            points: Vec::new(),
        };
        assert!(line.to_string().contains("<svg"));
        let columns = Columns {
            heading: String::new(),
            series: vec!["x".into()],
            columns: Vec::new(),
            grouped: false,
        };
        assert!(!columns.to_string().is_empty());
    }

    #[test]
    fn a_share_is_rounded_half_up() {
        assert_eq!(share(1, 8), "12,5\u{a0}%");
        assert_eq!(share(1, 3), "33,3\u{a0}%");
        assert_eq!(share(0, 0), "—");
    }
}
