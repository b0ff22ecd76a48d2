//! Documents of agents, from outside: their life, who sees them, what the journal keeps.

use bytes::Bytes;
use mppeep_tests::api::{API, create_agent, id_of};
use mppeep_tests::{Client, Response, Server};
use serde_json::{Value, json};

const PDF: &[u8] = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";

fn documents() -> String {
    format!("{API}/documents")
}

async fn send(client: &Client, path: &str, fields: &[(&str, &str)], name: &str, content: &[u8]) -> Response {
    client
        .request("POST", path)
        .multipart(fields, ("file", name, "application/octet-stream", content))
        .send()
        .await
}

async fn deposit(client: &Client, agent: &str, more: &[(&str, &str)]) -> Response {
    let mut fields = vec![("personnel_id", agent)];
    fields.extend_from_slice(more);
    send(client, &documents(), &fields, "CNI recto.pdf", PDF).await
}

/// Somebody of one role with his own file, logged in with a password of his own.
async fn account(server: &Server, admin: &Client, email: &str, role: &str, file: &str) -> Client {
    let body = json!({ "email": email, "display_name": email, "roles": [role], "personnel_id": file });
    let made = admin
        .post(&format!("{API}/users"), &body)
        .await
        .expect(201)
        .json();
    let first = made["generated_password"].as_str().expect("a password");
    let client = server.visitor();
    assert_eq!(client.login(email, first).await.status, 303);
    let own = "Cinq-baobabs-sous-la-pluie-2026";
    let fields = [
        ("old_password", first),
        ("new_password", own),
        ("confirmation", own),
    ];
    let changed = client.post_form("/mppeep/mot-de-passe", &fields).await;
    assert_eq!(changed.status, 303, "{}", changed.text());
    server.logged_in(email, own).await
}

/// Deposited, corrected, replaced, downloaded, removed; each step leaves its line in the journal.
#[tokio::test]
async fn a_document_has_a_life_that_the_journal_tells() {
    let server = Server::start();
    let admin = server.admin().await;
    let agent = id_of(&create_agent(&admin, 1).await);
    let more = [("title", "Carte d’identité"), ("expires_on", "2031-05-01")];
    let made = deposit(&admin, &agent, &more).await.expect(201).json();
    assert_eq!(
        made["kind"], "identity_card",
        "the name of the file tells the kind"
    );
    assert_eq!(made["state"], "validated", "the staff needs nobody else's look");
    let address = format!("{}/{}", documents(), id_of(&made));
    let stale = admin
        .request("PATCH", &address)
        .header("if-match", "\"7\"")
        .json(&json!({ "title": "x" }))
        .send()
        .await;
    let _problem = stale.problem(412);
    let wrong = admin
        .request("PATCH", &address)
        .json(&json!({ "issued_on": "2032-01-01" }))
        .send()
        .await
        .problem(422);
    let fields: Vec<&Value> = wrong["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|e| &e["field"])
        .collect();
    assert!(fields.contains(&&json!("issued_on")), "{wrong}");
    let corrected = admin
        .request("PATCH", &address)
        .header("if-match", "\"1\"")
        .json(&json!({ "reference": "C 0451", "confidential": true }))
        .send()
        .await
        .expect(200);
    assert_eq!(corrected.header("etag"), Some("\"2\""));
    let corrected = corrected.json();
    assert_eq!(corrected["reference"], "C 0451");
    assert_eq!(corrected["title"], "Carte d’identité");
    let newer = [PDF, b"% plus lisible\n"].concat();
    let replaced = send(
        &admin,
        &format!("{address}/versions"),
        &[("note", "Plus lisible")],
        "cni2.pdf",
        &newer,
    )
    .await
    .expect(201)
    .json();
    assert_eq!(replaced["content"]["number"], 2);
    let versions = admin.get(&format!("{address}/versions")).await.expect(200).json();
    assert_eq!(versions["total"], 2);
    let content = |query: &str| format!("{address}/content{query}");
    assert_eq!(admin.get(&content("")).await.expect(200).body.as_ref(), newer);
    assert_eq!(
        admin.get(&content("?number=1")).await.expect(200).body.as_ref(),
        PDF
    );
    let _problem = admin.get(&content("?number=3")).await.problem(404);
    let list = admin
        .get(&format!(
            "{}?personnel_id={agent}&expires_until=2031-05-01",
            documents()
        ))
        .await
        .expect(200)
        .json();
    assert_eq!(list["total"], 1);
    let none = admin
        .get(&format!(
            "{}?personnel_id={agent}&expires_until=2031-04-30",
            documents()
        ))
        .await
        .expect(200)
        .json();
    assert_eq!(none["total"], 0);
    assert_eq!(admin.request("DELETE", &address).send().await.status, 204);
    let _problem = admin.get(&address).await.problem(404);
    let _problem = admin.get(&content("")).await.problem(404);
    let journal = admin
        .get(&format!("{API}/activities?limit=200"))
        .await
        .expect(200)
        .json();
    let told: Vec<&str> = journal["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter(|line| line["entity"] == "document")
        .filter_map(|line| line["action"].as_str())
        .collect();
    for action in ["created", "updated", "replaced", "downloaded", "cancelled"] {
        assert!(told.contains(&action), "{action} is not in {told:?}");
    }
}

/// Lines of the journal that tell of a download.
async fn downloads(admin: &Client) -> usize {
    let lines = admin
        .get(&format!("{API}/activities?limit=200"))
        .await
        .expect(200);
    let lines = lines.json();
    let told = lines["items"].as_array().expect("items").iter();
    told.filter(|line| line["action"] == "downloaded").count()
}

/// The journal has one line for each time that somebody begins to read a content: none for who only asks about it or has
/// it already, and none for the further parts of what he is reading.
#[tokio::test]
async fn a_reading_is_noted_once() {
    let server = Server::start();
    let admin = server.admin().await;
    let mine = id_of(&create_agent(&admin, 1).await);
    let made = deposit(&admin, &mine, &[]).await.expect(201).json();
    let me = account(&server, &admin, "moi@exemple.ci", "agent", &mine).await;
    let content = format!("{}/{}/content", documents(), id_of(&made));
    let page = format!("/mppeep/documents/{}/apercu", id_of(&made));
    let file = Bytes::from_static(PDF);
    let files = format!("{API}/files");
    let shared = send(&admin, &files, &[("kind", "other")], "a.pdf", PDF).await;
    let shared = id_of(&shared.expect(201).json());
    let shared = format!("{files}/{shared}/content");
    let mut lines = 0;
    for address in [&content, &page, &shared] {
        let tag = admin.get(address).await.expect(200);
        let tag = tag.header("etag").expect("a tag").to_owned();
        lines += 1;
        assert_eq!(downloads(&admin).await, lines, "{address}");
        let head = admin.request("HEAD", address).send().await.expect(200);
        assert_eq!(
            head.header("content-length"),
            Some(PDF.len().to_string().as_str())
        );
        let head = admin.request("HEAD", address).header("range", "bytes=0-3");
        assert_eq!(head.send().await.status, 200, "only GET has parts");
        let known = admin.request("GET", address).header("if-none-match", &tag);
        assert_eq!(known.send().await.status, 304);
        let part = async |client: &Client, range: &str, status: u16| {
            let draft = client.request("GET", address).header("range", range);
            draft.send().await.expect(status).body
        };
        let _beyond = part(&admin, "bytes=9999-", 416).await;
        assert_eq!(part(&admin, "bytes=20-29", 206).await, file.slice(20..30));
        assert_eq!(part(&admin, "bytes=30-", 206).await, file.slice(30..));
        assert_eq!(downloads(&admin).await, lines, "{address}: nothing was begun");
        assert_eq!(part(&admin, "bytes=0-9", 206).await, file.slice(..10));
        lines += 1;
        assert_eq!(downloads(&admin).await, lines, "{address}: begun once more");
    }
    // Who skips the first byte leaves his line as well, and one only.
    for range in ["bytes=1-9", "bytes=10-19", "bytes=1-9"] {
        let _part = me
            .request("GET", &content)
            .header("range", range)
            .send()
            .await
            .expect(206);
    }
    assert_eq!(downloads(&admin).await, lines + 1);
    // What reads nothing is allowed no more than what reads.
    let secret = deposit(&admin, &mine, &[("confidential", "true")])
        .await
        .expect(201);
    let secret = format!("{}/{}/content", documents(), id_of(&secret.json()));
    let mut refused = vec![me.request("HEAD", &secret).send().await.status];
    for (name, value) in [
        ("if-none-match", "*"),
        ("range", "bytes=9999-"),
        ("range", "bytes=5-"),
    ] {
        refused.push(me.request("GET", &secret).header(name, value).send().await.status);
    }
    assert_eq!(refused, [404; 4]);
}

/// An agent sees his own documents that are not confidential, deposits his own, and knows nothing of another's.
#[tokio::test]
async fn an_agent_reaches_his_own_file_only() {
    let server = Server::start();
    let admin = server.admin().await;
    let mine = id_of(&create_agent(&admin, 1).await);
    let other = id_of(&create_agent(&admin, 2).await);
    let me = account(&server, &admin, "moi@exemple.ci", "agent", &mine).await;
    let him = account(&server, &admin, "lui@exemple.ci", "agent", &other).await;
    let own = deposit(&me, &mine, &[]).await.expect(201).json();
    assert_eq!(own["state"], "to_check", "another one looks at it");
    let foreign = id_of(&deposit(&him, &other, &[]).await.expect(201).json());
    let secret = deposit(&admin, &mine, &[("confidential", "true")])
        .await
        .expect(201)
        .json();
    let secret = id_of(&secret);
    // In another's file nothing is deposited, by any way.
    let refused = deposit(&me, &other, &[]).await;
    assert!(matches!(refused.status, 403 | 404 | 422), "{}", refused.text());
    let page = format!("/mppeep/personnel/{other}/documents/deposer");
    let refused = send(&me, &page, &[], "a.pdf", PDF).await;
    assert!(matches!(refused.status, 403 | 404), "{}", refused.text());
    let hidden = deposit(&me, &mine, &[("confidential", "true")])
        .await
        .problem(422);
    assert_eq!(hidden["errors"][0]["field"], "confidential");
    for id in [foreign.as_str(), secret.as_str()] {
        for path in [
            format!("{}/{id}", documents()),
            format!("{}/{id}/versions", documents()),
            format!("{}/{id}/content", documents()),
            format!("/mppeep/documents/{id}"),
            format!("/mppeep/documents/{id}/contenu"),
            format!("/mppeep/documents/{id}/apercu"),
        ] {
            assert_eq!(me.get(&path).await.status, 404, "{path}");
        }
        let answer = me
            .request("DELETE", &format!("{}/{id}", documents()))
            .send()
            .await;
        assert_eq!(answer.status, 404);
        let path = format!("{}/{id}/versions", documents());
        assert_eq!(send(&me, &path, &[], "a.pdf", PDF).await.status, 404);
    }
    let seen = me.get(&documents()).await.expect(200).json();
    assert_eq!(seen["total"], 1);
    assert_eq!(seen["items"][0]["id"], own["id"]);
    // He judges nothing, and takes back what was not validated.
    let address = format!("{}/{}", documents(), id_of(&own));
    let _problem = me
        .post(&format!("{address}/validate"), &json!({}))
        .await
        .problem(403);
    assert_eq!(me.request("DELETE", &address).send().await.status, 204);
    // What is validated stays.
    let again = deposit(&me, &mine, &[]).await.expect(201).json();
    let address = format!("{}/{}", documents(), id_of(&again));
    let judged = admin
        .post(&format!("{address}/validate"), &json!({ "version": 1 }))
        .await;
    assert_eq!(judged.expect(200).json()["state"], "validated");
    let problem = me.request("DELETE", &address).send().await.problem(409);
    assert_eq!(problem["type"], "/problems/document-validated");
    let notices = me.get(&format!("{API}/notices")).await.expect(200).json();
    assert!(
        notices["items"]
            .as_array()
            .expect("items")
            .iter()
            .any(|notice| notice["kind"] == "document_validated"),
        "{notices}"
    );
}

/// Who runs the site, pays or leads a service reads no document of an agent.
#[tokio::test]
async fn other_roles_read_no_documents_of_others() {
    let server = Server::demo();
    let sdrh = server.demo_user("sdrh").await;
    let page = sdrh
        .get(&format!("{API}/personnel?limit=1"))
        .await
        .expect(200)
        .json();
    let agent = id_of(&page["items"][0]);
    let made = id_of(
        &deposit(&sdrh, &agent, &[("title", "Le seul")])
            .await
            .expect(201)
            .json(),
    );
    for role in ["admin", "daf", "sdb", "sdc", "cs", "agent", "invite"] {
        let client = server.demo_user(role).await;
        for path in [
            format!("{}/{made}", documents()),
            format!("{}/{made}/content", documents()),
            format!("/mppeep/documents/{made}/contenu"),
        ] {
            let answer = client.get(&path).await;
            assert!(
                matches!(answer.status, 403 | 404),
                "{role} {path}: {}",
                answer.status
            );
        }
        let refused = deposit(&client, &agent, &[]).await;
        assert!(
            matches!(refused.status, 403 | 404 | 422),
            "{role}: {}",
            refused.text()
        );
    }
}

/// The pages work without JavaScript: deposit with an error that keeps what was typed, then look, reject, remove.
#[tokio::test]
async fn pages_say_what_is_wrong_and_keep_what_was_typed() {
    let server = Server::start();
    let admin = server.admin().await;
    let agent = id_of(&create_agent(&admin, 1).await);
    let action = format!("/mppeep/personnel/{agent}/documents/deposer");
    let fields = [
        ("kind", "diploma"),
        ("title", "Diplôme de master"),
        ("issued_on", "2090-01-01"),
    ];
    let wrong = send(&admin, &action, &fields, "diplome.exe", b"MZ").await;
    assert_eq!(wrong.status, 422);
    let html = wrong.text();
    assert!(html.contains("Ce type de fichier n’est pas accepté"), "{html}");
    assert!(html.contains("value=\"Diplôme de master\""), "{html}");
    let none = admin
        .request("POST", &action)
        .multipart(&fields[..2], ("file", "", "application/octet-stream", b""))
        .send()
        .await;
    assert_eq!(none.status, 422, "{}", none.text());
    let done = send(&admin, &action, &fields[..2], "diplome.pdf", PDF)
        .await
        .expect(303);
    let tab = done.header("location").expect("the file").to_owned();
    let html = admin.get(&tab).await.expect(200).text();
    assert!(
        html.contains("Diplôme de master") && html.contains("Le document est déposé."),
        "{html}"
    );
    let list = admin
        .get(&format!("{}?personnel_id={agent}", documents()))
        .await
        .expect(200)
        .json();
    let id = id_of(&list["items"][0]);
    let page = format!("/mppeep/documents/{id}");
    for path in [
        page.clone(),
        format!("{page}/modifier"),
        format!("{page}/version"),
        format!("{page}/supprimer"),
        "/mppeep/documents".to_owned(),
        "/mppeep/documents?vue=a-verifier".to_owned(),
        "/mppeep/documents?vue=echeances".to_owned(),
        "/mppeep/documents?vue=manquants".to_owned(),
        format!("/mppeep/personnel/{agent}/documents/deposer"),
    ] {
        assert!(admin.get(&path).await.expect(200).is_html(), "{path}");
    }
    let own = admin
        .post_form(
            &format!("{page}/rejeter"),
            &[("version", "1"), ("reason", "Illisible")],
        )
        .await;
    assert_eq!(own.status, 409, "nobody judges his own deposit");
    let done = admin
        .post_form(&format!("{page}/supprimer"), &[("version", "1")])
        .await;
    assert_eq!(done.status, 303, "{}", done.text());
    assert_eq!(admin.get(&page).await.status, 404);
}
