//! Pictures of every page: `cargo run -p mppeep-tests --bin screenshots`, into `target/screenshots`.
//!
//! A demo server is started, the accounts of its roles log in, and each page is taken at 1366 and 390 pixels, light and
//! dark. The pictures are for eyes: nothing is compared.

use std::path::{Path, PathBuf};

use mppeep_tests::api::list;
use mppeep_tests::browser::Browser;
use mppeep_tests::server::{DEMO_PASSWORD, demo_email};
use mppeep_tests::{Client, Launch, Server, binary};

/// Pages by the role that sees most in them.
const PAGES: [(&str, &str, &str); 15] = [
    ("accueil-agent", "agent", "/mppeep/accueil"),
    ("accueil-cs", "cs", "/mppeep/accueil"),
    ("accueil", "sdrh", "/mppeep/accueil"),
    ("dashboard", "sdrh", "/mppeep/dashboard"),
    ("personnel", "sdrh", "/mppeep/personnel"),
    ("personnel-recherche", "sdrh", "/mppeep/personnel?q=kone"),
    ("personnel-nouveau", "sdrh", "/mppeep/personnel/nouveau"),
    ("personnel-import", "sdrh", "/mppeep/personnel/importer"),
    ("rh", "sdrh", "/mppeep/rh"),
    ("evaluations", "sdrh", "/mppeep/evaluations"),
    ("organigramme", "sdrh", "/mppeep/organigramme"),
    ("journal", "admin", "/mppeep/journal"),
    ("utilisateurs", "admin", "/mppeep/admin/utilisateurs"),
    ("parametres", "admin", "/mppeep/admin/parametres/ministry"),
    ("refus", "agent", "/mppeep/admin/parametres/ministry"),
];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let folder = folder();
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    let server = Launch::new()
        .env("MPPEEP_COOKIE_SECURE", "never")
        .with_demo(400)
        .start();
    let hr = server.demo_user("sdrh").await;
    let mut pages: Vec<(String, &str, String)> = PAGES
        .iter()
        .map(|(name, role, path)| ((*name).to_owned(), *role, (*path).to_owned()))
        .collect();
    pages.extend(pages_of_an_agent(&hr).await);
    pages.push(("profil".into(), "sdrh", "/mppeep/profil".into()));
    pages.push(("introuvable".into(), "sdrh", "/mppeep/rien".into()));
    let browser = Browser::start(1366, 900).await;
    let mut taken = 0;
    let mut current = "";
    for (name, role, path) in &pages {
        if current != *role {
            browser
                .window()
                .delete_all_cookies()
                .await
                .expect("cookies can be forgotten");
            if current.is_empty() {
                browser.open(&address(&server, "/mppeep/login")).await;
                taken += pictures(&browser, &folder, "login").await;
            }
            log_in(&browser, &server, role).await;
            current = role;
        }
        browser.open(&address(&server, path)).await;
        taken += pictures(&browser, &folder, name).await;
    }
    browser.close().await;
    println!("{taken} pictures in {}", folder.display());
}

fn folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| binary::workspace().join("target"), PathBuf::from);
    target.join("screenshots")
}

fn address(server: &Server, path: &str) -> String {
    format!("http://{}{path}", server.address())
}

/// The sheet and the form of somebody in the list, and every tab that the sheet links to.
async fn pages_of_an_agent(hr: &Client) -> Vec<(String, &'static str, String)> {
    let page = list(hr, "personnel?limit=1").await;
    let id = page["items"][0]["id"].as_str().expect("demo agents").to_owned();
    let sheet = format!("/mppeep/personnel/{id}");
    let mut pages = vec![
        ("fiche".to_owned(), "sdrh", sheet.clone()),
        ("fiche-modifier".to_owned(), "sdrh", format!("{sheet}/modifier")),
    ];
    let html = hr.get(&sheet).await.expect(200).text();
    for tag in mppeep_tests::html::tags(&html) {
        let Some(link) = tag
            .get("href")
            .filter(|link| link.starts_with(&sheet) && link.len() > sheet.len())
        else {
            continue;
        };
        let rest: String = link[sheet.len()..]
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        let name = format!("fiche{rest}");
        if !link.contains('#') && !pages.iter().any(|(known, _, _)| *known == name) {
            pages.push((name, "sdrh", link.to_owned()));
        }
    }
    pages
}

async fn log_in(browser: &Browser, server: &Server, role: &str) {
    browser.resize(1366, 900).await;
    browser.open(&address(server, "/mppeep/login")).await;
    browser.fill("input[name=username]", &demo_email(role)).await;
    browser.fill("input[name=password]", DEMO_PASSWORD).await;
    browser
        .click_through("form[action$='/login'] button.primary")
        .await;
}

/// The four pictures of the page that is open.
async fn pictures(browser: &Browser, folder: &Path, name: &str) -> usize {
    for (width, height) in [(1366, 900), (390, 844)] {
        browser.resize(width, height).await;
        for (theme, dark) in [("clair", false), ("sombre", true)] {
            browser.prefer_dark(dark).await;
            let file = folder.join(format!("{name}-{width}-{theme}.png"));
            std::fs::write(file, browser.picture().await).expect("the picture can be written");
        }
    }
    4
}
