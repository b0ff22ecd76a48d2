//! Events as JSON, one object a line: when, how grave, what was said of it, where it comes from, and the span that it
//! belongs to. A line is part of every request, so it is written as it goes, without a tree in between.

use std::cell::RefCell;
use std::fmt::{self, Debug, Write as _};

use jiff::Timestamp;
use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// What events of the `log` crate say of themselves, in fields of such names.
const OF_LOG: &str = "log.";
const TARGET_OF_LOG: &str = "log.target";

/// Memory that a thread keeps for its next line.
const KEPT: usize = 16 * 1024;

thread_local! {
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Hands over each event as a line.
pub(super) struct JsonLines<W> {
    write: W,
}

impl<W: Fn(&[u8]) + 'static> JsonLines<W> {
    pub(super) fn new(write: W) -> Self {
        Self { write }
    }
}

/// Fields of a span, as they stand in a line: each behind a comma.
struct SpanFields(Vec<u8>);

impl<S, W> Layer<S> for JsonLines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Fn(&[u8]) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Vec::new();
            attributes.record(&mut Fields::into(&mut fields));
            span.extensions_mut().insert(SpanFields(fields));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(SpanFields(fields)) = span.extensions_mut().get_mut()
        {
            values.record(&mut Fields::into(fields));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        // What is written in between by a value that logs while it is shown has memory of its own.
        let mut line = LINE.take();
        line.clear();
        write_line(&mut line, event, &context);
        (self.write)(&line);
        line.shrink_to(KEPT);
        LINE.set(line);
    }
}

fn write_line<S>(line: &mut Vec<u8>, event: &Event<'_>, context: &Context<'_, S>)
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let metadata = event.metadata();
    line.extend_from_slice(b"{\"timestamp\":");
    put_shown(line, format_args!("{:.6}", Timestamp::now()));
    line.extend_from_slice(b",\"level\":\"");
    line.extend_from_slice(metadata.level().as_str().as_bytes());
    line.push(b'"');
    let mut fields = Fields::into(line);
    event.record(&mut fields);
    let target = fields.target_of_log;
    line.extend_from_slice(b",\"target\":");
    put(line, target.as_deref().unwrap_or(metadata.target()));
    if let Some(span) = context.event_span(event) {
        line.extend_from_slice(b",\"span\":{\"name\":");
        put(line, span.name());
        if let Some(SpanFields(fields)) = span.extensions().get() {
            line.extend_from_slice(fields);
        }
        line.push(b'}');
    }
    line.extend_from_slice(b"}\n");
}

/// Writes a value as JSON.
fn put<T: Serialize + ?Sized>(line: &mut Vec<u8>, value: &T) {
    // Memory takes all that is written, and texts and numbers can all be.
    let _written = serde_json::to_writer(line, value);
}

/// Writes a text as it is shown; `null` for what fails to show itself, which is no reason to lose the line.
fn put_shown(line: &mut Vec<u8>, shown: fmt::Arguments<'_>) {
    let before = line.len();
    line.push(b'"');
    match Shown(line).write_fmt(shown) {
        Ok(()) => line.push(b'"'),
        Err(fmt::Error) => {
            line.truncate(before);
            line.extend_from_slice(b"null");
        }
    }
}

/// The inside of a text, in pieces.
struct Shown<'a>(&'a mut Vec<u8>);

impl fmt::Write for Shown<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let begin = self.0.len();
        put(self.0, piece);
        // Without the quotes.
        self.0.pop();
        self.0.remove(begin);
        Ok(())
    }
}

/// Writes fields, each behind a comma.
struct Fields<'a> {
    line: &'a mut Vec<u8>,
    target_of_log: Option<String>,
}

impl<'a> Fields<'a> {
    fn into(line: &'a mut Vec<u8>) -> Self {
        Self {
            line,
            target_of_log: None,
        }
    }

    fn put<T: Serialize + ?Sized>(&mut self, field: &Field, value: &T) {
        if self.name(field) {
            put(self.line, value);
        }
    }

    /// Writes the name of a field, if the field is to be written.
    fn name(&mut self, field: &Field) -> bool {
        let wanted = !field.name().starts_with(OF_LOG);
        if wanted {
            // Names come from the code, and hold nothing that JSON would have to escape.
            self.line.extend_from_slice(b",\"");
            self.line.extend_from_slice(field.name().as_bytes());
            self.line.extend_from_slice(b"\":");
        }
        wanted
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == TARGET_OF_LOG {
            self.target_of_log = Some(value.to_owned());
        }
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if self.name(field) {
            put_shown(self.line, format_args!("{value:?}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// The lines that `work` logs.
    fn lines(work: impl FnOnce()) -> Vec<String> {
        let kept = Arc::<Mutex<Vec<u8>>>::default();
        let out = Arc::clone(&kept);
        let layer = JsonLines::new(move |line: &[u8]| out.lock().unwrap().extend_from_slice(line));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
        let text = String::from_utf8(kept.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn line(work: impl FnOnce()) -> Value {
        let lines = lines(work);
        assert_eq!(lines.len(), 1, "{lines:?}");
        serde_json::from_str(&lines[0]).unwrap()
    }

    #[test]
    fn a_line_says_when_and_how_grave_and_what() {
        let mut line = line(|| {
            tracing::warn!(
                target: "place",
                text = "é\"\\\n\u{1}",
                shown = %"a \"b\"",
                debug = ?Some(1),
                whole = 7_u64,
                negative = -7,
                part = 0.25,
                whole_float = 1.0,
                nothing = f64::NAN,
                yes = true,
                none = None::<&str>,
                "said {}", "so"
            );
        });
        let when = line["timestamp"].take();
        let when = when.as_str().unwrap();
        assert!(when.len() == 27 && when.ends_with('Z'), "{when}");
        let age = Timestamp::now().duration_since(when.parse().unwrap());
        assert!((0..60).contains(&age.as_secs()), "{when}");
        assert_eq!(
            line,
            json!({
                "timestamp": null,
                "level": "WARN",
                "message": "said so",
                "text": "é\"\\\n\u{1}",
                "shown": "a \"b\"",
                "debug": "Some(1)",
                "whole": 7,
                "negative": -7,
                "part": 0.25,
                "whole_float": 1.0,
                "nothing": null,
                "yes": true,
                "target": "place",
            })
        );
    }

    #[test]
    fn a_line_names_its_span_and_what_is_known_of_it() {
        let said = lines(|| {
            tracing::info!("outside");
            let outer = tracing::info_span!("outer", number = 1).entered();
            tracing::info!("within");
            let inner = tracing::info_span!("inner", text = "\"", later = tracing::field::Empty).entered();
            inner.record("later", 2);
            tracing::info!("deep");
            drop((inner, outer));
            tracing::info!("outside");
        });
        let spans: Vec<Value> = said
            .iter()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["span"].take())
            .collect();
        assert_eq!(
            spans,
            [
                Value::Null,
                json!({"name": "outer", "number": 1}),
                json!({"name": "inner", "text": "\"", "later": 2}),
                Value::Null,
            ]
        );
    }

    #[test]
    fn a_line_of_the_log_crate_names_its_own_place() {
        let line = line(|| {
            tracing::info!(target: "log", { "log.target" = "somewhere", "log.line" = 7 }, "said");
        });
        assert_eq!(
            (&line["target"], &line["message"]),
            (&json!("somewhere"), &json!("said"))
        );
        assert!(!line.to_string().contains("log."), "{line}");
    }

    /// A value that fails to show itself, or that logs when it is shown.
    struct Odd {
        fails: bool,
    }

    impl Debug for Odd {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            if self.fails {
                return Err(fmt::Error);
            }
            tracing::info!("in between");
            f.write_str("odd")
        }
    }

    #[test]
    fn a_value_that_cannot_be_shown_costs_its_field_only() {
        let line = line(|| tracing::info!(odd = ?Odd { fails: true }, number = 1, "said"));
        assert_eq!(
            (&line["odd"], &line["number"], &line["message"]),
            (&Value::Null, &json!(1), &json!("said"))
        );
    }

    #[test]
    fn a_value_that_logs_leaves_both_lines_whole() {
        let said = lines(|| tracing::info!(odd = ?Odd { fails: false }, "said"));
        for line in &said {
            let line: Value = serde_json::from_str(line).unwrap();
            assert!(line["message"] == "said" && line["odd"] == "odd", "{line}");
        }
        // tracing itself hears nothing of what happens while it hears of something.
        assert_eq!(said.len(), 1, "{said:?}");
    }
}
