//! What the log says and what it must never say, as CHECKS L want it.

use std::time::Duration;

use mppeep_tests::agents::agent;
use mppeep_tests::api::API;
use mppeep_tests::client::encode;
use mppeep_tests::{ADMIN_EMAIL, ADMIN_PASSWORD, Server, raw};
use serde_json::Value;

/// The lines of the log once they have settled.
async fn settled(server: &Server) -> Vec<String> {
    let mut before = usize::MAX;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let lines = server.log().lines();
        if lines.len() == before {
            return lines;
        }
        before = lines.len();
    }
}

fn with<'a>(lines: &'a [String], parts: &[&str]) -> Vec<&'a String> {
    lines
        .iter()
        .filter(|line| parts.iter().all(|part| line.contains(part)))
        .collect()
}

/// L-02, L-03, L-07
#[tokio::test]
async fn no_secret_reaches_the_log() {
    let server = Server::start();
    let client = server.admin().await;
    let session = client.session();
    let typed = "Mot-de-passe-tape-par-erreur";
    let _wrong = server.visitor_from("203.0.113.1").login(ADMIN_EMAIL, typed).await;
    let _swapped = server.visitor_from("203.0.113.2").login(typed, ADMIN_EMAIL).await;
    let _query = server
        .visitor()
        .get(&format!(
            "/mppeep/login?password={}&token=geheim-im-query",
            encode(typed)
        ))
        .await;
    let _bearer = server
        .visitor()
        .request("GET", "/mppeep/accueil")
        .header("authorization", "Bearer geheim-im-kopf")
        .send()
        .await;
    let mut body = agent(1).body();
    body["national_id"] = "CI-GEHEIM-0042".into();
    body["notes"] = "une note tres privee".into();
    let _made = client.post(&format!("{API}/personnel"), &body).await.expect(201);
    let _invalid = client
        .request("POST", &format!("{API}/personnel"))
        .body("application/json", "{\"notes\":\"note privee mal formee\"")
        .send()
        .await;
    let _search = client.get(&format!("{API}/personnel?q=CI-GEHEIM-0042")).await;
    let lines = settled(&server).await;
    assert!(lines.len() > 3, "the log is empty");
    for secret in [
        ADMIN_PASSWORD,
        session.as_str(),
        typed,
        "geheim",
        "GEHEIM",
        "une note tres privee",
        "note privee mal formee",
        "$argon2",
    ] {
        assert!(
            with(&lines, &[secret]).is_empty(),
            "{secret}: {:?}",
            with(&lines, &[secret])
        );
    }
}

/// L-04, L-10, L-11
#[tokio::test]
async fn refusals_are_logged_with_address_and_ray() {
    let server = Server::start();
    let visitor = server
        .visitor_from("203.0.113.77")
        .with_header("cf-ray", "8f1e2d3c4b5a6978-ABJ");
    for _ in 0..5 {
        let _refused = visitor.login(ADMIN_EMAIL, "faux").await.expect(401);
    }
    let _blocked = visitor.login(ADMIN_EMAIL, "faux").await.expect(429);
    let _nobody = visitor.get(&format!("{API}/personnel")).await.expect(401);
    let _forged = visitor
        .request("POST", "/mppeep/login")
        .header("origin", "null")
        .send()
        .await
        .expect(403);
    let _in = server
        .visitor_from("203.0.113.78")
        .with_header("cf-ray", "8f1e2d3c4b5a6979-ABJ")
        .login(ADMIN_EMAIL, ADMIN_PASSWORD)
        .await
        .expect(303);
    let lines = settled(&server).await;
    let mine = with(&lines, &["203.0.113.77", "8f1e2d3c4b5a6978-ABJ"]);
    for status in ["401", "403", "429"] {
        assert!(
            mine.iter().any(|line| line.contains(status)),
            "no line of {status}: {mine:#?}"
        );
    }
    assert!(
        !with(&lines, &["203.0.113.78", "8f1e2d3c4b5a6979-ABJ"]).is_empty(),
        "the login is not logged"
    );
}

/// L-05, L-06
#[tokio::test]
async fn what_visitors_send_cannot_forge_lines() {
    let server = Server::start();
    let forged = "x\r\n{\"message\":\"forged line\"}\u{1b}[31mred";
    let _name = server.visitor_from("203.0.113.1").login(forged, "faux").await;
    let _path = server.visitor().get(&format!("/mppeep/{}", encode(forged))).await;
    let _query = server
        .visitor()
        .get(&format!("/mppeep/login?x={}", encode(forged)))
        .await;
    let bytes = format!(
        "GET /mppeep/login HTTP/1.1\r\nHost: {}\r\nUser-Agent: a\u{1b}[31mred\r\n\r\n",
        server.address()
    );
    let _agent = raw::talk(server.address(), bytes.as_bytes(), Duration::from_secs(1)).await;
    for line in settled(&server).await {
        assert!(!line.starts_with("{\"message\":\"forged line\"}"), "{line}");
        assert!(!line.contains('\u{1b}'), "{line:?}");
    }
}

/// L-08, L-09
#[tokio::test]
async fn every_line_is_json_with_a_time_in_utc() {
    let server = Server::start();
    let client = server.admin().await;
    let _page = client.get("/mppeep/accueil").await.expect(200);
    let _missing = client.get("/mppeep/rien").await.expect(404);
    for line in settled(&server).await.iter().filter(|line| !line.is_empty()) {
        let entry: Value = serde_json::from_str(line).unwrap_or_else(|err| panic!("{err}: {line}"));
        let time = entry["timestamp"]
            .as_str()
            .unwrap_or_else(|| panic!("no time: {line}"));
        assert!(time.ends_with('Z') && time.contains('T'), "{time}");
        assert!(entry["level"].is_string(), "{line}");
    }
}

/// Every answer carries the id under which the log knows the request; a visitor cannot choose it.
#[tokio::test]
async fn answers_name_their_request() {
    let server = Server::start();
    let client = server
        .visitor()
        .with_header("x-request-id", "chosen-by-the-visitor");
    let answer = client.get("/mppeep/api/v1/personnel").await.expect(401);
    let id = answer.header("x-request-id").expect("an id").to_owned();
    assert_ne!(id, "chosen-by-the-visitor");
    let lines = settled(&server).await;
    assert!(!with(&lines, &[&id]).is_empty(), "{id} is not in the log");
}
