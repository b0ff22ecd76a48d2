//! Security headers, as CHECKS H want them.

use std::collections::BTreeMap;

use mppeep_http::routes::{Needs, entries};
use mppeep_tests::api::{create_agent, id_of};
use mppeep_tests::{Launch, Response, Server, html, kinds};

fn policy(answer: &Response) -> BTreeMap<String, Vec<String>> {
    let text = answer.header("content-security-policy").expect("a policy");
    text.split(';')
        .filter_map(|directive| {
            let mut words = directive.split_whitespace().map(str::to_owned);
            Some((words.next()?, words.collect()))
        })
        .collect()
}

/// The addresses of all pages in the table of routes, with the id of somebody where one is wanted. Whoever asks may be
/// refused, or find nothing: that is a page too.
fn pages(id: &str) -> Vec<(String, bool)> {
    entries()
        .into_iter()
        .filter(|entry| entry.method == "GET")
        .filter(|entry| {
            let path = &entry.path;
            !["/api/v1/", "/static/", "/health/", "/evenements"]
                .iter()
                .any(|other| path.starts_with(other))
        })
        .map(|entry| {
            let parts = entry
                .path
                .split('/')
                .map(|part| if part.starts_with('{') { id } else { part });
            let path = parts.collect::<Vec<_>>().join("/");
            (format!("/mppeep{path}"), entry.needs == Needs::Public)
        })
        .collect()
}

/// H-01 … H-06
#[tokio::test]
async fn the_policy_of_pages_is_strict_and_they_keep_it() {
    let server = Server::start();
    let (visitor, everyone) = (server.visitor(), server.admin().await);
    let agent = id_of(&create_agent(&everyone, 1).await);
    let mut answers = Vec::new();
    for (path, is_public) in pages(&agent) {
        let reader = if is_public { &visitor } else { &everyone };
        let answer = reader.get(&path).await;
        assert!(answer.status < 500, "{path}: {}", answer.status);
        if answer.is_html() {
            answers.push((path, answer));
        }
    }
    let missing = "/mppeep/cette-page-n-existe-pas".to_owned();
    answers.push((missing.clone(), everyone.get(&missing).await));
    println!("{} pages", answers.len());
    assert!(answers.len() >= 40, "{} pages", answers.len());
    for (page, answer) in answers {
        let policy = policy(&answer);
        let of = |name: &str| {
            policy
                .get(name)
                .or_else(|| policy.get("default-src"))
                .cloned()
                .unwrap_or_default()
        };
        for source in of("script-src").iter().chain(&of("style-src")) {
            for bad in [
                "'unsafe-inline'",
                "'unsafe-eval'",
                "*",
                "data:",
                "http:",
                "https:",
                "'unsafe-hashes'",
            ] {
                assert_ne!(source, bad, "{page}");
            }
        }
        assert_eq!(of("object-src"), ["'none'"], "{page}");
        assert_eq!(policy["default-src"], ["'none'"], "{page}");
        for own in ["base-uri", "form-action", "frame-ancestors"] {
            let sources = policy
                .get(own)
                .unwrap_or_else(|| panic!("{page} says nothing of {own}"));
            assert!(
                *sources == ["'none'"] || *sources == ["'self'"],
                "{page} {own} {sources:?}"
            );
        }
        for tag in html::tags(&answer.text()) {
            let event = tag.attributes.keys().find(|name| name.starts_with("on"));
            assert!(event.is_none(), "{page}: {tag:?}");
            assert!(
                tag.get("style").is_none() && tag.name != "style",
                "{page}: {tag:?}"
            );
            let data = tag.get("type").is_some_and(|kind| kind == "application/json");
            assert!(
                tag.name != "script" || tag.get("src").is_some() || data,
                "{page}: {tag:?}"
            );
            for name in ["src", "href", "action", "srcset", "poster"] {
                let link = tag.get(name).unwrap_or("");
                assert!(
                    !link.contains("//") && !link.starts_with("javascript:"),
                    "{page}: {tag:?}"
                );
            }
        }
    }
}

/// H-07, H-08, H-09, H-12, H-13
#[tokio::test]
async fn every_kind_of_answer_has_the_security_headers() {
    let server = Server::start();
    for (kind, answer) in kinds::all(&server).await {
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{kind}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{kind}");
        let referrer = answer.header_or_empty("referrer-policy");
        let private = [
            "no-referrer",
            "same-origin",
            "strict-origin",
            "strict-origin-when-cross-origin",
        ];
        assert!(private.contains(&referrer), "{kind}: {referrer}");
        assert!(answer.header("x-powered-by").is_none(), "{kind}");
        let server = answer.header_or_empty("server");
        assert!(!server.contains(|c: char| c.is_ascii_digit()), "{kind}: {server}");
        assert_eq!(
            answer.header("cross-origin-resource-policy"),
            Some("same-origin"),
            "{kind}"
        );
        let policy = policy(&answer);
        for none in ["default-src", "base-uri", "frame-ancestors"] {
            assert_eq!(policy[none], ["'none'"], "{kind}");
        }
        if answer.is_html() {
            assert_eq!(answer.header("x-xss-protection"), Some("0"), "{kind}");
            assert_eq!(
                answer.header("cross-origin-opener-policy"),
                Some("same-origin"),
                "{kind}"
            );
            assert!(answer.header("permissions-policy").is_some(), "{kind}");
        } else if answer.header("content-type").is_some() {
            // Nothing that is no page may do anything, should a browser take it for one.
            for (directive, sources) in policy.iter().filter(|(name, _)| name.ends_with("-src")) {
                let style = directive == "style-src" && policy.contains_key("sandbox");
                assert!(style || *sources == ["'none'"], "{kind}: {directive} {sources:?}");
            }
            assert_eq!(policy["form-action"], ["'none'"], "{kind}");
        }
    }
}

/// H-10, H-11, and what the tunnel says of the scheme (cloudflare.rs asks for more of it).
#[tokio::test]
async fn transport_security_is_promised_over_https_only() {
    let server = Server::start();
    for (scheme, promised) in [(Some("https"), true), (Some("http"), false), (None, false)] {
        let visitor = scheme.map_or_else(
            || server.visitor(),
            |s| server.visitor().with_header("x-forwarded-proto", s),
        );
        let answer = visitor.get("/mppeep/login").await.expect(200);
        let promise = answer.header("strict-transport-security");
        assert_eq!(promise.is_some(), promised, "{scheme:?}");
        if let Some(promise) = promise {
            let age: u64 = promise
                .split(';')
                .find_map(|part| part.trim().strip_prefix("max-age="))
                .and_then(|age| age.parse().ok())
                .expect("max-age");
            assert!(age >= 31_536_000);
        }
    }
    // Nobody but a trusted proxy says what the scheme was.
    let stranger = server
        .visitor()
        .with_header("x-forwarded-proto", "https")
        .bound_to([127, 0, 0, 2].into());
    assert!(
        stranger
            .get("/mppeep/login")
            .await
            .header("strict-transport-security")
            .is_none()
    );
}

/// H-14
#[tokio::test]
async fn every_body_says_what_it_is() {
    let server = Server::start();
    for (kind, answer) in kinds::all(&server).await {
        if answer.body.is_empty() {
            continue;
        }
        let media = answer.header_or_empty("content-type").to_ascii_lowercase();
        let known = [
            "text/html; charset=utf-8",
            "application/json",
            "application/problem+json",
            "text/css; charset=utf-8",
            "text/plain; charset=utf-8",
            "text/csv; charset=utf-8",
            "image/svg+xml",
        ];
        assert!(known.contains(&media.as_str()), "{kind}: {media}");
    }
}

/// H-06: pages without nonces say the same thing twice, pages with nonces never do.
#[tokio::test]
async fn a_nonce_is_never_used_twice() {
    let server = Server::start();
    let nonces = |answer: &Response| -> Vec<String> {
        let policy = answer.header_or_empty("content-security-policy").to_owned();
        policy
            .split('\'')
            .filter_map(|part| part.strip_prefix("nonce-").map(str::to_owned))
            .collect()
    };
    let (one, two) = (
        server.visitor().get("/mppeep/login").await,
        server.visitor().get("/mppeep/login").await,
    );
    for nonce in nonces(&one) {
        assert!(nonce.len() >= 22 && !nonces(&two).contains(&nonce));
    }
    let without = |answer: &Response| {
        nonces(answer)
            .into_iter()
            .fold(answer.text(), |text, nonce| text.replace(&nonce, ""))
    };
    assert_eq!(
        without(&one),
        without(&two),
        "the login page is the same for everybody"
    );
}

/// The name of the root path is a setting, and every link follows it.
#[tokio::test]
async fn the_root_path_can_be_another() {
    let server = Launch::new().env("MPPEEP_ROOT_PATH", "/rh-test").start();
    let visitor = server.visitor();
    let _gone = visitor.get("/mppeep/login").await.expect(404);
    let page = visitor.get("/rh-test/login").await.expect(200).text();
    assert!(!page.contains("/mppeep/"), "a link to the old root");
    let fields = [
        ("username", mppeep_tests::ADMIN_EMAIL),
        ("password", mppeep_tests::ADMIN_PASSWORD),
    ];
    let answer = visitor.post_form("/rh-test/login", &fields).await.expect(303);
    assert_eq!(answer.header("location"), Some("/rh-test/accueil"));
    assert!(answer.set_cookies()[0].contains("Path=/rh-test"));
    let _home = visitor.get("/rh-test/accueil").await.expect(200);
}
