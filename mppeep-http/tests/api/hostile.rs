//! Values that were made to hurt, in every property and every query parameter of the description.

use serde_json::{Value, json};

use crate::app::{API, Client, TestApp};
use crate::description::Operation;
use crate::examples::World;

/// JSON texts that no property of that schema takes.
fn bad_values(schema: &Value) -> Vec<String> {
    let kinds = schema["type"].to_string();
    let mut bad = vec![
        r#"{"$ne":1}"#.to_owned(),
        "1e400".to_owned(),
        "-1e400".to_owned(),
        r#""\ud800""#.to_owned(),
    ];
    if !kinds.contains("array") {
        bad.extend(["[]", "[\"x\"]", "[[[[]]]]"].map(str::to_owned));
    } else {
        bad.extend(["\"agent\"", "[null]", "[{}]", "[\"\\u0000\"]"].map(str::to_owned));
    }
    if kinds.contains("string") {
        bad.extend(["17", "0", "true", "1.5", r#""a\u0000b""#, r#""\udfff\ud800""#].map(str::to_owned));
    } else {
        bad.extend(["\"\"", "\"douze\"", "\"\\u0000\""].map(str::to_owned));
    }
    if schema.get("enum").is_some() || schema["format"] == "date" || schema["format"] == "uuid" {
        bad.extend(
            [
                "\"nonsense\"",
                "\"infinity\"",
                "\"0000-00-00\"",
                "\"2026-02-30\"",
                "\"☃\"",
            ]
            .map(str::to_owned),
        );
    }
    if kinds.contains("integer") || kinds.contains("number") {
        let long = "9".repeat(400);
        let huge = [
            "9223372036854775808",
            "-9223372036854775809",
            "1e308",
            "true",
            "1.123",
            "-1",
            &long,
        ];
        bad.extend(huge.map(str::to_owned));
    }
    if kinds.contains("integer") {
        bad.push("9223372036854775807".to_owned());
    }
    if let Some(max) = schema["maxLength"].as_u64() {
        bad.push(json!("a".repeat(usize::try_from(max).unwrap() + 1)).to_string());
    }
    bad
}

/// The body with one member, perhaps within another, replaced by a JSON text.
fn replaced(body: &Value, path: &[&str], text: &str) -> String {
    let mut body = body.clone();
    let marker = "\u{1F3AF}";
    let mut member = &mut body;
    for name in path {
        member = &mut member[*name];
    }
    *member = json!(marker);
    body.to_string().replace(&format!("\"{marker}\""), text)
}

async fn refuses(client: &Client<'_>, operation: &Operation, path: &str, body: String, name: &str) {
    let answer = client.text(&operation.method, path, body.clone()).await;
    let shown: String = body.chars().take(300).collect();
    let what = format!(
        "{} {path} {name} {shown}: {}",
        operation.method,
        String::from_utf8_lossy(&answer.body)
    );
    assert!(matches!(answer.status, 400 | 412 | 422), "{what}");
    let problem = answer.problem();
    if answer.status == 422 {
        assert!(problem["errors"].to_string().contains(name), "{what}");
    }
}

#[tokio::test]
async fn no_property_takes_what_it_should_not() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let world = World::make(&admin).await;
    let mut tried = 0;
    for operation in app
        .description
        .operations()
        .into_iter()
        .filter(|operation| operation.body.is_some())
    {
        let path = if operation.path.contains('{') {
            world.path(&operation.path)
        } else {
            operation.path.clone()
        };
        let schema = operation.body.clone().unwrap();
        let body = world.body(&operation);
        for (name, property) in schema["properties"].as_object().unwrap() {
            for text in bad_values(property) {
                refuses(&admin, &operation, &path, replaced(&body, &[name], &text), name).await;
                tried += 1;
            }
            for (inner, property) in property["properties"].as_object().into_iter().flatten() {
                for text in bad_values(property) {
                    refuses(
                        &admin,
                        &operation,
                        &path,
                        replaced(&body, &[name, inner], &text),
                        inner,
                    )
                    .await;
                    tried += 1;
                }
            }
        }
        for required in schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            for missing in [true, false] {
                let mut body = body.clone();
                if missing {
                    body.as_object_mut().unwrap().remove(required);
                } else {
                    body[required] = Value::Null;
                }
                refuses(&admin, &operation, &path, body.to_string(), required).await;
                tried += 1;
            }
        }
        for privileged in [
            "id",
            "is_admin",
            "created_at",
            "password_hash",
            "session_epoch",
            "__proto__",
        ] {
            let mut body = body.clone();
            body[privileged] = json!(1);
            refuses(&admin, &operation, &path, body.to_string(), privileged).await;
            tried += 1;
        }
        let doubled = body.to_string().replacen('{', "{\"version\":1,\"version\":1,", 1);
        assert_eq!(
            admin.text(&operation.method, &path, doubled).await.status,
            400,
            "{path}"
        );
    }
    println!("{tried} bodies");
    assert!(tried > 1_500, "{tried}");
}

#[tokio::test]
async fn no_document_breaks_an_operation() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let world = World::make(&admin).await;
    let bodies: Vec<Vec<u8>> = [
        "",
        " ",
        "{",
        "[]",
        "null",
        "3",
        "\"x\"",
        "{}{}",
        "{'a':1}",
        "\u{feff}{}",
        "a=b",
        "{\"a\":\"\u{1}\"}",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .chain([
        b"{\"a\":\"\xff\"}".to_vec(),
        vec![0; 32],
        "[".repeat(50_000).into_bytes(),
        "{\"a\":".repeat(50_000).into_bytes(),
    ])
    .collect();
    for operation in app
        .description
        .operations()
        .into_iter()
        .filter(|operation| operation.body.is_some())
    {
        let path = if operation.path.contains('{') {
            world.path(&operation.path)
        } else {
            operation.path.clone()
        };
        // Where a body may be left out, null is none.
        let refused = |body: &&Vec<u8>| operation.body_required || body.as_slice() != b"null";
        for body in bodies.iter().filter(refused) {
            let kind = [("content-type", "application/json")];
            let answer = admin
                .send(&operation.method, &format!("{API}{path}"), &kind, body.clone())
                .await;
            assert!(matches!(answer.status, 400 | 422), "{path}: {}", answer.status);
            let _problem = answer.problem();
        }
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/xml",
        ] {
            let answer = admin
                .send(
                    &operation.method,
                    &format!("{API}{path}"),
                    &[("content-type", kind)],
                    "{}",
                )
                .await;
            assert_eq!(answer.status, 415, "{path} {kind}");
        }
        if operation.body_required {
            let answer = admin
                .send(&operation.method, &format!("{API}{path}"), &[], "")
                .await;
            assert_eq!(answer.status, 415, "{path}");
        }
        let large = format!("{{\"a\":\"{}\"}}", "a".repeat(1_100_000));
        assert_eq!(
            admin.text(&operation.method, &path, large).await.status,
            413,
            "{path}"
        );
    }
}

#[tokio::test]
async fn no_query_breaks_a_read() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let world = World::make(&admin).await;
    let long = "a".repeat(3_000);
    let values = [
        "%00",
        "%27",
        "%22",
        "%25",
        "_",
        "*",
        "(%20OR",
        "NEAR(",
        "%5C",
        "-1",
        "0",
        "999999999999",
        "1e9",
        "NaN",
        "null",
        "[]",
        "%7B%7D",
        "../x",
        "%27%20OR%201=1%20--",
        "%F0%9F%98%80",
        "%ff",
        "%",
        "%zz",
        "2026-99-99",
        "9999-12-31",
        "1900-01-01",
        "2200-12-31",
        "%E2%80%AEabc",
        "true",
        "",
        "+",
        "e30",
        "bnVsbA",
        "eyJ2YWx1ZSI6MSwiaWQiOiIwIn0",
        "-9999-01-01T00:00:00Z",
        &long,
    ];
    let mut tried = 0;
    for operation in app
        .description
        .operations()
        .into_iter()
        .filter(|operation| operation.method == "GET")
    {
        let path = if operation.path.contains('{') {
            world.path(&operation.path)
        } else {
            operation.path.clone()
        };
        for name in operation.query.iter().map(String::as_str).chain(["unknown"]) {
            for value in values {
                let answer = admin.get(&format!("{path}?{name}={value}")).await;
                if answer.status != 200 {
                    // There is no photograph, and a document has one version.
                    let none = path.ends_with("/photo") || path.ends_with("/content");
                    assert!(
                        matches!(answer.status, 400 | 422) || none && answer.status == 404,
                        "{path} {name}={value}: {}",
                        answer.status
                    );
                    let _problem = answer.problem();
                }
                tried += 1;
            }
            let twice = admin.get(&format!("{path}?{name}=1&{name}=2")).await;
            assert!(
                matches!(twice.status, 200 | 422) || path.ends_with("/photo") && twice.status == 404,
                "{path} {name}: {}",
                twice.status
            );
        }
    }
    println!("{tried} queries");
    assert!(tried > 1_500, "{tried}");
}

/// A cursor of another list, or of another order, leads nowhere, and breaks nothing.
#[tokio::test]
async fn cursors_of_other_lists_break_nothing() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for number in 0..3 {
        let id = admin.agent(&format!("C-{number}"), &json!({})).await;
        for year in [2024, 2025] {
            let body = json!({ "personnel_id": id, "year": year, "marks": { "initiative": number } });
            admin.post("/evaluations", &body).await.expect(201);
            let body =
                json!({ "personnel_id": id, "kind": "mission", "start_date": format!("{year}-02-05") });
            admin.post("/absences", &body).await.expect(201);
        }
    }
    let sorts = [
        "name",
        "matricule",
        "department",
        "job_title",
        "grade",
        "position",
        "seniority",
        "absences",
        "score",
        "retirement",
        "updated",
    ];
    let mut lists: Vec<String> = ["absences", "evaluations", "activities"]
        .iter()
        .map(|list| format!("/{list}?limit=1"))
        .collect();
    for sort in sorts {
        lists.extend(["asc", "desc"].map(|order| format!("/personnel?limit=1&sort={sort}&order={order}")));
    }
    let mut cursors = Vec::new();
    for list in &lists {
        let page = admin.get(list).await.expect(200).value();
        cursors.push(
            page["next_cursor"]
                .as_str()
                .unwrap_or_else(|| panic!("{list}: {page}"))
                .to_owned(),
        );
    }
    for list in &lists {
        for cursor in &cursors {
            let answer = admin.get(&format!("{list}&cursor={cursor}")).await;
            assert!(
                matches!(answer.status, 200 | 422),
                "{list} {cursor}: {}",
                answer.status
            );
        }
    }
}
