//! The description, as tests read it.

use serde_json::{Map, Value};

use crate::app::Answer;

/// The document with its references followed where they are asked for.
pub(crate) struct Description(Value);

/// An operation with a JSON body.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) method: String,
    /// Below the server's address, with `{id}` in it.
    pub(crate) path: String,
    /// The schema of its body, resolved.
    pub(crate) body: Option<Value>,
    /// Names of the query's parameters.
    pub(crate) query: Vec<String>,
    /// Whether it can be asked without a body.
    pub(crate) body_required: bool,
}

impl Description {
    pub(crate) fn new(document: Value) -> Self {
        Self(document)
    }

    pub(crate) fn document(&self) -> &Value {
        &self.0
    }

    pub(crate) fn operations(&self) -> Vec<Operation> {
        let mut all = Vec::new();
        for (path, item) in self.0["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let content = &operation["requestBody"]["content"]["application/json"]["schema"];
                let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
                let query = parameters.iter().filter(|parameter| parameter["in"] == "query");
                all.push(Operation {
                    method: method.to_uppercase(),
                    path: path.trim_start_matches("/api/v1").to_owned(),
                    body: (!content.is_null()).then(|| self.resolve(content)),
                    query: query
                        .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
                        .collect(),
                    body_required: operation["requestBody"]["required"] == true,
                });
            }
        }
        all
    }

    /// A schema with every reference in it followed; of alternatives, the one that is not null.
    fn resolve(&self, schema: &Value) -> Value {
        if let Some(reference) = schema["$ref"].as_str() {
            return self.resolve(self.0.pointer(reference.trim_start_matches('#')).unwrap());
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            return self.resolve(choices.iter().find(|choice| choice["type"] != "null").unwrap());
        }
        let mut resolved = schema.clone();
        if let Some(properties) = resolved.get_mut("properties").and_then(Value::as_object_mut) {
            for property in properties.values_mut() {
                *property = self.resolve(&property.clone());
            }
        }
        resolved
    }

    /// The example of a schema: its own, or those of its properties together.
    pub(crate) fn example(schema: &Value, path: &str) -> Value {
        if let Some(example) = schema.get("example") {
            return example.clone();
        }
        let properties = schema["properties"]
            .as_object()
            .unwrap_or_else(|| panic!("{path} has no example: {schema}"));
        let members = properties
            .iter()
            .map(|(name, property)| (name.clone(), Self::example(property, &format!("{path}.{name}"))));
        Value::Object(members.collect::<Map<_, _>>())
    }

    fn operation(&self, method: &str, path: &str) -> Option<&Value> {
        let path = path.split('?').next().unwrap_or_default();
        let path = path.strip_prefix("/mppeep")?;
        let fits = |template: &str| {
            let (wanted, found): (Vec<&str>, Vec<&str>) =
                (template.split('/').collect(), path.split('/').collect());
            wanted.len() == found.len()
                && wanted
                    .iter()
                    .zip(&found)
                    .all(|(wanted, found)| wanted.starts_with('{') || wanted == found)
        };
        let paths = self.0["paths"].as_object()?;
        let item = paths.get(path).or_else(|| {
            paths
                .iter()
                .find(|(template, _)| fits(template))
                .map(|(_, item)| item)
        })?;
        item.get(method.to_lowercase())
    }

    /// Whether the answer is one of those that the description names: its status, its media type, its members.
    #[track_caller]
    pub(crate) fn check(&self, method: &str, path: &str, answer: &Answer) {
        let Some(operation) = self.operation(method, path) else {
            return;
        };
        let text = String::from_utf8_lossy(&answer.body);
        let response = &operation["responses"][answer.status.to_string()];
        assert!(
            !response.is_null(),
            "{method} {path}: {} is not described: {text}",
            answer.status
        );
        let Some(content) = response["content"].as_object() else {
            assert!(answer.body.is_empty(), "{method} {path}: no content is described");
            return;
        };
        let kind = answer.header("content-type").unwrap_or_default();
        if answer.status < 400 && !kind.ends_with("json") {
            let described = content.contains_key(kind) || content.contains_key("*/*");
            assert!(described, "{method} {path}: {kind} is not described");
            return;
        }
        assert!(
            content.contains_key(kind),
            "{method} {path}: {kind} is not described"
        );
        let mut faults = Vec::new();
        self.fits(&answer.value(), &content[kind]["schema"], "", &mut faults);
        if answer.status < 400 {
            assert!(faults.is_empty(), "{method} {path}: {faults:?} in {text}");
        }
    }

    /// A small JSON Schema: types, enumerations, required and known members, references and alternatives.
    fn fits(&self, value: &Value, schema: &Value, at: &str, faults: &mut Vec<String>) {
        if let Some(reference) = schema["$ref"].as_str() {
            let target = self.0.pointer(reference.trim_start_matches('#'));
            return self.fits(
                value,
                target.unwrap_or_else(|| panic!("{reference} leads nowhere")),
                at,
                faults,
            );
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            let fitting = choices.iter().any(|choice| {
                let mut inner = Vec::new();
                self.fits(value, choice, at, &mut inner);
                inner.is_empty()
            });
            if !fitting {
                faults.push(format!("{at}: none of the alternatives"));
            }
            return;
        }
        if let Some(parts) = schema["allOf"].as_array() {
            for part in parts {
                self.fits(value, part, at, faults);
            }
            return;
        }
        let kinds: Vec<&str> = match &schema["type"] {
            Value::String(kind) => vec![kind],
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let of = |kind: &&str| match *kind {
            "null" => value.is_null(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            _ => false,
        };
        if !kinds.is_empty() && !kinds.iter().any(of) {
            faults.push(format!("{at}: {value} is no {kinds:?}"));
        }
        if let Some(known) = schema["enum"].as_array()
            && !known.contains(value)
        {
            faults.push(format!("{at}: {value} is not listed"));
        }
        if let (Some(items), Some(schema)) = (value.as_array(), schema.get("items")) {
            for (index, item) in items.iter().enumerate() {
                self.fits(item, schema, &format!("{at}.{index}"), faults);
            }
        }
        let Some(members) = value.as_object() else { return };
        for name in schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            if !members.contains_key(name) {
                faults.push(format!("{at}: {name} is missing"));
            }
        }
        for (name, member) in members {
            if schema["additionalProperties"] == false && schema["properties"].get(name).is_none() {
                faults.push(format!("{at}: {name} is not described"));
            }
            if let Some(property) = schema["properties"].get(name) {
                self.fits(member, property, &format!("{at}.{name}"), faults);
            }
        }
    }
}
