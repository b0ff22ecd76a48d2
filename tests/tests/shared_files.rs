//! The files page and its API, from outside: handed in, read by a job, archived, removed, and by whom.

use std::time::Duration;

use mppeep_tests::api::{API, id_of};
use mppeep_tests::{Client, Response, Server};
use serde_json::{Value, json};

fn files() -> String {
    format!("{API}/files")
}

async fn hand_in(client: &Client, fields: &[(&str, &str)], name: &str, content: &[u8]) -> Response {
    client
        .request("POST", &files())
        .multipart(fields, ("file", name, "application/octet-stream", content))
        .send()
        .await
}

/// Waits until a file was read.
async fn read(client: &Client, id: &str) -> Value {
    let address = format!("{}/{id}", files());
    for _ in 0..1200 {
        let file = client.get(&address).await.expect(200).json();
        if file["status"] == "processed" || file["status"] == "failed" {
            return file;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the file is never read");
}

#[tokio::test]
async fn a_file_is_read_and_says_which_rows_are_wrong() {
    let server = Server::start();
    let admin = server.admin().await;
    let table = "Rubrique;Montant\nA;1\nB;2;3\nC;4\n";
    let fields = [
        ("kind", "budget_data"),
        ("period", "2026-T3"),
        ("note", "Provisoire"),
    ];
    let made = hand_in(&admin, &fields, "budget.csv", table.as_bytes())
        .await
        .expect(201)
        .json();
    let id = id_of(&made);
    let file = read(&admin, &id).await;
    assert_eq!(file["status"], "failed", "{file}");
    assert_eq!((&file["rows_ok"], &file["rows_wrong"]), (&json!(2), &json!(1)));
    assert_eq!(file["period"], "2026-T3");
    let faults = admin
        .get(&format!("{}/{id}/faults", files()))
        .await
        .expect(200)
        .json();
    assert_eq!(faults["items"][0]["row"], 3);
    let report = admin
        .get(&format!("/mppeep/fichiers/{id}/erreurs?format=csv"))
        .await
        .expect(200);
    assert!(
        report
            .header_or_empty("content-disposition")
            .starts_with("attachment")
    );
    assert!(report.text().contains("cellules"), "{}", report.text());
    for path in ["", "?apercu=1", "/erreurs", "/supprimer"] {
        let page = admin
            .get(&format!("/mppeep/fichiers/{id}{path}"))
            .await
            .expect(200)
            .text();
        assert!(page.contains("budget.csv"), "{path}: {page}");
        assert_eq!(page.contains("Rubrique"), path == "?apercu=1", "{path}");
    }
    let content = admin.get(&format!("{}/{id}/content", files())).await.expect(200);
    assert_eq!(content.body.as_ref(), table.as_bytes());
    // Read once more, archived, removed.
    let version = file["version"].as_i64().expect("a version");
    let again = admin
        .post(
            &format!("{}/{id}/read-again", files()),
            &json!({ "version": version }),
        )
        .await
        .expect(200)
        .json();
    assert_eq!(again["status"], "uploaded");
    let _read = read(&admin, &id).await;
    let archived = admin
        .post(&format!("{}/{id}/archive", files()), &json!({}))
        .await
        .expect(200);
    assert_eq!(archived.json()["status"], "archived");
    let twice = admin
        .post(&format!("{}/{id}/archive", files()), &json!({}))
        .await
        .problem(409);
    assert_eq!(twice["type"], "/problems/archived");
    assert_eq!(admin.get(&files()).await.expect(200).json()["total"], 0);
    let all = admin
        .get(&format!("{}?status=archived", files()))
        .await
        .expect(200)
        .json();
    assert_eq!(all["total"], 1);
    assert_eq!(
        admin
            .request("DELETE", &format!("{}/{id}", files()))
            .send()
            .await
            .status,
        204
    );
    let _problem = admin.get(&format!("{}/{id}", files())).await.problem(404);
}

#[tokio::test]
async fn wrong_values_are_named_and_nothing_is_kept() {
    let server = Server::start();
    let admin = server.admin().await;
    for (fields, name, content, field) in [
        (vec![("kind", "")], "a.csv", &b"a;b\n1;2\n"[..], "kind"),
        (vec![("kind", "x")], "a.csv", b"a;b\n1;2\n", "kind"),
        (
            vec![("kind", "other"), ("period", "2026-T5")],
            "a.csv",
            b"a;b\n1;2\n",
            "period",
        ),
        (vec![("kind", "other")], "a.xlsm", b"PK", "file"),
        (vec![("kind", "other")], "a.csv", b"\0\x01\x02\x03", "file"),
    ] {
        let problem = hand_in(&admin, &fields, name, content).await.problem(422);
        assert_eq!(problem["errors"][0]["field"], field, "{fields:?}: {problem}");
    }
    assert_eq!(admin.get(&files()).await.expect(200).json()["total"], 0);
    let page = admin
        .request("POST", "/mppeep/fichiers")
        .multipart(
            &[("kind", "indicators"), ("period", "hier"), ("note", "À relire")],
            ("file", "a.csv", "text/csv", b"a;b\n1;2\n"),
        )
        .send()
        .await;
    assert_eq!(page.status, 422);
    let html = page.text();
    assert!(
        html.contains("value=\"hier\"") && html.contains("value=\"À relire\""),
        "{html}"
    );
    assert!(html.contains("La forme attendue est"), "{html}");
}

/// The budget offices see what they handed in themselves; finance sees all and writes nothing; agents see nothing.
#[tokio::test]
async fn each_role_sees_the_files_it_may() {
    let server = Server::demo();
    let fields = [("kind", "other")];
    let table = b"a;b\n1;2\n";
    let (sdb, sdc) = (server.demo_user("sdb").await, server.demo_user("sdc").await);
    let total = async |client: &Client| {
        client.get(&files()).await.expect(200).json()["total"]
            .as_u64()
            .expect("a total")
    };
    let daf = server.demo_user("daf").await;
    let counts = async || [total(&sdb).await, total(&sdc).await, total(&daf).await];
    let [of_demo_sdb, of_demo_sdc, all_of_demo] = counts().await;
    let of_sdb = id_of(&hand_in(&sdb, &fields, "sdb.csv", table).await.expect(201).json());
    let of_sdc = id_of(&hand_in(&sdc, &fields, "sdc.csv", table).await.expect(201).json());
    assert_eq!(
        counts().await,
        [of_demo_sdb + 1, of_demo_sdc + 1, all_of_demo + 2]
    );
    assert!(all_of_demo >= of_demo_sdb + of_demo_sdc);
    for path in [
        format!("{}/{of_sdc}", files()),
        format!("/mppeep/fichiers/{of_sdc}/contenu"),
    ] {
        assert_eq!(sdb.get(&path).await.status, 404, "{path}");
    }
    assert_eq!(
        daf.get(&format!("{}/{of_sdb}/content", files())).await.status,
        200
    );
    assert_eq!(hand_in(&daf, &fields, "daf.csv", table).await.status, 403);
    assert_eq!(
        daf.request("DELETE", &format!("{}/{of_sdb}", files()))
            .send()
            .await
            .status,
        403
    );
    for role in ["agent", "cs", "invite"] {
        let client = server.demo_user(role).await;
        assert_eq!(client.get(&files()).await.status, 403, "{role}");
        assert_eq!(client.get("/mppeep/fichiers").await.status, 403, "{role}");
        assert_eq!(
            hand_in(&client, &fields, "x.csv", table).await.status,
            403,
            "{role}"
        );
    }
}
