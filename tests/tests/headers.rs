//! Security headers, caching and compression, as CHECKS H, K and N want them.

use std::collections::BTreeMap;
use std::io::Read as _;

use mppeep_tests::api::API;
use mppeep_tests::{Client, Launch, Response, Server, html};

const STYLE: &str = "/mppeep/static/css/style.css";

fn policy(answer: &Response) -> BTreeMap<String, Vec<String>> {
    let text = answer.header("content-security-policy").expect("a policy");
    text.split(';')
        .filter_map(|directive| {
            let mut words = directive.split_whitespace().map(str::to_owned);
            Some((words.next()?, words.collect()))
        })
        .collect()
}

/// The pages of this issue that somebody who may see everything can open.
const PAGES: [&str; 13] = [
    "/mppeep/accueil",
    "/mppeep/dashboard",
    "/mppeep/personnel",
    "/mppeep/personnel/nouveau",
    "/mppeep/personnel/importer",
    "/mppeep/rh",
    "/mppeep/evaluations",
    "/mppeep/organigramme",
    "/mppeep/journal",
    "/mppeep/profil",
    "/mppeep/admin/utilisateurs",
    "/mppeep/admin/parametres/ministry",
    "/mppeep/cette-page-n-existe-pas",
];

/// H-01 … H-06
#[tokio::test]
async fn the_policy_of_pages_is_strict_and_they_keep_it() {
    let server = Server::start();
    let mut answers = vec![("/mppeep/login", server.visitor().get("/mppeep/login").await)];
    let everyone = server.admin().await;
    for page in PAGES {
        answers.push((page, everyone.get(page).await));
    }
    for (page, answer) in answers {
        assert!(
            answer.is_html() && matches!(answer.status, 200 | 404),
            "{page}: {}",
            answer.status
        );
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

/// Ten kinds of answers, with a name each.
async fn kinds(server: &Server) -> Vec<(&'static str, Response)> {
    let (visitor, admin) = (server.visitor(), server.admin().await);
    let personnel = format!("{API}/personnel");
    vec![
        ("login page", visitor.get("/mppeep/login").await),
        ("refused login", visitor.login("x@mppeep.example", "nicht").await),
        ("page", admin.get("/mppeep/accueil").await),
        ("redirect", visitor.get("/mppeep/accueil").await),
        ("missing page", admin.get("/mppeep/rien").await),
        ("API list", admin.get(&personnel).await),
        ("API refusal", visitor.get(&personnel).await),
        (
            "API error",
            admin
                .request("POST", &personnel)
                .body("text/plain", "x")
                .send()
                .await,
        ),
        (
            "wrong method",
            admin.request("DELETE", "/mppeep/login").send().await,
        ),
        ("health", visitor.get(&format!("{API}/health")).await),
        ("style sheet", visitor.get(STYLE).await),
        ("missing file", visitor.get("/mppeep/static/rien.css").await),
        ("foreign path", visitor.get("/autre").await),
        (
            "forgery",
            visitor
                .request("POST", "/mppeep/login")
                .header("origin", "null")
                .send()
                .await,
        ),
    ]
}

/// H-07, H-08, H-09, H-12, H-13
#[tokio::test]
async fn every_kind_of_answer_has_the_security_headers() {
    let server = Server::start();
    for (kind, answer) in kinds(&server).await {
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{kind}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{kind}");
        assert_eq!(answer.header("x-xss-protection"), Some("0"), "{kind}");
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
        if answer.is_html() {
            assert_eq!(
                answer.header("cross-origin-opener-policy"),
                Some("same-origin"),
                "{kind}"
            );
            assert!(answer.header("permissions-policy").is_some(), "{kind}");
        }
    }
}

/// H-10, H-11
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
    for (kind, answer) in kinds(&server).await {
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
        ];
        assert!(known.contains(&media.as_str()), "{kind}: {media}");
    }
}

/// K-01, K-07, K-08, K-10, K-11, K-12
#[tokio::test]
async fn static_files_are_kept_and_validated() {
    let server = Server::start();
    let visitor = server.visitor();
    let whole = visitor.get(STYLE).await.expect(200);
    assert_eq!(
        whole.header("cache-control"),
        Some("public, max-age=2592000, immutable")
    );
    let tag = whole.header("etag").expect("an ETag").to_owned();
    let weak = format!("W/{}", tag.trim_start_matches("W/"));
    for known in [tag.as_str(), weak.as_str(), "*", &format!("\"a\", {tag}, \"b\"")] {
        let answer = visitor
            .request("GET", STYLE)
            .header("if-none-match", known)
            .send()
            .await
            .expect(304);
        assert!(answer.body.is_empty());
        assert_eq!(answer.header("etag"), Some(tag.as_str()));
        assert_eq!(
            answer.header("cache-control"),
            Some("public, max-age=2592000, immutable")
        );
    }
    let _other = visitor
        .request("GET", STYLE)
        .header("if-none-match", "\"autre\"")
        .send()
        .await
        .expect(200);
    let many = (0..800).map(|n| format!("{n}-{n}")).collect::<Vec<_>>().join(",");
    for range in [
        "bytes=0-9",
        "bytes=-5",
        "bytes=999999999-",
        &format!("bytes={many}"),
    ] {
        let answer = visitor.request("GET", STYLE).header("range", range).send().await;
        assert!(
            matches!(answer.status, 200 | 206 | 416),
            "{range}: {}",
            answer.status
        );
        assert!(
            answer.body.len() <= whole.body.len() + 1024,
            "{} bytes",
            answer.body.len()
        );
        if answer.status == 206 && range == "bytes=0-9" {
            assert_eq!(answer.body[..], whole.body[..10]);
        }
    }
    let head = visitor.request("HEAD", STYLE).send().await.expect(200);
    assert!(head.body.is_empty());
    for name in ["etag", "content-type", "cache-control", "content-length"] {
        assert_eq!(head.header(name), whole.header(name), "{name}");
    }
}

/// K-01: what never changes is asked for under a name that changes.
#[tokio::test]
async fn pages_link_files_with_their_hash() {
    let server = Server::start();
    let page = server.visitor().get("/mppeep/login").await.text();
    let mut links = 0;
    for tag in html::tags(&page) {
        let link = tag.get("href").or_else(|| tag.get("src")).unwrap_or("");
        if !link.starts_with("/mppeep/static/") {
            continue;
        }
        links += 1;
        let hash = link.split("?v=").nth(1).unwrap_or("");
        assert!(hash.len() >= 8, "{link}");
        let file = server.visitor().get(link).await.expect(200);
        assert!(
            file.header_or_empty("cache-control").contains("immutable"),
            "{link}"
        );
    }
    assert!(links >= 1, "the page has a style sheet");
}

/// K-02, K-03, K-04
#[tokio::test]
async fn nothing_private_and_no_absence_is_kept() {
    let server = Server::start();
    for (kind, answer) in kinds(&server).await {
        if kind != "style sheet" {
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{kind}");
        }
    }
}

async fn as_coded(client: &Client, path: &str, codings: &str) -> Response {
    client
        .request("GET", path)
        .header("accept-encoding", codings)
        .send()
        .await
        .expect(200)
}

fn decoded(answer: &Response) -> Vec<u8> {
    let mut out = Vec::new();
    match answer.header("content-encoding") {
        Some("br") => brotli::Decompressor::new(&answer.body[..], 4096).read_to_end(&mut out),
        Some("gzip") => flate2::read::GzDecoder::new(&answer.body[..]).read_to_end(&mut out),
        Some(other) => panic!("a coding that nobody asked for: {other}"),
        None => (&answer.body[..]).read_to_end(&mut out),
    }
    .expect("the body can be decoded");
    out
}

/// K-09, N-01 … N-05, N-07
#[tokio::test]
async fn answers_are_compressed_as_asked() {
    let server = Server::demo();
    let hr = server.demo_user("sdrh").await;
    let list = format!("{API}/personnel?limit=40");
    for path in [STYLE, "/mppeep/personnel", list.as_str()] {
        let plain = hr.get(path).await.expect(200);
        assert!(plain.header("content-encoding").is_none(), "{path}");
        assert!(plain.body.len() > 1024, "{path} is too small to be compressed");
        assert!(
            plain
                .header_or_empty("vary")
                .to_lowercase()
                .contains("accept-encoding"),
            "{path}"
        );
        for (asked, expected) in [
            ("br", Some("br")),
            ("gzip", Some("gzip")),
            ("gzip, deflate, br, zstd", Some("br")),
            ("br;q=0, gzip", Some("gzip")),
            ("gzip;q=1.0, br;q=0.1", Some("gzip")),
            ("identity", None),
            ("br;q=0, gzip;q=0", None),
            ("compress, x-odd", None),
            (";;;q=,", None),
        ] {
            let answer = as_coded(&hr, path, asked).await;
            assert_eq!(answer.header("content-encoding"), expected, "{path} for {asked}");
            assert!(
                answer
                    .header_or_empty("vary")
                    .to_lowercase()
                    .contains("accept-encoding"),
                "{path}"
            );
            if path == STYLE {
                assert_eq!(decoded(&answer), plain.body, "{path} for {asked}");
            } else {
                assert!(decoded(&answer).len() > 1024, "{path} for {asked}");
            }
            if expected.is_some() {
                assert!(answer.body.len() < plain.body.len(), "{path} for {asked}");
            }
            if let (Some(one), Some(two)) = (plain.header("etag"), answer.header("etag")) {
                assert!(
                    expected.is_none() || one != two || one.starts_with("W/"),
                    "{path}: a strong tag for two codings"
                );
            }
        }
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
