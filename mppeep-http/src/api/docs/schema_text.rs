//! Schemas in words, and the bodies that their examples make.

use serde_json::{Map, Value};

use crate::api::answers::schema_name;

/// The schema that a reference leads to, or the schema itself.
pub(super) fn resolved<'a>(schema: &'a Value, document: &'a Value) -> &'a Value {
    match reference(schema) {
        Some(name) => &document["components"]["schemas"][name],
        None => schema,
    }
}

/// The name of the schema that this one stands for, also where it may be null.
pub(super) fn reference(schema: &Value) -> Option<&str> {
    if let Some(reference) = schema["$ref"].as_str() {
        return schema_name(reference);
    }
    let choices = schema["oneOf"]
        .as_array()
        .or_else(|| schema["anyOf"].as_array())?;
    choices.iter().find_map(reference)
}

/// The members of an object, with those of its parts.
pub(super) fn members<'a>(schema: &'a Value, document: &'a Value) -> Vec<(&'a str, &'a Value, bool)> {
    let mut all = Vec::new();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        all.extend(members(resolved(part, document), document));
    }
    let required = |name: &str| {
        schema["required"]
            .as_array()
            .is_some_and(|names| names.iter().any(|known| known == name))
    };
    let own = schema["properties"].as_object().into_iter().flatten();
    all.extend(own.map(|(name, property)| (name.as_str(), property, required(name))));
    all
}

/// What a value is, in words.
pub(super) fn kind(schema: &Value) -> String {
    if let Some(name) = reference(schema) {
        let empty = if may_be_null(schema) { " ou null" } else { "" };
        return format!("{name}{empty}");
    }
    let plain = schema["type"].as_str().or_else(|| {
        let types = schema["type"].as_array()?;
        types
            .iter()
            .filter_map(Value::as_str)
            .find(|kind| *kind != "null")
    });
    let word = match (plain, schema["format"].as_str()) {
        (Some("string"), Some("date")) => "date AAAA-MM-JJ".to_owned(),
        (Some("string"), Some("date-time")) => "instant RFC 3339".to_owned(),
        (Some("string"), Some("uuid")) => "identifiant UUID".to_owned(),
        (Some("string"), Some("email")) => "adresse e-mail".to_owned(),
        (Some("string"), Some("password")) => "mot de passe".to_owned(),
        (Some("string"), Some("binary")) => "fichier".to_owned(),
        (Some("string"), Some("uri-reference")) => "adresse".to_owned(),
        (Some("string"), _) => "texte".to_owned(),
        (Some("integer"), _) => "entier".to_owned(),
        (Some("number"), _) => "nombre".to_owned(),
        (Some("boolean"), _) => "booléen".to_owned(),
        (Some("array"), _) => format!("liste : {}", kind(&schema["items"])),
        (Some("object"), _) if schema["additionalProperties"].is_object() => {
            format!("objet : {}", kind(&schema["additionalProperties"]))
        }
        (Some("object"), _) => "objet".to_owned(),
        (Some(other), _) => other.to_owned(),
        (None, _) => "valeur".to_owned(),
    };
    if may_be_null(schema) {
        format!("{word} ou null")
    } else {
        word
    }
}

fn may_be_null(schema: &Value) -> bool {
    let types = schema["type"].as_array().into_iter().flatten();
    let choices = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array());
    types.into_iter().any(|kind| kind == "null")
        || choices.is_some_and(|all| all.iter().any(|choice| choice["type"] == "null"))
}

/// Its bounds, in words.
pub(super) fn bounds(schema: &Value) -> String {
    let schema = if schema["type"] == "array" && schema["items"]["enum"].is_array() {
        &schema["items"]
    } else {
        schema
    };
    let mut parts = Vec::new();
    if let Some(codes) = schema["enum"].as_array() {
        let codes: Vec<&str> = codes.iter().filter_map(Value::as_str).collect();
        parts.push(codes.join(", "));
    }
    let bound = |name: &str| schema.get(name).filter(|value| value.is_number());
    match (bound("minimum"), bound("maximum")) {
        (Some(low), Some(high)) => parts.push(format!("de {low} à {high}")),
        (Some(low), None) => parts.push(format!("au moins {low}")),
        (None, Some(high)) => parts.push(format!("au plus {high}")),
        (None, None) => {}
    }
    match (bound("minLength"), bound("maxLength")) {
        (Some(low), Some(high)) => parts.push(format!("de {low} à {high} caractères")),
        (None, Some(high)) => parts.push(format!("au plus {high} caractères")),
        (Some(low), None) => parts.push(format!("au moins {low} caractère(s)")),
        (None, None) => {}
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        parts.push(format!("forme {pattern}"));
    }
    parts.join(" ; ")
}

/// The body that the examples of a schema make.
pub(super) fn example(schema: &Value, document: &Value) -> Value {
    let schema = resolved(schema, document);
    if let Some(example) = schema.get("example") {
        return example.clone();
    }
    let members = members(schema, document);
    if !members.is_empty() {
        let pairs = members
            .into_iter()
            .map(|(name, member, _)| (name.to_owned(), example(member, document)));
        return Value::Object(pairs.collect::<Map<_, _>>());
    }
    if schema["type"] == "array" {
        return Value::Array(vec![example(&schema["items"], document)]);
    }
    Value::Null
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn schemas_are_told_in_words() {
        for (schema, words, limits) in [
            (
                json!({ "type": ["string", "null"], "format": "date" }),
                "date AAAA-MM-JJ ou null",
                "",
            ),
            (
                json!({ "type": "integer", "minimum": 1, "maximum": 20 }),
                "entier",
                "de 1 à 20",
            ),
            (
                json!({ "type": "array", "items": { "type": "string", "enum": ["a", "b"] } }),
                "liste : texte",
                "a, b",
            ),
            (
                json!({ "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/Holiday" }] }),
                "Holiday ou null",
                "",
            ),
            (
                json!({ "type": "string", "minLength": 1, "maxLength": 9 }),
                "texte",
                "de 1 à 9 caractères",
            ),
        ] {
            assert_eq!(
                (kind(&schema).as_str(), bounds(&schema).as_str()),
                (words, limits)
            );
        }
    }

    #[test]
    fn examples_make_a_body() {
        let document = json!({ "components": { "schemas": {
            "Whole": { "allOf": [{ "$ref": "#/components/schemas/Part" }, { "properties": { "b": { "example": 2 } } }] },
            "Part": { "properties": { "a": { "example": "x" } } },
        } } });
        let body = example(&json!({ "$ref": "#/components/schemas/Whole" }), &document);
        assert_eq!(body, json!({ "a": "x", "b": 2 }));
    }
}
