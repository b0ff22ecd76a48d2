//! O-08: what the MDN HTTP Observatory would say of this server over TLS, computed by its published table of modifiers:
//! a base of 100, deductions, and bonuses that count when the deductions leave at least 90.

use std::collections::BTreeMap;
use std::time::Duration;

use mppeep_tests::tls::{HOST, HTTP_1, Pair, SecureConnection};
use mppeep_tests::{ADMIN_EMAIL, ADMIN_PASSWORD, Launch, Response, html, raw};

/// What one test found, and what it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Finding {
    name: &'static str,
    result: &'static str,
    modifier: i32,
}

/// What the observatory looks at.
struct Scan {
    /// The page, over https.
    page: Response,
    /// The cookies that the site sets.
    cookies: Vec<String>,
    /// Statuses and places of the answers on the way from plain http.
    redirects: Vec<(u16, Option<String>)>,
}

impl Scan {
    fn header(&self, name: &str) -> Option<String> {
        self.page
            .header(name)
            .map(|value| value.trim().to_ascii_lowercase())
    }

    fn policy(&self) -> Option<BTreeMap<String, Vec<String>>> {
        let text = self.header("content-security-policy")?;
        let directives = text.split(';').filter_map(|directive| {
            let mut words = directive.split_whitespace().map(str::to_owned);
            Some((words.next()?, words.collect()))
        });
        Some(directives.collect())
    }
}

fn finding(name: &'static str, (result, modifier): (&'static str, i32)) -> Finding {
    Finding {
        name,
        result,
        modifier,
    }
}

fn content_security_policy(scan: &Scan) -> (&'static str, i32) {
    let Some(policy) = scan.policy() else {
        return ("csp-not-implemented", -25);
    };
    let of = |name: &str| -> Vec<String> {
        let found = policy.get(name).or_else(|| policy.get("default-src"));
        found.cloned().unwrap_or_else(|| vec!["*".to_owned()])
    };
    let broad = |source: &String| matches!(source.as_str(), "*" | "https:" | "http:" | "data:" | "blob:");
    let (script, object, style) = (of("script-src"), of("object-src"), of("style-src"));
    let inline = |sources: &[String]| sources.iter().any(|source| source == "'unsafe-inline'");
    if inline(&script) || script.iter().chain(&object).any(broad) {
        return ("csp-implemented-with-unsafe-inline", -20);
    }
    let active = policy
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "img-src" | "media-src"));
    if active
        .flat_map(|(_, sources)| sources)
        .any(|source| source.starts_with("http:"))
    {
        return ("csp-implemented-with-insecure-scheme", -20);
    }
    if script
        .iter()
        .chain(&style)
        .any(|source| source == "'unsafe-eval'")
    {
        return ("csp-implemented-with-unsafe-eval", -10);
    }
    let passive = of("img-src").into_iter().chain(of("media-src"));
    if passive.into_iter().any(|source| source.starts_with("http:")) {
        return (
            "csp-implemented-with-insecure-scheme-in-passive-content-only",
            -10,
        );
    }
    if inline(&style) || style.iter().any(broad) {
        return ("csp-implemented-with-unsafe-inline-in-style-src-only", 0);
    }
    let none = |name: &str| policy.get(name).is_some_and(|sources| *sources == ["'none'"]);
    let own = |name: &str| policy.get(name).is_some_and(|sources| *sources == ["'self'"]);
    if none("default-src") && (none("form-action") || own("form-action")) {
        ("csp-implemented-with-no-unsafe-default-src-none", 10)
    } else {
        ("csp-implemented-with-no-unsafe", 5)
    }
}

fn cookies(scan: &Scan) -> (&'static str, i32) {
    if scan.cookies.is_empty() {
        return ("cookies-not-found", 0);
    }
    let protected = scan.header("strict-transport-security").is_some();
    let has = |cookie: &str, flag: &str| {
        cookie
            .split(';')
            .skip(1)
            .any(|part| part.trim().to_ascii_lowercase().starts_with(flag))
    };
    let name = |cookie: &str| cookie.split('=').next().unwrap_or_default().to_ascii_lowercase();
    let session = |cookie: &str| name(cookie).contains("sess") || name(cookie).contains("login");
    let mut worst = ("cookies-secure-with-httponly-sessions-and-samesite", 5);
    let mut note = |found: (&'static str, i32)| {
        if found.1 < worst.1 {
            worst = found;
        }
    };
    for cookie in &scan.cookies {
        let same_site = has(cookie, "samesite=lax") || has(cookie, "samesite=strict");
        if !has(cookie, "secure") {
            note(match (session(cookie), protected) {
                (true, true) => ("cookies-session-without-secure-flag-but-protected-by-hsts", -10),
                (true, false) => ("cookies-session-without-secure-flag", -40),
                (false, true) => ("cookies-without-secure-flag-but-protected-by-hsts", -5),
                (false, false) => ("cookies-without-secure-flag", -20),
            });
        }
        if session(cookie) && !has(cookie, "httponly") {
            note(("cookies-session-without-httponly-flag", -30));
        }
        if name(cookie).contains("csrf") && !same_site {
            note(("cookies-anticsrf-without-samesite-flag", -20));
        }
        if has(cookie, "samesite") && !same_site {
            note(("cookies-samesite-flag-invalid", -20));
        }
        if !same_site {
            note(("cookies-secure-with-httponly-sessions", 0));
        }
    }
    worst
}

fn sharing(scan: &Scan) -> (&'static str, i32) {
    match scan.header("access-control-allow-origin").as_deref() {
        None => ("cross-origin-resource-sharing-not-implemented", 0),
        Some("*") => ("cross-origin-resource-sharing-implemented-with-public-access", 0),
        Some(_) if scan.header("access-control-allow-credentials").as_deref() == Some("true") => (
            "cross-origin-resource-sharing-implemented-with-universal-access",
            -50,
        ),
        Some(_) => (
            "cross-origin-resource-sharing-implemented-with-restricted-access",
            0,
        ),
    }
}

fn transport_security(scan: &Scan) -> (&'static str, i32) {
    let Some(text) = scan.header("strict-transport-security") else {
        return ("hsts-not-implemented", -20);
    };
    let age = text
        .split(';')
        .find_map(|part| part.trim().strip_prefix("max-age=")?.parse::<u64>().ok());
    match age {
        None => ("hsts-header-invalid", -20),
        Some(age) if age < 15_768_000 => ("hsts-implemented-max-age-less-than-six-months", -10),
        Some(_) => ("hsts-implemented-max-age-at-least-six-months", 0),
    }
}

fn redirection(scan: &Scan) -> (&'static str, i32) {
    let Some((status, place)) = scan.redirects.first() else {
        return ("redirection-missing", -20);
    };
    let place = place.as_deref().unwrap_or_default();
    if !matches!(status, 301 | 302 | 303 | 307 | 308) || place.is_empty() {
        ("redirection-missing", -20)
    } else if !place.starts_with("https://") {
        ("redirection-not-to-https-on-initial-redirection", -10)
    } else if !place.starts_with(&format!("https://{HOST}/")) {
        ("redirection-off-host-from-http", -5)
    } else {
        ("redirection-to-https", 0)
    }
}

fn referrer(scan: &Scan) -> (&'static str, i32) {
    let Some(text) = scan.header("referrer-policy") else {
        return ("referrer-policy-not-implemented", 0);
    };
    match text.rsplit(',').next().map(str::trim) {
        Some("no-referrer" | "same-origin" | "strict-origin" | "strict-origin-when-cross-origin") => {
            ("referrer-policy-private", 5)
        }
        Some("origin" | "origin-when-cross-origin" | "unsafe-url" | "no-referrer-when-downgrade") => {
            ("referrer-policy-unsafe", -5)
        }
        _ => ("referrer-policy-header-invalid", -5),
    }
}

fn integrity(scan: &Scan) -> (&'static str, i32) {
    if !scan.page.is_html() {
        return ("sri-not-implemented-response-not-html", 0);
    }
    let tags = html::tags(&scan.page.text());
    let sources: Vec<(String, bool)> = tags
        .iter()
        .filter(|tag| tag.name == "script")
        .filter_map(|tag| Some((tag.get("src")?.to_owned(), tag.get("integrity").is_some())))
        .collect();
    let foreign = |source: &str| source.contains("//");
    if sources.is_empty() {
        ("sri-not-implemented-but-no-scripts-loaded", 0)
    } else if sources
        .iter()
        .any(|(source, _)| foreign(source) && !source.starts_with("https:"))
    {
        (
            "sri-not-implemented-and-external-scripts-not-loaded-securely",
            -50,
        )
    } else if sources.iter().any(|(source, sealed)| foreign(source) && !sealed) {
        ("sri-not-implemented-but-external-scripts-loaded-securely", -5)
    } else if sources.iter().all(|(_, sealed)| *sealed) {
        ("sri-implemented-and-all-scripts-loaded-securely", 5)
    } else {
        ("sri-not-implemented-but-all-scripts-loaded-from-secure-origin", 0)
    }
}

fn content_type(scan: &Scan) -> (&'static str, i32) {
    match scan.header("x-content-type-options").as_deref() {
        None => ("x-content-type-options-not-implemented", -5),
        Some("nosniff") => ("x-content-type-options-nosniff", 0),
        Some(_) => ("x-content-type-options-header-invalid", -5),
    }
}

fn framing(scan: &Scan) -> (&'static str, i32) {
    let policy = scan.policy().unwrap_or_default();
    if policy
        .get("frame-ancestors")
        .is_some_and(|sources| !sources.is_empty() && sources.iter().all(|source| source != "*"))
    {
        return ("x-frame-options-implemented-via-csp", 5);
    }
    match scan.header("x-frame-options").as_deref() {
        None => ("x-frame-options-not-implemented", -20),
        Some("deny" | "sameorigin") => ("x-frame-options-sameorigin-or-deny", 0),
        Some(_) => ("x-frame-options-header-invalid", -20),
    }
}

fn resources(scan: &Scan) -> (&'static str, i32) {
    match scan.header("cross-origin-resource-policy").as_deref() {
        None => ("cross-origin-resource-policy-not-implemented", 0),
        Some("same-origin") => ("cross-origin-resource-policy-implemented-with-same-origin", 10),
        Some("same-site") => ("cross-origin-resource-policy-implemented-with-same-site", 10),
        Some("cross-origin") => ("cross-origin-resource-policy-implemented-with-cross-origin", 0),
        Some(_) => ("cross-origin-resource-policy-header-invalid", -5),
    }
}

fn findings(scan: &Scan) -> [Finding; 10] {
    [
        finding("content-security-policy", content_security_policy(scan)),
        finding("cookies", cookies(scan)),
        finding("cross-origin-resource-sharing", sharing(scan)),
        finding("redirection", redirection(scan)),
        finding("referrer-policy", referrer(scan)),
        finding("strict-transport-security", transport_security(scan)),
        finding("subresource-integrity", integrity(scan)),
        finding("x-content-type-options", content_type(scan)),
        finding("x-frame-options", framing(scan)),
        finding("cross-origin-resource-policy", resources(scan)),
    ]
}

fn score(findings: &[Finding]) -> i32 {
    let sum = |wanted: fn(i32) -> bool| -> i32 {
        let modifiers = findings.iter().map(|finding| finding.modifier);
        modifiers.filter(|modifier| wanted(*modifier)).sum()
    };
    let base = 100 + sum(|modifier| modifier < 0);
    if base >= 90 {
        base + sum(|modifier| modifier > 0)
    } else {
        base.max(0)
    }
}

/// A header of an answer as bytes show it.
fn location(answer: &str) -> Option<String> {
    answer
        .lines()
        .find_map(|line| {
            line.split_once(": ")
                .filter(|(name, _)| name.eq_ignore_ascii_case("location"))
        })
        .map(|(_, value)| value.to_owned())
}

#[tokio::test]
async fn every_test_of_the_observatory_is_passed_without_a_deduction() {
    let launch = Launch::new().env("MPPEEP_REDIRECT_LISTEN", "127.0.0.1:0");
    let pair = Pair::make(launch.data());
    let server = pair.given_to(launch).start();
    let plain = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n");
    let first = raw::talk(
        server.redirect_address(),
        plain.as_bytes(),
        Duration::from_secs(60),
    )
    .await;
    let redirects: Vec<(u16, Option<String>)> = first
        .statuses()
        .iter()
        .map(|status| (*status, location(&first.text)))
        .collect();
    let mut connection = SecureConnection::open(server.address(), &pair, HTTP_1)
        .await
        .expect("a handshake");
    // From the place that plain http sends to, on to the page that a visitor sees.
    let mut path = "/".to_owned();
    let mut page = connection.get(&path).await.expect("an answer");
    let mut set = page.set_cookies();
    while matches!(page.status, 301..=308) {
        path = page.header("location").expect("a place").to_owned();
        assert!(path.starts_with('/'), "{path}");
        page = connection.get(&path).await.expect("an answer");
        set.extend(page.set_cookies());
    }
    let page = page.expect(200);
    assert_eq!(path, "/mppeep/login");
    // The observatory sees no cookie, since it does not log in; the ones of somebody who does are judged all the same.
    let form = format!("username={ADMIN_EMAIL}&password={ADMIN_PASSWORD}");
    let media = ("content-type", "application/x-www-form-urlencoded");
    let entered = connection.request("POST", "/mppeep/login", &[media], form).await;
    let entered = entered.expect("an answer").expect(303);
    let anonymous = Scan {
        page: page.clone(),
        cookies: set,
        redirects: redirects.clone(),
    };
    let cookie = entered.set_cookies()[0].clone();
    let pair_of_cookie = cookie.split(';').next().expect("a pair").to_owned();
    let home = connection
        .request("GET", "/mppeep/accueil", &[("cookie", &pair_of_cookie)], "")
        .await
        .expect("an answer")
        .expect(200);
    let inside = Scan {
        page: home,
        cookies: entered.set_cookies(),
        redirects,
    };
    for (who, scan) in [("a visitor", &anonymous), ("somebody logged in", &inside)] {
        let findings = findings(scan);
        println!("\nas {who} sees it:");
        for finding in &findings {
            println!(
                "  {:>4}  {:<30}  {}",
                finding.modifier, finding.name, finding.result
            );
        }
        println!("  {:>4}  in all", score(&findings));
        for finding in &findings {
            assert!(finding.modifier >= 0, "{finding:?}");
        }
        assert!(score(&findings) >= 100);
    }
    assert_eq!(cookies(&inside).1, 5);
    assert_eq!(content_security_policy(&anonymous).1, 10);
    assert_eq!(resources(&anonymous).1, 10);
}

/// The table can say no: what it deducts when something is missing.
#[tokio::test]
async fn the_table_deducts_what_is_missing() {
    let bare = Scan {
        page: Response {
            status: 200,
            headers: [("content-type", "text/html")]
                .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
                .into_iter()
                .collect(),
            body: "<script src=\"http://cdn.example/a.js\"></script>".into(),
        },
        cookies: vec!["session_id=x; Path=/".to_owned()],
        redirects: vec![(200, None)],
    };
    let found: BTreeMap<&str, i32> = findings(&bare)
        .iter()
        .map(|finding| (finding.name, finding.modifier))
        .collect();
    let expected = BTreeMap::from([
        ("content-security-policy", -25),
        ("cookies", -40),
        ("cross-origin-resource-sharing", 0),
        ("redirection", -20),
        ("referrer-policy", 0),
        ("strict-transport-security", -20),
        ("subresource-integrity", -50),
        ("x-content-type-options", -5),
        ("x-frame-options", -20),
        ("cross-origin-resource-policy", 0),
    ]);
    assert_eq!(found, expected);
    assert_eq!(score(&findings(&bare)), 0);
    // Bonuses count from 90 on only.
    let some = |modifiers: &[i32]| -> Vec<Finding> {
        let make = |modifier: &i32| finding("x", ("y", *modifier));
        modifiers.iter().map(make).collect()
    };
    assert_eq!(score(&some(&[-10, 5, 10])), 105);
    assert_eq!(score(&some(&[-20, 5, 10])), 80);
}
