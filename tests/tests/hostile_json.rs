//! Bodies, values and queries that were made to hurt, as CHECKS J want them refused.

use mppeep_tests::agents::agent;
use mppeep_tests::api::{API, CRITERIA, create_agent, total};
use mppeep_tests::openapi::{Description, Operation};
use mppeep_tests::{Server, html};
use serde_json::{Value, json};

fn personnel() -> String {
    format!("{API}/personnel")
}

fn creations() -> (Description, Vec<Operation>) {
    let description = Description::of_the_binary();
    let operations: Vec<Operation> = ["personnel", "absences", "evaluations", "users"]
        .iter()
        .map(|name| description.operation("POST", &format!("{API}/{name}")))
        .collect();
    (description, operations)
}

/// An example body with its reference to an agent made true.
fn body_for(description: &Description, operation: &Operation, agent: &str) -> Value {
    let mut body = description.example_body(operation);
    if body.get("personnel_id").is_some() {
        body["personnel_id"] = json!(agent);
    }
    if body.get("department_id").is_some() {
        body["department_id"] = Value::Null;
    }
    body
}

/// The examples of the description are what it says they are: valid.
#[tokio::test]
async fn the_examples_together_are_a_valid_body() {
    let server = Server::start();
    let admin = server.admin().await;
    let agent = create_agent(&admin, 1).await;
    let (description, operations) = creations();
    for operation in operations {
        let body = body_for(&description, &operation, agent["id"].as_str().expect("an id"));
        let answer = admin.post(&operation.path, &body).await;
        assert_eq!(answer.status, 201, "{} {body}: {}", operation.path, answer.text());
        let location = answer.header("location").expect("a location");
        let _there = admin.get(location).await.expect(200);
    }
}

/// J-01 … J-04
#[tokio::test]
async fn broken_bodies_are_problems() {
    let server = Server::start();
    let admin = server.admin().await;
    let good = agent(1).body().to_string();
    let mut bodies: Vec<Vec<u8>> = [
        "",
        " ",
        "{",
        "}",
        "[",
        "]",
        "null",
        "true",
        "0",
        "\"x\"",
        "[]",
        "{}",
        "[{}]",
        "{\"matricule\"}",
        "{\"matricule\":}",
        "{\"matricule\":\"A\",}",
        "{'matricule':'A'}",
        "{matricule:1}",
        "{\"a\":01}",
        "{\"a\":1e}",
        "{\"a\":.5}",
        "{\"a\":+1}",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "{\"a\":undefined}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\t\"}",
        "{\"a\":\"\n\"}",
        "/**/{}",
        "{}//",
        "{} {}",
        "{}x",
        "\u{feff}{}",
        "<xml/>",
        "a=b",
        "%7B%7D",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    bodies.push(format!("{good}{good}").into_bytes());
    bodies.push("[".repeat(100_000).into_bytes());
    bodies.push("{\"a\":".repeat(50_000).into_bytes());
    bodies.push(format!("{{\"matricule\":{}1{}}}", "[".repeat(1000), "]".repeat(1000)).into_bytes());
    bodies.push(b"{\"matricule\":\"\xff\xfe\"}".to_vec());
    bodies.push(b"{\"matricule\":\"\xed\xa0\x80\"}".to_vec());
    bodies.push(b"{\"matricule\":\"\xc0\x80\"}".to_vec());
    bodies.push(good.encode_utf16().flat_map(u16::to_le_bytes).collect());
    bodies.push(good.encode_utf16().flat_map(u16::to_be_bytes).collect());
    bodies.push(vec![0; 64]);
    assert!(bodies.len() >= 47, "{}", bodies.len());
    for body in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let answer = admin
            .request("POST", &personnel())
            .body("application/json", body)
            .send()
            .await;
        assert!(
            matches!(answer.status, 400 | 413 | 422),
            "{shown:?}: {}",
            answer.status
        );
        let _problem = answer.problem(answer.status);
    }
    assert_eq!(total(&admin, "personnel").await, 0);
}

/// J-05, J-06, J-07, J-08: every property of every creation, one bad value at a time.
#[tokio::test]
async fn a_bad_value_in_any_property_is_refused_by_name() {
    let server = Server::start();
    let admin = server.admin().await;
    let somebody = create_agent(&admin, 1).await;
    let (description, operations) = creations();
    for operation in operations {
        let good = body_for(&description, &operation, somebody["id"].as_str().expect("an id"));
        let schema = operation.body.clone().expect("a body");
        for (name, property) in schema["properties"].as_object().expect("properties") {
            let kinds = property["type"].to_string();
            let is_text = kinds.contains("string") && property.get("enum").is_none();
            let mut bad: Vec<(Value, &[u16])> = vec![(json!({ "$ne": 1 }), &[400, 422])];
            if is_text {
                bad.extend([
                    (json!("a\0b"), &[422][..]),
                    (json!(17), &[400, 422][..]),
                    (json!(["x"]), &[400, 422][..]),
                ]);
            } else {
                bad.push((json!("\u{0}"), &[400, 422]));
            }
            if kinds.contains("integer") || kinds.contains("number") {
                bad.extend([
                    (json!("douze"), &[400, 422][..]),
                    (json!(9_223_372_036_854_775_807_i64), &[400, 422][..]),
                ]);
            }
            for (value, statuses) in bad {
                let mut body = good.clone();
                body[name] = value.clone();
                let answer = admin.post(&operation.path, &body).await;
                let what = format!("{} {name} = {value}", operation.path);
                assert!(
                    statuses.contains(&answer.status),
                    "{what}: {} {}",
                    answer.status,
                    answer.text()
                );
                let problem = answer.problem(answer.status);
                assert!(problem.to_string().contains(name.as_str()), "{what}: {problem}");
            }
            let surrogate = good
                .to_string()
                .replacen(&good[name].to_string(), "\"\\ud800\"", 1);
            let answer = admin
                .request("POST", &operation.path)
                .body("application/json", surrogate)
                .send()
                .await;
            assert!(matches!(answer.status, 400 | 422), "{name}: {}", answer.status);
            let required = schema["required"]
                .as_array()
                .is_some_and(|all| all.contains(&json!(name)));
            if required {
                let mut body = good.clone();
                body.as_object_mut().expect("an object").remove(name);
                let answer = admin.post(&operation.path, &body).await;
                let problem = answer.problem(422);
                assert!(problem.to_string().contains(name.as_str()), "{name}: {problem}");
            }
        }
    }
    assert_eq!(total(&admin, "personnel").await, 1);
}

/// J-09
#[tokio::test]
async fn a_key_stands_once() {
    let server = Server::start();
    let admin = server.admin().await;
    for doubled in [
        "\"matricule\":\"AA1\"",
        "\"family_name\":\"X\"",
        "\"birth_date\":\"1980-01-01\"",
    ] {
        let body = agent(1)
            .body()
            .to_string()
            .replacen('{', &format!("{{{doubled},"), 1);
        let answer = admin
            .request("POST", &personnel())
            .body("application/json", body)
            .send()
            .await;
        assert!(matches!(answer.status, 400 | 422), "{doubled}: {}", answer.status);
    }
    assert_eq!(total(&admin, "personnel").await, 0);
}

/// J-10
#[tokio::test]
async fn numbers_beyond_reason_are_never_stored() {
    let server = Server::start();
    let admin = server.admin().await;
    let long = "9".repeat(400);
    let numbers = [
        "1e400",
        "-1e400",
        &long,
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775809",
        "1.5",
        "-1",
        "1e308",
    ];
    for field in ["children", "step", "salary_index"] {
        for number in numbers {
            let body = agent(1)
                .body()
                .to_string()
                .replacen('{', &format!("{{\"{field}\":{number},"), 1);
            let answer = admin
                .request("POST", &personnel())
                .body("application/json", body)
                .send()
                .await;
            assert!(
                matches!(answer.status, 400 | 422),
                "{field} = {number}: {} {}",
                answer.status,
                answer.text()
            );
        }
    }
    // And in every whole number that any creation takes, by the description.
    let (description, operations) = creations();
    let somebody = create_agent(&admin, 2).await;
    let somebody = somebody["id"].as_str().expect("an id");
    let mut fields = 3;
    for operation in operations {
        let good = body_for(&description, &operation, somebody);
        let schema = operation.body.clone().expect("a body");
        for (name, property) in schema["properties"].as_object().expect("properties") {
            if !property["type"].to_string().contains("integer") {
                continue;
            }
            fields += 1;
            for number in numbers {
                let mut body = good.clone();
                body[name] = json!("@");
                let body = body.to_string().replacen("\"@\"", number, 1);
                let draft = admin.request("POST", &operation.path);
                let answer = draft.body("application/json", body).send().await;
                assert!(
                    matches!(answer.status, 400 | 422),
                    "{} {name} = {number}: {}",
                    operation.path,
                    answer.status
                );
            }
        }
    }
    for criterion in CRITERIA {
        fields += 1;
        // A mark may have halves.
        for number in numbers.iter().filter(|number| **number != "1.5") {
            let mut marks = json!({});
            for other in CRITERIA {
                marks[other] = json!(10);
            }
            marks[criterion] = json!("@");
            let body = json!({ "personnel_id": somebody, "year": 2020, "marks": marks });
            let body = body.to_string().replacen("\"@\"", number, 1);
            let draft = admin.request("POST", &format!("{API}/evaluations"));
            let answer = draft.body("application/json", body).send().await;
            assert!(
                matches!(answer.status, 400 | 422),
                "{criterion} = {number}: {} {}",
                answer.status,
                answer.text()
            );
        }
    }
    println!("{fields} fields");
    assert!(fields >= 9, "{fields} fields");
    for page in [
        "limit=1e400",
        "limit=9223372036854775808",
        "limit=-1",
        "limit=1.5",
        "page=99999999999999999999",
        "size=-5",
    ] {
        let answer = admin.get(&format!("{}?{page}", personnel())).await;
        assert!((400..500).contains(&answer.status), "{page}: {}", answer.status);
    }
}

/// J-12: what only the server decides.
#[tokio::test]
async fn privileged_properties_are_not_taken_from_the_body() {
    let server = Server::start();
    let admin = server.admin().await;
    let fields = [
        ("id", json!("00000000-0000-0000-0000-000000000001")),
        ("version", json!(99)),
        ("created_at", json!("2001-01-01T00:00:00Z")),
        ("updated_at", json!("2001-01-01T00:00:00Z")),
        ("archived_at", json!("2001-01-01T00:00:00Z")),
        ("is_admin", json!(true)),
        ("roles", json!(["admin"])),
        ("password_hash", json!("x")),
        ("absence_count", json!(99)),
        ("avg_evaluation", json!(20)),
        ("retirement_date", json!("2001-01-01")),
        ("sort_key", json!("a")),
        ("__proto__", json!({ "admin": true })),
        ("constructor", json!({})),
        ("user_id", json!(1)),
    ];
    for (number, (name, value)) in fields.into_iter().enumerate() {
        let mut body = agent(number).body();
        body[name] = value.clone();
        let answer = admin.post(&personnel(), &body).await;
        if answer.status == 201 {
            assert_ne!(answer.json()[name], value, "{name} was taken");
        } else {
            assert!(matches!(answer.status, 400 | 422), "{name}: {}", answer.status);
        }
    }
}

/// J-13, J-22: data is data, in the store and on every page.
#[tokio::test]
async fn markup_and_formulas_in_names_are_only_text() {
    let server = Server::start();
    let admin = server.admin().await;
    let nasty = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "'; DROP TABLE personnel; --",
        "{{31337*31337}}",
        "${31337*31337}",
        "<%= 31337*31337 %>",
        "=1+1",
        "+cmd|' /C calc'!A0",
        "@SUM(1)",
        "-2+3",
        "javascript:alert(1)",
        "%s%n%x",
        "../../etc/passwd",
        "\\u003cscript\\u003e",
        "&lt;b&gt;",
        "`id`",
        "$(id)",
        "</textarea><script>alert(1)</script>",
        "</title><script>alert(1)</script>",
        "N'Guessan \"Aké\"",
    ];
    let mut stored = Vec::new();
    for (number, text) in nasty.iter().enumerate() {
        let mut body = agent(number).body();
        body["family_name"] = json!(text);
        body["job_title"] = json!(text);
        body["notes"] = json!(text);
        let answer = admin.post(&personnel(), &body).await;
        if answer.status == 201 {
            let location = answer.header("location").expect("a location");
            let view = admin
                .get(&format!("{location}?private=true"))
                .await
                .expect(200)
                .json();
            assert_eq!(view["notes"], json!(text), "stored as it was");
            stored.push(view["id"].as_str().expect("an id").to_owned());
        } else {
            let _named = answer.problem(422);
        }
    }
    assert!(stored.len() >= 5, "names may hold odd characters");
    let mut pages = vec![
        "/mppeep/personnel".to_owned(),
        "/mppeep/journal".to_owned(),
        "/mppeep/accueil".to_owned(),
    ];
    pages.extend(stored.iter().flat_map(|id| {
        [
            format!("/mppeep/personnel/{id}"),
            format!("/mppeep/personnel/{id}/modifier"),
        ]
    }));
    for path in pages {
        let page = admin.get(&path).await.expect(200).text();
        for tag in html::tags(&page) {
            assert!(
                tag.attributes.keys().all(|name| !name.starts_with("on")),
                "{path}: {tag:?}"
            );
            assert!(
                tag.name != "img" || tag.get("src") != Some("x"),
                "{path}: {tag:?}"
            );
        }
        assert!(!page.contains("<script>alert"), "{path}");
        assert!(!page.contains("982007569"), "{path} computed a template");
    }
}

/// J-13: an address is one, and is stored as such.
#[tokio::test]
async fn what_is_no_address_is_refused() {
    let server = Server::start();
    let admin = server.admin().await;
    for address in [
        "",
        " ",
        "a",
        "a@",
        "@b.example",
        "a@b",
        "a b@c.example",
        "a@b@c.example",
        "a@b..example",
        "<script>@b.example",
        "a@b.example\nBcc: x@y.example",
        "a@b.example, c@d.example",
        "a\0@b.example",
        "\"a\"<a@b.example>",
        "a@[127.0.0.1",
        "é\u{202e}@b.example",
    ] {
        let body = json!({ "email": address, "display_name": "Awa Koné", "roles": ["agent"] });
        let answer = admin.post(&format!("{API}/users"), &body).await;
        let problem = answer.problem(422);
        assert!(
            problem["errors"].to_string().contains("email"),
            "{address:?}: {problem}"
        );
    }
}

/// J-14
#[tokio::test]
async fn impossible_dates_are_named() {
    let server = Server::start();
    let admin = server.admin().await;
    let dates = [
        "infinity",
        "-infinity",
        "now",
        "today",
        "0000-00-00",
        "2026-02-30",
        "2026-13-01",
        "1980-1-1",
        "01/02/1980",
        "1980-01-01T00:00:00Z",
        "19800101",
        "-0001-01-01",
        "10000-01-01",
        "",
        " ",
        "1980-01-01 ",
    ];
    for date in dates {
        let mut body = agent(1).body();
        body["birth_date"] = json!(date);
        let answer = admin.post(&personnel(), &body).await;
        if date == "1980-01-01 " && answer.status == 201 {
            continue; // a blank at the end may be forgiven
        }
        let problem = answer.problem(422);
        assert!(
            problem["errors"].to_string().contains("birth_date"),
            "{date}: {problem}"
        );
    }
}
