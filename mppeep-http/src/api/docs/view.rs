//! What the page shows of the description.

use serde_json::{Map, Value};

use super::schema_text::{bounds, example, kind, members, reference, resolved};
use crate::catalogue;

/// The statuses of problems, in order.
pub(super) const STATUSES: &[&str] = &[
    "400", "401", "403", "404", "405", "408", "409", "412", "413", "415", "416", "422", "429", "503", "507",
];

/// A piece of a text: a word of the programme, or prose.
pub(super) struct Word {
    pub(super) code: bool,
    pub(super) text: String,
}

/// Operations on one kind of thing.
pub(super) struct Group {
    pub(super) tag: &'static str,
    pub(super) name: &'static str,
    pub(super) operations: Vec<OperationView>,
}

/// One operation.
pub(super) struct OperationView {
    pub(super) id: String,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) title: String,
    pub(super) about: Vec<Word>,
    pub(super) parameters: Vec<Field>,
    pub(super) body: Option<String>,
    pub(super) media: String,
    pub(super) call: String,
    pub(super) answers: Vec<Answer>,
    pub(super) problems: Vec<String>,
}

/// A parameter, or a member of an object.
pub(super) struct Field {
    pub(super) name: String,
    pub(super) place: &'static str,
    pub(super) kind: String,
    pub(super) schema: Option<String>,
    pub(super) required: bool,
    pub(super) bounds: String,
    pub(super) about: Vec<Word>,
}

/// A good answer.
pub(super) struct Answer {
    pub(super) status: String,
    pub(super) about: Vec<Word>,
    pub(super) schema: Option<String>,
    pub(super) headers: String,
}

/// A schema with its members.
pub(super) struct SchemaView {
    pub(super) name: String,
    pub(super) about: Vec<Word>,
    pub(super) bounds: String,
    pub(super) members: Vec<Field>,
}

/// A status with its meaning.
pub(super) struct StatusView {
    pub(super) code: &'static str,
    pub(super) meaning: &'static str,
}

/// A text in pieces, by its back quotes.
fn words(text: &str) -> Vec<Word> {
    text.split('`')
        .enumerate()
        .map(|(index, piece)| Word {
            code: index % 2 == 1,
            text: piece.to_owned(),
        })
        .filter(|word| !word.text.is_empty())
        .collect()
}

fn about(value: &Value) -> Vec<Word> {
    words(value["description"].as_str().unwrap_or_default())
}

/// Every operation, group by group.
pub(super) fn groups(document: &Value) -> Vec<Group> {
    let root = document["servers"][0]["url"]
        .as_str()
        .unwrap_or_default()
        .trim_end_matches('/');
    let mut all: Vec<(String, OperationView)> = Vec::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let tag = operation["tags"][0].as_str().unwrap_or_default().to_owned();
            all.push((tag, view(document, root, path, method, operation)));
        }
    }
    let of = |tag: &str, all: &mut Vec<(String, OperationView)>| {
        let (own, rest) = std::mem::take(all)
            .into_iter()
            .partition(|(known, _)| known == tag);
        *all = rest;
        let own: Vec<(String, OperationView)> = own;
        own.into_iter()
            .map(|(_, operation)| operation)
            .collect::<Vec<_>>()
    };
    catalogue::API_GROUPS
        .iter()
        .map(|(tag, name)| Group {
            tag,
            name,
            operations: of(tag, &mut all),
        })
        .filter(|group| !group.operations.is_empty())
        .collect()
}

fn view(document: &Value, root: &str, path: &str, method: &str, operation: &Value) -> OperationView {
    let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
    let summary = operation["summary"].as_str().unwrap_or_default();
    let more = operation["description"].as_str().unwrap_or_default();
    let title = catalogue::operation_title(&id).unwrap_or(summary).to_owned();
    let content = operation["requestBody"]["content"].as_object();
    let body = content.and_then(|content| content.iter().next());
    let media = body.map_or_else(String::new, |(media, _)| media.clone());
    let json = body
        .filter(|(media, _)| *media == "application/json")
        .map(|(_, content)| example(&content["schema"], document))
        .map(|value| serde_json::to_string_pretty(&value).unwrap_or_default());
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let (answers, problems) = answers(&operation["responses"]);
    OperationView {
        call: call(document, method, path, operation, &media, json.as_deref()),
        method: method.to_ascii_uppercase(),
        path: format!("{root}{path}"),
        title,
        about: words(&format!("{summary} {more}")),
        parameters: parameters.map(parameter).collect(),
        body: body.and_then(|(_, content)| reference(&content["schema"]).map(str::to_owned)),
        media,
        answers,
        problems,
        id,
    }
}

fn parameter(parameter: &Value) -> Field {
    let schema = &parameter["schema"];
    Field {
        name: parameter["name"].as_str().unwrap_or_default().to_owned(),
        place: match parameter["in"].as_str() {
            Some("path") => "adresse",
            Some("header") => "en-tête",
            _ => "requête",
        },
        kind: kind(schema),
        schema: None,
        required: parameter["required"] == true,
        bounds: bounds(schema),
        about: about(parameter),
    }
}

fn answers(responses: &Value) -> (Vec<Answer>, Vec<String>) {
    let mut good = Vec::new();
    let mut problems = Vec::new();
    for (status, response) in responses.as_object().into_iter().flatten() {
        if !status.starts_with('2') && !status.starts_with('3') {
            problems.push(status.clone());
            continue;
        }
        let content = response["content"].as_object();
        let schema = content
            .and_then(|content| content.values().next())
            .and_then(|content| reference(&content["schema"]));
        let headers = response["headers"].as_object().into_iter().flatten();
        good.push(Answer {
            status: status.clone(),
            about: about(response),
            schema: schema.map(str::to_owned),
            headers: headers
                .map(|(name, _)| name.as_str())
                .collect::<Vec<_>>()
                .join(", "),
        });
    }
    (good, problems)
}

/// The call on a command line.
fn call(
    document: &Value,
    method: &str,
    path: &str,
    operation: &Value,
    media: &str,
    body: Option<&str>,
) -> String {
    let mut address = path.to_owned();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        if parameter["in"] == "path"
            && let Some(name) = parameter["name"].as_str()
        {
            let value = parameter["example"]
                .as_str()
                .unwrap_or("0197a3c0-5e1c-7cc1-8a52-3f1d6c2b9e10");
            address = address.replace(&format!("{{{name}}}"), value);
        }
    }
    let open = operation["security"]
        .as_array()
        .is_some_and(|all| all.iter().any(|one| one.as_object().is_some_and(Map::is_empty)));
    let mut text = String::from("curl");
    if !open {
        text.push_str(" -b cookies.txt");
    }
    if method != "get" {
        text.push_str(&format!(" -X {}", method.to_ascii_uppercase()));
    }
    let keyed = operation["parameters"]
        .as_array()
        .is_some_and(|all| all.iter().any(|parameter| parameter["name"] == "Idempotency-Key"));
    if keyed {
        text.push_str(" \\\n  -H \"Idempotency-Key: $(uuidgen)\"");
    }
    if let Some(body) = body {
        text.push_str(" \\\n  -H 'Content-Type: application/json' \\\n  -d '");
        text.push_str(&body.replace('\'', "'\\''"));
        text.push('\'');
    } else if media == "multipart/form-data" {
        let schema = &operation["requestBody"]["content"]["multipart/form-data"]["schema"];
        for (name, member, _) in members(resolved(schema, document), document) {
            if member["format"] == "binary" || kind(member) == "fichier" {
                text.push_str(&format!(" \\\n  -F '{name}=@fichier.pdf'"));
            } else if let Some(value) = member.get("example").filter(|value| !value.is_null()) {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                text.push_str(&format!(" \\\n  -F '{name}={}'", value.replace('\'', "'\\''")));
            }
        }
    }
    text.push_str(&format!(" \\\n  \"$MPPEEP{address}\""));
    text
}

/// Every schema, by name.
pub(super) fn schemas(document: &Value) -> Vec<SchemaView> {
    let all = document["components"]["schemas"]
        .as_object()
        .into_iter()
        .flatten();
    all.map(|(name, schema)| SchemaView {
        name: name.clone(),
        about: about(schema),
        bounds: bounds(schema),
        members: members(schema, document)
            .into_iter()
            .map(|(name, member, required)| Field {
                name: name.to_owned(),
                place: "",
                kind: kind(member),
                schema: reference(if member["type"] == "array" {
                    &member["items"]
                } else {
                    member
                })
                .map(str::to_owned),
                required,
                bounds: bounds(member),
                about: about(member),
            })
            .collect(),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_quotes_mark_words_of_the_programme() {
        let found: Vec<(bool, String)> = words("Sent as `ETag`.")
            .into_iter()
            .map(|word| (word.code, word.text))
            .collect();
        assert_eq!(
            found,
            [
                (false, "Sent as ".to_owned()),
                (true, "ETag".to_owned()),
                (false, ".".to_owned())
            ]
        );
    }
}
