//! JSON bodies, read strictly (RFC 8259, with the I-JSON rules of RFC 7493 on repeated names and lone surrogates).

use std::fmt;

use axum::extract::{FromRequest, Request};
use http::{HeaderMap, StatusCode, header};
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::middleware::body;
use crate::problem::Problem;

/// Deeper documents are refused; ours have two levels.
const MAX_DEPTH: usize = 32;

/// A JSON body as `T`: 415 for anything but `application/json`, 400 when it is not JSON, 422 when it is not a `T`.
/// `T` denies unknown fields, so that a client learns of its spelling mistakes.
#[derive(Debug, Clone, Copy, Default)]
pub struct JsonBody<T>(pub T);

impl<T, S> FromRequest<S> for JsonBody<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
                .detail("Le contenu doit être de type application/json."));
        }
        let bytes = body::read(request.into_body()).await?;
        parse(&bytes).map(Self)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(kind), None) = (kinds.next(), kinds.next()) else {
        return false;
    };
    let Ok(kind) = kind.to_str() else { return false };
    let mut parts = kind.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let utf8 = parts.all(|part| {
        let part = part.to_ascii_lowercase();
        part.strip_prefix("charset=")
            .is_none_or(|charset| charset.trim_matches('"') == "utf-8")
    });
    essence.eq_ignore_ascii_case("application/json") && utf8
}

/// Reads a document in two steps: its form, then its meaning.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let text =
        std::str::from_utf8(bytes).map_err(|_| Problem::unreadable("Le contenu n’est pas en UTF-8."))?;
    // A lone surrogate has no UTF-8 form. It becomes NUL, which is refused below with the name of its field.
    let text = without_lone_surrogates(text);
    let mut reader = serde_json::Deserializer::from_str(&text);
    let value = Strict { depth: 0 }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| unreadable(&error))?;
    if !value.is_object() {
        return Err(Problem::invalid().field("body", "type", "Un objet JSON est attendu."));
    }
    let mut path = Vec::new();
    if bad_characters(&value, &mut path) {
        let field = if path.is_empty() {
            "body".to_owned()
        } else {
            path.join(".")
        };
        return Err(Problem::invalid().field(
            field,
            "bad-characters",
            "Cette valeur contient des caractères non acceptés.",
        ));
    }
    serde_path_to_error::deserialize(value).map_err(|error| meaning(&error))
}

fn unreadable(error: &serde_json::Error) -> Problem {
    let detail = if error.is_data() {
        // Ours: a repeated name, or too deep a document.
        "Le document JSON répète un nom ou est trop imbriqué."
    } else {
        "Le contenu n’est pas un document JSON lisible."
    };
    Problem::unreadable(format!(
        "{detail} (ligne {}, colonne {})",
        error.line(),
        error.column()
    ))
}

/// Says which field does not fit. The library's own words are English and may quote values: only names are taken.
fn meaning(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let text = error.inner().to_string();
    let path = error.path().to_string();
    let path = if path == "." { String::new() } else { path };
    let named = |prefix: &str| {
        text.strip_prefix(prefix)
            .and_then(|rest| rest.split('`').next())
            .map(str::to_owned)
    };
    let (name, code, message) = if let Some(name) = named("missing field `") {
        (Some(name), "required", "Ce champ est obligatoire.")
    } else if let Some(name) = named("unknown field `") {
        (Some(name), "unknown-field", "Ce champ est inconnu.")
    } else if text.starts_with("invalid type") {
        (None, "type", "Cette valeur n’est pas du type attendu.")
    } else {
        (None, "value", "Cette valeur n’est pas acceptée.")
    };
    let field = match name {
        // The path already ends with a field that is unknown, but stops above one that is missing.
        Some(name) if path == name || path.ends_with(&format!(".{name}")) => path,
        Some(name) if path.is_empty() => name,
        Some(name) => format!("{path}.{name}"),
        None if path.is_empty() => "body".to_owned(),
        None => path,
    };
    Problem::invalid().field(field, code, message)
}

/// Whether a string holds NUL; `path` then leads to it.
fn bad_characters(value: &Value, path: &mut Vec<String>) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().enumerate().any(|(index, item)| {
            path.push(index.to_string());
            bad_characters(item, path) || path.pop().is_none()
        }),
        Value::Object(members) => members.iter().any(|(name, member)| {
            if name.contains('\0') {
                return true;
            }
            path.push(name.clone());
            bad_characters(member, path) || path.pop().is_none()
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Replaces `\uD800` to `\uDFFF` that make no pair by `\u0000`.
fn without_lone_surrogates(text: &str) -> String {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16)
            .ok()
            .filter(|_| !digits.starts_with('+'))
    };
    let bytes = text.as_bytes();
    let mut result = String::with_capacity(text.len());
    let (mut at, mut copied) = (0, 0);
    while let Some(found) = bytes
        .get(at..)
        .and_then(|rest| rest.iter().position(|byte| *byte == b'\\'))
    {
        at += found;
        match unit(at) {
            Some(0xD800..=0xDBFF) if matches!(unit(at + 6), Some(0xDC00..=0xDFFF)) => at += 12,
            Some(0xD800..=0xDFFF) => {
                result.push_str(text.get(copied..at).unwrap_or_default());
                result.push_str("\\u0000");
                at += 6;
                copied = at;
            }
            Some(_) => at += 6,
            // The escaped character is not the start of another escape; it may be the first byte of a longer one.
            None => at += 2,
        }
    }
    result.push_str(text.get(copied..).unwrap_or_default());
    result
}

/// Builds a value, refusing repeated names and too deep documents.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn inner<E: de::Error>(self) -> Result<Self, E> {
        if self.depth < MAX_DEPTH {
            Ok(Self {
                depth: self.depth + 1,
            })
        } else {
            Err(E::custom("too deep"))
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(inner)?;
            if map.insert(name, value).is_some() {
                return Err(de::Error::custom("repeated name"));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use serde::Deserialize;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Create {
        matricule: String,
        children: Option<u8>,
        address: Option<Address>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Address {
        city: String,
    }

    fn verdict(text: &str) -> Result<Create, (u16, Option<(String, String)>)> {
        parse(text.as_bytes()).map_err(|problem| {
            let error = problem
                .errors()
                .first()
                .map(|error| (error.field.clone(), error.code.to_string()));
            (problem.status().as_u16(), error)
        })
    }

    #[test]
    fn a_document_is_read() {
        let create =
            verdict(r#"{"matricule":"A\ud83d\ude00\\ud800","children":2,"address":{"city":"Bouaké"}}"#)
                .unwrap();
        assert_eq!(create.matricule, "A😀\\ud800");
        assert_eq!(
            create.address,
            Some(Address {
                city: "Bouaké".into()
            })
        );
    }

    #[test]
    fn what_is_not_json_is_unreadable() {
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        let deeper = "[".repeat(100_000);
        for text in [
            "",
            " ",
            "{",
            "{}x",
            "{'a':1}",
            "{\"a\":1,}",
            "nul",
            "NaN",
            "{\"a\":01}",
            "{\"a\":1e400}",
            "\u{feff}{}",
            r#"{"matricule":"a","matricule":"b"}"#,
            r#"{"x":{"a":1,"a":2}}"#,
            "{\"a\":\"\u{1}\"}",
            r#"{"a":"\x"}"#,
            r#"{"a":"\u12"}"#,
            r#"{"a":"\u+123"}"#,
            &deep,
            &deeper,
        ] {
            assert_eq!(
                verdict(text),
                Err((400, None)),
                "{:?}",
                &text[..text.len().min(40)]
            );
        }
        assert_eq!(
            parse::<Create>(b"{\"matricule\":\"\xff\"}").unwrap_err().status(),
            400
        );
    }

    #[test]
    fn what_does_not_fit_names_its_field() {
        for (text, field, code) in [
            ("{}", "matricule", "required"),
            ("[]", "body", "type"),
            ("3", "body", "type"),
            ("null", "body", "type"),
            (r#"{"matricule":3}"#, "matricule", "type"),
            (r#"{"matricule":null}"#, "matricule", "type"),
            (r#"{"matricule":"a","children":-1}"#, "children", "value"),
            (r#"{"matricule":"a","children":1e9}"#, "children", "type"),
            (r#"{"matricule":"a","children":"2"}"#, "children", "type"),
            (r#"{"matricule":"a","address":{}}"#, "address.city", "required"),
            (
                r#"{"matricule":"a","address":{"city":"b","zip":1}}"#,
                "address.zip",
                "unknown-field",
            ),
            (
                r#"{"matricule":"a","is_admin":true}"#,
                "is_admin",
                "unknown-field",
            ),
            (r#"{"matricule":"a\u0000"}"#, "matricule", "bad-characters"),
            (r#"{"matricule":"\ud800"}"#, "matricule", "bad-characters"),
            (r#"{"matricule":"\udc00\ud800"}"#, "matricule", "bad-characters"),
            (
                r#"{"matricule":"a","address":{"city":"\uDFFFx"}}"#,
                "address.city",
                "bad-characters",
            ),
        ] {
            assert_eq!(
                verdict(text),
                Err((422, Some((field.to_owned(), code.to_owned())))),
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn only_json_is_taken() {
        for (kind, status) in [
            (Some("application/json"), 200),
            (Some("application/json; charset=utf-8"), 200),
            (Some("Application/JSON"), 200),
            (Some("application/json; charset=utf-16"), 415),
            (Some("text/plain"), 415),
            (Some("application/x-www-form-urlencoded"), 415),
            (Some("multipart/form-data; boundary=x"), 415),
            (Some("application/jsonp"), 415),
            (None, 415),
        ] {
            let mut request = Request::post("/");
            if let Some(kind) = kind {
                request = request.header(header::CONTENT_TYPE, kind);
            }
            let request = request.body(Body::from(r#"{"matricule":"a"}"#)).unwrap();
            let found = JsonBody::<Create>::from_request(request, &()).await;
            assert_eq!(
                found.map_or_else(|problem| problem.status().as_u16(), |_| 200),
                status,
                "{kind:?}"
            );
        }
    }
}
