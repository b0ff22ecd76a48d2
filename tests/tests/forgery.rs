//! Requests that another site makes a browser send, as CHECKS C-01 … C-10 want them refused.

use mppeep_tests::agents::agent;
use mppeep_tests::api::API;
use mppeep_tests::{ADMIN_EMAIL, ADMIN_PASSWORD, Launch, Server};

fn personnel() -> String {
    format!("{API}/personnel")
}

/// C-01, C-03: what a foreign site's request may look like, in every browser that still runs.
#[tokio::test]
async fn writes_from_another_site_are_refused() {
    let server = Server::start();
    let own = server.address();
    let client = server.admin().await;
    let look_alike = format!("http://{own}.evil.example");
    let other_port = format!("http://{}:1", own.ip());
    let own_referer_elsewhere = format!("https://evil.example/?http://{own}/mppeep/");
    let foreign: [&[(&str, &str)]; 12] = [
        &[
            ("origin", "https://evil.example"),
            ("sec-fetch-site", "cross-site"),
        ],
        &[("origin", "null"), ("sec-fetch-site", "cross-site")],
        &[("origin", "null")],
        &[("origin", "https://evil.example")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "nonsense")],
        &[("origin", &look_alike)],
        &[("origin", &other_port)],
        &[("referer", "https://evil.example/page")],
        &[("referer", &own_referer_elsewhere)],
        &[
            ("origin", "https://evil.example"),
            ("sec-fetch-site", "same-origin"),
        ],
    ];
    for (number, headers) in foreign.into_iter().enumerate() {
        let mut draft = client.request("POST", &personnel()).json(&agent(number).body());
        for (name, value) in headers {
            draft = draft.header(name, value);
        }
        let answer = draft.send().await;
        assert_eq!(answer.status, 403, "{headers:?}: {}", answer.text());
        let _problem = answer.problem(403);
    }
    let total = client.get(&personnel()).await.json()["total"].clone();
    assert_eq!(total, 0, "something was written");
}

#[tokio::test]
async fn writes_from_this_site_and_from_programs_pass() {
    let server = Server::start();
    let own = server.address();
    let client = server.admin().await;
    let same = format!("http://{own}");
    let page = format!("http://{own}/mppeep/personnel/nouveau");
    let local: [&[(&str, &str)]; 5] = [
        &[],
        &[("origin", &same), ("sec-fetch-site", "same-origin")],
        &[("origin", &same)],
        &[("sec-fetch-site", "none")],
        &[("referer", &page)],
    ];
    for (number, headers) in local.into_iter().enumerate() {
        let mut draft = client.request("POST", &personnel()).json(&agent(number).body());
        for (name, value) in headers {
            draft = draft.header(name, value);
        }
        let _made = draft.send().await.expect(201);
    }
}

/// C-02, C-06
#[tokio::test]
async fn another_site_neither_logs_out_nor_in() {
    let server = Server::start();
    let client = server.admin().await;
    for headers in [
        [("sec-fetch-site", "cross-site")],
        [("origin", "https://evil.example")],
        [("origin", "null")],
    ] {
        let mut logout = client.request("POST", "/mppeep/logout");
        let visitor = server.visitor();
        let mut login = visitor
            .request("POST", "/mppeep/login")
            .form(&[("username", ADMIN_EMAIL), ("password", ADMIN_PASSWORD)]);
        for (name, value) in headers {
            logout = logout.header(name, value);
            login = login.header(name, value);
        }
        let _refused = logout.send().await.expect(403);
        let refused = login.send().await.expect(403);
        assert!(refused.set_cookies().is_empty());
    }
    assert!(client.is_logged_in().await);
}

/// C-04
#[tokio::test]
async fn the_api_reads_json_only() {
    let server = Server::start();
    let client = server.admin().await;
    let body = agent(1).body().to_string();
    for media in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
        "text/json",
        "application/xml",
    ] {
        let answer = client
            .request("POST", &personnel())
            .body(media, body.clone())
            .send()
            .await;
        let _problem = answer.problem(415);
    }
    let charset = client
        .request("POST", &personnel())
        .body("application/json; charset=utf-8", body);
    let _made = charset.send().await.expect(201);
}

/// C-07
#[tokio::test]
async fn links_from_elsewhere_work() {
    let server = Server::start();
    let client = server.admin().await;
    let answer = client
        .request("GET", "/mppeep/accueil")
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "navigate")
        .header("referer", "https://www.gouv.ci/");
    let _page = answer.send().await.expect(200);
}

/// C-08
#[tokio::test]
async fn a_method_cannot_be_overridden() {
    let server = Server::start();
    let client = server.admin().await;
    let made = client.post(&personnel(), &agent(1).body()).await.expect(201);
    let location = made.header("location").expect("a location").to_owned();
    for header in ["x-http-method-override", "x-http-method", "x-method-override"] {
        let _read = client
            .request("GET", &location)
            .header(header, "DELETE")
            .send()
            .await
            .expect(200);
        let posted = client
            .request("POST", &format!("{location}?_method=DELETE"))
            .header(header, "DELETE")
            .send()
            .await;
        assert!((400..500).contains(&posted.status), "{header}: {}", posted.status);
    }
    let _still = client.get(&location).await.expect(200);
}

/// C-09
#[tokio::test]
async fn no_other_origin_may_read() {
    let server = Server::start();
    let client = server.admin().await;
    for origin in [
        "https://evil.example",
        "null",
        "http://localhost",
        "https://mppeep.example",
    ] {
        for path in [
            personnel().as_str(),
            "/mppeep/accueil",
            "/mppeep/api/v1/health",
            "/mppeep/static/css/style.css",
        ] {
            let read = client.request("GET", path).header("origin", origin).send().await;
            let preflight = client
                .request("OPTIONS", path)
                .header("origin", origin)
                .header("access-control-request-method", "POST")
                .send()
                .await;
            for answer in [read, preflight] {
                let allows = answer
                    .headers
                    .keys()
                    .any(|name| name.as_str().starts_with("access-control-allow"));
                assert!(!allows, "{origin} {path}: {:?}", answer.headers);
            }
        }
    }
}

/// C-10: behind the tunnel, with the name the public knows.
#[tokio::test]
async fn the_login_works_through_the_tunnel() {
    let public = "https://skpartners.consulting";
    for configured in [false, true] {
        let launch = Launch::new();
        let server = if configured {
            launch.env("MPPEEP_PUBLIC_URL", public).start()
        } else {
            launch.start()
        };
        let answer = server
            .visitor_from("203.0.113.7")
            .request("POST", "/mppeep/login")
            .header("host", "skpartners.consulting")
            .header("origin", public)
            .header("sec-fetch-site", "same-origin")
            .header("x-forwarded-proto", "https")
            .form(&[("username", ADMIN_EMAIL), ("password", ADMIN_PASSWORD)])
            .send()
            .await
            .expect(303);
        assert_eq!(answer.header("location"), Some("/mppeep/accueil"));
    }
}

/// `Host` never enters a link or a redirect.
#[tokio::test]
async fn the_host_is_not_believed() {
    let server = Server::start();
    for path in ["/mppeep/", "/mppeep/accueil", "/mppeep/login", "/mppeep/rien"] {
        let answer = server
            .visitor()
            .request("GET", path)
            .header("host", "evil.example")
            .send()
            .await;
        assert!(
            !format!("{:?}{}", answer.headers, answer.text()).contains("evil.example"),
            "{path}"
        );
    }
}
