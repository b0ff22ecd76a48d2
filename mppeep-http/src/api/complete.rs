//! The description made whole: what is true of every operation is said once, here, and so of each.
//!
//! Handlers name their bodies and the problems that are special to them. The rest follows from the operation itself:
//! whether it needs somebody, reads a body or a query, has an identifier in its address, or answers with a version.

use serde_json::{Map, Value, json};

use super::answers::{problem_response, schema_name};

/// Members that an answer leaves out when there is nothing to say; all others are always there, and null when empty.
const LEFT_OUT: &[(&str, &str)] = &[
    ("Absence", "matricule"),
    ("Absence", "full_name"),
    ("User", "personnel_name"),
    ("User", "session_count"),
    ("CreatedUser", "generated_password"),
    ("PayrollMonth", "failures"),
    ("Health", "reasons"),
    ("ProblemBody", "detail"),
    ("ProblemBody", "errors"),
    ("ProblemBody", "request_id"),
    ("AbsenceConflict", "detail"),
    ("AbsenceConflict", "errors"),
    ("AbsenceConflict", "request_id"),
    ("AbsenceConflict", "absence"),
];

/// Answers whose schema says by itself what is always there, because readers see different parts of them.
const SELF_TOLD: &[&str] = &["Personnel"];

/// The methods that an operation may have.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// A year and a month, `AAAA-MM`.
const MONTH: &str = "^(19[0-9]{2}|2[01][0-9]{2}|2200)-(0[1-9]|1[0-2])$";

/// The description with everything in it.
pub(crate) fn complete(mut document: Value) -> Value {
    name_rows(&mut document);
    let components = document["components"]["schemas"].clone();
    if let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) {
        for (path, item) in paths {
            for method in METHODS {
                if let Some(operation) = item.get_mut(method) {
                    parameters(operation);
                    answers(operation, &components, path, method);
                }
            }
        }
    }
    require_members(&mut document);
    months(&mut document);
    document
}

/// Rows of a list are written out by the generator; a reader wants their name.
fn name_rows(document: &mut Value) {
    let Some(schemas) = document
        .pointer_mut("/components/schemas")
        .and_then(Value::as_object_mut)
    else {
        return;
    };
    let known: Vec<(String, Value)> = schemas
        .iter()
        .filter(|(name, _)| !name.starts_with("List_"))
        .map(|(name, schema)| (name.clone(), schema.clone()))
        .collect();
    for (name, schema) in schemas.iter_mut() {
        if !name.starts_with("List_") {
            continue;
        }
        let Some(items) = schema.pointer_mut("/properties/items/items") else {
            continue;
        };
        if let Some((name, _)) = known.iter().find(|(_, schema)| schema == items) {
            *items = json!({ "$ref": format!("#/components/schemas/{name}") });
        }
    }
}

/// A parameter that is there has a value: it is never null, and empty only where the words of a search are.
fn parameters(operation: &mut Value) {
    let Some(parameters) = operation.get_mut("parameters").and_then(Value::as_array_mut) else {
        return;
    };
    for parameter in parameters {
        let free = parameter["name"] == "q";
        let in_query = parameter["in"] == "query";
        let Some(schema) = parameter.get_mut("schema").and_then(Value::as_object_mut) else {
            continue;
        };
        not_null(schema);
        let plain = schema.get("type") == Some(&json!("string"))
            && !schema.contains_key("format")
            && !schema.contains_key("enum");
        if plain && in_query && !free {
            schema.entry("minLength").or_insert(json!(1));
        }
    }
}

fn not_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(codes)) = schema.get_mut("enum") {
        codes.retain(|code| !code.is_null());
    }
}

/// The statuses that an operation of this kind may answer with, and the headers of its answers.
fn answers(operation: &mut Value, components: &Value, path: &str, method: &str) {
    let named = |operation: &Value, place: &str| {
        operation["parameters"]
            .as_array()
            .is_some_and(|all| all.iter().any(|parameter| parameter["in"] == place))
    };
    let public = operation["security"]
        .as_array()
        .is_some_and(|all| all.iter().any(|one| one.as_object().is_some_and(Map::is_empty)));
    let reads_body = operation.get("requestBody").is_some();
    let reads_query = named(operation, "query");
    let by_id = path.contains('{');
    let takes = |name: &str| {
        operation["parameters"]
            .as_array()
            .is_some_and(|all| all.iter().any(|parameter| parameter["name"] == name))
    };
    let by_version = takes("If-Match");
    // A key that was used for something else is a wrong value too.
    let reads_values = reads_body || reads_query || takes("Idempotency-Key");
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else {
        return;
    };
    let rules = [
        (400, true, true),
        (401, !public, !public),
        (403, !public, !public),
        (404, by_id, true),
        (408, reads_body, reads_body),
        (409, false, method != "get"),
        (412, by_version, by_version),
        (413, reads_body, reads_body),
        (415, reads_body, reads_body),
        (422, reads_values, reads_values),
        (429, !public, !public),
        (503, true, true),
    ];
    for (status, always, possible) in rules {
        let code = status.to_string();
        if !possible {
            responses.remove(&code);
        } else if always && !responses.contains_key(&code) {
            responses.insert(code, problem_response(status));
        }
    }
    for (status, response) in responses {
        headers(status, response, components);
        contents(response);
    }
}

/// A file is of any type, and its bytes are no list of numbers.
fn contents(response: &mut Value) {
    let Some(content) = response.get_mut("content").and_then(Value::as_object_mut) else {
        return;
    };
    if let Some(bytes) = content.remove("application/octet-stream") {
        content.insert("*/*".to_owned(), bytes);
    }
    for (kind, content) in content {
        if kind == "*/*" || kind.starts_with("image/") {
            *content = json!({ "schema": { "type": "string", "format": "binary" } });
        }
    }
}

fn headers(status: &str, response: &mut Value, components: &Value) {
    let mut add = |name: &str, about: &str, schema: Value| {
        let header = json!({ "description": about, "schema": schema });
        if let Some(response) = response.as_object_mut() {
            let headers = response.entry("headers").or_insert_with(|| json!({}));
            if let Some(headers) = headers.as_object_mut() {
                headers.entry(name).or_insert(header);
            }
        }
    };
    match status {
        "401" => add(
            "WWW-Authenticate",
            "The way to log in.",
            json!({ "type": "string" }),
        ),
        "201" | "202" => add(
            "Location",
            "Where to read it.",
            json!({ "type": "string", "format": "uri-reference" }),
        ),
        "204" => add("Set-Cookie", "Clears the cookie.", json!({ "type": "string" })),
        _ => {}
    }
    if !status.starts_with('2') {
        return;
    }
    let schema = &response["content"]["application/json"]["schema"];
    if has_version(schema, components) {
        let tag = json!({ "type": "string", "pattern": "^(W/)?\"[0-9]+\"$" });
        let header = json!({ "description": "The version, to be sent back as `If-Match`.", "schema": tag });
        if let Some(response) = response.as_object_mut() {
            let headers = response.entry("headers").or_insert_with(|| json!({}));
            headers["ETag"] = header;
        }
    }
}

/// Whether an answer of this schema is a record with a version.
fn has_version(schema: &Value, components: &Value) -> bool {
    if let Some(name) = schema["$ref"].as_str().and_then(schema_name) {
        return has_version(&components[name], components);
    }
    let own = schema["properties"].get("version").is_some();
    let part = schema["allOf"]
        .as_array()
        .is_some_and(|parts| parts.iter().any(|part| has_version(part, components)));
    own || part
}

/// Marks what is always there in answers.
fn require_members(document: &mut Value) {
    let mut sent = Vec::new();
    let mut answered = Vec::new();
    for item in document["paths"].as_object().into_iter().flat_map(Map::values) {
        for operation in METHODS.iter().filter_map(|method| item.get(*method)) {
            collect(&operation["requestBody"], document, &mut sent);
            collect(&operation["responses"], document, &mut answered);
        }
    }
    let Some(schemas) = document
        .pointer_mut("/components/schemas")
        .and_then(Value::as_object_mut)
    else {
        return;
    };
    for name in answered {
        if sent.contains(&name) || SELF_TOLD.contains(&name.as_str()) {
            continue;
        }
        if let Some(schema) = schemas.get_mut(&name) {
            require(&name, schema);
            for part in schema
                .get_mut("allOf")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                require(&name, part);
            }
        }
    }
}

fn require(name: &str, schema: &mut Value) {
    let left_out = |member: &str| LEFT_OUT.contains(&(name, member));
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    let mut required = Vec::new();
    for (member, property) in properties.iter_mut() {
        if !left_out(member) {
            required.push(Value::from(member.as_str()));
        } else if let Some(property) = property.as_object_mut() {
            not_null(property);
        }
    }
    schema["required"] = required.into();
}

/// The names of the schemas that a part of the description leads to.
fn collect(part: &Value, document: &Value, names: &mut Vec<String>) {
    match part {
        Value::Object(members) => {
            for (key, value) in members {
                match value.as_str().filter(|_| key == "$ref").and_then(schema_name) {
                    Some(name) if !names.iter().any(|known| known == name) => {
                        names.push(name.to_owned());
                        collect(&document["components"]["schemas"][name], document, names);
                    }
                    Some(_) => {}
                    None => collect(value, document, names),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                collect(item, document, names);
            }
        }
        _ => {}
    }
}

/// Whatever is called a month has its form.
fn months(document: &mut Value) {
    let pattern = |schema: &mut Value| {
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("pattern".to_owned(), MONTH.into());
        }
    };
    for schema in document
        .pointer_mut("/components/schemas")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flat_map(Map::values_mut)
    {
        if let Some(month) = schema.pointer_mut("/properties/month") {
            pattern(month);
        }
    }
    for item in document
        .get_mut("paths")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flat_map(Map::values_mut)
    {
        for method in METHODS {
            let Some(parameters) = item
                .get_mut(method)
                .and_then(|operation| operation.get_mut("parameters"))
            else {
                continue;
            };
            for parameter in parameters.as_array_mut().into_iter().flatten() {
                if parameter["name"] == "month" {
                    parameter.get_mut("schema").map(pattern);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Value {
        let page = json!({ "type": "object", "properties": { "items": { "type": "array", "items":
            { "type": "object", "properties": { "id": { "type": "string" }, "note": { "type": ["string", "null"] } } } } } });
        let row = page["properties"]["items"]["items"].clone();
        let record = json!({ "type": "object", "properties": { "version": { "type": "integer" }, "month": { "type": "string" } } });
        let answer = |schema: &str| {
            json!({ "description": "", "content": { "application/json":
            { "schema": { "$ref": format!("#/components/schemas/{schema}") } } } })
        };
        json!({
            "paths": {
                "/things": { "get": {
                    "parameters": [
                        { "name": "q", "in": "query", "schema": { "type": ["string", "null"] } },
                        { "name": "cursor", "in": "query", "schema": { "type": ["string", "null"] } },
                    ],
                    "responses": { "200": answer("List_Thing"), "412": {} } },
                },
                "/things/{id}": { "patch": {
                    "parameters": [{ "name": "If-Match", "in": "header", "schema": { "type": ["string", "null"] } }],
                    "requestBody": { "content": {} },
                    "responses": { "200": answer("Record") } },
                },
                "/open": { "get": { "security": [{}], "responses": { "200": { "description": "" } } } },
            },
            "components": { "schemas": { "List_Thing": page, "Thing": row, "Record": record } },
        })
    }

    fn statuses(document: &Value, path: &str, method: &str) -> Vec<String> {
        let responses = &document["paths"][path][method]["responses"];
        responses.as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn statuses_follow_from_what_an_operation_is() {
        let document = complete(document());
        assert_eq!(
            statuses(&document, "/things", "get"),
            ["200", "400", "401", "403", "422", "429", "503"]
        );
        assert_eq!(
            statuses(&document, "/things/{id}", "patch"),
            [
                "200", "400", "401", "403", "404", "408", "412", "413", "415", "422", "429", "503"
            ]
        );
        assert_eq!(statuses(&document, "/open", "get"), ["200", "400", "503"]);
    }

    #[test]
    fn answers_say_what_is_always_there() {
        let document = complete(document());
        let schemas = &document["components"]["schemas"];
        assert_eq!(
            schemas["List_Thing"]["properties"]["items"]["items"]["$ref"],
            "#/components/schemas/Thing"
        );
        assert_eq!(schemas["Thing"]["required"], json!(["id", "note"]));
        assert!(
            schemas["Thing"].get("allOf").is_none(),
            "nothing is added that is null"
        );
        assert_eq!(schemas["Record"]["properties"]["month"]["pattern"], MONTH);
        let patched = &document["paths"]["/things/{id}"]["patch"]["responses"]["200"];
        assert!(patched["headers"]["ETag"].is_object(), "{patched}");
        let parameters = &document["paths"]["/things"]["get"]["parameters"];
        assert_eq!(parameters[0]["schema"], json!({ "type": "string" }));
        assert_eq!(
            parameters[1]["schema"],
            json!({ "type": "string", "minLength": 1 })
        );
    }
}
