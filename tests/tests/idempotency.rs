//! Creations sent more than once with an `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header).

use std::time::Duration;

use mppeep_tests::agents::agent;
use mppeep_tests::api::{API, create_agent, id_of, total};
use mppeep_tests::openapi::Description;
use mppeep_tests::{ADMIN_EMAIL, ADMIN_PASSWORD, Client, Response, Server};
use serde_json::{Value, json};

const REPLAYED: &str = "idempotent-replayed";

async fn create(client: &Client, path: &str, key: &str, body: &Value) -> Response {
    client
        .request("POST", &format!("{API}/{path}"))
        .header("idempotency-key", key)
        .json(body)
        .send()
        .await
}

fn assert_replay(first: &Response, again: &Response) {
    assert_eq!(again.status, first.status, "{}", again.text());
    assert_eq!(again.body, first.body);
    for name in ["location", "etag", "content-type"] {
        assert_eq!(again.header(name), first.header(name), "{name}");
    }
    assert_eq!(first.header(REPLAYED), None);
    assert_eq!(again.header(REPLAYED), Some("true"));
}

#[tokio::test]
async fn the_same_request_has_one_effect_and_one_answer() {
    let server = Server::start();
    let admin = server.admin().await;
    let body = agent(1).body();
    let first = create(&admin, "personnel", "first-key", &body).await.expect(201);
    let again = create(&admin, "personnel", "first-key", &body).await;
    assert_replay(&first, &again);
    let quoted = create(&admin, "personnel", "\"first-key\"", &body).await;
    assert_replay(&first, &quoted);
    assert_eq!(total(&admin, "personnel").await, 1);

    // What became of the record since then is another matter.
    let id = id_of(&first.json());
    let _changed = admin
        .request("PATCH", &format!("{API}/personnel/{id}"))
        .json(&json!({ "job_title": "Cheffe de service" }))
        .send()
        .await
        .expect(200);
    assert_replay(&first, &create(&admin, "personnel", "first-key", &body).await);

    // Without a key, or with another one, it is another request.
    let _taken = create(&admin, "personnel", "second-key", &body)
        .await
        .problem(409);
    let _taken = admin.post(&format!("{API}/personnel"), &body).await.problem(409);
}

#[tokio::test]
async fn equal_requests_at_once_make_one_record() {
    let server = Server::start();
    let admin = server.admin().await;
    let body = agent(1).body();
    let all = (0..20).map(|_| create(&admin, "personnel", "one-key", &body));
    let answers = futures_util::future::join_all(all).await;
    let mut made = 0;
    let mut ids = Vec::new();
    for answer in &answers {
        if answer.status == 201 {
            made += usize::from(answer.header(REPLAYED).is_none());
            ids.push(id_of(&answer.json()));
        } else {
            let problem = answer.problem(409);
            assert_eq!(problem["type"], "/problems/idempotency-under-way");
            let wait: u64 = answer.header_or_empty("retry-after").parse().expect("seconds");
            assert!((1..=120).contains(&wait), "{wait}");
        }
    }
    println!("{} of 20 were answered with the record at once", ids.len());
    assert_eq!(made, 1, "one of them is carried out");
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(total(&admin, "personnel").await, 1);
    let again = create(&admin, "personnel", "one-key", &body).await.expect(201);
    assert_eq!(again.header(REPLAYED), Some("true"));
}

#[tokio::test]
async fn a_key_belongs_to_one_request_of_one_user() {
    let server = Server::start();
    let admin = server.admin().await;
    let colleague = json!({ "email": "c@mppeep.example", "display_name": "C", "roles": ["sdrh"], "password": ADMIN_PASSWORD });
    let _made = admin.post(&format!("{API}/users"), &colleague).await.expect(201);
    let _free = server
        .launch()
        .ask("update users set must_change_password = false where email = 'c@mppeep.example'");
    let other = server.logged_in("c@mppeep.example", ADMIN_PASSWORD).await;

    let first = create(&admin, "personnel", "key", &agent(1).body())
        .await
        .expect(201);
    let problem = create(&admin, "personnel", "key", &agent(2).body())
        .await
        .problem(422);
    assert_eq!(problem["type"], "/problems/idempotency-key-reused");
    let unit = json!({ "code": "P1", "name": "Programme 1" });
    let problem = create(&admin, "organisation/programmes", "key", &unit)
        .await
        .problem(422);
    assert_eq!(problem["type"], "/problems/idempotency-key-reused");

    let theirs = create(&other, "personnel", "key", &agent(2).body())
        .await
        .expect(201);
    assert_eq!(theirs.header(REPLAYED), None);
    assert_ne!(id_of(&theirs.json()), id_of(&first.json()));
    assert_eq!(total(&admin, "personnel").await, 2);
    assert_replay(
        &first,
        &create(&admin, "personnel", "key", &agent(1).body()).await,
    );
}

#[tokio::test]
async fn a_refused_request_gives_its_key_back() {
    let server = Server::start();
    let admin = server.admin().await;
    let _taken = create_agent(&admin, 1).await;
    let mut body = agent(2).body();
    body["birth_date"] = json!("2999-01-01");
    let _wrong = create(&admin, "personnel", "key", &body).await.problem(422);
    let _taken = create(&admin, "personnel", "key", &agent(1).body())
        .await
        .problem(409);
    let made = create(&admin, "personnel", "key", &agent(2).body())
        .await
        .expect(201);
    assert_eq!(made.header(REPLAYED), None);
    assert_eq!(total(&admin, "personnel").await, 2);
}

#[tokio::test]
async fn bad_keys_are_unreadable_and_nobody_has_one() {
    let server = Server::start();
    let admin = server.admin().await;
    let long = "k".repeat(256);
    for key in ["", "\"\"", "two words", "\"open", "cl\u{e9}", long.as_str()] {
        let _problem = create(&admin, "personnel", key, &agent(1).body())
            .await
            .problem(400);
    }
    let twice = admin
        .request("POST", &format!("{API}/personnel"))
        .header("idempotency-key", "a")
        .header("idempotency-key", "b")
        .json(&agent(1).body())
        .send()
        .await;
    let _problem = twice.problem(400);
    let _nobody = create(&server.visitor(), "personnel", "key", &agent(1).body())
        .await
        .problem(401);
    assert_eq!(total(&admin, "personnel").await, 0);
    assert_eq!(
        server.launch().ask("select count(*) from idempotency_key").trim(),
        "0"
    );
}

#[tokio::test]
async fn an_answer_survives_the_process_and_a_lost_one_makes_no_second_record() {
    let server = Server::start();
    let admin = server.admin().await;
    let body = agent(1).body();
    let first = create(&admin, "personnel", "key", &body).await.expect(201);
    let server = server.kill().start();
    let admin = server.admin().await;
    assert_replay(&first, &create(&admin, "personnel", "key", &body).await);

    // As if the process had died between the effect and its answer, and its lease had ended since.
    let past = match server.launch().database_url() {
        Some(_) => "to_timestamp(0)",
        None => "0",
    };
    let _lost = server.launch().ask(&format!(
        "update idempotency_key set status = null, headers = null, body = null, leased_until = {past}"
    ));
    let problem = create(&admin, "personnel", "key", &body).await.problem(409);
    assert_eq!(problem["type"], "/problems/idempotency-answer-lost");
    assert_eq!(total(&admin, "personnel").await, 1);
}

#[tokio::test]
async fn a_client_that_goes_away_finds_its_record() {
    let server = Server::start();
    let admin = server.admin().await;
    let body = json!({ "email": "a@mppeep.example", "display_name": "A", "roles": ["agent"] });
    for after in [1, 5, 20, 60] {
        let sent = tokio::time::timeout(
            Duration::from_millis(after),
            create(&admin, "users", "key", &body),
        );
        let _gone = sent.await;
    }
    // The first request that arrived goes on without its client.
    let mut answer = create(&admin, "users", "key", &body).await;
    for _ in 0..600 {
        if answer.status != 409 {
            break;
        }
        assert_eq!(answer.json()["type"], "/problems/idempotency-under-way");
        tokio::time::sleep(Duration::from_millis(100)).await;
        answer = create(&admin, "users", "key", &body).await;
    }
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(total(&admin, "users").await, 2);
}

#[tokio::test]
async fn a_secret_is_shown_once_and_not_kept() {
    let server = Server::start();
    let admin = server.admin().await;
    let body = json!({ "email": "a@mppeep.example", "display_name": "A", "roles": ["agent"] });
    let first = create(&admin, "users", "key", &body).await.expect(201);
    let secret = first.json()["generated_password"]
        .as_str()
        .expect("a password")
        .to_owned();
    let again = create(&admin, "users", "key", &body).await.expect(201);
    assert_eq!(again.header(REPLAYED), Some("true"));
    assert_eq!(id_of(&again.json()), id_of(&first.json()));
    assert!(!again.text().contains(&secret), "{}", again.text());
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let dump = server.launch().dump();
    assert!(!dump.contains(&secret), "the secret is kept");
    assert!(!dump.to_lowercase().contains(&hex), "the secret is kept as bytes");
}

#[tokio::test]
async fn who_lost_the_right_gets_no_answer_of_it() {
    let server = Server::start();
    let admin = server.admin().await;
    let body = agent(1).body();
    let _first = create(&admin, "personnel", "key", &body).await.expect(201);
    let me = admin.get(&format!("{API}/session")).await.json()["user_id"].clone();
    let me = me.as_str().expect("an id");
    let change = json!({ "roles": ["admin"] });
    let _changed = admin
        .request("PATCH", &format!("{API}/users/{me}"))
        .json(&change)
        .send()
        .await
        .expect(200);
    let admin = server.logged_in(ADMIN_EMAIL, ADMIN_PASSWORD).await;
    let _refused = create(&admin, "personnel", "key", &body).await.problem(403);
}

/// A form with one file, between boundaries of its own.
fn form(boundary: &str, kind: &str, name: &str, content: &str) -> (String, String) {
    let disposition = "Content-Disposition: form-data; name";
    let body = format!(
        "--{boundary}\r\n{disposition}=\"kind\"\r\n\r\n{kind}\r\n\
         --{boundary}\r\n{disposition}=\"file\"; filename=\"{name}\"\r\n\r\n{content}\r\n--{boundary}--\r\n"
    );
    (format!("multipart/form-data; boundary={boundary}"), body)
}

async fn upload(client: &Client, path: &str, key: &str, (media, body): (String, String)) -> Response {
    client
        .request("POST", &format!("{API}/{path}"))
        .header("idempotency-key", key)
        .body(&media, body)
        .send()
        .await
}

/// An upload with a key has one effect, and is known again by what it says, not by how it is wrapped.
#[tokio::test]
async fn an_upload_has_one_effect() {
    let server = Server::start();
    let admin = server.admin().await;
    let good = |boundary: &str| form(boundary, "budget_data", "t3.csv", "Rubrique;Montant\nA;1\n");
    let first = upload(&admin, "files", "key", good("one")).await.expect(201);
    assert_replay(&first, &upload(&admin, "files", "key", good("one")).await);
    assert_replay(
        &first,
        &upload(&admin, "files", "key", good("another-boundary")).await,
    );
    for other in [
        form("one", "budget_data", "t3.csv", "Rubrique;Montant\nA;2\n"),
        form("one", "budget_data", "t4.csv", "Rubrique;Montant\nA;1\n"),
        form("one", "other", "t3.csv", "Rubrique;Montant\nA;1\n"),
    ] {
        let problem = upload(&admin, "files", "key", other).await.problem(422);
        assert_eq!(problem["type"], "/problems/idempotency-key-reused");
    }
    let problem = create(&admin, "personnel", "key", &agent(1).body())
        .await
        .problem(422);
    assert_eq!(problem["type"], "/problems/idempotency-key-reused");
    assert_eq!(total(&admin, "files").await, 1);

    // What was refused gives its key back.
    let disguised = form("one", "budget_data", "image.png", "no picture");
    let _refused = upload(&admin, "files", "second", disguised).await.problem(422);
    let _made = upload(&admin, "files", "second", good("one")).await.expect(201);
    assert_eq!(total(&admin, "files").await, 2);

    // Sent many times at once, it is kept once.
    let all = (0..8).map(|number| upload(&admin, "files", "third", good(&format!("b{number}"))));
    let mut made = 0;
    for answer in futures_util::future::join_all(all).await {
        if answer.status == 201 {
            made += usize::from(answer.header(REPLAYED).is_none());
        } else {
            assert_eq!(answer.problem(409)["type"], "/problems/idempotency-under-way");
        }
    }
    assert_eq!(made, 1);
    assert_eq!(total(&admin, "files").await, 3);
    assert_eq!(
        server.launch().ask("select count(*) from stored_file").trim(),
        "3"
    );
}

/// A newer content of a document is added once, though the answer to the first request came after the version that the
/// second one names.
#[tokio::test]
async fn a_newer_content_is_added_once() {
    let server = Server::start();
    let admin = server.admin().await;
    let agent = id_of(&create_agent(&admin, 1).await);
    let pdf = "%PDF-1.4\n%%EOF\n";
    let send = async |path: &str, key: &str, field: (&str, &str), version: &str| {
        let draft = admin
            .request("POST", &format!("{API}/{path}"))
            .header("idempotency-key", key)
            .header("if-match", version);
        let file = ("file", "cni.pdf", "application/pdf", pdf.as_bytes());
        draft.multipart(&[field], file).send().await
    };
    let owner = ("personnel_id", agent.as_str());
    let made = send("documents", "deposit", owner, "*").await.expect(201);
    assert_replay(&made, &send("documents", "deposit", owner, "*").await);
    let path = format!("documents/{}/versions", id_of(&made.json()));
    let newer = ("note", "Plus lisible");
    let added = send(&path, "newer", newer, "\"1\"").await.expect(201);
    assert_replay(&added, &send(&path, "newer", newer, "\"1\"").await);
    let versions = admin.get(&format!("{API}/{path}")).await.expect(200).json();
    assert_eq!(versions["total"], 2);
    assert_eq!(total(&admin, "documents").await, 1);
}

/// Every operation whose description names the header honours it.
#[tokio::test]
async fn every_described_creation_can_be_repeated() {
    let server = Server::start();
    let admin = server.admin().await;
    let description = Description::of_the_binary();
    let agent = id_of(&create_agent(&admin, 1).await);
    let mut parent = json!(null);
    let mut tried = Vec::new();
    let mut operations: Vec<_> = description
        .operations()
        .into_iter()
        .filter(|operation| description.parameter(operation, "Idempotency-Key").is_some())
        .collect();
    // Units from the top down, because each needs the one above.
    operations.sort_by_key(|operation| match operation.path.rsplit('/').next() {
        Some("programmes") => 1,
        Some("directorates") => 2,
        Some("departments") => 3,
        _ => 0,
    });
    for operation in operations {
        let path = operation
            .path
            .replace("{month}", "2026-10")
            .replace("{id}", &agent);
        let body = operation.body.as_ref().map(|_| {
            let mut body = description.example_body(&operation);
            for (name, value) in [
                ("personnel_id", json!(agent)),
                ("programme_id", parent.clone()),
                ("directorate_id", parent.clone()),
            ] {
                if body.get(name).is_some_and(Value::is_string) {
                    body[name] = value;
                }
            }
            body
        });
        if operation
            .media
            .iter()
            .any(|media| media.starts_with("multipart/"))
        {
            continue;
        }
        if path.ends_with("/payroll/slips") {
            let _index = admin
                .request("PATCH", &format!("{API}/personnel/{agent}"))
                .json(&json!({ "salary_index": 1000 }))
                .send()
                .await
                .expect(200);
        }
        let send = async || {
            let draft = admin
                .request("POST", &path)
                .header("idempotency-key", &path.replace('/', "-"));
            match &body {
                Some(body) => draft.json(body).send().await,
                None => draft.send().await,
            }
        };
        let first = send().await;
        assert!((200..300).contains(&first.status), "{path}: {}", first.text());
        let again = send().await;
        assert_eq!(again.status, first.status, "{path}: {}", again.text());
        assert_eq!(again.header(REPLAYED), Some("true"), "{path}");
        assert_eq!(again.header("location"), first.header("location"), "{path}");
        parent = first.json()["id"].clone();
        tried.push(path);
    }
    println!("{tried:?}");
    assert!(tried.len() >= 10, "{tried:?}");
}
