//! Passwords: what they cost, how they rest, how they change, as CHECKS A-20 … A-22 want it.

use mppeep_tests::api::API;
use mppeep_tests::{ADMIN_EMAIL, ADMIN_PASSWORD, Server, html};
use serde_json::json;

const WRONG: &str = "ce-n-est-pas-le-bon-mot";

///
#[tokio::test]
async fn passwords_rest_as_argon2id_of_the_wanted_cost() {
    let server = Server::demo();
    let dump = server.launch().dump();
    let hashes: Vec<&str> = dump
        .match_indices("$argon2")
        .map(|(at, _)| dump[at..].split('\'').next().expect("quoted"))
        .collect();
    assert!(hashes.len() >= 8, "an account of every role: {}", hashes.len());
    for hash in hashes {
        let parts: Vec<&str> = hash.split('$').collect();
        assert_eq!((parts[1], parts[2]), ("argon2id", "v=19"), "{hash}");
        let number = |name: &str| -> u32 {
            let given = parts[3]
                .split(',')
                .find_map(|part| part.strip_prefix(name))
                .expect("a parameter");
            given.parse().expect("a number")
        };
        let (memory, passes) = (number("m="), number("t="));
        assert!((memory >= 19_456 && passes >= 2) || memory >= 47_104, "{hash}");
        assert_eq!(number("p="), 1);
    }
    for secret in [ADMIN_PASSWORD, mppeep_tests::DEMO_PASSWORD] {
        assert!(!dump.contains(secret));
    }
}

/// length and lists decide, not recipes; long passwords count to their last character.
#[tokio::test]
async fn new_passwords_are_long_and_not_on_a_list() {
    let server = Server::start();
    let admin = server.admin().await;
    let users = format!("{API}/users");
    let long = "pirogue ".repeat(16);
    let cases = [
        ("1234567", false),
        ("motdepasse1", false),
        ("mppeep2025", false),
        ("azertyuiop", false),
        ("le marigot dort sous la lune", true),
        ("éléphant-à-défenses-ŵ", true),
        (&long[..64], true),
        (&long[..128], true),
    ];
    for (number, (password, good)) in cases.into_iter().enumerate() {
        let email = format!("agent{number}@mppeep.example");
        let body =
            json!({ "email": email, "display_name": "Awa Koné", "roles": ["agent"], "password": password });
        let answer = admin.post(&users, &body).await;
        if good {
            let _made = answer.expect(201);
            let _in = server.logged_in(&email, password).await;
        } else {
            let problem = answer.problem(422);
            assert!(problem.to_string().contains("password"), "{problem}");
        }
    }
    let email = "long@mppeep.example";
    let body =
        json!({ "email": email, "display_name": "Awa Koné", "roles": ["agent"], "password": &long[..100] });
    let _made = admin.post(&users, &body).await.expect(201);
    let mut changed: Vec<char> = long[..100].chars().collect();
    changed[72] = 'X';
    let changed: String = changed.into_iter().collect();
    let _refused = server
        .visitor_from("203.0.113.9")
        .login(email, &changed)
        .await
        .expect(401);
}

/// the old password is asked for, and the other sessions end.
#[tokio::test]
async fn changing_the_password_needs_the_old_one_and_ends_the_other_sessions() {
    const NEW: &str = "la lagune est calme ce matin";
    let server = Server::start();
    let (here, elsewhere) = (server.admin().await, server.admin().await);
    let page = here.get("/mppeep/mot-de-passe").await.expect(200).text();
    let form = html::forms(&page)
        .into_iter()
        .find(|form| {
            form.controls
                .iter()
                .filter(|tag| tag.get("type") == Some("password"))
                .count()
                >= 2
        })
        .expect("the page has a form with the old and the new password");
    let names: Vec<&str> = form
        .controls
        .iter()
        .filter(|tag| tag.get("type") == Some("password"))
        .filter_map(|tag| tag.get("name"))
        .collect();
    let filled = |old: &str| {
        names.iter().enumerate().fold(form.clone(), |form, (n, name)| {
            form.with(name, if n == 0 { old } else { NEW })
        })
    };
    for old in ["", WRONG] {
        let answer = here.post_form(&form.action, &filled(old).pairs()).await;
        assert!((400..500).contains(&answer.status), "{old:?}: {}", answer.status);
    }
    assert!(elsewhere.is_logged_in().await);
    let answer = here
        .post_form(&form.action, &filled(ADMIN_PASSWORD).pairs())
        .await;
    assert!(
        matches!(answer.status, 200 | 303),
        "{}: {}",
        answer.status,
        answer.text()
    );
    assert!(!elsewhere.is_logged_in().await, "the other session lives on");
    let _refused = server
        .visitor_from("203.0.113.1")
        .login(ADMIN_EMAIL, ADMIN_PASSWORD)
        .await
        .expect(401);
    let _in = server.logged_in(ADMIN_EMAIL, NEW).await;
}
