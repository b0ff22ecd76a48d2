//! The limit on failed logins, as CHECKS R-01 … R-19 want it.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use mppeep_tests::server::{DEMO_PASSWORD, ROLES, demo_email};
use mppeep_tests::{ADMIN_EMAIL, ADMIN_PASSWORD, Client, Launch, Response, Server, html};

const WRONG: &str = "ce-n-est-pas-le-bon-mot";

async fn fail(client: &Client, times: usize) {
    for _ in 0..times {
        let _refused = client.login(ADMIN_EMAIL, WRONG).await.expect(401);
    }
}

#[track_caller]
fn retry_after(blocked: &Response) -> u64 {
    assert_eq!(blocked.status, 429, "{}", blocked.text());
    let wait = blocked.header("retry-after").expect("Retry-After");
    wait.parse().expect("seconds")
}

/// R-01, R-02, R-03, R-04
#[tokio::test]
async fn five_failures_and_the_sixth_attempt_is_refused_whatever_it_brings() {
    let server = Server::start();
    let client = server.visitor_from("203.0.113.7");
    fail(&client, 5).await;
    let blocked = client.login(ADMIN_EMAIL, WRONG).await;
    assert!((1..=900).contains(&retry_after(&blocked)));
    let text = html::text(&blocked.text());
    assert!(
        text.contains("Trop de tentatives. Réessayez dans 15 minutes."),
        "{text}"
    );
    assert_eq!(blocked.header("cache-control"), Some("no-store"));
    let right = client.login(ADMIN_EMAIL, ADMIN_PASSWORD).await;
    let _seconds = retry_after(&right);
    assert!(right.set_cookies().is_empty() && !client.is_logged_in().await);
    let _elsewhere = server
        .visitor_from("203.0.113.8")
        .login(ADMIN_EMAIL, ADMIN_PASSWORD)
        .await
        .expect(303);
}

/// The form says what is left, and counts the address only.
#[tokio::test]
async fn the_remaining_tries_are_those_of_the_address() {
    let server = Server::start();
    let client = server.visitor_from("203.0.113.7");
    for (name, left) in [
        (ADMIN_EMAIL, "4 essais"),
        ("x@mppeep.example", "3 essais"),
        (ADMIN_EMAIL, "2 essais"),
    ] {
        let page = html::text(&client.login(name, WRONG).await.expect(401).text());
        assert!(page.contains(left), "{left}: {page}");
    }
    let page = html::text(&client.login(ADMIN_EMAIL, WRONG).await.expect(401).text());
    assert!(page.contains("1 essai") && !page.contains("1 essais"), "{page}");
}

/// R-05
#[tokio::test]
async fn a_success_gives_back_the_failures_of_its_account() {
    let server = Server::start();
    let client = server.visitor_from("203.0.113.7");
    fail(&client, 4).await;
    let _in = client.login(ADMIN_EMAIL, ADMIN_PASSWORD).await.expect(303);
    let _out = client.request("POST", "/mppeep/logout").send().await.expect(303);
    fail(&client, 5).await;
    let _seconds = retry_after(&client.login(ADMIN_EMAIL, WRONG).await);
}

/// ATT-3: somebody's own logins do not buy him guesses at another account.
#[tokio::test]
async fn own_logins_in_between_never_help_guessing_another_account() {
    let server = Server::demo();
    let client = server.visitor_from("203.0.113.7");
    for _ in 0..4 {
        fail(&client, 1).await;
        let _in = client
            .login(&demo_email("agent"), DEMO_PASSWORD)
            .await
            .expect(303);
    }
    fail(&client, 1).await;
    let _seconds = retry_after(&client.login(ADMIN_EMAIL, WRONG).await);
}

/// R-06
#[tokio::test]
async fn thirty_at_once_are_five_tries() {
    let server = Server::start();
    let client = server.visitor_from("203.0.113.7");
    let answers = futures_util::future::join_all((0..30).map(|_| client.login(ADMIN_EMAIL, WRONG))).await;
    let evaluated = answers.iter().filter(|answer| answer.status == 401).count();
    assert!(answers.iter().all(|answer| matches!(answer.status, 401 | 429)));
    assert!(evaluated <= 5, "{evaluated} passwords were compared");
    assert!(evaluated >= 1);
}

/// R-07: headers that anybody can send do not make another address.
#[tokio::test]
async fn other_address_headers_change_nothing() {
    let server = Server::start();
    let headers = [
        "x-forwarded-for",
        "x-real-ip",
        "forwarded",
        "true-client-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "fastly-client-ip",
        "x-originating-ip",
    ];
    for round in 0..6_u8 {
        let mut draft = server
            .visitor_from("203.0.113.7")
            .with_header("x-forwarded-for", &format!("198.51.100.{round}"));
        for header in headers {
            let value = format!("198.51.100.{round}");
            draft = draft.with_header(
                header,
                &if header == "forwarded" {
                    format!("for={value}")
                } else {
                    value
                },
            );
        }
        let answer = draft.login(ADMIN_EMAIL, WRONG).await;
        let expected = if round < 5 { 401 } else { 429 };
        assert_eq!(answer.status, expected, "attempt {}", round + 1);
    }
}

/// R-10
#[tokio::test]
async fn one_customer_of_ipv6_is_one_address() {
    let server = Server::start();
    let mut statuses = Vec::new();
    for number in 0..16 {
        let client = server.visitor_from(&format!("2001:db8:0:7:{number:x}::{number:x}"));
        statuses.push(client.login(ADMIN_EMAIL, WRONG).await.status);
    }
    assert_eq!(&statuses[..5], &[401; 5]);
    assert!(statuses[5..].iter().all(|status| *status == 429), "{statuses:?}");
    let _neighbour = server
        .visitor_from("2001:db8:0:8::1")
        .login(ADMIN_EMAIL, ADMIN_PASSWORD)
        .await
        .expect(303);
}

/// The same address in other spellings stays the same address.
#[tokio::test]
async fn spellings_of_an_address_are_one_address() {
    let server = Server::start();
    let spellings = [
        "203.0.113.7",
        "::ffff:203.0.113.7",
        "::ffff:cb00:7107",
        "0:0:0:0:0:ffff:203.0.113.7",
        " 203.0.113.7 ",
    ];
    for spelling in spellings {
        let _refused = server
            .visitor_from(spelling)
            .login(ADMIN_EMAIL, WRONG)
            .await
            .expect(401);
    }
    let _seconds = retry_after(&server.visitor_from("203.0.113.7").login(ADMIN_EMAIL, WRONG).await);
}

/// R-11, R-12: without a trusted peer the socket counts, and the header does not.
#[tokio::test]
async fn a_peer_that_is_not_trusted_cannot_choose_its_address() {
    let server = Server::start();
    let peer: IpAddr = "127.0.0.2".parse().expect("an address");
    for round in 0..6_u8 {
        let client = server.visitor_from(&format!("198.51.100.{round}")).bound_to(peer);
        let answer = client.login(ADMIN_EMAIL, WRONG).await;
        let expected = if round < 5 { 401 } else { 429 };
        assert_eq!(answer.status, expected, "attempt {}", round + 1);
    }
    let other = server
        .visitor()
        .bound_to("127.0.0.3".parse().expect("an address"));
    let _in = other.login(ADMIN_EMAIL, ADMIN_PASSWORD).await.expect(303);
}

/// R-11 for a trusted peer that sends no header, or nonsense in it.
#[tokio::test]
async fn without_a_usable_header_the_peer_counts() {
    let server = Server::start();
    let values = [
        None,
        Some("not an address"),
        Some(""),
        Some("203.0.113.1, 203.0.113.2"),
        Some("203.0.113.999"),
    ];
    for value in values {
        let client = value.map_or_else(|| server.visitor(), |value| server.visitor_from(value));
        let _refused = client.login(ADMIN_EMAIL, WRONG).await.expect(401);
    }
    let _seconds = retry_after(&server.visitor().login(ADMIN_EMAIL, WRONG).await);
}

/// R-13: a fixed window; trying on while blocked does not lengthen it.
#[tokio::test]
async fn the_wait_falls_while_blocked() {
    let server = Server::start();
    let client = server.visitor_from("203.0.113.7");
    fail(&client, 5).await;
    let mut waits = Vec::new();
    for _ in 0..3 {
        waits.push(retry_after(&client.login(ADMIN_EMAIL, WRONG).await));
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    assert!(waits[0] > waits[1] && waits[1] > waits[2], "{waits:?}");
}

/// R-14
#[tokio::test]
async fn spraying_accounts_from_one_address_is_limited() {
    let server = Server::demo();
    let client = server.visitor_from("203.0.113.7");
    for role in &ROLES[..5] {
        let _refused = client.login(&demo_email(role), WRONG).await.expect(401);
    }
    let _seconds = retry_after(&client.login(&demo_email(ROLES[5]), DEMO_PASSWORD).await);
}

/// R-15: guessing one account from everywhere slows down, and never locks its owner out.
#[tokio::test]
async fn one_account_guessed_from_everywhere_is_delayed_and_not_locked() {
    let server = Server::start();
    let owner = server.visitor_from("192.0.2.1");
    let _in = owner.login(ADMIN_EMAIL, ADMIN_PASSWORD).await.expect(303);
    let mut delayed = 0;
    for number in 0..101 {
        let stranger = server.visitor_from(&format!("198.51.{number}.1"));
        let answer = stranger.login(ADMIN_EMAIL, WRONG).await;
        if answer.status == 429 {
            delayed += 1;
            assert!(retry_after(&answer) <= 10, "a delay, not a lock");
        }
    }
    assert!(delayed > 0, "101 failures of one account and nobody waits");
    let _home = server
        .visitor_from("192.0.2.1")
        .login(ADMIN_EMAIL, ADMIN_PASSWORD)
        .await
        .expect(303);
}

/// R-16, R-17
#[tokio::test]
async fn the_refusal_is_structured() {
    let server = Server::start();
    let client = server.visitor_from("203.0.113.7");
    fail(&client, 5).await;
    let draft = client
        .request("POST", "/mppeep/login")
        .header("accept", "application/json");
    let blocked = draft
        .form(&[("username", ADMIN_EMAIL), ("password", WRONG)])
        .send()
        .await;
    let _problem = blocked.problem(429);
    says_what_is_left("the document", &blocked, "\"login\"");
    let page = client.login(ADMIN_EMAIL, WRONG).await;
    says_what_is_left("the page", &page, "\"login\"");
    // Asking for a new password is counted apart, and told apart.
    let asked = [("email", ADMIN_EMAIL)];
    for _ in 0..5 {
        let _taken = client
            .post_form("/mppeep/mot-de-passe/oublie", &asked)
            .await
            .expect(200);
    }
    let blocked = client.post_form("/mppeep/mot-de-passe/oublie", &asked).await;
    says_what_is_left("the forgotten password", &blocked, "\"password-reset\"");
    // A wrong present password counts as a failed login.
    let admin = server.visitor_from("203.0.113.8");
    let _in = admin.login(ADMIN_EMAIL, ADMIN_PASSWORD).await.expect(303);
    let change = [
        ("old_password", WRONG),
        ("new_password", "Cinq-baobabs-sous-la-pluie-2026"),
        ("confirmation", "Cinq-baobabs-sous-la-pluie-2026"),
    ];
    for _ in 0..5 {
        let _wrong = admin.post_form("/mppeep/mot-de-passe", &change).await.expect(422);
    }
    let blocked = admin.post_form("/mppeep/mot-de-passe", &change).await;
    says_what_is_left("the present password", &blocked, "\"login\"");
}

/// A refusal names its rule and what is left by it, and asks to wait at least as long as that says.
#[track_caller]
fn says_what_is_left(what: &str, refused: &Response, rule: &str) {
    let wait = retry_after(refused);
    let (name, policy) = parts(refused.header("ratelimit-policy").expect("RateLimit-Policy"));
    assert_eq!(
        (name.as_str(), policy["q"], policy["w"]),
        (rule, 5, 900),
        "{what}"
    );
    let (name, state) = parts(refused.header("ratelimit").expect("RateLimit"));
    assert_eq!((name.as_str(), state["r"]), (rule, 0), "{what}");
    assert!((1..=900).contains(&state["t"]), "{what}: {state:?}");
    assert!(wait >= state["t"], "{what}: {wait} s, {state:?}");
}

/// R-18
#[tokio::test]
async fn the_window_ends() {
    // Where five failures take longer than the window, none is refused: such a machine is given a longer one.
    for window in [3_u64, 15, 60] {
        let server = Launch::new().env("MPPEEP_LOGIN_WINDOW_SECONDS", window).start();
        let client = server.visitor_from("203.0.113.7");
        let mut wait = None;
        for _ in 0..6 {
            let answer = client.login(ADMIN_EMAIL, WRONG).await;
            if answer.status == 429 {
                wait = Some(retry_after(&answer));
            }
        }
        let Some(wait) = wait else { continue };
        assert!(wait <= window, "{wait} of {window} s");
        tokio::time::sleep(Duration::from_secs(wait) + Duration::from_millis(200)).await;
        let _in = client.login(ADMIN_EMAIL, ADMIN_PASSWORD).await.expect(303);
        return;
    }
    panic!("six failures within a minute, and none was refused");
}

/// R-19: an office behind one address comes in together in the morning.
#[tokio::test]
async fn right_passwords_at_once_are_never_refused() {
    let server = Server::start();
    let logins = (0..12).map(|_| async {
        let client = server.visitor_from("203.0.113.7");
        loop {
            let begun = Instant::now();
            let status = client.login(ADMIN_EMAIL, ADMIN_PASSWORD).await.status;
            // Whoever waited in vain for ten seconds behind those before him is asked to come back; nobody is sooner.
            if status != 429 || begun.elapsed() < Duration::from_secs(10) {
                break status;
            }
        }
    });
    assert_eq!(futures_util::future::join_all(logins).await, [303; 12]);
}

/// The count lives in the database: a restart forgives nothing.
#[tokio::test]
async fn a_restart_does_not_forget_the_failures() {
    let server = Server::start();
    fail(&server.visitor_from("203.0.113.7"), 5).await;
    let server = server.kill().start();
    let client = server.visitor_from("203.0.113.7");
    let _seconds = retry_after(&client.login(ADMIN_EMAIL, ADMIN_PASSWORD).await);
}

/// The most that a burst and one a second let through since then: twice, since a process goes on with a count of its own
/// when the shared one is too slow for a moment.
fn most(burst: u64, begun: Instant) -> u64 {
    2 * (burst + 1 + begun.elapsed().as_secs())
}

/// The general limit for anonymous visitors: a burst, then 429 with the wait; health and static files are exempt.
#[tokio::test]
async fn anonymous_requests_are_limited_by_address() {
    let server = Launch::new()
        .env("MPPEEP_REQUEST_RATE", 1)
        .env("MPPEEP_REQUEST_BURST", 5)
        .start();
    let client = server.visitor_from("203.0.113.7");
    let begun = Instant::now();
    let mut shown = 0;
    let blocked = loop {
        let answer = client.get("/mppeep/login").await;
        if answer.status == 429 {
            break answer;
        }
        let _page = answer.expect(200);
        shown += 1;
        assert!(shown <= most(5, begun), "{shown} pages were shown");
    };
    assert!(shown >= 5, "a burst of five, and refused after {shown}");
    assert!(retry_after(&blocked) >= 1);
    for _ in 0..20 {
        let _health = client.get("/mppeep/api/v1/health").await.expect(200);
        let _style = client.get("/mppeep/static/css/style.css").await.expect(200);
    }
    let _other = server
        .visitor_from("203.0.113.8")
        .get("/mppeep/login")
        .await
        .expect(200);
}

/// The general limit for users goes by the user, whatever address he has.
#[tokio::test]
async fn users_are_limited_by_user() {
    let server = Launch::new()
        .env("MPPEEP_USER_REQUEST_RATE", 1)
        .env("MPPEEP_USER_REQUEST_BURST", 10)
        .start();
    let client = server.admin().await;
    let begun = Instant::now();
    let (mut shown, mut refused) = (0, 0);
    while refused < 10 {
        let answer = client
            .clone()
            .coming_from(&format!("198.51.{refused}.{}", shown % 256))
            .get("/mppeep/api/v1/personnel")
            .await;
        if answer.status == 429 {
            let _problem = answer.problem(429);
            refused += 1;
        } else {
            let _list = answer.expect(200);
            shown += 1;
            assert!(shown <= most(10, begun), "{shown} lists, {refused} refusals");
        }
    }
}

/// `"name";q=20;w=2` in its parts.
fn parts(header: &str) -> (String, std::collections::BTreeMap<String, u64>) {
    let mut parts = header.split(';');
    let name = parts.next().expect("a name").to_owned();
    let numbers = parts.map(|part| {
        let (key, number) = part.split_once('=').expect("key=number");
        (key.to_owned(), number.parse().expect("a whole number"))
    });
    (name, numbers.collect())
}

/// RAT-6: every answer of a limited address says what the limit is and what is left of it, allowed or refused, without
/// saying who the visitor is; files and health say nothing.
#[tokio::test]
async fn the_general_limit_tells_what_is_left() {
    let server = Launch::new()
        .env("MPPEEP_REQUEST_RATE", 1)
        .env("MPPEEP_REQUEST_BURST", 4)
        .env("MPPEEP_USER_REQUEST_RATE", 2)
        .env("MPPEEP_USER_REQUEST_BURST", 50)
        .start();
    let client = server.visitor_from("203.0.113.7");
    let begun = Instant::now();
    let mut left = Vec::new();
    for shown in 0.. {
        assert!(shown <= most(4, begun), "none was refused: {left:?}");
        let answer = client.get("/mppeep/login").await;
        let (policy, numbers) = parts(answer.header("ratelimit-policy").expect("a policy"));
        assert_eq!(
            (policy.as_str(), numbers["q"], numbers["w"]),
            ("\"anonymous\"", 4, 4)
        );
        let state = answer.header("ratelimit").expect("a state");
        assert!(!state.contains("203.0.113"), "{state}");
        let (name, numbers) = parts(state);
        assert_eq!(name, policy);
        left.push((answer.status, numbers["r"]));
        if answer.status == 429 {
            assert_eq!(numbers["r"], 0);
            assert!(retry_after(&answer) >= numbers["t"].max(1));
            break;
        }
    }
    assert_eq!(left[0], (200, 3));
    let user = server.visitor_from("203.0.113.8");
    let _in = user.login(ADMIN_EMAIL, ADMIN_PASSWORD).await.expect(303);
    let page = user.get("/mppeep/accueil").await.expect(200);
    let (policy, numbers) = parts(page.header("ratelimit-policy").expect("a policy"));
    assert_eq!(
        (policy.as_str(), numbers["q"], numbers["w"]),
        ("\"user\"", 50, 25)
    );
    for path in [
        "/mppeep/static/css/style.css",
        "/mppeep/static/rien.css",
        "/mppeep/health/live",
        "/mppeep/api/v1/health",
    ] {
        let answer = client.get(path).await;
        assert!(answer.status != 429, "{path}");
        assert!(answer.header("ratelimit").is_none(), "{path}");
    }
}
