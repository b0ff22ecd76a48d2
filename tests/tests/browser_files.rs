//! Documents, files and photographs in a real Chromium.

use mppeep_tests::api::{API, create_agent, id_of};
use mppeep_tests::browser::Browser;
use mppeep_tests::{ADMIN_EMAIL, ADMIN_PASSWORD, Launch, Server};

const PDF: &str = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";

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

/// A file beside the data of the server.
fn file(server: &Server, name: &str, content: &[u8]) -> String {
    let path = server.launch().data().join(name);
    std::fs::write(&path, content).expect("written");
    path.to_str().expect("UTF-8").to_owned()
}

/// Three files at once, one of them disguised; then a look at one of the two that were taken over.
#[tokio::test]
async fn several_files_are_deposited_at_once() {
    let server = server();
    let admin = server.admin().await;
    let agent = id_of(&create_agent(&admin, 1).await);
    let chosen = [
        file(&server, "Diplôme de master.pdf", PDF.as_bytes()),
        file(&server, "passeport.pdf", PDF.as_bytes()),
        file(&server, "faux.pdf", b"<html><script>alert(1)</script></html>"),
    ];
    let browser = Browser::start(1366, 900).await;
    log_in(&browser, &server).await;
    let tab = format!(
        "http://{}/mppeep/personnel/{agent}?onglet=documents",
        server.address()
    );
    browser.open(&tab).await;
    browser.shows("Plusieurs fichiers").await;
    let input = browser.find("input[type=file]").await;
    input
        .send_keys(&chosen.join("\n"))
        .await
        .expect("files can be chosen");
    browser.click("form[data-uploads] button.primary").await;
    browser.shows("n’est pas ce que son nom annonce").await;
    browser.open(&tab).await;
    browser.shows("2 documents").await;
    browser.shows("Passeport").await;
    browser.click_through("main a[href*='/documents/']").await;
    browser.shows("Version 1").await;
    // The preview stands alone in a sandbox, and is shown there.
    let look = browser.find("a[href$='/apercu']").await;
    let address = look.attr("href").await.expect("asked").expect("an address");
    browser
        .open(&format!("http://{}{address}", server.address()))
        .await;
    let kind = browser
        .window()
        .execute("return document.contentType", vec![])
        .await
        .expect("a document");
    assert_eq!(kind, "application/pdf");
    let errors = browser.console_errors().await;
    // The disguised file was answered with 422, which the console tells.
    let errors: Vec<_> = errors.iter().filter(|error| !error.contains("422")).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    browser.close().await;
}

/// Every page of this kind: nothing that its own policy refuses, no sideways scrolling, one title, names for controls.
#[tokio::test]
async fn pages_of_documents_and_files_are_clean() {
    let server = server();
    let admin = server.admin().await;
    let agent = id_of(&create_agent(&admin, 1).await);
    let fields = [
        ("personnel_id", agent.as_str()),
        ("title", "Carte nationale d’identité de l’agent, recto et verso"),
    ];
    let made = admin
        .request("POST", &format!("{API}/documents"))
        .multipart(&fields, ("file", "cni.pdf", "application/pdf", PDF.as_bytes()))
        .send()
        .await
        .expect(201)
        .json();
    let document = format!("/mppeep/documents/{}", id_of(&made));
    let table = b"Rubrique;Montant\nA;1\nB;2;3\n";
    let made = admin
        .request("POST", &format!("{API}/files"))
        .multipart(
            &[("kind", "budget_data"), ("period", "2026-T3")],
            ("file", "budget.csv", "text/csv", table),
        )
        .send()
        .await
        .expect(201)
        .json();
    let shared = format!("/mppeep/fichiers/{}", id_of(&made));
    for (width, height) in [(1366, 900), (390, 844)] {
        let browser = Browser::start(width, height).await;
        log_in(&browser, &server).await;
        for page in [
            "/mppeep/documents".to_owned(),
            "/mppeep/documents?vue=manquants".to_owned(),
            format!("/mppeep/personnel/{agent}?onglet=documents"),
            format!("/mppeep/personnel/{agent}/documents/deposer"),
            format!("/mppeep/personnel/{agent}/photo/modifier"),
            document.clone(),
            format!("{document}/modifier"),
            format!("{document}/version"),
            format!("{document}/supprimer"),
            "/mppeep/fichiers".to_owned(),
            shared.clone(),
            format!("{shared}?apercu=1"),
            format!("{shared}/erreurs"),
            "/mppeep/profil/photo/modifier".to_owned(),
            "/mppeep/admin/parametres/files".to_owned(),
        ] {
            browser.open(&format!("http://{}{page}", server.address())).await;
            let facts = browser
                .window()
                .execute(
                    "return { wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
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
