//! Queries and identifiers that were made to hurt, and races, as CHECKS J-15 … J-20 want them answered.

use mppeep_tests::agents::agent;
use mppeep_tests::api::{API, list, total};
use mppeep_tests::client::encode;
use mppeep_tests::openapi::{Description, Operation};
use mppeep_tests::{Client, Server};

fn personnel() -> String {
    format!("{API}/personnel")
}

/// The query parameters that the description names for a path, each with values nobody should send.
async fn hostile_queries(admin: &Client, operation: &Operation) -> usize {
    let long = "a".repeat(5000);
    let values = [
        "%00",
        "'",
        "\"",
        "%",
        "_",
        "*",
        "( OR",
        "NEAR(",
        "\\",
        "-1",
        "0",
        "999999999999",
        "1e9",
        "NaN",
        "null",
        "[]",
        "{}",
        "../x",
        "' OR 1=1 --",
        "\u{1F600}",
        "%ff",
        "2026-99-99",
        "\u{202e}abc",
        long.as_str(),
    ];
    let mut count = 0;
    for name in &operation.query {
        for value in values {
            let value = if value.starts_with('%') && value.len() == 3 {
                value.to_owned()
            } else {
                encode(value)
            };
            let answer = admin.get(&format!("{}?{name}={value}", operation.path)).await;
            assert!(
                answer.status < 500,
                "{} {name}={value}: {}",
                operation.path,
                answer.status
            );
            if answer.status != 200 {
                let _problem = answer.problem(answer.status);
            } else if let Some(items) = answer.json()["items"].as_array() {
                assert!(items.len() <= 1000);
            }
            count += 1;
        }
        let twice = admin.get(&format!("{0}?{name}=a&{name}=b", operation.path)).await;
        assert!(twice.status < 500, "{name} twice: {}", twice.status);
    }
    count
}

/// J-15, J-16
#[tokio::test]
async fn no_query_breaks_a_list() {
    let server = Server::demo();
    let everyone = server
        .logged_in(
            &mppeep_tests::server::demo_email("sdrh"),
            mppeep_tests::DEMO_PASSWORD,
        )
        .await;
    let mut count = 0;
    for operation in Description::of_the_binary().operations() {
        if operation.method == "GET" && !operation.path.contains('{') && operation.path.starts_with(API) {
            count += hostile_queries(&everyone, &operation).await;
        }
    }
    println!("{count} queries");
    assert!(
        count >= 200,
        "only {count} queries: are the parameters described?"
    );
    for limit in ["limit=200", "size=200"] {
        let page = list(&everyone, &format!("personnel?{limit}")).await;
        assert!(page["items"].as_array().expect("items").len() <= 200);
    }
    let too_many = everyone.get(&format!("{}?limit=201", personnel())).await;
    assert!(matches!(too_many.status, 200 | 422));
    assert!(too_many.status == 422 || too_many.json()["items"].as_array().expect("items").len() <= 200);
}

/// J-17
#[tokio::test]
async fn odd_identifiers_find_nothing() {
    let server = Server::start();
    let admin = server.admin().await;
    let ids = [
        "0",
        "1",
        "-1",
        "1.0",
        "abc",
        "null",
        "undefined",
        "%00",
        "%20",
        "'",
        "%22",
        "..",
        "%2e%2e",
        "%2f",
        "*",
        "1%20OR%201=1",
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "00000000-0000-0000-0000-00000000000",
        "g0000000-0000-0000-0000-000000000000",
        "{00000000-0000-0000-0000-000000000000}",
        "urn:uuid:00000000-0000-0000-0000-000000000000",
        "9223372036854775808",
        "%F0%9F%98%80",
        "a%0d%0aSet-Cookie:x",
        "%ff",
        "nouveau%00",
    ];
    for id in ids {
        for kind in ["personnel", "absences", "evaluations", "users"] {
            let answer = admin
                .get(&format!(
                    "{API}/{kind}/{}",
                    id.replace('{', "%7B").replace('}', "%7D")
                ))
                .await;
            assert!(
                (400..500).contains(&answer.status),
                "{kind}/{id}: {}",
                answer.status
            );
            let _problem = answer.problem(answer.status);
        }
    }
}

/// J-20
#[tokio::test]
async fn twenty_equal_creations_at_once_make_one_agent() {
    let server = Server::start();
    let admin = server.admin().await;
    let body = agent(1).body();
    let path = personnel();
    let answers = futures_util::future::join_all((0..20).map(|_| admin.post(&path, &body))).await;
    let mut made = 0;
    for answer in answers {
        match answer.status {
            201 => made += 1,
            // Nobody waits for his turn for ever on a loaded machine; asked again, he is told.
            503 => {
                assert!(answer.header("retry-after").is_some(), "{}", answer.text());
                let _taken = admin.post(&path, &body).await.problem(409);
            }
            _ => {
                let _taken = answer.problem(409);
            }
        }
    }
    assert_eq!(made, 1);
    assert_eq!(total(&admin, "personnel").await, 1);
}
