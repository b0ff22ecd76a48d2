//! Sessions, as CHECKS S-01 … S-22 want them.

use std::collections::BTreeSet;
use std::time::Duration;

use mppeep_tests::api::{API, id_of, list};
use mppeep_tests::server::demo_email;
use mppeep_tests::{ADMIN_EMAIL, ADMIN_PASSWORD, Client, Server, html};
use serde_json::{Value, json};

/// S-01, S-02
#[tokio::test]
async fn an_id_from_before_the_login_is_never_the_session() {
    let server = Server::start();
    let planted = "A".repeat(43);
    let client = server.visitor();
    client.set_cookie("session_id", &planted);
    let before = client.get("/mppeep/login").await.expect(200);
    assert!(
        before
            .set_cookies()
            .iter()
            .all(|cookie| !cookie.contains(&planted))
    );
    let _in = client.login(ADMIN_EMAIL, ADMIN_PASSWORD).await.expect(303);
    assert_ne!(client.session(), planted);
    let thief = server.visitor();
    thief.set_cookie("session_id", &planted);
    assert!(!thief.is_logged_in().await);
}

/// S-03
#[tokio::test]
async fn logging_in_again_ends_the_session_of_this_browser_only() {
    let server = Server::start();
    let elsewhere = server.admin().await;
    let client = server.admin().await;
    let old = client.twin();
    let _again = client.login(ADMIN_EMAIL, ADMIN_PASSWORD).await.expect(303);
    assert_ne!(client.session(), old.session());
    assert!(
        !old.is_logged_in().await,
        "the session that the cookie held should be over"
    );
    assert!(client.is_logged_in().await && elsewhere.is_logged_in().await);
}

/// S-04: enough of the id varies from one login to the next, and not with time.
#[tokio::test]
async fn ids_are_unguessable() {
    let server = Server::start();
    let mut ids = Vec::new();
    for _ in 0..24 {
        ids.push(server.admin().await.session());
    }
    let unique: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(unique.len(), 24);
    let length = ids[0].len();
    assert!(ids.iter().all(|id| id.len() == length), "{ids:?}");
    let varying = (0..length)
        .filter(|&at| {
            ids.iter()
                .map(|id| id.as_bytes()[at])
                .collect::<BTreeSet<_>>()
                .len()
                >= 8
        })
        .count();
    let alphabet: BTreeSet<u8> = ids.iter().flat_map(|id| id.bytes()).collect();
    // Hexadecimal digits carry 4 bits each, base64 ones 6.
    let bits = varying * if alphabet.len() <= 16 { 4 } else { 6 };
    assert!(bits >= 128, "{bits} bits in {}", ids[0]);
    let mut sorted = ids.clone();
    sorted.sort();
    assert_ne!(ids, sorted, "the ids grow with time");
}

/// Whoever reads the database cannot become somebody.
#[tokio::test]
async fn the_database_does_not_hold_the_id() {
    let server = Server::start();
    let id = server.admin().await.session();
    let dump = server.launch().dump().to_lowercase();
    let as_bytes: String = id.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert!(dump.contains("insert into session"), "the session is stored");
    assert!(!dump.contains(&id.to_lowercase()) && !dump.contains(&as_bytes));
}

/// S-05, S-05b, S-05c
#[tokio::test]
async fn logging_out_ends_this_session_and_no_other() {
    let server = Server::start();
    let (client, other) = (server.admin().await, server.admin().await);
    let copy = client.twin();
    let answer = client.request("POST", "/mppeep/logout").send().await.expect(303);
    let cookies = answer.set_cookies();
    assert!(
        cookies
            .iter()
            .any(|c| c.starts_with("session_id=") && c.to_lowercase().contains("max-age=0")),
        "{cookies:?}"
    );
    let cleared = answer.header_or_empty("clear-site-data");
    assert!(
        cleared.contains("\"cache\"") && cleared.contains("\"storage\""),
        "{cleared}"
    );
    assert!(!copy.is_logged_in().await, "the old cookie still opens");
    let _denied = copy.get(&format!("{API}/personnel")).await.problem(401);
    assert!(other.is_logged_in().await);
}

/// S-06
#[tokio::test]
async fn a_link_elsewhere_cannot_log_somebody_out() {
    let server = Server::start();
    let client = server.admin().await;
    let answer = client
        .request("GET", "/mppeep/logout")
        .header("sec-fetch-site", "cross-site")
        .send()
        .await;
    assert!(answer.set_cookies().is_empty(), "{:?}", answer.set_cookies());
    assert!(client.is_logged_in().await);
}

/// S-08, S-10
#[tokio::test]
async fn the_id_lives_in_the_cookie_only() {
    let server = Server::start();
    let client = server.admin().await;
    let id = client.session();
    let visitor = server.visitor();
    for path in [
        format!("/mppeep/accueil?session_id={id}"),
        format!("/mppeep/accueil;session_id={id}"),
        format!("/mppeep/{id}/accueil"),
    ] {
        assert_ne!(visitor.get(&path).await.status, 200, "{path}");
    }
    for (name, value) in [
        ("authorization", format!("Bearer {id}")),
        ("x-session-id", id.clone()),
        ("session_id", id.clone()),
        ("cookie", format!("sid={id}")),
        ("cookie2", format!("session_id={id}")),
    ] {
        let answer = visitor
            .request("GET", "/mppeep/accueil")
            .header(name, &value)
            .send()
            .await;
        assert_eq!(answer.status, 303, "{name}");
    }
    for page in [
        "/mppeep/accueil",
        "/mppeep/profil",
        "/mppeep/api/v1/personnel",
        "/mppeep/journal",
    ] {
        assert!(
            !client.get(page).await.text().contains(&id),
            "{page} shows the session's id"
        );
    }
}

/// S-11
#[tokio::test]
async fn sixty_requests_at_once_are_sixty_answers() {
    let server = Server::start();
    let client = server.admin().await;
    let answers = futures_util::future::join_all((0..60).map(|_| client.get("/mppeep/accueil"))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
}

/// The id of a user by his e-mail, with the version to change him by.
async fn user(admin: &Client, email: &str) -> (String, Value) {
    let page = list(admin, "users?limit=200").await;
    let found = page["items"]
        .as_array()
        .expect("items")
        .iter()
        .find(|user| user["email"] == email)
        .cloned();
    let view = found.unwrap_or_else(|| panic!("no user {email} in {page}"));
    (id_of(&view), view)
}

async fn change(admin: &Client, email: &str, change: Value) {
    let (id, _) = user(admin, email).await;
    let path = format!("{API}/users/{id}");
    let current = admin.get(&path).await.expect(200);
    let mut draft = admin.request("PATCH", &path).json(&change);
    if let Some(version) = current.header("etag") {
        draft = draft.header("if-match", version);
    }
    let answer = draft.send().await;
    assert!(
        matches!(answer.status, 200 | 204),
        "{}: {}",
        answer.status,
        answer.text()
    );
}

/// S-20: the very next request.
#[tokio::test]
async fn a_disabled_account_is_nobody_at_once() {
    let server = Server::demo();
    let admin = server.demo_user("admin").await;
    let user = server.demo_user("sdrh").await;
    for _ in 0..5 {
        assert!(user.is_logged_in().await); // every copy is warm
    }
    change(&admin, &demo_email("sdrh"), json!({ "status": "inactive" })).await;
    assert!(!user.is_logged_in().await);
    let _denied = user.get(&format!("{API}/personnel")).await.problem(401);
}

/// S-20 from another process: an operator with a terminal.
#[tokio::test]
async fn an_account_disabled_from_the_command_line_is_nobody_soon() {
    let server = Server::demo();
    let user = server.demo_user("sdrh").await;
    assert!(user.is_logged_in().await);
    let _done = server
        .launch()
        .run_well(&["user", "disable", &demo_email("sdrh")]);
    for _ in 0..600 {
        if !user.is_logged_in().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("half a minute later the session still opens");
}

/// S-21: somebody sees his sessions and ends another of them.
#[tokio::test]
async fn one_sees_and_ends_ones_own_sessions() {
    let server = Server::start();
    let here = server.admin().await;
    let elsewhere = server.logged_in(ADMIN_EMAIL, ADMIN_PASSWORD).await;
    let page = here.get("/mppeep/profil").await.expect(200).text();
    let ends: Vec<html::Form> = html::forms(&page)
        .into_iter()
        .filter(|form| form.action.contains("/profil/sessions/"))
        .collect();
    assert!(
        !ends.is_empty(),
        "the profile lists the sessions, each with a form that ends it"
    );
    let single: Vec<&html::Form> = ends.iter().filter(|form| has_id(&form.action)).collect();
    assert_eq!(
        single.len(),
        1,
        "one other session: {:?}",
        single.iter().map(|f| &f.action).collect::<Vec<_>>()
    );
    let _done = here
        .post_form(&single[0].action, &single[0].pairs())
        .await
        .expect(303);
    assert!(!elsewhere.is_logged_in().await);
    assert!(here.is_logged_in().await);
}

fn has_id(action: &str) -> bool {
    action
        .split('/')
        .any(|part| part.len() >= 16 && part.bytes().any(|byte| byte.is_ascii_digit()))
}

/// S-21: an administrator ends all sessions of somebody.
#[tokio::test]
async fn an_administrator_ends_the_sessions_of_somebody() {
    let server = Server::demo();
    let admin = server.demo_user("admin").await;
    let (one, two) = (server.demo_user("cs").await, server.demo_user("cs").await);
    let (id, _) = user(&admin, &demo_email("cs")).await;
    let answer = admin
        .request("DELETE", &format!("{API}/users/{id}/sessions"))
        .send()
        .await;
    assert!(
        matches!(answer.status, 200 | 204),
        "{}: {}",
        answer.status,
        answer.text()
    );
    assert!(!one.is_logged_in().await && !two.is_logged_in().await);
    assert!(admin.is_logged_in().await);
    let _in = server.demo_user("cs").await;
}

/// S-22: the very next request.
#[tokio::test]
async fn a_lowered_role_counts_at_once() {
    let server = Server::demo();
    let admin = server.demo_user("admin").await;
    let user = server.demo_user("daf").await;
    let everyone = list(&user, "personnel").await["total"].as_u64().expect("a total");
    assert!(everyone > 1);
    change(&admin, &demo_email("daf"), json!({ "roles": ["invite"] })).await;
    let answer = user.get(&format!("{API}/personnel")).await;
    let seen = if answer.status == 200 {
        answer.json()["total"].as_u64().expect("a total")
    } else {
        0
    };
    assert!(
        seen <= 1,
        "an invited person sees {seen} of {everyone}: {}",
        answer.status
    );
    // A change of rights ends the sessions that were begun under the old ones.
    let accounts = user.get("/mppeep/admin/utilisateurs").await;
    assert!(matches!(accounts.status, 303 | 403), "{}", accounts.status);
    let again = server.demo_user("daf").await;
    assert_eq!(again.get("/mppeep/admin/utilisateurs").await.status, 403);
}
