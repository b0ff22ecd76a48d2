//! The flows that people and programs go through, header by header.

use mppeep_tests::agents::{self, agent};
use mppeep_tests::api::{API, create_agent, id_of, list, record_absence, record_evaluation, total};
use mppeep_tests::{ADMIN_EMAIL, ADMIN_PASSWORD, Server, html};

/// From the first address to the home page.
#[tokio::test]
async fn the_login_flow() {
    let server = Server::start();
    let client = server.visitor();
    for (path, to) in [
        ("/", "/mppeep/"),
        ("/mppeep", "/mppeep/"),
        ("/mppeep/", "/mppeep/login"),
    ] {
        let answer = client.get(path).await;
        assert!((300..400).contains(&answer.status), "{path}: {}", answer.status);
        let location = answer.header("location").expect("a location");
        assert!(
            location == to || location == "/mppeep/login",
            "{path} leads to {location}"
        );
    }
    let deep = client.get("/mppeep/personnel").await.expect(303);
    assert!(deep.header_or_empty("location").starts_with("/mppeep/login"));

    let form = client.get("/mppeep/login").await.expect(200);
    assert_eq!(form.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(form.header("cache-control"), Some("no-store"));
    assert!(
        form.set_cookies().is_empty(),
        "nothing is remembered of a visitor"
    );
    let form = html::form_to(&form.text(), "/login")
        .with("username", ADMIN_EMAIL)
        .with("password", ADMIN_PASSWORD);
    let address = format!("http://{}", server.address());
    let answer = client
        .request("POST", &form.action)
        .header("origin", &address)
        .header("referer", &format!("{address}/mppeep/login"))
        .header("sec-fetch-site", "same-origin")
        .form(&form.pairs())
        .send()
        .await
        .expect(303);
    assert_eq!(answer.header("location"), Some("/mppeep/accueil"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.set_cookies().len(), 1);
    assert!(answer.body.is_empty());

    let home = client.get("/mppeep/accueil").await.expect(200);
    assert_eq!(home.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(home.set_cookies().is_empty(), "the cookie stays as it is");
    assert!(html::text(&home.text()).contains("Bonjour"));
    assert_eq!(
        client.get("/mppeep/").await.header("location"),
        Some("/mppeep/accueil")
    );
    let again = client.get("/mppeep/login").await;
    assert!(matches!(again.status, 200 | 303), "{}", again.status);
}

/// After the login no request asks for the password again: it can be gone from the database.
#[tokio::test]
async fn a_session_does_not_need_the_password_again() {
    let server = Server::start();
    let client = server.admin().await;
    let _gone = server.launch().ask("update users set password_hash = null");
    for page in ["/mppeep/accueil", "/mppeep/personnel", "/mppeep/profil"] {
        let _page = client.get(page).await.expect(200);
    }
    let _refused = server
        .visitor_from("203.0.113.1")
        .login(ADMIN_EMAIL, ADMIN_PASSWORD)
        .await
        .expect(401);
}

/// The page flow: a logged-in visitor's page shows what the database holds, and a change shows at once.
#[tokio::test]
async fn the_page_flow() {
    let server = Server::start();
    let client = server.admin().await;
    let page = client.get("/mppeep/personnel").await.expect(200);
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert!(!html::text(&page.text()).contains("KONÉ"));
    let form = client.get("/mppeep/personnel/nouveau").await.expect(200).text();
    let form = html::form_to(&form, "/personnel")
        .with("matricule", "AB-4711")
        .with("family_name", "KONÉ")
        .with("given_names", "Awa")
        .with("birth_date", "1980-02-29");
    let answer = client.post_form(&form.action, &form.pairs()).await.expect(303);
    let sheet = answer.header("location").expect("a location").to_owned();
    assert!(sheet.starts_with("/mppeep/personnel/"), "{sheet}");
    let sheet = html::text(&client.get(&sheet).await.expect(200).text());
    assert!(
        sheet.contains("KONÉ") && sheet.contains("AB-4711") && sheet.contains("29/02/1980"),
        "{sheet}"
    );
    assert!(sheet.contains("Sans affectation"), "{sheet}");
    let listed = html::text(&client.get("/mppeep/personnel?q=kone").await.expect(200).text());
    assert!(listed.contains("KONÉ") && listed.contains("AB-4711"), "{listed}");
}

/// A form with mistakes comes back with what was typed, and says what is wrong beside it.
#[tokio::test]
async fn a_form_with_mistakes_comes_back() {
    let server = Server::start();
    let client = server.admin().await;
    let page = client.get("/mppeep/personnel/nouveau").await.expect(200).text();
    let form = html::form_to(&page, "/personnel")
        .with("matricule", "pas bon !")
        .with("family_name", "Gnahoré")
        .with("given_names", "")
        .with("birth_date", "2999-01-01");
    let answer = client.post_form(&form.action, &form.pairs()).await.expect(422);
    let back = html::form_to(&answer.text(), "/personnel");
    assert_eq!(back.value("family_name"), Some("Gnahoré"));
    assert_eq!(back.value("matricule"), Some("pas bon !"));
    for name in ["matricule", "given_names", "birth_date"] {
        let field = back
            .controls
            .iter()
            .find(|tag| tag.get("name") == Some(name))
            .expect("a field");
        assert_eq!(field.get("aria-invalid"), Some("true"), "{name}");
    }
    assert_eq!(total(&client, "personnel").await, 0);
}

/// Creation: 201, `Location`, the body; then the list and the statistics show it at once.
#[tokio::test]
async fn the_creation_flow() {
    let server = Server::start();
    let client = server.admin().await;
    let stats = || async {
        client
            .get(&format!("{API}/dashboard/stats"))
            .await
            .expect(200)
            .json()
    };
    let before = stats().await;
    let answer = client
        .post(&format!("{API}/personnel"), &agent(1).body())
        .await
        .expect(201);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let view = answer.json();
    let location = answer.header("location").expect("a location");
    assert_eq!(location, format!("{API}/personnel/{}", id_of(&view)));
    assert_eq!(view["matricule"], "T000001");
    assert_eq!(view["birth_date"], agent(1).body()["birth_date"]);
    let read = client.get(location).await.expect(200);
    assert!(read.header("etag").is_some(), "the version to change it by");
    assert_eq!(read.json()["id"], view["id"]);
    let page = list(&client, "personnel").await;
    assert_eq!(page["total"], 1);
    assert_eq!(page["items"][0]["id"], view["id"]);
    let after = stats().await;
    assert_ne!(before, after, "the statistics still say what they said");
    let first_page = list(&client, "personnel?limit=1").await;
    assert!(first_page["next_cursor"].is_null(), "{first_page}");
}

/// Three absences and two evaluations of one agent are 3 and their mean, in the list.
#[tokio::test]
async fn absences_and_evaluations_are_counted_apart() {
    let server = Server::start();
    let client = server.admin().await;
    let one = create_agent(&client, 1).await;
    let other = create_agent(&client, 2).await;
    let year = this_year();
    for month in [2, 3, 4] {
        let day = |day: u32| format!("{year}-{month:02}-{day:02}");
        let _made = record_absence(&client, &id_of(&one), &day(3), &day(5))
            .await
            .expect(201);
    }
    for (back, mark) in [(1, 12.0), (2, 15.0)] {
        let _made = record_evaluation(&client, &id_of(&one), year - back, mark)
            .await
            .expect(201);
    }
    let page = list(&client, "personnel").await;
    let row = |id: &str| {
        page["items"]
            .as_array()
            .expect("items")
            .iter()
            .find(|row| row["id"] == id)
            .cloned()
            .expect("a row")
    };
    let (one, other) = (row(&id_of(&one)), row(&id_of(&other)));
    assert_eq!(one["absence_count"], 3, "{one}");
    assert_eq!(mean_of(&one), Some(13.5), "{one}");
    assert_eq!(other["absence_count"], 0, "{other}");
    assert_eq!(mean_of(&other), None, "{other}");
    let shown = html::text(&client.get("/mppeep/personnel").await.expect(200).text());
    assert!(shown.contains("13,50"), "{shown}");
}

fn mean_of(row: &serde_json::Value) -> Option<f64> {
    assert!(
        row["average_mark"].is_null() || row["average_mark"].is_number(),
        "{row}"
    );
    row["average_mark"].as_f64()
}

/// The civil year in which the tests run.
fn this_year() -> i32 {
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    i32::from(today.year())
}

/// Cursors walk through everything once, whatever is the order, and pages by number show the same.
#[tokio::test]
async fn paging_shows_everybody_once() {
    let server = Server::start();
    let client = server.admin().await;
    for number in 0..23 {
        let _made = create_agent(&client, number).await;
    }
    let mut seen = Vec::new();
    let mut path = "personnel?limit=5".to_owned();
    loop {
        let page = list(&client, &path).await;
        assert_eq!(page["total"], 23);
        seen.extend(page["items"].as_array().expect("items").iter().map(id_of));
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!(
            "personnel?limit=5&cursor={}",
            mppeep_tests::client::encode(cursor)
        );
        assert!(seen.len() < 100, "the cursor turns in circles");
    }
    let mut unique = seen.clone();
    unique.sort();
    unique.dedup();
    assert_eq!((seen.len(), unique.len()), (23, 23));
    let second = list(&client, "personnel?page=2&size=5").await;
    let second: Vec<String> = second["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(id_of)
        .collect();
    assert_eq!(second, seen[5..10]);
    let forged = client.get(&format!("{API}/personnel?cursor=AAAA")).await;
    assert!((400..500).contains(&forged.status), "{}", forged.status);
}

/// Search ignores accents and case, and finds parts of names and matricules.
#[tokio::test]
async fn search_ignores_accents_and_case() {
    let server = Server::start();
    let client = server.admin().await;
    for number in 0..24 {
        let _made = create_agent(&client, number).await;
    }
    let expected = (0..24)
        .filter(|number| agent(*number).family_name == "KONÉ")
        .count() as u64;
    for spelling in ["kone", "KONE", "Koné", "koné", "KoNÉ"] {
        assert_eq!(
            total(
                &client,
                &format!("personnel?q={}", mppeep_tests::client::encode(spelling))
            )
            .await,
            expected,
            "{spelling}"
        );
    }
    assert_eq!(total(&client, "personnel?q=T000007").await, 1);
    assert_eq!(total(&client, "personnel?q=t000007").await, 1);
    assert_eq!(total(&client, "personnel?q=personne-de-ce-nom").await, 0);
    assert_eq!(
        total(&client, "personnel?q=%25").await,
        0,
        "a per cent sign is a character"
    );
    let _header = agents::HEADER;
}

/// A change is in the journal with what stood there before and after.
#[tokio::test]
async fn the_journal_tells_before_and_after() {
    let server = Server::start();
    let client = server.admin().await;
    let view = create_agent(&client, 1).await;
    let path = format!("{API}/personnel/{}", id_of(&view));
    let tag = client
        .get(&path)
        .await
        .header("etag")
        .expect("a version")
        .to_owned();
    let change = serde_json::json!({ "job_title": "Chargée d'études" });
    let changed = client
        .request("PATCH", &path)
        .header("if-match", &tag)
        .json(&change)
        .send()
        .await
        .expect(200);
    assert_eq!(changed.json()["job_title"], "Chargée d'études");
    let journal = list(&client, "activities").await.to_string();
    assert!(
        journal.contains("Chargée d'études") && journal.contains("job_title"),
        "{journal}"
    );
    let page = html::text(&client.get("/mppeep/journal").await.expect(200).text());
    assert!(
        page.contains("T000001") || page.contains(agent(1).family_name),
        "{page}"
    );
}
