//! What programs do through the API, from beginning to end.

use serde_json::{Value, json};

use crate::app::{API, TestApp};

#[tokio::test]
async fn a_file_lives() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let body = json!({
        "matricule": "ab-4711", "family_name": "Koné", "given_names": "Awa", "birth_date": "1985-03-14", "notes": "=1+1",
        "service_start_date": "2010-10-04", "step": 3, "grade": "A4",
    });
    let made = admin.post("/personnel", &body).await.expect(201);
    let view = made.value();
    let path = format!("/personnel/{}", made.id());
    assert_eq!(made.header("location"), Some(format!("{API}{path}").as_str()));
    assert_eq!(made.header("etag"), Some("\"1\""));
    assert_eq!(
        (&view["matricule"], &view["family_name"], &view["step"]),
        (&json!("AB-4711"), &json!("KONÉ"), &json!(3))
    );
    assert_eq!(view["notes"], "=1+1");
    assert_eq!(view["retirement_date"], "2050-12-31");
    assert_eq!(view["seniority"], json!({ "years": 16, "months": 1, "days": 18 }));

    let hidden = admin.get(&path).await.expect(200).value();
    assert!(hidden.get("notes").is_none(), "{hidden}");
    let shown = admin
        .get(&format!("{path}?private=true"))
        .await
        .expect(200)
        .value();
    assert_eq!(shown["notes"], "=1+1");
    let journal = admin
        .get("/activities?action=private_read")
        .await
        .expect(200)
        .value();
    assert_eq!(journal["total"], 1, "{journal}");

    let url = format!("{API}{path}");
    let tag = |version: i64| format!("\"{version}\"");
    let with = |tag: &str| {
        [
            ("content-type".to_owned(), "application/json".to_owned()),
            ("if-match".to_owned(), tag.to_owned()),
        ]
    };
    let patch = async |tag: String, body: Value| {
        let headers = with(&tag);
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        admin.send("PATCH", &url, &headers, body.to_string()).await
    };
    let changed = patch(tag(1), json!({ "job_title": "Chargée d’études", "step": null }))
        .await
        .expect(200);
    assert_eq!(changed.header("etag"), Some("\"2\""));
    assert_eq!(
        (&changed.value()["job_title"], &changed.value()["step"]),
        (&json!("Chargée d’études"), &Value::Null)
    );
    assert_eq!(changed.value()["grade"], "A4", "what is left out stays");
    let stale = patch(tag(1), json!({ "job_title": "x" })).await.expect(412);
    assert_eq!(stale.kind(), "stale-version");
    let same = patch(tag(2), json!({ "job_title": "Chargée d’études" }))
        .await
        .expect(200);
    assert_eq!(same.header("etag"), Some("\"2\""), "nothing changed");

    let journal = admin
        .get("/activities?entity=personnel&action=updated")
        .await
        .expect(200)
        .value();
    let changes = journal["items"][0]["changes"].clone();
    assert!(
        changes
            .as_array()
            .unwrap()
            .contains(&json!({ "field": "step", "before": "3", "after": null, "hidden": false })),
        "{changes}"
    );

    let gone = json!({ "departure_date": "2026-06-30", "departure_reason": "resignation" });
    let archived = admin
        .post(&format!("{path}/archive"), &gone)
        .await
        .expect(200)
        .value();
    assert_eq!(
        (&archived["archived"], &archived["departure_reason"]),
        (&json!(true), &json!("resignation"))
    );
    assert_eq!(admin.get("/personnel").await.value()["total"], 0);
    assert_eq!(admin.get("/personnel?archive=archived").await.value()["total"], 1);
    assert_eq!(
        admin.patch(&path, &json!({ "step": 4 })).await.expect(409).kind(),
        "archived"
    );
    let restored = admin
        .post(&format!("{path}/restore"), &json!({ "version": 3 }))
        .await
        .expect(200)
        .value();
    assert_eq!(
        (&restored["archived"], &restored["departure_date"]),
        (&json!(false), &Value::Null)
    );
}

#[tokio::test]
async fn rows_carry_what_lists_count() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let [_, _, department] = admin.units("AA").await;
    let one = admin.agent("L-1", &json!({ "department_id": department })).await;
    admin.agent("L-2", &json!({})).await;
    for start in ["2025-02-03", "2026-02-03", "2026-03-03"] {
        let body = json!({ "personnel_id": one, "kind": "annual_leave", "start_date": start });
        admin.post("/absences", &body).await.expect(201);
    }
    for (year, mark) in [(2025, 12.0), (2024, 15.01)] {
        let marks = json!({
            "technical_competence": mark, "organisation": mark, "initiative": mark, "diligence": mark, "working_relations": mark,
        });
        let body = json!({ "personnel_id": one, "year": year, "marks": marks });
        let made = admin.post("/evaluations", &body).await.expect(201).value();
        assert_eq!(made["final_mark"], json!(mark));
        assert_eq!(made["marks"]["initiative"], json!(mark));
    }
    let page = admin.get("/personnel?sort=matricule").await.expect(200).value();
    let row = |index: usize| page["items"][index].clone();
    for (name, expected) in [
        ("absence_count", json!(3)),
        ("absence_count_year", json!(2)),
        ("average_mark", json!(13.51)),
        ("mark_count", json!(2)),
        ("department_name", json!("Service AA")),
    ] {
        assert_eq!(row(0)[name], expected, "{name}");
    }
    for (name, expected) in [
        ("absence_count", json!(0)),
        ("average_mark", Value::Null),
        ("mark_count", json!(0)),
        ("department_name", Value::Null),
    ] {
        assert_eq!(row(1)[name], expected, "{name}");
    }
    assert_eq!(page["next_cursor"], Value::Null);
}

#[tokio::test]
async fn pages_show_everybody_once_in_every_order() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for number in 0..23 {
        let grade = ["A4", "B3", "A4", "C1"][number % 4];
        admin
            .agent(&format!("P-{number:02}"), &json!({ "grade": grade }))
            .await;
    }
    for sort in [
        "name",
        "matricule",
        "grade",
        "department",
        "seniority",
        "absences",
        "score",
        "retirement",
        "updated",
    ] {
        for order in ["asc", "desc"] {
            let list = format!("/personnel?limit=5&sort={sort}&order={order}");
            let mut seen = Vec::new();
            let mut next = list.clone();
            loop {
                let page = admin.get(&next).await.expect(200).value();
                assert_eq!(page["total"], 23);
                seen.extend(
                    page["items"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|item| item["id"].as_str().unwrap().to_owned()),
                );
                let Some(cursor) = page["next_cursor"].as_str() else {
                    break;
                };
                next = format!("{list}&cursor={cursor}");
                assert!(seen.len() < 100, "{sort} turns in circles");
            }
            let by_number = admin
                .get(&format!("/personnel?page=2&size=5&sort={sort}&order={order}"))
                .await
                .expect(200)
                .value();
            let second: Vec<&str> = by_number["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["id"].as_str().unwrap())
                .collect();
            assert_eq!(second, seen[5..10], "{sort} {order}");
            seen.sort();
            seen.dedup();
            assert_eq!(seen.len(), 23, "{sort} {order}");
        }
    }
}

#[tokio::test]
async fn each_condition_chooses() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let [programme, directorate, department] = admin.units("AA").await;
    let one = admin
        .agent("F-1", &json!({
            "department_id": department, "grade": "A4", "sex": "female", "position": "secondment", "status": "contractual",
            "birth_date": "1970-01-01", "service_start_date": "2000-01-01",
        }))
        .await;
    admin.agent("F-2", &json!({ "family_name": "Yao", "birth_date": "1990-01-01", "service_start_date": "2015-01-01", "sex": "male" })).await;
    let body = json!({ "personnel_id": one, "kind": "mission", "start_date": "2026-11-20", "end_date": "2026-11-27" });
    admin.post("/absences", &body).await.expect(201);
    for (query, total) in [
        (String::new(), 2),
        ("q=kon%C3%A9".to_owned(), 1),
        ("q=KONE%20awa".to_owned(), 1),
        ("q=f-2".to_owned(), 1),
        ("q=%25".to_owned(), 0),
        (format!("programme_id={programme}"), 1),
        (format!("directorate_id={directorate}"), 1),
        (format!("department_id={department}"), 1),
        ("unassigned=true".to_owned(), 1),
        ("category=A".to_owned(), 1),
        ("grade=a4".to_owned(), 1),
        ("without_grade=true".to_owned(), 1),
        ("position=secondment".to_owned(), 1),
        ("status=contractual".to_owned(), 1),
        ("sex=male".to_owned(), 1),
        ("born_from=1980-01-01".to_owned(), 1),
        ("born_to=1970-01-01".to_owned(), 1),
        ("in_service_from=2010-01-01".to_owned(), 1),
        ("in_service_to=2010-01-01".to_owned(), 1),
        ("retires_from=2040-01-01".to_owned(), 1),
        ("retires_to=2040-01-01".to_owned(), 1),
        ("absent_on=2026-11-22".to_owned(), 1),
        ("absent_on=2026-11-28".to_owned(), 0),
        ("without_account=true".to_owned(), 2),
        ("incomplete=true".to_owned(), 2),
        ("archive=archived".to_owned(), 0),
        ("archive=both&sex=female&grade=A4".to_owned(), 1),
    ] {
        let page = admin
            .get(&format!("/personnel?{query}"))
            .await
            .expect(200)
            .value();
        assert_eq!(page["total"], total, "{query}");
    }
    for (list, total) in [
        ("/absences?kind=mission", 1),
        ("/absences?kind=training", 0),
        ("/absences?from=2026-11-27", 1),
        ("/absences?from=2026-11-28", 0),
        ("/absences?to=2026-11-19", 0),
        ("/absences?q=kone", 1),
        ("/users?role=admin", 1),
        ("/users?status=suspended", 0),
        ("/activities?action=created&action=updated&entity=absence", 1),
        ("/activities?entity=evaluation", 0),
        ("/activities?before=2026-01-01T00:00:00Z", 0),
        ("/evaluations?year=2025", 0),
        ("/evaluations?mark_from=10&mark_to=12,5", 0),
    ] {
        assert_eq!(
            admin.get(list).await.expect(200).value()["total"],
            total,
            "{list}"
        );
    }
}

#[tokio::test]
async fn an_account_is_made_changed_and_put_out() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let body = json!({ "email": "Awa.Kone@Exemple.CI", "display_name": "Awa", "roles": ["agent", "cs"] });
    let made = admin.post("/users", &body).await.expect(201);
    let user = made.value();
    assert_eq!(user["email"], "awa.kone@exemple.ci");
    assert_eq!(user["must_change_password"], true);
    assert!(
        user["generated_password"]
            .as_str()
            .is_some_and(|password| password.len() >= 16)
    );
    let path = format!("/users/{}", made.id());
    assert!(
        admin
            .get(&path)
            .await
            .expect(200)
            .value()
            .get("generated_password")
            .is_none()
    );
    let changed = admin
        .patch(&path, &json!({ "version": 1, "status": "suspended" }))
        .await
        .expect(200)
        .value();
    assert_eq!(
        (&changed["status"], &changed["roles"]),
        (&json!("suspended"), &json!(["cs", "agent"]))
    );
    let set = admin
        .post(
            &format!("{path}/password"),
            &json!({ "password": "baobab pirogue lagune" }),
        )
        .await
        .expect(200);
    assert_eq!(set.value()["generated_password"], Value::Null);
    assert_eq!(
        admin.get(&format!("{path}/sessions")).await.expect(200).value()["total"],
        0
    );
    let ended = admin
        .send("DELETE", &format!("{API}{path}/sessions"), &[], "")
        .await
        .expect(200)
        .value();
    assert_eq!(ended["ended"], 0);
    let list = admin.get("/users").await.expect(200);
    let text = String::from_utf8_lossy(&list.body).to_lowercase();
    for secret in ["password_hash", "argon2", "token", "generated"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn a_new_holiday_counts_absences_again() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let agent = admin.agent("H-1", &json!({})).await;
    let body = json!({ "personnel_id": agent, "kind": "mission", "start_date": "2026-12-07", "end_date": "2026-12-11" });
    let absence = admin.post("/absences", &body).await.expect(201);
    assert_eq!(absence.value()["counted_days"], json!(5.0));
    let holiday = json!({ "date": "2026-12-09", "label": "Jour chômé" });
    let outcome = admin
        .post("/settings/holidays", &holiday)
        .await
        .expect(201)
        .value();
    assert_eq!(
        (&outcome["recounted_absences"], &outcome["half_days_returned"]),
        (&json!(1), &json!(2))
    );
    let path = format!("/absences/{}", absence.id());
    let counted = admin.get(&path).await.expect(200);
    assert_eq!(
        (counted.value()["counted_days"].clone(), counted.header("etag")),
        (json!(4.0), Some("\"2\""))
    );
    let preview = json!({ "kind": "mission", "start_date": "2026-12-07", "end_date": "2026-12-11" });
    let preview = admin
        .post("/absences/preview", &preview)
        .await
        .expect(200)
        .value();
    assert_eq!(
        (&preview["counted_half_days"], &preview["calendar_half_days"]),
        (&json!(8), &json!(10))
    );
    assert_eq!(preview["holidays"][0]["label"], "Jour chômé");
    let half = admin
        .patch(&path, &json!({ "end_half": "am" }))
        .await
        .expect(200)
        .value();
    assert_eq!(half["counted_days"], json!(3.5));
}

#[tokio::test]
async fn units_form_a_tree() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let [programme, directorate, department] = admin.units("AA").await;
    let agent = admin.agent("U-1", &json!({ "department_id": department })).await;
    let tree = admin.get("/organisation").await.expect(200).value();
    assert_eq!(tree["programmes"][0]["id"], json!(programme));
    assert_eq!(
        tree["programmes"][0]["directorates"][0]["departments"][0]["id"],
        json!(department)
    );
    let path = format!("/organisation/departments/{department}");
    let changed = admin
        .patch(
            &path,
            &json!({ "version": 1, "head_id": agent, "name": "Service B" }),
        )
        .await
        .expect(200);
    let unit = changed.value();
    assert_eq!(
        (&unit["head_id"], &unit["parent_id"], &unit["code"]),
        (&json!(agent), &json!(directorate), &json!("AA"))
    );
    admin
        .patch(&path, &json!({ "version": 1, "name": "x" }))
        .await
        .expect(412);
    let in_use = admin
        .patch(&path, &json!({ "active": false }))
        .await
        .expect(422)
        .problem();
    assert_eq!(in_use["errors"][0]["code"], "in-use");
    let vacant = admin
        .patch(&path, &json!({ "head_id": null }))
        .await
        .expect(200)
        .value();
    assert_eq!(vacant["head_id"], Value::Null);
}
