//! The addresses and bodies of the contract, in one place.

use serde_json::{Value, json};

use crate::agents::agent;
use crate::client::{Client, Response};

/// Where the API lives.
pub const API: &str = "/mppeep/api/v1";

/// Creates the agent of a number and gives the answer's body.
pub async fn create_agent(client: &Client, number: usize) -> Value {
    client
        .post(&format!("{API}/personnel"), &agent(number).body())
        .await
        .expect(201)
        .json()
}

/// The id in a view.
#[must_use]
#[track_caller]
pub fn id_of(view: &Value) -> String {
    view["id"]
        .as_str()
        .unwrap_or_else(|| panic!("a view without id: {view}"))
        .to_owned()
}

/// Records an absence of whole days.
pub async fn record_absence(client: &Client, personnel: &str, from: &str, to: &str) -> Response {
    let body =
        json!({ "personnel_id": personnel, "kind": "annual_leave", "start_date": from, "end_date": to });
    client.post(&format!("{API}/absences"), &body).await
}

/// What is marked in an evaluation.
pub const CRITERIA: [&str; 5] = [
    "technical_competence",
    "organisation",
    "initiative",
    "diligence",
    "working_relations",
];

/// Records an evaluation of a year with the same mark everywhere.
pub async fn record_evaluation(client: &Client, personnel: &str, year: i32, mark: f64) -> Response {
    let marks: serde_json::Map<String, Value> = CRITERIA
        .iter()
        .map(|criterion| ((*criterion).to_owned(), json!(mark)))
        .collect();
    let body = json!({ "personnel_id": personnel, "year": year, "marks": marks });
    client.post(&format!("{API}/evaluations"), &body).await
}

/// One page of a list.
pub async fn list(client: &Client, path: &str) -> Value {
    let page = client.get(&format!("{API}/{path}")).await.expect(200).json();
    assert!(page["items"].is_array(), "a list has items: {page}");
    page
}

/// The total of a list.
pub async fn total(client: &Client, path: &str) -> u64 {
    list(client, path).await["total"].as_u64().expect("a total")
}
