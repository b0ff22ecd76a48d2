//! A morning of an HR officer in a real Chromium. The test starts the browser itself; without one it fails.

use std::time::Duration;

use mppeep_tests::agents::{HEADER, agent, csv};
use mppeep_tests::browser::Browser;
use mppeep_tests::{ADMIN_EMAIL, ADMIN_PASSWORD, Launch, Server};

fn server() -> Server {
    // A browser may not keep a Secure cookie over plain HTTP on loopback: this setting is there for that.
    Launch::new().env("MPPEEP_COOKIE_SECURE", "never").start()
}

async fn log_in(browser: &Browser, server: &Server) {
    browser
        .open(&format!("http://{}/mppeep/", server.address()))
        .await;
    browser.fill("input[name=username]", ADMIN_EMAIL).await;
    browser.fill("input[name=password]", ADMIN_PASSWORD).await;
    browser
        .click_through("form[action$='/login'] button.primary")
        .await;
    assert_eq!(browser.path().await, "/mppeep/accueil");
}

/// Logs in, searches « kone » and finds « KONÉ », edits the sheet, sees the line in the journal, imports a file, ends
/// another session from the profile, logs out.
#[tokio::test]
async fn a_morning_of_an_hr_officer() {
    let server = server();
    let elsewhere = server.admin().await;
    let rows = (100..124).map(|number| agent(number).cells());
    let file = server.launch().data().join("agents.csv");
    std::fs::write(&file, csv(&HEADER, rows)).expect("written");
    let _first = elsewhere
        .post(
            "/mppeep/api/v1/personnel",
            &serde_json::json!({ "matricule": "K-001", "family_name": "KONÉ", "given_names": "Awa Mariam", "birth_date": "1980-02-29" }),
        )
        .await
        .expect(201);

    let other = mppeep_tests::api::create_agent(&elsewhere, 1).await;
    let other = other["full_name"].as_str().expect("a name").to_owned();

    let browser = Browser::start(1366, 900).await;
    log_in(&browser, &server).await;

    // Search
    browser
        .open(&format!("http://{}/mppeep/personnel", server.address()))
        .await;
    browser.shows(&other).await;
    browser.fill("#f-q", "kone").await;
    browser.hides(&other).await;
    browser.shows("KONÉ").await;
    browser.click_through("main table a[href*='/personnel/']").await;
    browser.shows("K-001").await;
    let sheet = browser.path().await;

    // Edit
    browser
        .click_through("a[href$='/modifier']:not([href*='/photo/'])")
        .await;
    browser.fill("input[name=job_title]", "Cheffe de cabinet").await;
    browser
        .click_through("main form[method=post] button.primary")
        .await;
    assert_eq!(browser.path().await, sheet);
    browser.shows("Cheffe de cabinet").await;

    // The journal
    browser
        .open(&format!("http://{}/mppeep/journal", server.address()))
        .await;
    browser.shows("KONÉ").await;
    browser.click("#list details > summary").await;
    browser.shows("Cheffe de cabinet").await;

    // Import
    browser
        .open(&format!("http://{}/mppeep/personnel/importer", server.address()))
        .await;
    let input = browser.find("input[type=file]").await;
    input
        .send_keys(file.to_str().expect("UTF-8"))
        .await
        .expect("a file can be chosen");
    browser
        .click_through("main form[enctype='multipart/form-data'] button.primary")
        .await;
    // Columns, control, import: each step has one way on, until the report.
    for _ in 0..600 {
        if browser.text().await.contains("L’import est terminé") {
            break;
        }
        browser.press_once("main form[method=post] button.primary").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    browser.shows("L’import est terminé").await;
    let total = mppeep_tests::api::total(&elsewhere, "personnel").await;
    assert_eq!(total, 26, "{}", browser.text().await);

    // The other session
    assert!(elsewhere.is_logged_in().await);
    browser
        .open(&format!("http://{}/mppeep/profil", server.address()))
        .await;
    browser
        .click_through("form[action*='/profil/sessions/'] button[aria-label^='Déconnecter']")
        .await;
    assert!(!elsewhere.is_logged_in().await);

    // Out
    browser
        .open(&format!("http://{}/mppeep/accueil", server.address()))
        .await;
    let out = "document.querySelector(\"form[action$='/logout']\").requestSubmit()";
    browser.window().execute(out, vec![]).await.expect("a way out");
    browser.find("input[name=username]").await;
    assert_eq!(browser.path().await, "/mppeep/login");
    browser
        .open(&format!("http://{}/mppeep/accueil", server.address()))
        .await;
    assert_eq!(browser.path().await, "/mppeep/login");
    browser.close().await;
}

/// Every page in a browser: no error in its console, nothing that its own policy refuses, no sideways scrolling on a
/// telephone, and no request to another host.
#[tokio::test]
async fn pages_are_clean_on_a_desk_and_on_a_telephone() {
    let server = server();
    let admin = server.admin().await;
    let made = mppeep_tests::api::create_agent(&admin, 1).await;
    let sheet = format!("/mppeep/personnel/{}", made["id"].as_str().expect("an id"));
    let edit = format!("{sheet}/modifier");
    for (width, height) in [(1366, 900), (390, 844)] {
        let browser = Browser::start(width, height).await;
        log_in(&browser, &server).await;
        for page in [
            "/mppeep/accueil",
            "/mppeep/dashboard",
            "/mppeep/personnel",
            "/mppeep/personnel/nouveau",
            "/mppeep/personnel/importer",
            sheet.as_str(),
            edit.as_str(),
            "/mppeep/rh",
            "/mppeep/evaluations",
            "/mppeep/organigramme",
            "/mppeep/journal",
            "/mppeep/profil",
            "/mppeep/admin/utilisateurs",
            "/mppeep/admin/parametres/ministry",
            "/mppeep/rien",
        ] {
            browser.open(&format!("http://{}{page}", server.address())).await;
            let facts = browser
                .window()
                .execute(
                    "return { wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
                              hosts: performance.getEntriesByType('resource').map(e => new URL(e.name).host),
                              headings: document.querySelectorAll('h1').length,
                              unnamed: [...document.querySelectorAll('input:not([type=hidden]), select, textarea, button, a')]
                                .filter(e => e.checkVisibility() && !(e.labels && e.labels.length) && !e.getAttribute('aria-label')
                                  && !e.getAttribute('aria-labelledby') && !e.title && !e.innerText.trim()
                                  && !(e.querySelector && e.querySelector('img[alt], svg title')))
                                .map(e => e.outerHTML.slice(0, 120)),
                              twice: [...document.querySelectorAll('[id]')].map(e => e.id).filter((id, n, all) => all.indexOf(id) !== n) }",
                    vec![],
                )
                .await
                .expect("facts");
            assert!(
                facts["wide"].as_i64().expect("a number") <= 0,
                "{page} scrolls sideways at {width}: {}",
                facts["wide"]
            );
            let own = server.address().to_string();
            let hosts = facts["hosts"].as_array().expect("hosts");
            assert!(
                hosts.iter().all(|host| host == own.as_str()),
                "{page} asks {hosts:?}"
            );
            assert_eq!(facts["headings"], 1, "{page} has one title");
            assert_eq!(
                facts["unnamed"],
                serde_json::json!([]),
                "{page}: controls without a name"
            );
            assert_eq!(
                facts["twice"],
                serde_json::json!([]),
                "{page}: an id stands twice"
            );
        }
        let errors = browser.console_errors().await;
        assert!(errors.is_empty(), "at {width}: {errors:#?}");
        browser.close().await;
    }
}
