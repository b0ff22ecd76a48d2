//! Errors and odd paths, as CHECKS E and P want them answered.

use std::time::Duration;

use mppeep_tests::agents::agent;
use mppeep_tests::api::{API, create_agent, id_of};
use mppeep_tests::{Client, Response, Server, html, raw};
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
    let declared = raw::talk(
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
    let streamed = raw::talk(server.address(), &chunked, Duration::from_secs(5)).await;
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
        let echo = raw::talk(server.address(), bytes.as_bytes(), Duration::from_secs(2)).await;
        let statuses = echo.statuses();
        assert!(
            statuses
                .iter()
                .all(|status| (400..=501).contains(status) || *status == 204 || *status == 200),
            "{line}: {statuses:?}"
        );
        assert!(
            !line.starts_with("OPTIONS") && !statuses.contains(&200) || line.starts_with("OPTIONS"),
            "{line}: {statuses:?}"
        );
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

/// P-01, P-02
#[tokio::test]
async fn traversals_reach_nothing() {
    let server = Server::start();
    let targets = ["etc/passwd", "Cargo.toml", "windows/win.ini"];
    let climbs = [
        "../",
        "..%2f",
        "%2e%2e/",
        "%2e%2e%2f",
        "..\\",
        "..%5c",
        "....//",
        "%252e%252e%252f",
    ];
    for root in ["/mppeep/static/", "/mppeep/", "/"] {
        for climb in climbs {
            for target in targets {
                let path = format!("{root}{}{target}", climb.repeat(8)).replace('\\', "%5C");
                let answer = server.visitor().get(&path).await;
                let away =
                    answer.status == 303 && answer.header_or_empty("location").starts_with("/mppeep/login");
                assert!(
                    (400..500).contains(&answer.status) || away,
                    "{path}: {}",
                    answer.status
                );
                assert!(
                    !answer.text().contains("root:") && !answer.text().contains("[package]"),
                    "{path}"
                );
            }
        }
    }
    for path in [
        "/mppeep/static/css/style.css%00.png",
        "/mppeep/%00",
        "/mppeep/static/%",
        "/mppeep/static/%zz",
        "/mppeep/%ff",
    ] {
        let bytes = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            server.address()
        );
        let echo = raw::talk(server.address(), bytes.as_bytes(), Duration::from_secs(5)).await;
        assert!(
            echo.statuses().iter().all(|status| (300..500).contains(status)),
            "{path}: {:?}",
            echo.statuses()
        );
        assert_eq!(echo.statuses().len(), 1, "{path}");
    }
}

/// P-04
#[tokio::test]
async fn nothing_lies_around() {
    let server = Server::start();
    let admin: Client = server.admin().await;
    let left = [
        ".git/config",
        ".env",
        "static/",
        "static/css/",
        "static/.gitignore",
        "metrics",
        "mppeep.db",
        "mppeep.toml",
        "uploads/",
        "server-status",
        "debug",
        "admin/../mppeep.db",
        "backup.zip",
        "phpinfo.php",
    ];
    for name in left {
        for path in [format!("/{name}"), format!("/mppeep/{name}")] {
            let answer = admin.get(&path).await;
            assert_eq!(answer.status, 404, "{path}");
        }
    }
}
