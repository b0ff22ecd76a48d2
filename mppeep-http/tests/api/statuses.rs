//! What each request is answered, as a table, and what problems say.

use serde_json::{Value, json};

use crate::app::{API, TestApp};

/// An identifier that names nothing.
const NOBODY: &str = "00000000-0000-7000-8000-000000000000";

#[tokio::test]
async fn each_request_has_its_status() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let agent = admin.agent("S-1", &json!({})).await;
    let other = admin.agent("S-2", &json!({})).await;
    let absence = json!({ "personnel_id": agent, "kind": "mission", "start_date": "2026-03-02", "end_date": "2026-03-04" });
    let absence_id = admin.post("/absences", &absence).await.expect(201).id();
    let evaluation = json!({ "personnel_id": agent, "year": 2025, "marks": { "initiative": 12.5 } });
    admin.post("/evaluations", &evaluation).await.expect(201);
    let user =
        json!({ "email": "un@exemple.ci", "display_name": "Un", "roles": ["agent"], "personnel_id": agent });
    let user_id = admin.post("/users", &user).await.expect(201).id();
    let holiday = json!({ "date": "2026-05-01", "label": "Fête du Travail" });
    admin.post("/settings/holidays", &holiday).await.expect(201);
    let [_, directorate, _] = admin.units("AA").await;
    let new =
        json!({ "matricule": "s-1", "family_name": "X", "given_names": "Y", "birth_date": "1980-01-01" });
    let with = |mut body: Value, name: &str, value: Value| {
        body[name] = value;
        body
    };
    let me = admin.get("/users?q=admin").await.expect(200).value()["items"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for (method, path, body, status, kind) in [
        (
            "POST",
            "/personnel".to_owned(),
            new.clone(),
            409,
            "matricule-taken",
        ),
        (
            "POST",
            "/personnel".to_owned(),
            with(new.clone(), "matricule", json!("a")),
            422,
            "invalid",
        ),
        (
            "POST",
            "/personnel".to_owned(),
            with(new.clone(), "department_id", json!(NOBODY)),
            422,
            "invalid",
        ),
        (
            "PATCH",
            format!("/personnel/{other}"),
            json!({ "matricule": "S-1" }),
            409,
            "matricule-taken",
        ),
        (
            "PATCH",
            format!("/personnel/{agent}"),
            json!({ "version": 2, "job_title": "x" }),
            412,
            "stale-version",
        ),
        (
            "PATCH",
            format!("/personnel/{NOBODY}"),
            json!({ "job_title": "x" }),
            404,
            "not-found",
        ),
        (
            "PATCH",
            "/personnel/1".to_owned(),
            json!({ "job_title": "x" }),
            404,
            "not-found",
        ),
        (
            "POST",
            format!("/personnel/{agent}/restore"),
            json!({}),
            409,
            "not-archived",
        ),
        (
            "POST",
            "/absences".to_owned(),
            absence.clone(),
            409,
            "absence-overlap",
        ),
        (
            "POST",
            "/absences".to_owned(),
            with(absence.clone(), "personnel_id", json!(NOBODY)),
            422,
            "invalid",
        ),
        (
            "POST",
            "/absences".to_owned(),
            with(absence.clone(), "start_date", json!("2026-03-08")),
            422,
            "invalid",
        ),
        (
            "POST",
            "/absences/preview".to_owned(),
            json!({ "kind": "mission", "start_date": "2026-11-22" }),
            422,
            "invalid",
        ),
        (
            "PATCH",
            format!("/absences/{absence_id}"),
            json!({ "version": 7 }),
            412,
            "stale-version",
        ),
        (
            "POST",
            "/evaluations".to_owned(),
            evaluation.clone(),
            409,
            "year-taken",
        ),
        (
            "POST",
            "/evaluations".to_owned(),
            with(evaluation.clone(), "year", json!(2027)),
            422,
            "invalid",
        ),
        (
            "POST",
            "/evaluations".to_owned(),
            with(evaluation.clone(), "marks", json!({})),
            422,
            "invalid",
        ),
        (
            "POST",
            "/users".to_owned(),
            with(user.clone(), "personnel_id", Value::Null),
            409,
            "email-taken",
        ),
        (
            "POST",
            "/users".to_owned(),
            with(user.clone(), "email", json!("deux@exemple.ci")),
            409,
            "personnel-taken",
        ),
        (
            "POST",
            "/users".to_owned(),
            with(
                with(user.clone(), "email", json!("d@exemple.ci")),
                "password",
                json!("short"),
            ),
            422,
            "invalid",
        ),
        (
            "POST",
            format!("/users/{user_id}/password"),
            json!({ "password": "motdepasse1" }),
            422,
            "invalid",
        ),
        (
            "POST",
            format!("/users/{NOBODY}/password"),
            json!({}),
            404,
            "not-found",
        ),
        (
            "PATCH",
            format!("/users/{me}"),
            json!({ "roles": ["sdrh"] }),
            409,
            "last-administrator",
        ),
        (
            "POST",
            "/settings/holidays".to_owned(),
            holiday.clone(),
            409,
            "date-taken",
        ),
        (
            "PUT",
            format!("/settings/holidays/{NOBODY}"),
            with(holiday.clone(), "date", json!("2026-05-02")),
            404,
            "not-found",
        ),
        (
            "DELETE",
            format!("/settings/holidays/{NOBODY}"),
            Value::Null,
            404,
            "not-found",
        ),
        (
            "PUT",
            "/settings/security".to_owned(),
            json!({ "password_min_length": 4 }),
            422,
            "invalid",
        ),
        (
            "PUT",
            "/settings/security".to_owned(),
            json!({ "version": 3 }),
            412,
            "stale-version",
        ),
        ("PUT", "/settings/unknown".to_owned(), json!({}), 404, "not-found"),
        (
            "POST",
            "/organisation/programmes".to_owned(),
            json!({ "code": "aa", "name": "x" }),
            409,
            "code-taken",
        ),
        (
            "POST",
            "/organisation/departments".to_owned(),
            json!({ "code": "BB", "name": "x", "directorate_id": NOBODY }),
            422,
            "invalid",
        ),
        (
            "PATCH",
            format!("/organisation/directorates/{directorate}"),
            json!({ "head_id": NOBODY }),
            422,
            "invalid",
        ),
        (
            "PATCH",
            format!("/organisation/programmes/{NOBODY}"),
            json!({}),
            404,
            "not-found",
        ),
        (
            "DELETE",
            "/personnel".to_owned(),
            Value::Null,
            405,
            "method-not-allowed",
        ),
        (
            "PUT",
            format!("/personnel/{agent}"),
            new.clone(),
            405,
            "method-not-allowed",
        ),
        ("GET", "/nothing".to_owned(), Value::Null, 404, "not-found"),
        ("GET", "/personnel/".to_owned(), Value::Null, 404, "not-found"),
        (
            "GET",
            format!("/personnel/{agent}/salary"),
            Value::Null,
            404,
            "not-found",
        ),
    ] {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let kinds: &[(&str, &str)] = if body.is_empty() {
            &[]
        } else {
            &[("content-type", "application/json")]
        };
        let answer = admin
            .send(method, &format!("{API}{path}"), kinds, body.clone())
            .await;
        let what = format!("{method} {path} {body}");
        assert_eq!(
            answer.status,
            status,
            "{what}: {}",
            String::from_utf8_lossy(&answer.body)
        );
        assert_eq!(answer.kind(), kind, "{what}");
        assert_eq!(answer.header("allow").is_some(), status == 405, "{what}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
    }
}

#[tokio::test]
async fn an_overlap_names_the_other_absence() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let agent = admin.agent("O-1", &json!({})).await;
    let body =
        json!({ "personnel_id": agent, "kind": "mission", "start_date": "2026-03-02", "end_half": "am" });
    let first = admin.post("/absences", &body).await.expect(201).value();
    let same_day =
        json!({ "personnel_id": agent, "kind": "training", "start_date": "2026-03-02", "start_half": "pm" });
    admin.post("/absences", &same_day).await.expect(201);
    let problem = admin.post("/absences", &body).await.expect(409).problem();
    assert_eq!(problem["absence"]["id"], first["id"]);
    assert_eq!(problem["absence"]["end_half"], "am");
    assert_eq!(problem["errors"][0]["field"], "start_date");
    // Cancelled, it is in nobody's way, and cannot be cancelled again.
    let path = format!("/absences/{}/cancel", first["id"].as_str().unwrap());
    let cancelled = admin
        .send("POST", &format!("{API}{path}"), &[], "")
        .await
        .expect(200)
        .value();
    assert!(cancelled["cancelled_at"].is_string());
    assert_eq!(
        admin.post(&path, &json!({})).await.expect(409).kind(),
        "cancelled"
    );
    admin.post("/absences", &body).await.expect(201);
}

#[tokio::test]
async fn every_wrong_field_is_told() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let body = json!({
        "matricule": "?", "family_name": "", "birth_date": "31/12/1980", "grade": "Z9", "email": "x", "children": 40,
    });
    let problem = admin.post("/personnel", &body).await.expect(422).problem();
    let mut fields: Vec<(&str, &str)> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["field"].as_str().unwrap(), error["code"].as_str().unwrap()))
        .collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            ("birth_date", "format"),
            ("children", "out-of-range"),
            ("email", "format"),
            ("family_name", "required"),
            ("given_names", "required"),
            ("grade", "unknown"),
            ("matricule", "format"),
        ]
    );
    assert!(
        problem["errors"]
            .as_array()
            .unwrap()
            .iter()
            .all(|error| error["message"].as_str().is_some_and(|text| text.len() > 10))
    );
}

#[tokio::test]
async fn in_read_only_mode_only_reads_and_settings_work() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let agent = admin.agent("R-1", &json!({})).await;
    admin
        .json("PUT", "/settings/maintenance", &json!({ "read_only": true }))
        .await
        .expect(200);
    let refused = admin
        .patch(&format!("/personnel/{agent}"), &json!({ "job_title": "x" }))
        .await
        .expect(503);
    assert_eq!(refused.kind(), "read-only");
    assert!(refused.header("retry-after").is_some());
    let absence = json!({ "personnel_id": agent, "kind": "mission", "start_date": "2026-03-02" });
    admin.post("/absences", &absence).await.expect(503);
    admin.get("/personnel").await.expect(200);
    admin
        .json("PUT", "/settings/maintenance", &json!({ "read_only": false }))
        .await
        .expect(200);
    admin
        .patch(&format!("/personnel/{agent}"), &json!({ "job_title": "x" }))
        .await
        .expect(200);
}

#[tokio::test]
async fn twenty_equal_creations_at_once_make_one_record() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let body =
        json!({ "matricule": "T-1", "family_name": "X", "given_names": "Y", "birth_date": "1980-01-01" });
    let answers = futures_util::future::join_all((0..20).map(|_| admin.post("/personnel", &body))).await;
    let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(201), count(409)), (1, 19));
}
