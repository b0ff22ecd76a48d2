//! Reading the API's own description: the operations, and for each a valid body made of the examples in it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The description that the binary prints.
#[derive(Clone, Debug)]
pub struct Description {
    document: Value,
}

/// One operation.
#[derive(Clone, Debug)]
pub struct Operation {
    /// In upper case.
    pub method: String,
    /// As the document writes it, with the root path, with `{names}` in it.
    pub path: String,
    /// The schema of the JSON body, resolved; `None` when it takes none.
    pub body: Option<Value>,
    /// The media types of the body.
    pub media: Vec<String>,
    /// The documented statuses.
    pub statuses: Vec<String>,
    /// The names of its query parameters.
    pub query: Vec<String>,
}

impl Operation {
    /// The path with every parameter replaced.
    #[must_use]
    pub fn path_with(&self, value: &str) -> String {
        let mut out = String::new();
        let mut rest = self.path.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            out.push_str(value);
            rest = after.split_once('}').map_or("", |(_, rest)| rest);
        }
        out + rest
    }
}

impl Description {
    /// Asks the binary.
    #[must_use]
    pub fn of_the_binary() -> Self {
        let text = crate::Launch::new().run_well(&["openapi"]);
        Self {
            document: serde_json::from_str(&text).expect("the description is JSON"),
        }
    }

    /// The whole document.
    #[must_use]
    pub const fn document(&self) -> &Value {
        &self.document
    }

    /// All operations, in the order of the document.
    #[must_use]
    pub fn operations(&self) -> Vec<Operation> {
        let mut all = Vec::new();
        let base = self.document["servers"][0]["url"]
            .as_str()
            .unwrap_or("")
            .trim_end_matches('/');
        let base = if base.starts_with('/') { base } else { "" };
        for (path, item) in self.document["paths"].as_object().expect("paths") {
            let full = if path.starts_with("/mppeep") {
                path.clone()
            } else {
                format!("{base}{path}")
            };
            for method in ["get", "post", "put", "patch", "delete"] {
                let Some(operation) = item.get(method) else {
                    continue;
                };
                let content = operation["requestBody"]["content"]
                    .as_object()
                    .cloned()
                    .unwrap_or_default();
                let schema = content
                    .get("application/json")
                    .map(|json| self.resolve(&json["schema"], 0));
                let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
                all.push(Operation {
                    method: method.to_ascii_uppercase(),
                    path: full.clone(),
                    body: schema,
                    media: content.keys().cloned().collect(),
                    statuses: operation["responses"]
                        .as_object()
                        .map_or_else(Vec::new, |r| r.keys().cloned().collect()),
                    query: parameters
                        .iter()
                        .filter(|parameter| parameter["in"] == "query")
                        .filter_map(|parameter| Some(parameter["name"].as_str()?.to_owned()))
                        .collect(),
                });
            }
        }
        assert!(!all.is_empty(), "the description names no operation");
        all
    }

    /// One operation that must be there.
    #[must_use]
    #[track_caller]
    pub fn operation(&self, method: &str, path: &str) -> Operation {
        self.operations()
            .into_iter()
            .find(|operation| operation.method == method && operation.path == path)
            .unwrap_or_else(|| panic!("{method} {path} is not described"))
    }

    /// An operation as the document has it.
    #[must_use]
    pub fn written(&self, operation: &Operation) -> &Value {
        let paths = &self.document["paths"];
        let base = self.document["servers"][0]["url"].as_str().unwrap_or("");
        let short = operation.path.strip_prefix(base).unwrap_or(&operation.path);
        let item = paths.get(short).unwrap_or(&paths[&operation.path]);
        &item[operation.method.to_ascii_lowercase()]
    }

    /// A parameter of an operation.
    #[must_use]
    pub fn parameter(&self, operation: &Operation, name: &str) -> Option<&Value> {
        let all = self.written(operation)["parameters"].as_array()?;
        all.iter().find(|parameter| parameter["name"] == name)
    }

    /// A schema with its references followed.
    #[must_use]
    pub fn resolve(&self, schema: &Value, depth: u32) -> Value {
        assert!(depth < 32, "a schema that contains itself");
        if let Some(reference) = schema["$ref"].as_str() {
            let pointer = reference.trim_start_matches('#');
            let target = self
                .document
                .pointer(pointer)
                .unwrap_or_else(|| panic!("{reference} leads nowhere"));
            return self.resolve(target, depth + 1);
        }
        let mut out = schema.clone();
        if let Some(properties) = out.get_mut("properties").and_then(Value::as_object_mut) {
            for property in properties.values_mut() {
                *property = self.resolve(&property.clone(), depth + 1);
            }
        }
        if let Some(items) = out.get("items").cloned() {
            out["items"] = self.resolve(&items, depth + 1);
        }
        out
    }

    /// What an answer has that the schema does not say, or lacks that it says.
    #[must_use]
    pub fn faults(&self, value: &Value, schema: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        self.compare(value, schema, "", &mut faults);
        faults
    }

    fn compare(&self, value: &Value, schema: &Value, at: &str, faults: &mut Vec<String>) {
        if let Some(reference) = schema["$ref"].as_str() {
            let target = self.document.pointer(reference.trim_start_matches('#'));
            let target = target.unwrap_or_else(|| panic!("{reference} leads nowhere"));
            return self.compare(value, target, at, faults);
        }
        if let Some(choices) = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) {
            let mut best: Option<Vec<String>> = None;
            for choice in choices {
                let mut inner = Vec::new();
                self.compare(value, choice, at, &mut inner);
                if best.as_ref().is_none_or(|best| inner.len() < best.len()) {
                    best = Some(inner);
                }
            }
            faults.extend(best.unwrap_or_default());
            return;
        }
        self.compare_type(value, schema, at, faults);
        let members = self.members(schema);
        if let (Some(found), false) = (value.as_object(), members.is_empty()) {
            for (name, (property, required)) in &members {
                match found.get(name) {
                    Some(member) => self.compare(member, property, &format!("{at}.{name}"), faults),
                    None if *required => faults.push(format!("{at}.{name} is missing")),
                    None => {}
                }
            }
            let unknown = found.keys().filter(|name| !members.contains_key(*name));
            faults.extend(unknown.map(|name| format!("{at}.{name} is not described")));
        } else if let (Some(found), Some(each)) = (
            value.as_object(),
            schema.get("additionalProperties").filter(|each| each.is_object()),
        ) {
            for (name, member) in found {
                self.compare(member, each, &format!("{at}.{name}"), faults);
            }
        }
        if let (Some(items), Some(each)) = (value.as_array(), schema.get("items")) {
            for (index, item) in items.iter().enumerate() {
                self.compare(item, each, &format!("{at}.{index}"), faults);
            }
        }
    }

    fn compare_type(&self, value: &Value, schema: &Value, at: &str, faults: &mut Vec<String>) {
        let types: Vec<&str> = match &schema["type"] {
            Value::String(one) => vec![one],
            Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
            _ => return,
        };
        let fits = types.iter().any(|kind| match *kind {
            "null" => value.is_null(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            _ => false,
        });
        if !fits {
            faults.push(format!("{at}: {value} is no {types:?}"));
        }
        if schema["enum"]
            .as_array()
            .is_some_and(|known| !known.contains(value))
        {
            faults.push(format!("{at}: {value} is not listed"));
        }
        let Some(text) = value.as_str() else { return };
        let well = match schema["format"].as_str() {
            Some("uuid") => uuid::Uuid::try_parse(text).is_ok(),
            Some("date") => text.len() == 10 && text.as_bytes()[4] == b'-' && text.as_bytes()[7] == b'-',
            Some("date-time") => text.contains('T') && text.ends_with('Z'),
            Some("email") => text.contains('@'),
            _ => true,
        };
        if !well {
            faults.push(format!("{at}: {text} is no {}", schema["format"]));
        }
    }

    /// The members of an object with those of its parts, and whether each is always there.
    fn members(&self, schema: &Value) -> BTreeMap<String, (Value, bool)> {
        let mut all = BTreeMap::new();
        for part in schema["allOf"].as_array().into_iter().flatten() {
            let part = match part["$ref"].as_str() {
                Some(reference) => self
                    .document
                    .pointer(reference.trim_start_matches('#'))
                    .expect("a part"),
                None => part,
            };
            all.extend(self.members(part));
        }
        let required = |name: &str| {
            let names = schema["required"].as_array();
            names.is_some_and(|names| names.iter().any(|known| known == name))
        };
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            all.insert(name.clone(), (property.clone(), required(name)));
        }
        all
    }

    /// The body made of all the examples of an operation's properties: the contract says that it is valid.
    #[must_use]
    #[track_caller]
    pub fn example_body(&self, operation: &Operation) -> Value {
        let schema = operation
            .body
            .as_ref()
            .unwrap_or_else(|| panic!("{} takes no JSON", operation.path));
        self.example(schema, &operation.path)
    }

    /// The example of a schema.
    #[track_caller]
    fn example(&self, schema: &Value, of: &str) -> Value {
        if let Some(example) = schema.get("example").or_else(|| schema["examples"].get(0)) {
            return example.clone();
        }
        if let Some(properties) = schema["properties"].as_object() {
            let pairs = properties.iter().map(|(name, property)| {
                let resolved = self.resolve(property, 0);
                (name.clone(), self.example(&resolved, &format!("{of} {name}")))
            });
            return Value::Object(pairs.collect::<Map<_, _>>());
        }
        for key in ["oneOf", "anyOf", "allOf"] {
            if let Some(choices) = schema[key].as_array() {
                let some = choices
                    .iter()
                    .find(|choice| choice["type"] != "null")
                    .expect("a choice");
                return self.example(&self.resolve(some, 0), of);
            }
        }
        if schema["type"] == "array" {
            return Value::Array(vec![self.example(&self.resolve(&schema["items"], 0), of)]);
        }
        panic!("a property without an example: {of}: {schema}")
    }
}
