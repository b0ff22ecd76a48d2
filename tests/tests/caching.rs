//! What may be kept and what must not be, as CHECKS K want it: by browsers, and by the edge of a tunnel.

use std::time::Duration;

use mppeep_tests::kinds::{self, KEPT, STYLE};
use mppeep_tests::{Client, Response, Server, html};

async fn with(client: &Client, headers: &[(&str, &str)]) -> Response {
    let mut draft = client.request("GET", STYLE);
    for (name, value) in headers {
        draft = draft.header(name, value);
    }
    draft.send().await
}

/// K-01 … K-04: a file is kept for ever under the address of its content, and nothing else is kept by anybody.
#[tokio::test]
async fn files_are_kept_and_nothing_else_is() {
    let server = Server::start();
    for (kind, answer) in kinds::files(&server).await {
        assert!(
            matches!(answer.status, 200 | 206 | 304),
            "{kind}: {}",
            answer.status
        );
        assert_eq!(answer.header("cache-control"), Some(KEPT), "{kind}");
        assert!(
            answer.set_cookies().is_empty(),
            "{kind}: a cookie would be kept too"
        );
        assert!(answer.header("etag").is_some(), "{kind}");
    }
    for (kind, answer) in kinds::others(&server).await {
        assert_eq!(
            answer.header("cache-control"),
            Some("no-store"),
            "{kind}: {}",
            answer.status
        );
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
        let (path, hash) = link.split_once("?v=").unwrap_or((link, ""));
        assert!(hash.len() >= 8, "{link}");
        let file = server.visitor().get(link).await.expect(200);
        assert_eq!(file.header("cache-control"), Some(KEPT), "{link}");
        // During a renewal a page of one server asks another one: what that one has is not kept under this address.
        let other = server.visitor().get(&format!("{path}?v=autre")).await.expect(200);
        assert_eq!(other.body, file.body, "{link}");
        assert_eq!(other.header("cache-control"), Some("no-store"), "{link}");
    }
    assert!(links >= 1, "the page has a style sheet");
}

/// A file that is asked for plainly is answered before the layers; with a condition that does not hold it goes through
/// them. Nobody can tell the two apart.
#[tokio::test]
async fn the_short_way_answers_like_the_long_one() {
    let server = Server::start();
    let visitor = server.visitor();
    let told = |answer: &Response| -> Vec<(String, String)> {
        let own = ["date", "x-request-id"];
        let mut told: Vec<_> = answer
            .headers
            .iter()
            .filter(|(name, _)| !own.contains(&name.as_str()))
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
            .collect();
        told.sort();
        told
    };
    let schemes = [&[][..], &[("x-forwarded-proto", "https")][..]];
    for accept in [
        "",
        "identity",
        "gzip",
        "br",
        "gzip, deflate, br, zstd",
        "br;q=0.1, gzip",
        "*;q=0",
    ] {
        for scheme in schemes {
            let mut asked = vec![("accept-encoding", accept)];
            asked.extend(scheme);
            let short = with(&visitor, &asked).await;
            asked.push(("if-none-match", "\"another\""));
            let long = with(&visitor, &asked).await;
            assert_eq!(short.status, long.status, "{accept:?}");
            assert!(short.status == 200 || accept == "*;q=0", "{accept:?}");
            assert_eq!(told(&short), told(&long), "{accept:?} {scheme:?}");
            assert_eq!(short.body, long.body, "{accept:?}");
            let (one, other) = (short.header("x-request-id"), long.header("x-request-id"));
            assert!(one.is_some() && one != other, "{one:?} {other:?}");
        }
    }
}

/// K-07, K-08: by the tag, whether it comes weak, in a list or as a star.
#[tokio::test]
async fn a_known_tag_is_not_sent_again() {
    let server = Server::start();
    let visitor = server.visitor();
    let whole = visitor.get(STYLE).await.expect(200);
    let tag = whole.header("etag").expect("an ETag").to_owned();
    let strong = tag.trim_start_matches("W/").to_owned();
    let list = format!("\"a\", {tag}, \"b\"");
    for known in [tag.as_str(), &strong, &format!("W/{strong}"), "*", &list] {
        let answer = with(&visitor, &[("if-none-match", known)]).await.expect(304);
        assert!(answer.body.is_empty(), "{known}");
        assert_eq!(answer.header("etag"), Some(tag.as_str()), "{known}");
        assert_eq!(answer.header("cache-control"), Some(KEPT), "{known}");
        assert!(answer.header("content-encoding").is_none(), "{known}");
    }
    for unknown in ["\"autre\"", "W/\"autre\"", "nonsense", ""] {
        let answer = with(&visitor, &[("if-none-match", unknown)]).await.expect(200);
        assert_eq!(answer.body, whole.body, "{unknown}");
    }
}

/// K-10: by the date, only where no tag is sent.
#[tokio::test]
async fn a_known_date_is_not_sent_again() {
    let server = Server::start();
    let visitor = server.visitor();
    let whole = visitor.get(STYLE).await.expect(200);
    let date = whole.header("last-modified").expect("a date").to_owned();
    let long_ago = "Mon, 01 Jan 2001 00:00:00 GMT";
    let later = "Fri, 01 Jan 2100 00:00:00 GMT";
    for (headers, status) in [
        (vec![("if-modified-since", date.as_str())], 304),
        (vec![("if-modified-since", later)], 304),
        (vec![("if-modified-since", long_ago)], 200),
        (vec![("if-modified-since", "hier")], 200),
        (
            vec![
                ("if-modified-since", date.as_str()),
                ("if-none-match", "\"autre\""),
            ],
            200,
        ),
    ] {
        let answer = with(&visitor, &headers).await.expect(status);
        assert_eq!(answer.body.is_empty(), status == 304, "{headers:?}");
    }
}

/// K-09: the codings of a file share one tag, so it is a weak one.
#[tokio::test]
async fn tags_of_codings_are_weak_or_differ() {
    let server = Server::start();
    let visitor = server.visitor();
    let mut tags = Vec::new();
    for coding in ["identity", "gzip", "br"] {
        let answer = with(&visitor, &[("accept-encoding", coding)]).await.expect(200);
        tags.push(answer.header("etag").expect("an ETag").to_owned());
    }
    for (at, tag) in tags.iter().enumerate() {
        let shared = tags
            .iter()
            .enumerate()
            .any(|(other, found)| other != at && found == tag);
        assert!(tag.starts_with("W/") || !shared, "{tags:?}");
    }
}

/// K-11: one range is served as it is asked for.
#[tokio::test]
async fn a_part_of_a_file_can_be_asked_for() {
    let server = Server::start();
    let visitor = server.visitor();
    let whole = visitor.get(STYLE).await.expect(200);
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    let size = whole.body.len();
    let date = whole.header("last-modified").expect("a date").to_owned();
    for (range, first, last) in [
        ("bytes=0-9", 0, 9),
        ("bytes=10-10", 10, 10),
        ("bytes=-5", size - 5, size - 1),
        ("bytes=100-", 100, size - 1),
        ("bytes=100-99999999", 100, size - 1),
    ] {
        // Whoever takes other codings gets a part of the file itself all the same.
        for coding in ["identity", "br, gzip"] {
            let answer = with(&visitor, &[("range", range), ("accept-encoding", coding)]).await;
            assert_eq!(answer.status, 206, "{range}");
            assert_eq!(answer.body[..], whole.body[first..=last], "{range}");
            let place = format!("bytes {first}-{last}/{size}");
            assert_eq!(answer.header("content-range"), Some(place.as_str()), "{range}");
            assert_eq!(
                answer.header("content-length"),
                Some(answer.body.len().to_string().as_str())
            );
            assert!(answer.header("content-encoding").is_none(), "{range}");
        }
    }
    for range in ["bytes=99999999-", "bytes=-0"] {
        let answer = with(&visitor, &[("range", range)]).await.expect(416);
        assert_eq!(
            answer.header("content-range"),
            Some(format!("bytes */{size}").as_str())
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    // What a client has of another content is not continued.
    for condition in ["\"autre\"", "Mon, 01 Jan 2001 00:00:00 GMT"] {
        let answer = with(&visitor, &[("range", "bytes=0-9"), ("if-range", condition)]).await;
        assert_eq!(answer.expect(200).body, whole.body, "{condition}");
    }
    // With its date it is, once the file is old enough for the date to be certain.
    let continued = with(&visitor, &[("range", "bytes=0-9"), ("if-range", &date)]).await;
    assert!(matches!(continued.status, 200 | 206), "{}", continued.status);
}

/// K-11: hundreds of ranges do not multiply a file, and are answered like any other request.
#[tokio::test]
async fn many_ranges_do_not_multiply_a_file() {
    let server = Server::start();
    let visitor = server.visitor();
    let whole = visitor.get(STYLE).await.expect(200);
    let each = (0..800).map(|n| format!("{n}-{n}")).collect::<Vec<_>>().join(",");
    let overlapping = vec!["0-"; 800].join(",");
    for ranges in [each.as_str(), &overlapping, "0-1,-1", "0-1,", "9-0", "a-b", ""] {
        let answer = with(&visitor, &[("range", &format!("bytes={ranges}"))]).await;
        assert_eq!(answer.status, 200, "{ranges:.20}");
        assert_eq!(answer.body, whole.body, "{ranges:.20}");
    }
    let other_unit = with(&visitor, &[("range", "lines=0-9")]).await.expect(200);
    assert_eq!(other_unit.body, whole.body);
}

/// K-12: a head is that of the whole, whatever the answer is.
#[tokio::test]
async fn a_head_is_that_of_the_whole() {
    let server = Server::start();
    let admin = server.admin().await;
    for path in [
        STYLE,
        "/mppeep/static/rien.css",
        "/mppeep/profil",
        "/mppeep/rien",
        "/mppeep/api/v1/personnel",
        "/mppeep/api/v1/rien",
        "/mppeep/api/v1/openapi.json",
        "/mppeep/health/live",
    ] {
        let whole = admin.get(path).await;
        let head = admin.request("HEAD", path).send().await;
        assert_eq!(head.status, whole.status, "{path}");
        assert!(head.body.is_empty(), "{path}");
        for name in [
            "etag",
            "content-type",
            "cache-control",
            "content-length",
            "content-security-policy",
            "vary",
            "accept-ranges",
            "last-modified",
        ] {
            // The number of the request is in an error's text, and one digit longer now and then.
            if name == "content-length" && whole.status >= 400 {
                continue;
            }
            assert_eq!(head.header(name), whole.header(name), "{path}: {name}");
        }
    }
}

/// A connection that carried a head or a 304 goes on being of use.
#[tokio::test]
async fn answers_without_a_body_leave_the_connection_in_step() {
    let server = Server::start();
    let text = format!(
        "HEAD {STYLE} HTTP/1.1\r\nHost: a\r\n\r\n\
         GET {STYLE} HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\n\r\n\
         GET {STYLE} HTTP/1.1\r\nHost: a\r\nRange: bytes=0-9\r\n\r\n\
         HEAD /mppeep/rien HTTP/1.1\r\nHost: a\r\n\r\n\
         GET /mppeep/health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    );
    let echo = mppeep_tests::raw::talk(server.address(), text.as_bytes(), Duration::from_secs(60)).await;
    assert_eq!(echo.statuses(), [200, 304, 206, 404, 200], "{}", echo.text);
    assert!(echo.closed);
}
