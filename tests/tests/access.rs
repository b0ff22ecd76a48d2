//! Who gets where, as CHECKS Z-01 … Z-10 want it. The whole table of routes and roles is in `matrix.rs`.

use mppeep_tests::api::{API, create_agent, id_of, list};
use mppeep_tests::openapi::Description;
use mppeep_tests::server::ROLES;
use mppeep_tests::{Server, client::encode};
use serde_json::json;
use uuid::Uuid;

/// Z-01, Z-03: every operation that the API describes, as nobody. What is open to all is named here.
#[tokio::test]
async fn every_operation_of_the_api_is_closed_to_nobody() {
    const OPEN: [&str; 3] = [
        "/mppeep/api/v1/health",
        "/mppeep/api/docs",
        "/mppeep/api/v1/openapi.json",
    ];
    let server = Server::start();
    let visitor = server.visitor();
    let mut seen = 0;
    for operation in Description::of_the_binary().operations() {
        if OPEN.contains(&operation.path.as_str()) || operation.path.contains("/health") {
            continue;
        }
        let path = operation.path_with(&Uuid::nil().to_string());
        let answer = visitor.request(&operation.method, &path).send().await;
        let _problem = answer.problem(401);
        seen += 1;
    }
    assert!(seen >= 20, "only {seen} operations are described");
}

/// Z-01
#[tokio::test]
async fn nobody_is_told_so_by_the_api() {
    let server = Server::start();
    for path in [
        "personnel",
        "absences",
        "evaluations",
        "users",
        "activities",
        "settings",
        "dashboard/stats",
    ] {
        let answer = server.visitor().get(&format!("{API}/{path}")).await;
        let _problem = answer.problem(401);
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
    }
    // Before the body is looked at: neither its type nor its size is worth a word to nobody.
    let path = format!("{API}/personnel");
    for media in ["application/json", "text/plain", ""] {
        let _problem = server
            .visitor()
            .request("POST", &path)
            .body(media, "{")
            .send()
            .await
            .problem(401);
    }
}

/// Z-02
#[tokio::test]
async fn nobody_is_sent_to_the_login_by_pages() {
    let server = Server::start();
    let pages = [
        "/mppeep/",
        "/mppeep/accueil",
        "/mppeep/dashboard",
        "/mppeep/personnel",
        "/mppeep/personnel/nouveau",
        "/mppeep/rh",
        "/mppeep/evaluations",
        "/mppeep/organigramme",
        "/mppeep/journal",
        "/mppeep/profil",
        "/mppeep/admin/utilisateurs",
        "/mppeep/admin/parametres",
    ];
    for page in pages {
        let answer = server.visitor().get(page).await.expect(303);
        let location = answer.header("location").expect("a location");
        assert!(
            location.split('?').next() == Some("/mppeep/login"),
            "{page} leads to {location}"
        );
        assert!(answer.body.is_empty(), "{page} says something");
    }
}

/// Z-04: the right comes before the body, so that nobody learns rules by trying.
#[tokio::test]
async fn a_missing_right_is_told_before_anything_about_the_body() {
    let server = Server::demo();
    let agent = server.demo_user("agent").await;
    for media in ["application/json", "text/plain", ""] {
        for path in ["personnel", "absences", "evaluations", "users"] {
            let answer = agent
                .request("POST", &format!("{API}/{path}"))
                .body(media, "{\"x\":")
                .send()
                .await;
            let _problem = answer.problem(403);
        }
    }
    for page in [
        "/mppeep/admin/utilisateurs",
        "/mppeep/admin/parametres",
        "/mppeep/personnel/nouveau",
    ] {
        let answer = agent.get(page).await.expect(403);
        assert!(answer.is_html(), "{page}");
    }
}

/// Z-05
#[tokio::test]
async fn no_list_shows_a_secret() {
    let server = Server::demo();
    for role in ROLES {
        let user = server.demo_user(role).await;
        for path in [
            "personnel",
            "users",
            "activities",
            "settings",
            "absences",
            "evaluations",
        ] {
            let text = user.get(&format!("{API}/{path}?limit=200")).await.text();
            for secret in [
                "$argon2",
                "password_hash",
                "token_hash",
                &user.session(),
                mppeep_tests::DEMO_PASSWORD,
            ] {
                assert!(!text.contains(secret), "{role} sees {secret} in {path}");
            }
        }
    }
}

/// Z-06: spellings of a path that another server might treat as the same path.
#[tokio::test]
async fn no_spelling_of_a_path_avoids_the_check() {
    let server = Server::start();
    let spellings = [
        "/mppeep/api/v1/personnel/",
        "/mppeep/api/v1//personnel",
        "//mppeep/api/v1/personnel",
        "/mppeep/./api/v1/personnel",
        "/mppeep/static/../api/v1/personnel",
        "/mppeep/login/../api/v1/personnel",
        "/mppeep/static/%2e%2e/api/v1/personnel",
        "/mppeep/static/..%2fapi/v1/personnel",
        "/mppeep/API/V1/personnel",
        "/MPPEEP/api/v1/personnel",
        "/mppeep/api/v1/personnel%20",
        "/mppeep/api/v1/personnel;/login",
        "/mppeep/api/v1/personnel%00",
        "/mppeep/api/v1/personnel?/mppeep/login",
        "/mppeep/%61pi/v1/personnel",
        "/mppeep/api/v1/health/../personnel",
    ];
    for spelling in spellings {
        let answer = server.visitor().get(spelling).await;
        assert!(
            matches!(answer.status, 303 | 400 | 401 | 404),
            "{spelling}: {}",
            answer.status
        );
        assert!(!answer.text().contains("\"items\""), "{spelling}");
    }
}

/// Z-10: two heads of different departments.
#[tokio::test]
async fn nobody_reads_the_files_of_another_department() {
    let server = Server::demo();
    let everyone = server.demo_user("sdrh").await;
    let head = server.demo_user("cs").await;
    let all = list(&everyone, "personnel?limit=200").await;
    let mine = list(&head, "personnel?limit=200").await;
    let ids = |page: &serde_json::Value| -> Vec<String> {
        page["items"]
            .as_array()
            .expect("items")
            .iter()
            .map(id_of)
            .collect()
    };
    let (all, mine) = (ids(&all), ids(&mine));
    assert!(all.len() > mine.len(), "{} of {}", mine.len(), all.len());
    let stranger = all
        .iter()
        .find(|id| !mine.contains(id))
        .expect("somebody elsewhere");
    for path in [
        format!("{API}/personnel/{stranger}"),
        format!("/mppeep/personnel/{stranger}"),
        format!("/mppeep/personnel/{stranger}/modifier"),
    ] {
        let status = head.get(&path).await.status;
        assert!(matches!(status, 403 | 404), "{path}: {status}");
    }
    for kind in ["absences", "evaluations"] {
        let seen = list(&head, &format!("{kind}?limit=200")).await;
        for item in seen["items"].as_array().expect("items") {
            let of = item["personnel_id"].as_str().expect("an agent");
            assert!(mine.contains(&of.to_owned()), "{kind} of {of}");
        }
        let filtered = head.get(&format!("{API}/{kind}?personnel_id={stranger}")).await;
        let none = matches!(filtered.status, 403 | 404) || filtered.json()["items"] == json!([]);
        assert!(none, "{kind} of a stranger: {}", filtered.text());
    }
}

/// Search goes through the same filter as the list.
#[tokio::test]
async fn a_search_finds_nobody_who_is_out_of_scope() {
    let server = Server::demo();
    let hr = server.demo_user("sdrh").await;
    let made = create_agent(&hr, 77).await;
    let matricule = made["matricule"].as_str().expect("a matricule");
    for role in ["agent", "cs"] {
        let user = server.demo_user(role).await;
        for path in [
            format!("{API}/personnel?q={matricule}"),
            format!("/mppeep/personnel?q={}", encode(matricule)),
        ] {
            let answer = user.get(&path).await;
            let shown = answer
                .text()
                .replace(&format!("value=\"{matricule}\""), "")
                .replace(&format!("q={matricule}"), "");
            assert!(
                !shown.contains(made["id"].as_str().expect("an id")),
                "{role} {path}"
            );
        }
    }
}
