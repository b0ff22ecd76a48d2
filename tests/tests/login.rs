//! Logging in, as CHECKS A-01 … A-22 want it.

use std::time::{Duration, Instant};

use mppeep_tests::client::encode;
use mppeep_tests::{ADMIN_EMAIL, ADMIN_PASSWORD, Launch, Response, Server, html, processes};
use serde_json::json;

const WRONG: &str = "ce-n-est-pas-le-bon-mot";

/// What a visitor could compare in two refusals: status, headers that do not count or tell the time, bytes.
fn visible(answer: &Response, username: &str) -> (u16, Vec<(String, String)>, String) {
    let varying = ["date", "x-request-id", "content-length"];
    let headers = answer
        .headers
        .iter()
        .filter(|(name, _)| !varying.contains(&name.as_str()))
        .map(|(name, value)| {
            (
                name.to_string(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .map(|(name, value)| {
            (
                name.clone(),
                if name == "content-security-policy" {
                    String::new()
                } else {
                    value
                },
            )
        })
        .collect();
    let mut body = answer.text().replace(username, "<the typed name>");
    if let Some(id) = answer.header("x-request-id") {
        body = body.replace(id, "<request>");
    }
    (answer.status, headers, body)
}

///
#[tokio::test]
async fn the_form_is_french_and_friendly_to_password_managers() {
    let server = Server::start();
    let page = server.visitor().get("/mppeep/login").await.expect(200).text();
    let tags = html::tags(&page);
    assert!(
        tags.iter()
            .any(|tag| tag.name == "html" && tag.get("lang") == Some("fr"))
    );
    let form = html::form_to(&page, "/login");
    assert_eq!(form.method, "post");
    let control = |name: &str| {
        form.controls
            .iter()
            .find(|tag| tag.get("name") == Some(name))
            .unwrap_or_else(|| panic!("a field {name}"))
    };
    assert_eq!(control("password").get("type"), Some("password"));
    assert_eq!(control("username").get("autocomplete"), Some("username"));
    assert_eq!(control("password").get("autocomplete"), Some("current-password"));
    assert!(
        form.controls
            .iter()
            .all(|tag| tag.get("autocomplete") != Some("off"))
    );
}

/// two fields and nothing else, as a program that is no browser sends them.
#[tokio::test]
async fn the_right_pair_opens_the_home_page() {
    let server = Server::start();
    let client = server.visitor();
    let answer = client.login(ADMIN_EMAIL, ADMIN_PASSWORD).await.expect(303);
    assert_eq!(answer.header("location"), Some("/mppeep/accueil"));
    assert!(client.is_logged_in().await);
}

/// A-03, A-03d: also over plain HTTP, with and without the proxy's word about the scheme.
#[tokio::test]
async fn the_cookie_has_exactly_the_attributes_of_the_contract() {
    let server = Server::start();
    for scheme in [None, Some("http"), Some("https")] {
        let client = server.visitor();
        let client = scheme.map_or_else(
            || client.clone(),
            |scheme| client.clone().with_header("x-forwarded-proto", scheme),
        );
        let answer = client.login(ADMIN_EMAIL, ADMIN_PASSWORD).await.expect(303);
        let cookies = answer.set_cookies();
        assert_eq!(cookies.len(), 1, "{cookies:?}");
        let parts: Vec<&str> = cookies[0].split(';').map(str::trim).collect();
        assert!(parts[0].starts_with("session_id="));
        let mut attributes: Vec<String> = parts[1..].iter().map(|part| part.to_ascii_lowercase()).collect();
        attributes.sort();
        assert_eq!(
            attributes,
            [
                "httponly",
                "max-age=604800",
                "path=/mppeep",
                "samesite=lax",
                "secure"
            ]
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

/// unknown, wrong and disabled cannot be told apart.
#[tokio::test]
async fn refusals_do_not_tell_whether_an_account_exists() {
    let server = Server::demo();
    let disabled = "invite@demo.mppeep.example";
    let _done = server.launch().run_well(&["user", "disable", disabled]);
    let mut seen = Vec::new();
    for (number, (name, password)) in [
        ("personne@mppeep.example", WRONG),
        ("sdrh@demo.mppeep.example", WRONG),
        (disabled, mppeep_tests::DEMO_PASSWORD),
        (disabled, WRONG),
    ]
    .into_iter()
    .enumerate()
    {
        let client = server.visitor_from(&format!("203.0.113.{number}"));
        let answer = client.login(name, password).await.expect(401);
        assert!(answer.set_cookies().is_empty());
        assert!(!client.is_logged_in().await);
        assert!(
            html::text(&answer.text()).contains("Il reste 4 essais"),
            "{}",
            html::text(&answer.text())
        );
        seen.push(visible(&answer, name));
    }
    for other in &seen[1..] {
        assert_eq!(&seen[0], other);
    }
}

/// an unknown account costs the server the same work. Counted in processor time of the server, which a busy
/// machine does not change, rather than on a clock.
#[tokio::test]
async fn an_unknown_account_costs_the_same_work() {
    let server = Server::start();
    let mut spent = [0_u64; 2];
    let begun = Instant::now();
    for round in 0..40 {
        for (side, name) in [ADMIN_EMAIL, "personne@mppeep.example"].into_iter().enumerate() {
            let client = server.visitor_from(&format!("198.51.{}.{side}", 100 + round));
            let before = processes::processor_ticks(server.id());
            let status = client.login(name, WRONG).await.status;
            assert!(matches!(status, 401 | 429), "{status}");
            spent[side] += processes::processor_ticks(server.id()) - before;
            if round >= 15 {
                continue;
            }
            assert_eq!(status, 401, "the first failures of an account are evaluated");
        }
    }
    println!(
        "known {} ticks, unknown {} ticks, in {:?}",
        spent[0],
        spent[1],
        begun.elapsed()
    );
    let (less, more) = (spent[0].min(spent[1]), spent[0].max(spent[1]));
    assert!(
        less * 2 >= more,
        "known {} ticks, unknown {} ticks",
        spent[0],
        spent[1]
    );
}

/// the password is compared whole and as it is.
#[tokio::test]
async fn nearly_right_passwords_are_refused() {
    let server = Server::start();
    let almost = [
        format!("{ADMIN_PASSWORD}x"),
        ADMIN_PASSWORD[..ADMIN_PASSWORD.len() - 1].to_owned(),
        ADMIN_PASSWORD.to_lowercase(),
        ADMIN_PASSWORD.to_uppercase(),
        format!(" {ADMIN_PASSWORD}"),
        format!("{ADMIN_PASSWORD} "),
        format!("{ADMIN_PASSWORD}\0"),
        String::new(),
    ];
    for (number, password) in almost.iter().enumerate() {
        let client = server.visitor_from(&format!("203.0.113.{number}"));
        let answer = client.login(ADMIN_EMAIL, password).await;
        assert!(
            (400..500).contains(&answer.status),
            "{password:?}: {}",
            answer.status
        );
        assert!(!client.is_logged_in().await, "{password:?}");
    }
}

/// bytes that no database should see.
#[tokio::test]
async fn broken_text_is_refused_and_not_a_fault() {
    let server = Server::start();
    for (number, broken) in [
        "%00",
        "a%00b",
        "%ff%fe",
        "%ed%a0%80",
        "%c3%28",
        "%f4%90%80%80",
        "%",
    ]
    .iter()
    .enumerate()
    {
        for (side, body) in [
            format!("username={broken}&password=x"),
            format!("username=a%40b.example&password={broken}"),
        ]
        .into_iter()
        .enumerate()
        {
            let client = server.visitor_from(&format!("203.0.{number}.{side}"));
            let draft = client
                .request("POST", "/mppeep/login")
                .body("application/x-www-form-urlencoded", body.clone());
            let answer = draft.send().await;
            assert!((400..500).contains(&answer.status), "{body}: {}", answer.status);
            assert!(answer.set_cookies().is_empty());
        }
    }
}

///
#[tokio::test]
async fn injections_open_nothing() {
    let server = Server::start();
    let attempts = [
        "' OR '1'='1",
        "' OR 1=1 --",
        "admin'--",
        "\" OR \"\"=\"",
        "'; DROP TABLE users; --",
        "' UNION SELECT 1,2,3 --",
        "'; SELECT pg_sleep(5); --",
        "1; ATTACH DATABASE '/tmp/x' AS x",
        "*)(uid=*))(|(uid=*",
        "${jndi:ldap://127.0.0.1/a}",
        "{{7*7}}",
        "%' AND 1=1 AND '%'='",
    ];
    for (number, attempt) in attempts.iter().enumerate() {
        for (side, (name, password)) in [(*attempt, WRONG), (ADMIN_EMAIL, *attempt)]
            .into_iter()
            .enumerate()
        {
            let client = server.visitor_from(&format!("203.0.{number}.{side}"));
            let answer = client.login(name, password).await;
            assert!(
                (400..500).contains(&answer.status),
                "{attempt}: {}",
                answer.status
            );
            assert!(!client.is_logged_in().await, "{attempt}");
        }
    }
    let fields = [("username[$ne]", ""), ("password[$ne]", "")];
    let odd = server
        .visitor_from("203.0.200.1")
        .post_form("/mppeep/login", &fields)
        .await;
    assert!((400..500).contains(&odd.status), "{}", odd.status);
    // The account is still there and still opens.
    let _admin = server.admin().await;
}

///
#[tokio::test]
async fn what_was_typed_comes_back_escaped() {
    let server = Server::start();
    let markup = "\"><script>alert(1)</script><img src=x onerror=alert(1)>";
    let typed = server.visitor().login(markup, WRONG).await;
    let query = server
        .visitor()
        .get(&format!("/mppeep/login?next={0}&username={0}", encode(markup)))
        .await;
    for page in [typed.text(), query.text()] {
        assert!(
            !page.contains("<script>alert") && !page.contains("<img src=x"),
            "{page}"
        );
    }
}

///
#[tokio::test]
async fn the_page_after_login_is_on_this_site() {
    let server = Server::start();
    let elsewhere = [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "https:evil.example",
        "/mppeep/../../evil",
        "javascript:alert(1)",
        "/%2f%2fevil.example",
        "\t//evil.example",
        "/mppeep@evil.example",
        "data:text/html,x",
        "/mppeep/accueil\r\nSet-Cookie: a=b",
    ];
    for next in elsewhere {
        let path = format!("/mppeep/login?next={}", encode(next));
        let fields = [
            ("username", ADMIN_EMAIL),
            ("password", ADMIN_PASSWORD),
            ("next", next),
        ];
        let answer = server.visitor().post_form(&path, &fields).await.expect(303);
        let location = answer.header("location").expect("a location");
        assert!(
            location.starts_with("/mppeep/") && !location.contains("evil"),
            "{next} leads to {location}"
        );
    }
}

///
#[tokio::test]
async fn no_default_pair_opens() {
    let server = Launch::new()
        .without("MPPEEP_ADMIN_EMAIL")
        .without("MPPEEP_ADMIN_PASSWORD")
        .start();
    let pairs = [
        ("admin", "admin"),
        ("admin@mppeep.com", "admin123"),
        ("admin@mppeep.example", "admin"),
        ("root@localhost", "root"),
        (ADMIN_EMAIL, "password"),
    ];
    for (number, (name, password)) in pairs.into_iter().enumerate() {
        let client = server.visitor_from(&format!("203.0.113.{number}"));
        let answer = client.login(name, password).await;
        assert!((400..500).contains(&answer.status), "{name}: {}", answer.status);
    }
}

/// Without settings, the first administrator gets a random password that is shown once.
#[tokio::test]
async fn without_settings_an_administrator_with_a_random_password_is_made_once() {
    let launch = Launch::new()
        .without("MPPEEP_ADMIN_EMAIL")
        .without("MPPEEP_ADMIN_PASSWORD");
    let first = launch.start();
    let told = |server: &Server| format!("{}\n{}", server.out().text(), server.log().text());
    let users = first.launch().dump();
    assert!(users.contains("$argon2id$"), "an account was made");
    // It is written before the server listens, but through another pipe than the line that says so.
    let _shown = first.out().wait_for(Duration::from_secs(30), |line| {
        line.to_lowercase().contains("password").then_some(())
    });
    let said = told(&first);
    drop(first);
    let second = launch.start();
    let said_again = told(&second);
    assert!(
        said.to_lowercase().contains("password"),
        "the first start shows the password: {said}"
    );
    let line = said
        .lines()
        .find(|line| line.to_lowercase().contains("password"))
        .expect("checked above");
    assert!(!said_again.contains(line), "the second start shows it again");
}

///
#[tokio::test]
async fn odd_bodies_are_refused() {
    let server = Server::start();
    let client = |number: u8| server.visitor_from(&format!("203.0.113.{number}"));
    let form = "application/x-www-form-urlencoded";
    let pair = format!(
        "username={}&password={}",
        encode(ADMIN_EMAIL),
        encode(ADMIN_PASSWORD)
    );
    let many = format!(
        "{pair}&{}",
        (0..20_000)
            .map(|n| format!("f{n}=1"))
            .collect::<Vec<_>>()
            .join("&")
    );
    let both = json!({ "username": ADMIN_EMAIL, "password": ADMIN_PASSWORD }).to_string();
    let bodies: [(&str, String); 8] = [
        (form, String::new()),
        (form, format!("username={}", encode(ADMIN_EMAIL))),
        (form, format!("password={}", encode(ADMIN_PASSWORD))),
        (form, format!("username=autre%40mppeep.example&{pair}")),
        (form, many),
        ("application/json", both),
        ("text/plain", pair.clone()),
        ("", pair),
    ];
    for (number, (media, body)) in (0..).zip(bodies) {
        let answer = client(number)
            .request("POST", "/mppeep/login")
            .body(media, body)
            .send()
            .await;
        assert!(
            (400..500).contains(&answer.status),
            "body {number} as {media:?}: {}",
            answer.status
        );
        assert!(answer.set_cookies().is_empty(), "body {number} as {media:?}");
    }
}

///
#[tokio::test]
async fn credentials_in_the_address_are_ignored() {
    let server = Server::start();
    let path = format!(
        "/mppeep/login?username={}&password={}",
        encode(ADMIN_EMAIL),
        encode(ADMIN_PASSWORD)
    );
    for method in ["GET", "POST"] {
        let client = server.visitor();
        let answer = client.request(method, &path).send().await;
        assert!(
            answer.status != 303 && answer.set_cookies().is_empty(),
            "{method}: {}",
            answer.status
        );
        assert!(!client.is_logged_in().await);
    }
    assert!(!server.visitor().get(&path).await.text().contains(ADMIN_PASSWORD));
}
