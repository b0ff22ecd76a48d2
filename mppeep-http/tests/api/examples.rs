//! The examples of the description are what it says they are.

use serde_json::{Value, json};

use crate::app::{Client, TestApp};
use crate::description::{Description, Operation};

/// What the examples' references and the paths' identifiers can be replaced by.
pub(crate) struct World {
    pub(crate) agent: String,
    archived: String,
    absence: String,
    evaluation: String,
    slip: String,
    user: String,
    holiday: String,
    programme: String,
    directorate: String,
    department: String,
    document: String,
    file: String,
}

impl World {
    /// One record of each kind.
    pub(crate) async fn make(admin: &Client<'_>) -> Self {
        let [programme, directorate, department] = admin.units("ZZ").await;
        let agent = admin
            .agent(
                "W-1",
                &json!({ "department_id": department, "salary_index": 1000 }),
            )
            .await;
        let archived = admin.agent("W-2", &json!({})).await;
        let body = json!({ "departure_date": "2026-06-30", "departure_reason": "retirement" });
        admin
            .post(&format!("/personnel/{archived}/archive"), &body)
            .await
            .expect(200);
        let body = json!({ "personnel_id": agent, "kind": "mission", "start_date": "2026-02-02" });
        let absence = admin.post("/absences", &body).await.expect(201).id();
        let body = json!({ "personnel_id": agent, "year": 2024, "marks": { "initiative": 12.25 } });
        let evaluation = admin.post("/evaluations", &body).await.expect(201).id();
        let slip = admin.slip(&agent, "2026-10").await;
        let body = json!({ "email": "w@exemple.ci", "display_name": "W", "roles": ["agent"] });
        let user = admin.post("/users", &body).await.expect(201).id();
        let body = json!({ "date": "2027-05-01", "label": "Fête du Travail" });
        let holiday =
            admin.post("/settings/holidays", &body).await.expect(201).value()["holiday"]["id"].clone();
        let holiday = holiday.as_str().unwrap().to_owned();
        let fields = [("personnel_id", agent.as_str()), ("kind", "diploma")];
        let document = admin
            .upload("/documents", &fields, "diplome.pdf", "%PDF-1.7\n%%EOF\n")
            .await
            .expect(201)
            .id();
        let file = admin
            .upload(
                "/files",
                &[("kind", "budget_data")],
                "budget.csv",
                "Rubrique;Montant\nA;1\n",
            )
            .await
            .expect(201)
            .id();
        Self {
            agent,
            archived,
            absence,
            evaluation,
            slip,
            user,
            holiday,
            programme,
            directorate,
            department,
            document,
            file,
        }
    }

    /// The path of an operation with the identifier of a record of that kind.
    pub(crate) fn path(&self, path: &str) -> String {
        let id = match path {
            path if path.ends_with("/restore") => &self.archived,
            path if path.starts_with("/personnel") => &self.agent,
            path if path.starts_with("/absences") => &self.absence,
            path if path.starts_with("/evaluations") => &self.evaluation,
            path if path.starts_with("/payroll/months") => return path.replace("{month}", "2026-10"),
            path if path.starts_with("/payroll/slips") => &self.slip,
            path if path.starts_with("/users") => &self.user,
            path if path.starts_with("/documents") => &self.document,
            path if path.starts_with("/files") => &self.file,
            path if path.starts_with("/settings/holidays") => &self.holiday,
            path if path.starts_with("/organisation/programmes") => &self.programme,
            path if path.starts_with("/organisation/directorates") => &self.directorate,
            path if path.starts_with("/organisation/departments") => &self.department,
            path => panic!("{path} has no record"),
        };
        path.replace("{id}", id)
    }

    /// The examples of an operation as one body, with references that lead somewhere.
    pub(crate) fn body(&self, operation: &Operation) -> Value {
        let mut body = Description::example(operation.body.as_ref().unwrap(), &operation.path);
        for (name, id) in [
            ("personnel_id", &self.agent),
            ("programme_id", &self.programme),
            ("directorate_id", &self.directorate),
        ] {
            if body.get(name).is_some_and(Value::is_string) {
                body[name] = json!(id);
            }
        }
        if operation.path.ends_with("/restore") {
            body["version"] = json!(2);
        }
        body
    }
}

#[tokio::test]
async fn all_examples_of_an_operation_together_are_a_valid_body() {
    let operations = TestApp::start().await.description.operations();
    let mut tried = 0;
    for operation in operations
        .into_iter()
        .filter(|operation| operation.body.is_some())
    {
        let app = TestApp::start().await;
        let admin = app.admin().await;
        let world = World::make(&admin).await;
        let path = if operation.path.contains('{') {
            world.path(&operation.path)
        } else {
            operation.path.clone()
        };
        let body = world.body(&operation);
        let answer = admin.json(&operation.method, &path, &body).await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        // Nobody has read the file a first time yet; what who verifies deposits is verified, and another may reject it.
        let state = match path.rsplit('/').next() {
            Some("read-again") => Some("being-read"),
            Some("validate") if path.starts_with("/documents") => Some("document-validated"),
            Some("reject") if path.starts_with("/documents") => Some("own-document"),
            _ => None,
        };
        if let Some(state) = state {
            assert_eq!(
                (answer.status, answer.kind().as_str()),
                (409, state),
                "{path}: {text}"
            );
            continue;
        }
        assert!(
            (200..300).contains(&answer.status),
            "{} {path} {body}: {} {text}",
            operation.method,
            answer.status
        );
        if answer.status == 201 {
            let location = answer.header("location").expect("an address").to_owned();
            admin.send("GET", &location, &[], String::new()).await.expect(200);
        }
        tried += 1;
    }
    assert!(tried >= 25, "{tried}");
}

#[tokio::test]
async fn an_example_carries_every_property() {
    let app = TestApp::start().await;
    for operation in app.description.operations() {
        let Some(body) = &operation.body else { continue };
        for (name, property) in body["properties"].as_object().unwrap() {
            let inner = property["properties"].as_object();
            let within =
                inner.is_some_and(|inner| inner.values().all(|property| property.get("example").is_some()));
            assert!(
                property.get("example").is_some() || within,
                "{} {name}",
                operation.path
            );
        }
    }
}

#[tokio::test]
async fn what_a_read_gives_can_be_sent_back() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for section in [
        "ministry",
        "personnel",
        "calendar",
        "absences",
        "evaluations",
        "retirement",
        "payroll",
        "security",
        "charter",
        "maintenance",
    ] {
        let read = admin
            .get(&format!("/settings/{section}"))
            .await
            .expect(200)
            .value();
        let saved = admin
            .json("PUT", &format!("/settings/{section}"), &read)
            .await
            .expect(200)
            .value();
        assert_eq!(saved, read, "{section}");
    }
}

#[tokio::test]
async fn the_document_is_whole() {
    let app = TestApp::start().await;
    let document = app.description.document();
    assert!(
        document["openapi"]
            .as_str()
            .is_some_and(|version| version.starts_with("3.1")),
        "{}",
        document["openapi"]
    );
    assert_eq!(document["servers"][0]["url"], "/mppeep");
    assert_eq!(
        document["components"]["securitySchemes"]["session"]["in"],
        "cookie"
    );
    let published = app.visitor().get("/openapi.json").await.expect(200);
    assert_eq!(&published.value(), document);
    let mut names = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            names.push(
                operation["operationId"]
                    .as_str()
                    .unwrap_or_else(|| panic!("{path}"))
                    .to_owned(),
            );
            assert!(
                operation["summary"].is_string(),
                "{method} {path} says nothing of itself"
            );
            if path == "/api/v1/health" {
                continue;
            }
            for status in [401, 403, 429, 503] {
                assert!(
                    operation["responses"].get(status.to_string()).is_some(),
                    "{method} {path} {status}"
                );
            }
        }
    }
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "an operation's name stands twice");
    // Every reference leads somewhere.
    let mut open = vec![document];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                    assert!(
                        document.pointer(reference.trim_start_matches('#')).is_some(),
                        "{reference}"
                    );
                }
                open.extend(members.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
}
