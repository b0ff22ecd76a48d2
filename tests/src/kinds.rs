//! Answers of every kind that the site gives, each with a name: what holds for all answers is asked of these.

use crate::api::API;
use crate::{Client, Response, Server};

/// The style sheet of the contract.
pub const STYLE: &str = "/mppeep/static/css/style.css";

/// What may be kept, and for how long.
pub const KEPT: &str = "public, max-age=2592000, immutable";

/// A file under its name, asked for in this way.
async fn file(client: &Client, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut draft = client.request(method, path);
    for (name, value) in headers {
        draft = draft.header(name, value);
    }
    draft.send().await
}

/// Files, whole or in part, and that they are as they were: what an edge may keep.
pub async fn files(server: &Server) -> Vec<(&'static str, Response)> {
    let visitor = server.visitor();
    let ask = |method: &'static str, headers: &'static [(&'static str, &'static str)]| {
        let visitor = visitor.clone();
        async move { file(&visitor, method, STYLE, headers).await }
    };
    let admin = server.admin().await;
    vec![
        ("style sheet", ask("GET", &[]).await),
        (
            "style sheet, asked twice",
            ask("GET", &[("if-none-match", "*")]).await,
        ),
        ("its head", ask("HEAD", &[]).await),
        ("its beginning", ask("GET", &[("range", "bytes=0-99")]).await),
        ("its gzip", ask("GET", &[("accept-encoding", "gzip")]).await),
        ("its brotli", ask("GET", &[("accept-encoding", "br")]).await),
        ("style sheet of somebody logged in", admin.get(STYLE).await),
        ("icon", visitor.get("/mppeep/static/icons/emblem.svg").await),
    ]
}

/// Everything else: what nobody may keep.
pub async fn others(server: &Server) -> Vec<(&'static str, Response)> {
    let (visitor, admin) = (server.visitor(), server.admin().await);
    let personnel = format!("{API}/personnel");
    let fresh = server.visitor();
    let form = [
        ("username", crate::ADMIN_EMAIL),
        ("password", crate::ADMIN_PASSWORD),
    ];
    vec![
        ("login page", visitor.get("/mppeep/login").await),
        (
            "login page's head",
            visitor.request("HEAD", "/mppeep/login").send().await,
        ),
        ("refused login", visitor.login("x@mppeep.example", "nicht").await),
        ("login", fresh.post_form("/mppeep/login", &form).await),
        ("page", admin.get("/mppeep/accueil").await),
        ("list", admin.get("/mppeep/personnel").await),
        ("download", admin.get("/mppeep/personnel/importer/modele").await),
        ("redirect", visitor.get("/mppeep/accueil").await),
        ("the top of the host", visitor.get("/").await),
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
        (
            "unknown method",
            visitor.request("FOO", "/mppeep/rien").send().await,
        ),
        ("health", visitor.get(&format!("{API}/health")).await),
        ("life", visitor.get("/mppeep/health/live").await),
        ("missing file", visitor.get("/mppeep/static/rien.css").await),
        (
            "file of another time",
            visitor.get(&format!("{STYLE}?v=0123456789abcdef")).await,
        ),
        (
            "file beyond its end",
            file(&visitor, "GET", STYLE, &[("range", "bytes=99999999-")]).await,
        ),
        (
            "wrong method of a file",
            visitor.request("POST", STYLE).send().await,
        ),
        ("foreign path", visitor.get("/autre").await),
        (
            "forgery",
            visitor
                .request("POST", "/mppeep/login")
                .header("origin", "null")
                .send()
                .await,
        ),
        ("logout", fresh.request("POST", "/mppeep/logout").send().await),
    ]
}

/// All of them.
pub async fn all(server: &Server) -> Vec<(&'static str, Response)> {
    let mut kinds = files(server).await;
    kinds.extend(others(server).await);
    kinds
}
