//! Reading the API's own description: the operations, and for each a valid body made of the examples in it.

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
