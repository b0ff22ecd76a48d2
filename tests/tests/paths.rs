//! Odd paths, as CHECKS P want them answered.

use std::time::Duration;

use mppeep_tests::{Client, Server, raw};

/// P-01, P-02
#[tokio::test]
async fn traversals_reach_nothing() {
    let server = Server::start();
    let targets = ["etc/passwd", "Cargo.toml", "windows/win.ini"];
    let climbs = [
        "../",
        "..%2f",
        "%2e%2e/",
        "%2e%2e%2f",
        "..\\",
        "..%5c",
        "....//",
        "%252e%252e%252f",
    ];
    for root in ["/mppeep/static/", "/mppeep/", "/"] {
        for climb in climbs {
            for target in targets {
                let path = format!("{root}{}{target}", climb.repeat(8)).replace('\\', "%5C");
                let answer = server.visitor().get(&path).await;
                let away =
                    answer.status == 303 && answer.header_or_empty("location").starts_with("/mppeep/login");
                assert!(
                    (400..500).contains(&answer.status) || away,
                    "{path}: {}",
                    answer.status
                );
                assert!(
                    !answer.text().contains("root:") && !answer.text().contains("[package]"),
                    "{path}"
                );
            }
        }
    }
    for path in [
        "/mppeep/static/css/style.css%00.png",
        "/mppeep/%00",
        "/mppeep/static/%",
        "/mppeep/static/%zz",
        "/mppeep/%ff",
    ] {
        let bytes = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            server.address()
        );
        let echo = raw::talk(server.address(), bytes.as_bytes(), Duration::from_secs(60)).await;
        assert!(
            echo.statuses().iter().all(|status| (300..500).contains(status)),
            "{path}: {:?}",
            echo.statuses()
        );
        assert_eq!(echo.statuses().len(), 1, "{path}");
    }
}

/// P-04
#[tokio::test]
async fn nothing_lies_around() {
    let server = Server::start();
    let admin: Client = server.admin().await;
    let left = [
        ".git/config",
        ".env",
        "static/",
        "static/css/",
        "static/.gitignore",
        "metrics",
        "mppeep.db",
        "mppeep.toml",
        "uploads/",
        "server-status",
        "debug",
        "admin/../mppeep.db",
        "backup.zip",
        "phpinfo.php",
    ];
    for name in left {
        for path in [format!("/{name}"), format!("/mppeep/{name}")] {
            let answer = admin.get(&path).await;
            assert_eq!(answer.status, 404, "{path}");
        }
    }
}
