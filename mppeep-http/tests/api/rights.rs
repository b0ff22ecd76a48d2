//! Who may do what through the API.

use mppeep_core::domain::user::Role;
use serde_json::{Value, json};

use crate::app::{API, TestApp};
use crate::examples::World;

#[tokio::test]
async fn nobody_gets_nothing() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let world = World::make(&admin).await;
    for operation in app.description.operations() {
        if operation.path.ends_with("/health") {
            continue;
        }
        let path = if operation.path.contains('{') {
            world.path(&operation.path)
        } else {
            operation.path.clone()
        };
        for body in ["", "{", "[]"] {
            let kind = [("content-type", "text/plain")];
            let answer = app
                .visitor()
                .send(&operation.method, &format!("{API}{path}"), &kind, body)
                .await;
            assert_eq!(answer.status, 401, "{} {path}", operation.method);
            assert_eq!(answer.kind(), "unauthenticated");
        }
    }
}

#[tokio::test]
async fn a_missing_right_is_told_before_a_wrong_body() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let world = World::make(&admin).await;
    let agent = app.somebody(&[Role::Agent], Some(&world.agent), None).await;
    let guest = app.somebody(&[Role::Invite], None, None).await;
    for operation in app
        .description
        .operations()
        .into_iter()
        // One's own notices are everybody's to read.
        .filter(|operation| operation.body.is_some() && operation.path != "/notices/read")
    {
        let path = if operation.path.contains('{') {
            world.path(&operation.path)
        } else {
            operation.path.clone()
        };
        for body in ["", "{", "{}"] {
            for (who, client) in [("agent", &agent), ("guest", &guest)] {
                if who == "agent" && path.starts_with("/documents") {
                    // An agent deposits and corrects documents of his own.
                    continue;
                }
                let kind = [("content-type", "text/plain")];
                let answer = client
                    .send(&operation.method, &format!("{API}{path}"), &kind, body)
                    .await;
                assert_eq!(answer.status, 403, "{who} {} {path}", operation.method);
            }
        }
    }
}

#[tokio::test]
async fn an_agent_sees_the_directory_and_his_own_file() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let private = json!({ "address": "Cocody", "grade": "A4", "job_title": "Juriste" });
    let own = admin.agent("P-1", &private).await;
    let other = admin.agent("P-2", &private).await;
    for id in [&own, &other] {
        let body = json!({ "personnel_id": id, "kind": "mission", "start_date": "2026-03-02" });
        admin.post("/absences", &body).await.expect(201);
    }
    let agent = app.somebody(&[Role::Agent], Some(&own), None).await;
    let page = agent.get("/personnel").await.expect(200).value();
    assert_eq!(page["total"], 2);
    for item in page["items"].as_array().unwrap() {
        let is_own = item["id"] == json!(own);
        for (name, shown) in [
            ("job_title", true),
            ("grade", is_own),
            ("birth_date", is_own),
            ("absence_count", is_own),
            ("address", false),
        ] {
            assert_eq!(item.get(name).is_some(), shown, "{name} of {item}");
        }
    }
    let read = |id: &str| format!("/personnel/{id}?private=true");
    assert_eq!(
        agent.get(&read(&own)).await.expect(200).value()["address"],
        "Cocody"
    );
    let hidden = agent.get(&read(&other)).await.expect(200).value();
    assert!(
        hidden.get("address").is_none() && hidden.get("grade").is_none(),
        "{hidden}"
    );
    agent.get(&format!("/personnel/{own}/absences")).await.expect(200);
    agent
        .get(&format!("/personnel/{other}/absences"))
        .await
        .expect(403);
    let absences = agent.get("/absences").await.expect(200).value();
    assert_eq!(absences["total"], 1);
    let others = admin
        .get(&format!("/absences?personnel_id={other}"))
        .await
        .value()["items"][0]["id"]
        .clone();
    agent
        .get(&format!("/absences/{}", others.as_str().unwrap()))
        .await
        .expect(404);
    agent.get("/users").await.expect(403);
    agent.get("/activities").await.expect(403);
    // Conditions on careers are applied to the careers he may see.
    assert_eq!(agent.get("/personnel?grade=A4").await.value()["total"], 1);
}

#[tokio::test]
async fn heads_of_two_departments_do_not_see_each_others_agents() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let mut of = Vec::new();
    for code in ["AA", "BB"] {
        let [_, _, department] = admin.units(code).await;
        let agent = admin.agent(code, &json!({ "department_id": department })).await;
        let body = json!({ "personnel_id": agent, "year": 2025, "marks": { "initiative": 12 } });
        let evaluation = admin.post("/evaluations", &body).await.expect(201).id();
        let head = app
            .somebody(&[Role::Cs], None, Some(&format!("department:{department}")))
            .await;
        of.push((head, agent, evaluation));
    }
    for (mine, theirs) in [(0, 1), (1, 0)] {
        let head = &of[mine].0;
        let page = head.get("/evaluations").await.expect(200).value();
        assert_eq!(page["total"], 1);
        assert_eq!(page["items"][0]["id"], json!(of[mine].2));
        head.get(&format!("/evaluations/{}", of[mine].2))
            .await
            .expect(200);
        head.get(&format!("/evaluations/{}", of[theirs].2))
            .await
            .expect(404);
        head.patch(
            &format!("/evaluations/{}", of[theirs].2),
            &json!({ "observations": "x" }),
        )
        .await
        .expect(404);
        head.patch(
            &format!("/evaluations/{}", of[mine].2),
            &json!({ "observations": "x" }),
        )
        .await
        .expect(200);
        let body = json!({ "personnel_id": of[theirs].1, "year": 2024, "marks": { "initiative": 12 } });
        head.post("/evaluations", &body).await.expect(403);
        head.get(&format!("/personnel/{}/evaluations", of[theirs].1))
            .await
            .expect(403);
    }
}

#[tokio::test]
async fn small_counts_are_hidden_from_who_may_not_see_careers() {
    let app = TestApp::start().await;
    app.services.settings.mark_demonstration().await.unwrap();
    let admin = app.admin().await;
    let guest = app.somebody(&[Role::Invite], None, None).await;
    for number in 0..6 {
        let sex = if number == 0 { "male" } else { "female" };
        let _id = admin.agent(&format!("D-{number}"), &json!({ "sex": sex })).await;
    }
    let count = |stats: &Value, sex: &str| {
        let sexes = stats["by_sex"].as_array().unwrap();
        sexes
            .iter()
            .find(|entry| entry["of"] == sex)
            .map(|entry| entry["count"].clone())
            .unwrap()
    };
    let all = admin.get("/dashboard/stats").await.expect(200).value();
    assert_eq!((count(&all, "male"), count(&all, "female")), (json!(1), json!(5)));
    let hidden = guest.get("/dashboard/stats").await.expect(200).value();
    assert_eq!(
        (count(&hidden, "male"), count(&hidden, "female")),
        (Value::Null, json!(5))
    );
    assert_eq!(hidden["total"], 6);
}

#[tokio::test]
async fn one_knows_who_one_is_and_leaves() {
    let app = TestApp::start().await;
    let daf = app.somebody(&[Role::Daf], None, None).await;
    let session = daf.get("/session").await.expect(200).value();
    assert_eq!(session["roles"], json!(["daf"]));
    assert_eq!(session["rights"]["career"], json!({ "read": "all" }));
    assert!(session["rights"].get("private").is_none());
    let left = daf
        .send("DELETE", &format!("{API}/session"), &[], "")
        .await
        .expect(204);
    assert!(
        left.header("set-cookie")
            .is_some_and(|cookie| cookie.starts_with("session_id=;"))
    );
    daf.get("/session").await.expect(401);
}
