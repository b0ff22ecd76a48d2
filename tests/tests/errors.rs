//! Errors, as CHECKS E want them answered.

use std::time::Duration;

use mppeep_tests::agents::agent;
use mppeep_tests::api::{API, create_agent, id_of};
use mppeep_tests::{Launch, Response, Server, html, raw};
use serde_json::json;
use uuid::Uuid;

/// E-10: words that only the inside knows.
#[track_caller]
fn says_nothing_of_the_inside(answer: &Response) {
    let text = answer.text().to_lowercase();
    for word in [
        "sqlite",
        "sqlx",
        "select ",
        "insert into",
        "panicked",
        "src/",
        ".rs:",
        "/home/",
        "/tmp/",
        "tokio",
        "hyper",
        "axum",
        "rustc",
        "backtrace",
    ] {
        assert!(!text.contains(word), "{word} in {}", answer.text());
    }
}

/// A French page with the number of its request and a way on.
#[track_caller]
fn is_a_french_page(what: &str, answer: &Response, title: &str) {
    assert!(answer.is_html(), "{what}: {:?}", answer.headers);
    let page = answer.text();
    let tags = html::tags(&page);
    assert!(
        tags.iter()
            .any(|tag| tag.name == "html" && tag.get("lang") == Some("fr")),
        "{what}"
    );
    let text = html::text(&page);
    assert!(text.contains(title), "{what}: {text}");
    let id = answer.header("x-request-id").expect("a number");
    assert!(text.contains(id), "{what}: {id} is not in {text}");
    assert!(
        tags.iter()
            .any(|tag| tag.name == "a" && tag.get("href").is_some_and(|to| to.starts_with("/mppeep/"))),
        "{what}: no way on"
    );
    says_nothing_of_the_inside(answer);
}

/// E-01, E-05, E-06, E-07
#[tokio::test]
async fn the_api_answers_with_problems() {
    let server = Server::start();
    let admin = server.admin().await;
    let personnel = format!("{API}/personnel");
    let missing = admin.get(&format!("{personnel}/{}", Uuid::nil())).await;
    let nowhere = admin.get(&format!("{API}/nulle-part")).await;
    let unreadable = admin
        .request("POST", &personnel)
        .body("application/json", "{\"matricule\":")
        .send()
        .await;
    let text = admin
        .request("POST", &personnel)
        .body("text/plain", agent(1).body().to_string())
        .send()
        .await;
    let invalid = admin
        .post(
            &personnel,
            &json!({ "matricule": "a b", "family_name": "", "birth_date": "hier" }),
        )
        .await;
    for (answer, status) in [
        (missing, 404),
        (nowhere, 404),
        (unreadable, 400),
        (text, 415),
        (invalid.clone(), 422),
    ] {
        let _problem = answer.problem(status);
        says_nothing_of_the_inside(&answer);
    }
    let problem = invalid.problem(422);
    let listed = problem["errors"].to_string();
    for field in ["matricule", "family_name", "given_names", "birth_date"] {
        assert!(listed.contains(field), "{field} is not named: {problem}");
    }
}

/// Twice the same matricule, and a version that is not the newest.
#[tokio::test]
async fn conflicts_are_told_apart() {
    let server = Server::start();
    let admin = server.admin().await;
    let made = create_agent(&admin, 1).await;
    let again = admin.post(&format!("{API}/personnel"), &agent(1).body()).await;
    let taken = again.problem(409);
    assert!(
        taken["type"].as_str().expect("a type").contains("matricule"),
        "{taken}"
    );
    let mut lower = agent(1).body();
    lower["matricule"] = json!("t000001");
    let same = admin.post(&format!("{API}/personnel"), &lower).await;
    assert!(matches!(same.status, 409 | 422), "{}", same.status);
    let path = format!("{API}/personnel/{}", id_of(&made));
    let tag = admin
        .get(&path)
        .await
        .header("etag")
        .expect("a version")
        .to_owned();
    let change = json!({ "family_name": "Bamba" });
    let _first = admin
        .request("PATCH", &path)
        .header("if-match", &tag)
        .json(&change)
        .send()
        .await
        .expect(200);
    let late = admin
        .request("PATCH", &path)
        .header("if-match", &tag)
        .json(&change)
        .send()
        .await;
    let _problem = late.problem(412);
}

/// E-02
#[tokio::test]
async fn a_missing_page_is_a_french_page() {
    let server = Server::start();
    let admin = server.admin().await;
    for path in [
        "/mppeep/rien",
        "/mppeep/personnel/rien",
        "/mppeep/personnel/00000000-0000-0000-0000-000000000000",
    ] {
        let answer = admin
            .request("GET", path)
            .header("accept", "text/html")
            .send()
            .await
            .expect(404);
        assert!(answer.is_html(), "{path}");
        let page = answer.text();
        assert!(
            html::tags(&page)
                .iter()
                .any(|tag| tag.name == "html" && tag.get("lang") == Some("fr"))
        );
        assert!(
            html::text(&page).to_lowercase().contains("introuvable"),
            "{path}: {}",
            html::text(&page)
        );
        says_nothing_of_the_inside(&answer);
    }
}

/// E-02: whatever goes wrong, a browser gets a page that says so and what to do; a program gets the same as a problem.
#[tokio::test]
async fn every_error_is_a_french_page_and_a_problem() {
    let server = Launch::new()
        .with_demo(5)
        .env("MPPEEP_REQUEST_RATE", 1)
        .env("MPPEEP_REQUEST_BURST", 20)
        .start();
    let agent = server.demo_user("agent").await;
    let form = "application/x-www-form-urlencoded";
    let large = "a".repeat(70_000);
    let not_found = format!("/mppeep/absences/{}", Uuid::nil());
    for (method, path, media, body, status, title) in [
        ("GET", "/mppeep/admin/utilisateurs", "", "", 403, "Accès refusé"),
        ("GET", not_found.as_str(), "", "", 404, "Introuvable"),
        ("DELETE", "/mppeep/accueil", "", "", 405, "Méthode non autorisée"),
        ("FOO", "/mppeep/rien", "", "", 501, "Méthode inconnue"),
        (
            "POST",
            "/mppeep/login",
            form,
            large.as_str(),
            413,
            "Contenu trop volumineux",
        ),
        (
            "POST",
            "/mppeep/login",
            "text/plain",
            "x",
            415,
            "Format de contenu non accepté",
        ),
        (
            "POST",
            "/mppeep/login",
            form,
            "username=%zz",
            400,
            "Requête illisible",
        ),
        (
            "POST",
            "/mppeep/login",
            form,
            "username=a&username=b",
            422,
            "Données non valides",
        ),
    ] {
        let what = format!("{method} {path}: {status}");
        for accept in ["text/html,application/xhtml+xml,*/*;q=0.8", "*/*"] {
            let draft = agent.request(method, path).header("accept", accept);
            let answer = draft.body(media, body.to_owned()).send().await.expect(status);
            is_a_french_page(&what, &answer, title);
        }
        let draft = agent.request(method, path).header("accept", "application/json");
        let answer = draft.body(media, body.to_owned()).send().await;
        let problem = answer.problem(status);
        assert_eq!(problem["title"], title, "{what}");
        assert_eq!(
            problem["request_id"].as_str(),
            answer.header("x-request-id"),
            "{what}"
        );
        says_nothing_of_the_inside(&answer);
    }
    let beyond = server
        .visitor()
        .request("GET", "/mppeep/static/css/style.css")
        .header("range", "bytes=99999999-")
        .send()
        .await
        .expect(416);
    is_a_french_page("a range beyond the end", &beyond, "Partie de fichier introuvable");
    let stranger = server.visitor_from("203.0.113.9");
    let mut refused = stranger.get("/mppeep/login").await;
    for _ in 0..60 {
        if refused.status == 429 {
            break;
        }
        refused = stranger.get("/mppeep/login").await;
    }
    let refused = refused.expect(429);
    is_a_french_page("too many requests", &refused, "Trop de requêtes");
    assert!(
        html::text(&refused.text()).contains("Réessayez dans"),
        "{}",
        refused.text()
    );
}

/// E-03
#[tokio::test]
async fn wrong_methods_are_told_the_right_ones() {
    let server = Server::start();
    let admin = server.admin().await;
    for (method, path, right) in [
        ("DELETE", "/mppeep/login", "POST"),
        ("PUT", "/mppeep/accueil", "GET"),
        ("POST", "/mppeep/static/css/style.css", "GET"),
        ("DELETE", "/mppeep/api/v1/personnel", "POST"),
        ("POST", "/mppeep/api/v1/health", "GET"),
        ("PUT", "/mppeep/api/v1/dashboard/stats", "GET"),
    ] {
        let answer = admin.request(method, path).send().await;
        assert_eq!(answer.status, 405, "{method} {path}");
        let allow = answer
            .header("allow")
            .unwrap_or_else(|| panic!("{method} {path} without Allow"));
        assert!(
            allow.split(',').any(|name| name.trim() == right),
            "{path} allows {allow}"
        );
    }
}

/// E-04: too large is told before it is read; the second form declares 999 GB and sends nothing.
#[tokio::test]
async fn large_bodies_are_refused_at_once() {
    let server = Server::start();
    let admin = server.admin().await;
    let path = format!("{API}/personnel");
    let large = vec![b' '; 12 << 20];
    let answer = admin
        .request("POST", &path)
        .body("application/json", large.clone())
        .send()
        .await;
    let _problem = answer.problem(413);
    let session = admin.session();
    let head = |framing: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nCookie: session_id={session}\r\nContent-Type: application/json\r\n{framing}\r\n\r\n",
            server.address()
        )
    };
    let declared = raw::ask(
        server.address(),
        head("Content-Length: 999000000000").as_bytes(),
        Duration::from_secs(5),
    )
    .await;
    assert_eq!(declared.statuses(), [413], "{}", declared.text);
    let mut chunked = head("Transfer-Encoding: chunked").into_bytes();
    for part in large.chunks(1 << 20) {
        chunked.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
        chunked.extend_from_slice(part);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let streamed = raw::ask(server.address(), &chunked, Duration::from_secs(5)).await;
    assert_eq!(streamed.statuses(), [413], "{}", streamed.text);
    // Forms are smaller still.
    let form = format!("username={}&password=x", "a".repeat(70_000));
    let answer = server
        .visitor()
        .request("POST", "/mppeep/login")
        .body("application/x-www-form-urlencoded", form)
        .send()
        .await;
    assert_eq!(answer.status, 413);
    let _still = admin.get(&path).await.expect(200);
}

/// E-08, E-09
#[tokio::test]
async fn odd_methods_do_nothing() {
    let server = Server::start();
    for line in [
        "TRACE /mppeep/login",
        "FOO /mppeep/login",
        "CONNECT 127.0.0.1:22",
        "PRI *",
        "OPTIONS *",
        "get /mppeep/login",
    ] {
        let bytes = format!(
            "{line} HTTP/1.1\r\nHost: {}\r\nX-Secret: geheim\r\n\r\n",
            server.address()
        );
        let echo = raw::ask(server.address(), bytes.as_bytes(), Duration::from_secs(2)).await;
        let statuses = echo.statuses();
        // `PRI` is the beginning of HTTP/2, and no address at all is unreadable; a connection may end over them.
        let right: &[u16] = match line.split(' ').next() {
            Some("OPTIONS") => &[200, 204, 400, 404, 405],
            Some("PRI" | "CONNECT") => &[400, 405, 501],
            _ => &[405, 501],
        };
        assert!(
            statuses.len() <= 1 && statuses.iter().all(|status| right.contains(status)),
            "{line}: {statuses:?}"
        );
        assert!(echo.closed || !statuses.is_empty(), "{line} was not answered");
        assert!(!echo.text.contains("geheim"), "{line} is echoed");
    }
    let _alive = server.visitor().get("/mppeep/login").await.expect(200);
}

/// E-11
#[tokio::test]
async fn health_is_open_and_discreet() {
    let server = Server::start();
    for path in [
        "/mppeep/api/v1/health",
        "/mppeep/health/live",
        "/mppeep/health/ready",
    ] {
        let answer = server.visitor().get(path).await.expect(200);
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        says_nothing_of_the_inside(&answer);
    }
    let health = server.visitor().get("/mppeep/api/v1/health").await.json();
    assert!(
        matches!(health["status"].as_str(), Some("ok" | "degraded")),
        "{health}"
    );
}
