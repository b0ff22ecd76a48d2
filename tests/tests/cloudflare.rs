//! What a tunnel says of its visitors: believed from a trusted peer, in its right form, and from nobody else.

use std::net::IpAddr;
use std::time::Duration;

use mppeep_tests::api::API;
use mppeep_tests::{ADMIN_EMAIL, ADMIN_PASSWORD, Client, Launch, Response, Server, html};

const RAY: &str = "8f1e2d3c4b5a6978-ABJ";

/// A peer that no default trusts.
fn stranger() -> IpAddr {
    [127, 0, 0, 2].into()
}

/// Waits for a line of the log with all these words in it.
#[track_caller]
fn logged(server: &Server, words: &[&str]) {
    let found = server.log().wait_for(Duration::from_secs(60), |line| {
        words.iter().all(|word| line.contains(word)).then_some(())
    });
    assert!(
        found.is_some(),
        "no line with {words:?}:\n{}",
        server.log().text()
    );
}

fn number(answer: &Response) -> String {
    answer.header("x-request-id").expect("a number").to_owned()
}

/// One number for the tunnel, the log, the answer, the problem and the page.
#[tokio::test]
async fn the_ray_is_the_number_of_the_request() {
    let server = Server::start();
    let visitor = server.visitor_from("203.0.113.7").with_header("cf-ray", RAY);
    let refused = visitor.get(&format!("{API}/personnel")).await;
    let problem = refused.problem(401);
    assert_eq!(problem["request_id"], RAY);
    assert_eq!(number(&refused), RAY);
    let missing = visitor.get("/mppeep/rien").await;
    assert!(matches!(missing.status, 303 | 404));
    let page = visitor
        .request("DELETE", "/mppeep/login")
        .send()
        .await
        .expect(405);
    assert!(html::text(&page.text()).contains(RAY), "{}", page.text());
    let file = visitor.get("/mppeep/static/css/style.css").await.expect(200);
    assert_eq!(number(&file), RAY);
    logged(&server, &[RAY, "401", "203.0.113.7"]);
}

/// What has not the form of a ray, comes twice, or comes from elsewhere, is not taken up anywhere.
#[tokio::test]
async fn what_is_no_ray_is_not_taken_up() {
    let server = Server::start();
    let long = "a".repeat(65);
    let odd = [
        "<script>alert(1)</script>",
        "a b",
        "a\u{e9}",
        "",
        "../../x",
        &long,
        "8f1e;x=1",
    ];
    for value in odd {
        let answer = server
            .visitor()
            .request("GET", &format!("{API}/personnel"))
            .header("cf-ray", value)
            .send()
            .await;
        let own = number(&answer);
        assert_ne!(own, value);
        assert_eq!(answer.problem(401)["request_id"], own.as_str());
        let visitor = server.visitor();
        let page = visitor.request("DELETE", "/mppeep/login").header("cf-ray", value);
        let page = page.send().await.expect(405).text();
        assert!(
            !page.contains("<script>alert") && !page.contains(&long),
            "{value:?}"
        );
    }
    let visitor = server.visitor();
    let twice = visitor
        .request("GET", "/mppeep/login")
        .header("cf-ray", RAY)
        .header("cf-ray", "8f1e2d3c4b5a6979-ABJ");
    assert!(!number(&twice.send().await).contains("ABJ"));
    let elsewhere = server.visitor().bound_to(stranger()).with_header("cf-ray", RAY);
    assert_ne!(number(&elsewhere.get("/mppeep/login").await), RAY);
    // Numbers made here are of one server, and each is another.
    let (one, two) = (
        number(&server.visitor().get("/mppeep/login").await),
        number(&server.visitor().get("/mppeep/login").await),
    );
    assert_ne!(one, two);
}

async fn log_in(client: &Client) -> Client {
    let answer = client.login(ADMIN_EMAIL, ADMIN_PASSWORD).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    client.clone()
}

/// The list of one's sessions tells from which country each began, where a trusted peer told it.
#[tokio::test]
async fn the_country_of_a_login_is_in_the_list_of_sessions() {
    let server = Server::start();
    for (address, country, shown) in [
        ("203.0.113.1", "CI", Some("203.0.113.1 (Côte d’Ivoire)")),
        ("203.0.113.2", "T1", Some("203.0.113.2 (réseau Tor)")),
        ("203.0.113.3", "NZ", Some("203.0.113.3 (NZ)")),
        ("203.0.113.4", "XX", None),
        ("203.0.113.5", "<b>", None),
        ("203.0.113.6", "CIV", None),
    ] {
        let client = server.visitor_from(address).with_header("cf-ipcountry", country);
        let client = log_in(&client).await;
        let text = html::text(&client.get("/mppeep/profil").await.expect(200).text());
        assert!(text.contains(address), "{text}");
        match shown {
            Some(shown) => assert!(text.contains(shown), "{country}: {text}"),
            None => assert!(!text.contains(&format!("{address} (")), "{country}: {text}"),
        }
    }
    let elsewhere = server
        .visitor()
        .bound_to(stranger())
        .with_header("cf-ipcountry", "CI");
    let elsewhere = log_in(&elsewhere).await;
    let text = html::text(&elsewhere.get("/mppeep/profil").await.expect(200).text());
    assert!(
        text.contains("127.0.0.2") && !text.contains("127.0.0.2 ("),
        "{text}"
    );
    // Another session of the same person shows all of them.
    assert!(text.contains("203.0.113.1 (Côte d’Ivoire)"), "{text}");
}

fn promises_transport(answer: &Response) -> bool {
    answer.header("strict-transport-security").is_some()
}

/// The visitor's scheme decides on HSTS; a trusted peer tells it in one of two ways.
#[tokio::test]
async fn the_scheme_is_believed_from_a_trusted_peer_only() {
    let server = Server::start();
    let https = r#"{"scheme":"https"}"#;
    let http = r#"{"scheme":"http"}"#;
    for (headers, expected) in [
        (vec![("x-forwarded-proto", "https")], true),
        (vec![("x-forwarded-proto", "HTTPS")], true),
        (vec![("cf-visitor", https)], true),
        (vec![("x-forwarded-proto", "https"), ("cf-visitor", http)], true),
        (vec![("x-forwarded-proto", "http"), ("cf-visitor", https)], false),
        (vec![("cf-visitor", http)], false),
        (vec![("cf-visitor", "https")], false),
        (vec![("cf-visitor", "{\"scheme\":")], false),
        (vec![("x-forwarded-ssl", "on")], false),
        (vec![("forwarded", "proto=https")], false),
        (vec![], false),
    ] {
        let (mut near, mut far) = (server.visitor(), server.visitor().bound_to(stranger()));
        for (name, value) in &headers {
            near = near.with_header(name, value);
            far = far.with_header(name, value);
        }
        for path in ["/mppeep/login", "/mppeep/static/css/style.css", "/mppeep/rien"] {
            assert_eq!(
                promises_transport(&near.get(path).await),
                expected,
                "{path} {headers:?}"
            );
            assert!(!promises_transport(&far.get(path).await), "{path} {headers:?}");
        }
    }
}

/// Networks, single addresses, IPv6, and IPv4 in the clothes of IPv6.
#[tokio::test]
async fn trusted_peers_are_networks_of_both_families() {
    let scheme = |client: Client| client.with_header("x-forwarded-proto", "https");
    let server = Launch::new()
        .env("MPPEEP_TRUSTED_PROXIES", "127.0.0.8/29, ::1")
        .start();
    for (peer, trusted) in [
        ([127, 0, 0, 1], false),
        ([127, 0, 0, 7], false),
        ([127, 0, 0, 8], true),
        ([127, 0, 0, 15], true),
        ([127, 0, 0, 16], false),
    ] {
        let client = scheme(server.visitor().bound_to(peer.into()));
        let answer = client.get("/mppeep/login").await.expect(200);
        assert_eq!(promises_transport(&answer), trusted, "{peer:?}");
    }
    let six = Launch::new().env("MPPEEP_LISTEN", "[::1]:0").start();
    let answer = scheme(six.visitor()).get("/mppeep/login").await.expect(200);
    assert!(promises_transport(&answer), "the loopback of IPv6 is trusted");
    // A listener of both families sees IPv4 peers as ::ffff:127.0.0.1.
    let both = Launch::new().env("MPPEEP_LISTEN", "[::]:0").start();
    let by_four = Client::new(([127, 0, 0, 1], both.address().port()).into());
    let answer = scheme(by_four.clone()).get("/mppeep/login").await.expect(200);
    assert!(promises_transport(&answer), "the loopback of IPv4 is trusted");
    let other = scheme(by_four.bound_to(stranger()));
    assert!(!promises_transport(&other.get("/mppeep/login").await));
}

/// One header names the client: the one that was configured.
#[tokio::test]
async fn one_header_names_the_client() {
    for (setting, believed) in [
        ("CF-Connecting-IP", "203.0.113.1"),
        ("X-Real-IP", "203.0.113.2"),
        ("none", "127.0.0.1"),
    ] {
        let server = Launch::new().env("MPPEEP_CLIENT_IP_HEADER", setting).start();
        let client = server
            .visitor()
            .with_header("cf-connecting-ip", "203.0.113.1")
            .with_header("x-real-ip", "203.0.113.2")
            .with_header("x-forwarded-for", "203.0.113.3")
            .with_header("true-client-ip", "203.0.113.4");
        let client = log_in(&client).await;
        let text = html::text(&client.get("/mppeep/profil").await.expect(200).text());
        assert!(text.contains(believed), "{setting}: {text}");
        for other in ["203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4"] {
            assert!(other == believed || !text.contains(other), "{setting}: {text}");
        }
    }
    let server = Server::start();
    let client = server.visitor_from("2001:0DB8:0000:0000:0000:0000:0000:0001");
    let client = log_in(&client).await;
    let text = html::text(&client.get("/mppeep/profil").await.expect(200).text());
    assert!(text.contains("2001:db8::1"), "canonical: {text}");
}

async fn login_at(client: &Client, host: &str, origin: &str, scheme: &str) -> Response {
    client
        .request("POST", "/mppeep/login")
        .header("host", host)
        .header("origin", origin)
        .header("x-forwarded-proto", scheme)
        .form(&[("username", ADMIN_EMAIL), ("password", ADMIN_PASSWORD)])
        .send()
        .await
}

/// The site on a path of a shared domain, on a domain of its own, and inside the ministry, all at once.
#[tokio::test]
async fn a_site_may_have_several_names() {
    let server = Launch::new()
        .env("MPPEEP_PUBLIC_URL", "https://shared.example/mppeep")
        .env(
            "MPPEEP_ALLOWED_ORIGINS",
            "https://mppeep.example, http://intranet.example:8080",
        )
        .start();
    let client = server.visitor();
    for (host, origin, scheme, status) in [
        ("shared.example", "https://shared.example", "https", 303),
        ("mppeep.example", "https://mppeep.example", "https", 303),
        (
            "intranet.example:8080",
            "http://intranet.example:8080",
            "http",
            303,
        ),
        // A tunnel or a proxy that names the server itself as the host.
        ("localhost:9000", "https://shared.example", "https", 303),
        ("127.0.0.1:9000", "https://mppeep.example", "https", 303),
        ("shared.example", "https://evil.example", "https", 403),
        ("localhost:9000", "https://evil.example", "https", 403),
        (
            "shared.example",
            "https://shared.example.evil.example",
            "https",
            403,
        ),
        ("shared.example", "https://other.shared.example", "https", 403),
        ("shared.example", "https://shared.example:8443", "https", 403),
        ("shared.example", "null", "https", 403),
        // A page that came in the clear could be anybody's.
        ("shared.example", "http://shared.example", "https", 403),
        ("mppeep.example", "http://mppeep.example", "https", 403),
    ] {
        let answer = login_at(&client, host, origin, scheme).await;
        let what = format!("{origin} to {host}");
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        if status == 303 {
            // Never with the host in it: the browser knows where it is.
            assert_eq!(answer.header("location"), Some("/mppeep/accueil"), "{what}");
            let cookie = &answer.set_cookies()[0];
            assert!(
                cookie.ends_with("Path=/mppeep") && !cookie.contains("Domain"),
                "{cookie}"
            );
            assert!(promises_transport(&answer) == (scheme == "https"), "{what}");
        } else {
            assert!(answer.set_cookies().is_empty(), "{what}");
        }
    }
}

/// Without configuration, the name that the visitor sent his request to is the site's.
#[tokio::test]
async fn without_configuration_the_host_is_the_name() {
    let server = Server::start();
    let client = server.visitor();
    for (host, origin, status) in [
        ("shared.example", "https://shared.example", 303),
        ("mppeep.example", "https://mppeep.example", 303),
        ("mppeep.example:8443", "https://mppeep.example:8443", 303),
        ("localhost:9000", "https://shared.example", 403),
    ] {
        let answer = login_at(&client, host, origin, "https").await;
        assert_eq!(answer.status, status, "{origin} to {host}: {}", answer.text());
    }
}

/// A path in the public URL must be the root of the site: no proxy may change paths.
#[tokio::test]
async fn a_public_path_that_is_not_the_root_is_refused() {
    let launch = Launch::new().env("MPPEEP_PUBLIC_URL", "https://shared.example/autre");
    let (status, log) = launch.spawn().ended();
    assert!(!status.success(), "{log}");
    assert!(log.contains("public_url") && log.contains("/autre"), "{log}");
    let top = Launch::new()
        .env("MPPEEP_ROOT_PATH", "/")
        .env("MPPEEP_PUBLIC_URL", "https://mppeep.example/")
        .start();
    let page = top.visitor().get("/login").await.expect(200).text();
    assert!(
        page.contains("\"/static/css/") && !page.contains("/mppeep/"),
        "{page}"
    );
}
