//! The description against the answers of the binary, and its page.

use mppeep_tests::api::API;
use mppeep_tests::openapi::{Description, Operation};
use mppeep_tests::{Client, Server, html};
use serde_json::Value;

const ROLES: [&str; 8] = ["admin", "daf", "sdrh", "sdb", "sdc", "cs", "agent", "invite"];

/// Whether an operation answers everybody.
fn is_public(description: &Description, operation: &Operation) -> bool {
    let security = description.written(operation)["security"].as_array();
    security.is_some_and(|all| {
        all.iter()
            .any(|one| one.as_object().is_some_and(serde_json::Map::is_empty))
    })
}

/// The schema that an operation describes for an answer.
fn schema<'a>(
    description: &'a Description,
    operation: &Operation,
    status: u16,
    media: &str,
) -> Option<&'a Value> {
    let response = &description.written(operation)["responses"][status.to_string()];
    assert!(
        response.is_object(),
        "{} {}: {status} is not described",
        operation.method,
        operation.path
    );
    response["content"].get(media).map(|content| &content["schema"])
}

/// Identifiers of records, as the lists tell them.
async fn some_id(client: &Client, path: &str) -> Option<String> {
    let collection = path.split("/{").next()?;
    let answer = client.get(&format!("{collection}?limit=1")).await;
    if answer.status != 200 {
        return None;
    }
    Some(answer.json()["items"][0]["id"].as_str()?.to_owned())
}

/// Every read, by every role: no status, member, code or form that is not described.
#[tokio::test]
async fn every_read_answers_what_is_described() {
    let server = Server::demo();
    let description = Description::of_the_binary();
    let (mut read, mut refused) = (0, 0);
    for role in ROLES {
        let client = server.demo_user(role).await;
        for operation in description.operations() {
            if operation.method != "GET" {
                continue;
            }
            let mut path = operation.path.replace("{month}", "2026-11");
            if path.contains('{') {
                let Some(id) = some_id(&client, &operation.path).await else {
                    continue;
                };
                path = operation.path.replace("{id}", &id);
                if path.contains('{') {
                    continue;
                }
            }
            let answer = client.get(&path).await;
            let media = answer
                .header_or_empty("content-type")
                .split(';')
                .next()
                .unwrap_or("");
            let described = schema(&description, &operation, answer.status, media);
            if answer.status == 200 {
                read += 1;
            } else {
                refused += 1;
            }
            if !media.ends_with("json") {
                continue;
            }
            let described = described
                .unwrap_or_else(|| panic!("{role} {path}: {media} is not described for {}", answer.status));
            let faults = description.faults(&answer.json(), described);
            assert!(faults.is_empty(), "{role} {path}: {faults:#?}");
        }
    }
    println!("{read} answers read, {refused} refused");
    assert!(read >= 100 && refused >= 50, "{read} read, {refused} refused");
}

/// What the description says of who may ask is what happens to nobody.
#[tokio::test]
async fn security_is_declared_as_it_is() {
    let server = Server::start();
    let visitor = server.visitor();
    let description = Description::of_the_binary();
    for operation in description.operations() {
        let path = operation
            .path_with("0197a3c0-5e1c-7cc1-8a52-3f1d6c2b9e10")
            .replace("/months/0197a3c0-5e1c-7cc1-8a52-3f1d6c2b9e10", "/months/2026-11");
        let answer = visitor.request(&operation.method, &path).send().await;
        if is_public(&description, &operation) {
            assert!(answer.status < 400, "{path}: {}", answer.status);
        } else {
            let _problem = answer.problem(401);
            for status in ["400", "401", "403", "429", "503"] {
                assert!(
                    operation.statuses.iter().any(|known| known == status),
                    "{path} {status}"
                );
            }
        }
    }
}

/// Everything that is sent is typed, bounded, and has an example; nothing else is taken.
#[test]
fn everything_that_is_sent_is_bounded() {
    fn look(schema: &Value, at: &str, faults: &mut Vec<String>) {
        if schema.get("enum").is_some() {
            return;
        }
        let is = |kind: &str| {
            schema["type"] == kind
                || schema["type"]
                    .as_array()
                    .is_some_and(|all| all.iter().any(|one| one == kind))
        };
        let bounded = ["maxLength", "format", "pattern", "const"]
            .iter()
            .any(|word| schema.get(*word).is_some());
        if is("string") && !bounded && schema["contentMediaType"].is_null() {
            faults.push(format!("{at}: a text without an end"));
        }
        if let Some(properties) = schema["properties"].as_object() {
            if schema["additionalProperties"] != false {
                faults.push(format!("{at}: takes anything else"));
            }
            for (name, property) in properties {
                look(property, &format!("{at}.{name}"), faults);
            }
        }
        if let Some(items) = schema.get("items") {
            look(items, &format!("{at}[]"), faults);
        }
    }
    let description = Description::of_the_binary();
    let mut faults = Vec::new();
    for operation in description.operations() {
        let mut body = operation.body.clone();
        if let Some(choices) = body.as_ref().and_then(|body| body["oneOf"].as_array()) {
            let some = choices
                .iter()
                .find(|choice| choice["type"] != "null")
                .expect("a choice");
            body = Some(description.resolve(some, 0));
        }
        if let Some(body) = body {
            look(
                &body,
                &format!("{} {}", operation.method, operation.path),
                &mut faults,
            );
            let example = description.example_body(&operation);
            let wrong = description.faults(&example, &body);
            assert!(wrong.is_empty(), "{}: the examples: {wrong:?}", operation.path);
        }
        for parameter in description.written(&operation)["parameters"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let schema = &parameter["schema"];
            assert!(
                schema["type"].is_string(),
                "{} {}: one type, never null: {schema}",
                operation.path,
                parameter["name"]
            );
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// The page is as public as the description, and shows every operation.
#[tokio::test]
async fn the_page_shows_every_operation() {
    let server = Server::start();
    let visitor = server.visitor();
    let _document = visitor.get(&format!("{API}/openapi.json")).await.expect(200);
    let page = visitor.get("/mppeep/api/docs").await.expect(200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let policy = page.header_or_empty("content-security-policy");
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    let text = page.text();
    assert!(text.contains("<html lang=\"fr\""));
    assert!(
        !text.contains(" style=") && !text.contains("<script>"),
        "nothing is inline"
    );
    let description = Description::of_the_binary();
    for operation in description.operations() {
        let id = description.written(&operation)["operationId"]
            .as_str()
            .expect("an id");
        assert!(text.contains(&format!("id=\"{id}\"")), "{id} is not on the page");
    }
    for target in text
        .split("href=\"#")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
    {
        assert!(
            text.contains(&format!("id=\"{target}\"")),
            "#{target} leads nowhere"
        );
    }
    let words = html::text(&text);
    for word in [
        "Se connecter",
        "Répéter sans doubler",
        "Créer un dossier",
        "openapi.json",
    ] {
        assert!(words.contains(word), "{word}");
    }
}
