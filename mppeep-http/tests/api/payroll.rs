//! Salaries through the API and through their pages.

use std::sync::Arc;
use std::time::Duration;

use mppeep_core::domain::user::Role;
use mppeep_core::layered::worker::{Worker, WorkerSettings};
use mppeep_core::ports::clock::SystemEntropy;
use mppeep_core::ports::locks::{Locks as _, OwnerId};
use mppeep_core::services::payroll::PayrollJobs;
use serde_json::{Value, json};

use crate::app::{API, Client, TestApp};

/// An agent of that index.
async fn agent(admin: &Client<'_>, matricule: &str, index: u16) -> String {
    admin.agent(matricule, &json!({ "salary_index": index })).await
}

fn asked(agent: &str, month: &str) -> Value {
    json!({ "personnel_id": agent, "month": month })
}

/// Works until the queue is empty.
async fn work(app: &TestApp, reader: &Client<'_>) {
    let handler = PayrollJobs::new(Arc::clone(&app.services.payroll));
    let settings = WorkerSettings {
        poll: Duration::from_millis(20),
        ..WorkerSettings::default()
    };
    let entropy = Arc::new(SystemEntropy);
    let worker = Arc::new(Worker::new(
        app.store.clone(),
        vec![Arc::new(handler)],
        entropy,
        settings,
    ));
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let working = tokio::spawn(worker.run(stopped));
    loop {
        let month = reader.get("/payroll/months/2026-11").await.expect(200).value();
        if month["waiting"] == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.send_replace(true);
    working.await.unwrap();
}

#[tokio::test]
async fn a_slip_is_computed_again_and_validated_by_another() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let sdrh = app.somebody(&[Role::Sdrh], None, None).await;
    let daf = app.somebody(&[Role::Daf], None, None).await;
    let agent = agent(&admin, "P-1", 1_000).await;

    let made = sdrh
        .post("/payroll/slips", &asked(&agent, "2026-11"))
        .await
        .expect(201);
    let path = format!("/payroll/slips/{}", made.id());
    assert_eq!(made.header("location"), Some(format!("{API}{path}").as_str()));
    assert_eq!(made.header("etag"), Some("\"1\""));
    let slip = made.value();
    assert_eq!(
        (
            &slip["base"],
            &slip["allowance"],
            &slip["deduction"],
            &slip["net"]
        ),
        (&json!(233_457), &json!(30_000), &json!(19_447), &json!(244_010))
    );
    assert_eq!(
        (&slip["status"], &slip["matricule"]),
        (&json!("draft"), &json!("P-1"))
    );

    // Settings changed: the draft follows when it is computed again, and stays the same slip.
    let mut settings = admin.get("/settings/payroll").await.expect(200).value();
    settings["allowance_francs"] = json!(50_000);
    admin
        .json("PUT", "/settings/payroll", &settings)
        .await
        .expect(200);
    assert_eq!(daf.get(&path).await.expect(200).value()["allowance"], 30_000);
    let again = sdrh
        .post("/payroll/slips", &asked(&agent, "2026-11"))
        .await
        .expect(200);
    assert_eq!(again.id(), made.id());
    assert_eq!(again.header("etag"), Some("\"2\""));
    assert_eq!(again.value()["net"], 264_010);

    // Who saw the first version does not validate the second.
    let validate = format!("{path}/validate");
    assert_eq!(
        daf.post(&validate, &json!({ "version": 1 }))
            .await
            .expect(412)
            .kind(),
        "stale-version"
    );
    let url = format!("{API}{validate}");
    let stale = [("if-match", "\"1\"")];
    daf.send("POST", &url, &stale, "").await.expect(412);
    sdrh.send("POST", &url, &[], "").await.expect(403);
    let current = [("if-match", "\"2\"")];
    let validated = daf.send("POST", &url, &current, "").await.expect(200);
    assert_eq!(validated.header("etag"), Some("\"3\""));
    assert_eq!(validated.value()["status"], "validated");
    let twice = daf.send("POST", &url, &[], "").await.expect(409);
    assert_eq!(twice.kind(), "slip-validated");

    // A validated slip stays as it is.
    let mut settings = admin.get("/settings/payroll").await.expect(200).value();
    settings["allowance_francs"] = json!(0);
    admin
        .json("PUT", "/settings/payroll", &settings)
        .await
        .expect(200);
    let kept = sdrh
        .post("/payroll/slips", &asked(&agent, "2026-11"))
        .await
        .expect(200);
    assert_eq!(
        (&kept.value()["net"], kept.header("etag")),
        (&json!(264_010), Some("\"3\""))
    );
    let journal = admin.get("/activities?entity=slip").await.expect(200).value();
    let mut actions: Vec<&str> = journal["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|line| line["action"].as_str())
        .collect();
    // The clock stands still: lines of one instant have no order.
    actions.sort_unstable();
    assert_eq!(actions, ["computed", "computed", "validated"], "{journal}");
}

#[tokio::test]
async fn refusals_have_kinds_of_their_own() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let paid = agent(&admin, "P-1", 700).await;
    let unpaid = admin.agent("P-2", &json!({})).await;
    let gone = agent(&admin, "P-3", 700).await;
    let body = json!({ "departure_date": "2026-06-30", "departure_reason": "retirement" });
    admin
        .post(&format!("/personnel/{gone}/archive"), &body)
        .await
        .expect(200);

    // Somebody else holds the salary.
    let name = format!("salary_processing:{paid}");
    let owner = OwnerId(uuid::Uuid::from_u128(7));
    let lease = app
        .store
        .acquire(&name, owner, Duration::from_secs(60))
        .await
        .unwrap()
        .expect("free");
    let busy = admin
        .post("/payroll/slips", &asked(&paid, "2026-11"))
        .await
        .expect(409);
    assert_eq!(busy.kind(), "salary-busy");
    assert_eq!(
        busy.problem()["detail"],
        "Un autre processus traite déjà ce salaire."
    );
    app.store.release(&lease).await.unwrap();
    let slip = admin
        .post("/payroll/slips", &asked(&paid, "2026-11"))
        .await
        .expect(201)
        .id();

    let same = admin
        .post(&format!("/payroll/slips/{slip}/validate"), &json!({}))
        .await
        .expect(409);
    assert_eq!(same.kind(), "same-person");
    for (agent, month, status, kind) in [
        (unpaid.as_str(), "2026-11", 409, "no-salary-index"),
        (&gone, "2026-07", 409, "archived"),
        (&gone, "2026-06", 201, ""),
        (&paid, "2026-13", 422, "invalid"),
        (&paid, "novembre", 422, "invalid"),
        ("0197a3c0-5e1c-7cc1-8a52-3f1d6c2b9e10", "2026-11", 422, "invalid"),
    ] {
        let answer = admin.post("/payroll/slips", &asked(agent, month)).await;
        assert_eq!(answer.status, status, "{agent} {month}");
        if status != 201 {
            assert_eq!(answer.kind(), kind, "{agent} {month}");
        }
    }
    for path in [
        "/payroll/slips/0197a3c0-5e1c-7cc1-8a52-3f1d6c2b9e10",
        "/payroll/slips/1",
        "/payroll/months/2026",
    ] {
        admin.get(path).await.expect(404);
    }
    admin.get("/payroll/slips?month=2026").await.expect(422);
}

#[tokio::test]
async fn an_agent_sees_his_own_slips_only() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let (own, other) = (agent(&admin, "P-1", 500).await, agent(&admin, "P-2", 900).await);
    let mine = admin.slip(&own, "2026-11").await;
    let theirs = admin.slip(&other, "2026-11").await;
    let reader = app.somebody(&[Role::Agent], Some(&own), None).await;
    let list = reader.get("/payroll/slips").await.expect(200).value();
    assert_eq!(
        (&list["total"], &list["items"][0]["id"]),
        (&json!(1), &json!(mine))
    );
    let asked = format!("/payroll/slips?personnel_id={other}");
    assert_eq!(reader.get(&asked).await.expect(200).value()["total"], 0);
    reader.get(&format!("/payroll/slips/{mine}")).await.expect(200);
    reader.get(&format!("/payroll/slips/{theirs}")).await.expect(404);
    reader.get("/payroll/months/2026-11").await.expect(403);

    let page = reader.page("/paie").await.expect(200).html();
    assert!(page.contains("<h1>Mes bulletins de solde</h1>"), "{page}");
    assert!(page.contains(&mine) && !page.contains(&theirs));
    assert_eq!(
        reader.page("/paie/2026-11").await.expect(303).header("location"),
        Some("/mppeep/paie")
    );
    reader.page("/paie/2026-11/fichier").await.expect(403);
    let page = reader
        .page(&format!("/paie/bulletins/{mine}"))
        .await
        .expect(200)
        .html();
    assert!(!page.contains("/valider") && !page.contains("/recalculer"));
    reader
        .page(&format!("/paie/bulletins/{theirs}"))
        .await
        .expect(404);
    let sheet = reader.page(&format!("/personnel/{own}?onglet=bulletins")).await;
    assert!(sheet.html().contains(&mine));
    let sheet = reader.page(&format!("/personnel/{other}")).await.expect(200);
    assert!(!sheet.html().contains("onglet=bulletins"));
    // Without a file there is nothing to read.
    let guest = app.somebody(&[Role::Invite], None, None).await;
    guest.page("/paie").await.expect(403);
}

#[tokio::test]
async fn a_month_is_computed_by_the_worker_and_its_sums_agree() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let indexes: [u16; 7] = [301, 777, 1_000, 1_234, 2_001, 999, 450];
    for (number, index) in indexes.iter().enumerate() {
        let _id = agent(&admin, &format!("P-{number}"), *index).await;
    }
    let _unpaid = admin.agent("P-X", &json!({})).await;

    let started = admin.form("/paie", "month=2026-11").await.expect(303);
    assert_eq!(
        started.header("location"),
        Some("/mppeep/paie/2026-11?note=salary-started")
    );
    let page = admin.page("/paie/2026-11").await.expect(200).html();
    assert!(page.contains("0 / 7 bulletins"), "{page}");
    assert!(page.contains("http-equiv=\"refresh\""));
    let again = admin
        .send("POST", &format!("{API}/payroll/months/2026-11"), &[], "")
        .await
        .expect(202);
    assert_eq!(
        again.value(),
        json!({ "month": "2026-11", "enqueued": 0, "waiting": 7 })
    );
    assert_eq!(
        again.header("location"),
        Some("/mppeep/api/v1/payroll/months/2026-11")
    );

    work(&app, &admin).await;
    let month = admin.get("/payroll/months/2026-11").await.expect(200).value();
    assert_eq!((&month["payable"], &month["slips"]), (&json!(7), &json!(7)));
    assert_eq!(month["failures"], json!([]));
    let list = admin
        .get("/payroll/slips?month=2026-11&limit=200")
        .await
        .expect(200)
        .value();
    for name in ["base", "allowance", "deduction", "net"] {
        let sum: i64 = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|slip| slip[name].as_i64().unwrap())
            .sum();
        assert_eq!(month[name], json!(sum), "{name}");
    }
    // By hand: 6 762 points at 233,457 francs, each line rounded, and 7 times 30 000.
    assert_eq!(month["allowance"], 210_000);
    let base: i64 = indexes
        .iter()
        .map(|index| (i64::from(*index) * 233_457 + 500) / 1_000)
        .sum();
    assert_eq!(month["base"], json!(base));

    let page = admin.page("/paie/2026-11").await.expect(200).html();
    assert!(!page.contains("http-equiv=\"refresh\""));
    assert!(page.contains("Total : 7 bulletins"), "{page}");
    let net = month["net"].as_i64().unwrap().to_string();
    let net = format!("{} {} {}", &net[..1], &net[1..4], &net[4..]);
    assert!(page.contains(&net), "{net}");
    let found = admin.page("/paie/2026-11?q=p-3").await.expect(200).html();
    assert!(
        found.contains("Total : 1 bulletin<") && found.contains("P-3"),
        "{found}"
    );
    let none = admin
        .page("/paie/2026-11?status=validated")
        .await
        .expect(200)
        .html();
    assert!(none.contains("Aucun bulletin ne répond à ces critères."));
    let overview = admin.page("/paie").await.expect(200).html();
    assert!(overview.contains("Novembre 2026") && overview.contains(&format!("{net} F CFA")));

    let file = admin.page("/paie/2026-11/fichier?format=csv").await.expect(200);
    assert_eq!(
        file.header("content-disposition"),
        Some("attachment; filename=\"paie-2026-11.csv\"")
    );
    let text = String::from_utf8(file.body).unwrap();
    let last = text.lines().last().unwrap();
    assert!(last.starts_with("\"Total\";\"7 bulletins\""), "{last}");
    assert!(last.contains(&month["net"].to_string()), "{last}");
    let journal = admin.get("/activities?entity=slip&action=exported").await;
    assert_eq!(journal.expect(200).value()["total"], 1);
}

#[tokio::test]
async fn the_page_of_a_slip_explains_it_and_validates_it() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let agent = agent(&admin, "P-1", 1_000).await;
    let sdrh = app.somebody(&[Role::Sdrh], None, None).await;
    let daf = app.somebody(&[Role::Daf], None, None).await;
    let made = sdrh
        .form(&format!("/paie/agents/{agent}"), "month=2026-11")
        .await
        .expect(303);
    let location = made.header("location").unwrap().to_owned();
    let path = location
        .trim_start_matches("/mppeep")
        .split('?')
        .next()
        .unwrap()
        .to_owned();
    let page = sdrh.page(&path).await.expect(200).html();
    for text in [
        "indice 1 000 × 233,457 F = 233 457 F",
        "8,33 % de 233 457 F = 19 447 F, arrondi au franc",
        "244 010 F CFA",
        "263 457 F − 19 447 F = 244 010 F",
        "La solde de l’État est traitée par la Direction de la Solde.",
        "le 22/11/2026 à 09:00 par Essai",
        "/recalculer",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(!page.contains("/valider"));

    let seen = daf.page(&path).await.expect(200).html();
    assert!(seen.contains("/valider") && !seen.contains("/recalculer"));
    sdrh.form(&format!("{path}/recalculer"), "").await.expect(303);
    let stale = daf
        .form(&format!("{path}/valider"), "version=1")
        .await
        .expect(412)
        .html();
    assert!(stale.contains("recalculé entre-temps"), "{stale}");
    daf.form(&format!("{path}/valider"), "version=2")
        .await
        .expect(303);
    let twice = daf
        .form(&format!("{path}/valider"), "version=3")
        .await
        .expect(409)
        .html();
    assert!(twice.contains("Ce bulletin est déjà validé."));
    let kept = sdrh
        .form(&format!("{path}/recalculer"), "")
        .await
        .expect(409)
        .html();
    assert!(kept.contains("Ce bulletin est déjà validé.") && !kept.contains("/recalculer\""));

    // Who does both does not validate his own work.
    let made = admin
        .form(&format!("/paie/agents/{agent}"), "month=2026-10")
        .await
        .expect(303);
    let location = made.header("location").unwrap().to_owned();
    let path = location
        .trim_start_matches("/mppeep")
        .split('?')
        .next()
        .unwrap()
        .to_owned();
    let page = admin.page(&path).await.expect(200).html();
    assert!(page.contains("une autre personne doit le valider") && !page.contains("/valider"));
    let refused = admin
        .form(&format!("{path}/valider"), "version=1")
        .await
        .expect(409)
        .html();
    assert!(refused.contains("ne peut pas être validé par la personne qui l’a calculé"));

    let unpaid = admin.agent("P-2", &json!({})).await;
    let sheet = admin
        .page(&format!("/personnel/{unpaid}?onglet=bulletins"))
        .await
        .expect(200)
        .html();
    assert!(sheet.contains("L’indice de cet agent n’est pas renseigné"));
    let refused = admin
        .form(&format!("/paie/agents/{unpaid}"), "month=2026-11")
        .await
        .expect(409)
        .html();
    assert!(refused.contains("L’indice de cet agent n’est pas renseigné."));
    admin.form("/paie", "month=x").await.expect(422);
}
