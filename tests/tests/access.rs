//! Who gets where, as CHECKS Z-01 … Z-10 want it. The whole table of routes and roles is in `matrix.rs`.

use mppeep_tests::api::{API, id_of, list};
use mppeep_tests::openapi::Description;
use mppeep_tests::server::ROLES;
use mppeep_tests::{Client, Server};
use serde_json::{Value, json};
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

/// What everybody may see of everybody: the directory.
const DIRECTORY: [&str; 12] = [
    "archived",
    "department_id",
    "department_name",
    "email",
    "family_name",
    "full_name",
    "given_names",
    "id",
    "job_title",
    "matricule",
    "version",
    "work_phone",
];

async fn rows(user: &Client, query: &str) -> Vec<Value> {
    list(user, &format!("personnel?limit=200&{query}")).await["items"]
        .as_array()
        .expect("items")
        .clone()
}

/// Z-10: of somebody in another department a head sees the directory and nothing else, wherever he looks.
#[tokio::test]
async fn nobody_reads_the_files_of_another_department() {
    let server = Server::demo();
    let head = server.demo_user("cs").await;
    let everybody = rows(&head, "").await;
    let (mine, strangers): (Vec<Value>, Vec<Value>) = everybody
        .into_iter()
        .partition(|row| row.get("birth_date").is_some());
    assert!(
        !mine.is_empty() && strangers.len() > mine.len(),
        "{} and {}",
        mine.len(),
        strangers.len()
    );
    for stranger in &strangers {
        let keys = stranger.as_object().expect("an object").keys();
        assert!(
            keys.clone().all(|key| DIRECTORY.contains(&key.as_str())),
            "{stranger}"
        );
    }
    let of_mine: Vec<String> = mine.iter().map(id_of).collect();
    let stranger = id_of(&strangers[0]);
    for query in ["", "?private=true"] {
        let view = head
            .get(&format!("{API}/personnel/{stranger}{query}"))
            .await
            .expect(200)
            .json();
        for secret in [
            "birth_date",
            "grade",
            "retirement_date",
            "average_mark",
            "address",
            "national_id",
            "notes",
        ] {
            assert!(view.get(secret).is_none_or(Value::is_null), "{secret} in {view}");
        }
    }
    let change = json!({ "job_title": "Ministre" });
    let refused = head
        .request("PATCH", &format!("{API}/personnel/{stranger}"))
        .json(&change)
        .send()
        .await;
    let _problem = refused.problem(403);
    assert_eq!(
        head.get(&format!("/mppeep/personnel/{stranger}/modifier"))
            .await
            .status,
        403
    );
    for kind in ["absences", "evaluations"] {
        let seen = list(&head, &format!("{kind}?limit=200")).await;
        for item in seen["items"].as_array().expect("items") {
            let of = item["personnel_id"].as_str().expect("an agent");
            assert!(of_mine.contains(&of.to_owned()), "{kind} of {of}");
        }
        for path in [
            format!("{API}/{kind}?personnel_id={stranger}"),
            format!("{API}/personnel/{stranger}/{kind}"),
        ] {
            let filtered = head.get(&path).await;
            let none = matches!(filtered.status, 403 | 404) || filtered.json()["items"] == json!([]);
            assert!(none, "{path}: {}", filtered.text());
        }
    }
}

/// A filter or an order is a question as well: it is answered for those only whose answer may be known.
#[tokio::test]
async fn filters_orders_and_searches_tell_nothing_of_strangers() {
    let server = Server::demo();
    let hr = server.demo_user("sdrh").await;
    let mut body = mppeep_tests::agents::agent(77).body();
    body["national_id"] = json!("CI-000042-XYZ");
    let _made = hr.post(&format!("{API}/personnel"), &body).await.expect(201);
    assert_eq!(
        rows(&hr, "q=CI-000042-XYZ").await.len(),
        1,
        "human resources find a card by its number"
    );
    // Each with what somebody must be allowed to see of a row that answers it.
    let questions = [
        ("grade=A4", "grade"),
        ("category=A", "grade"),
        ("sex=female", "sex"),
        ("position=active", "position"),
        ("incomplete=true", "completeness_percent"),
        ("retires_to=2090-12-31", "retirement_date"),
        ("sort=score", "average_mark"),
        ("sort=grade", "grade"),
        ("sort=retirement", "retirement_date"),
        ("sort=absences", "absence_count"),
        ("sort=seniority", "service_start_date"),
        ("q=CI-000042-XYZ", "national_id"),
    ];
    for role in ["agent", "cs", "sdb", "daf", "admin"] {
        let user = server.demo_user(role).await;
        for (question, key) in questions {
            let answer = user.get(&format!("{API}/personnel?limit=200&{question}")).await;
            if matches!(answer.status, 403 | 422) {
                continue;
            }
            let page = answer.expect(200).json();
            for row in page["items"].as_array().expect("items") {
                assert!(row.get(key).is_some(), "{role} learns by {question} of {row}");
            }
            if question.starts_with("q=") {
                assert_eq!(page["total"], 0, "{role} finds somebody by his card");
            }
        }
    }
}
