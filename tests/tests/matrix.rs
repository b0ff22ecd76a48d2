//! Every route of the route table, as nobody and as each role, against the table of rights: nothing is written by hand,
//! so a new route is in the matrix on the day it is in the table.

use std::collections::BTreeSet;

use mppeep_core::domain::permission::{Action, GRANTS, Holder, Reach, Resource};
use mppeep_core::domain::user::Role;
use mppeep_http::routes::{Needs, RouteEntry, entries};
use mppeep_tests::api::{API, list};
use mppeep_tests::server::{ROLES, demo_email};
use mppeep_tests::{Client, Response, Server};
use serde_json::Value;
use uuid::Uuid;

/// What an account of the demo data holds besides its role.
struct Account {
    role: Role,
    has_file: bool,
    has_units: bool,
    is_director: bool,
}

/// What the table of rights says of an account, read apart from the function that the server asks.
fn may(account: &Account, resource: Resource, action: Action) -> bool {
    GRANTS
        .iter()
        .filter(|grant| grant.resource == resource && grant.action == action)
        .any(|grant| {
            let held = match grant.holder {
                Holder::Role(role) => role == account.role,
                Holder::Director => account.is_director,
            };
            held && match grant.reach {
                Reach::Everything | Reach::Demonstration => true,
                Reach::Units => account.has_units,
                Reach::Made => true,
                Reach::Own => account.has_file,
            }
        })
}

fn path_of(entry: &RouteEntry) -> String {
    let mut path = String::from("/mppeep");
    for part in entry.path.split('/').skip(1) {
        path.push('/');
        if part.starts_with('{') {
            path.push_str(&Uuid::nil().to_string());
        } else {
            path.push_str(part);
        }
    }
    path
}

fn is_api(entry: &RouteEntry) -> bool {
    entry.path.starts_with("/api/")
}

async fn call(client: &Client, entry: &RouteEntry) -> Response {
    // A stream of events has no end to wait for: its head tells who is let in.
    let method = match entry.path.as_str() {
        "/evenements" => "HEAD",
        _ => entry.method.as_str(),
    };
    client.request(method, &path_of(entry)).send().await
}

fn sends_to_login(answer: &Response) -> bool {
    answer.status == 303 && answer.header_or_empty("location").starts_with("/mppeep/login")
}

/// Whether it ends the session that the other calls need.
fn logs_out(entry: &RouteEntry) -> bool {
    entry.path == "/logout" || (entry.path == "/api/v1/session" && entry.method == "DELETE")
}

#[tokio::test]
async fn every_route_as_nobody() {
    let server = Server::start();
    let nobody = server.visitor();
    let mut closed = 0;
    for entry in entries() {
        let answer = call(&nobody, &entry).await;
        let what = format!("{} {}: {}", entry.method, entry.path, answer.status);
        match entry.needs {
            Needs::Public => assert!(answer.status != 403 && answer.status < 500, "{what}"),
            Needs::Session | Needs::Right(..) => {
                closed += 1;
                if is_api(&entry) {
                    let _problem = answer.problem(401);
                } else {
                    assert!(sends_to_login(&answer) && answer.body.is_empty(), "{what}");
                }
            }
        }
    }
    assert!(closed >= 40, "only {closed} routes are closed");
}

#[tokio::test]
async fn every_route_as_each_role() {
    let server = Server::demo();
    let administrator = server.demo_user("admin").await;
    let users = list(&administrator, "users?limit=200").await;
    let units = administrator
        .get(&format!("{API}/organisation"))
        .await
        .expect(200)
        .json();
    let mut calls = 0;
    let mut wrong = Vec::new();
    for name in ROLES {
        let account = account(&users, &units, name);
        let client = server.demo_user(name).await;
        for entry in entries().into_iter().filter(|entry| !logs_out(entry)) {
            let answer = call(&client, &entry).await;
            calls += 1;
            let right = match entry.needs {
                Needs::Public | Needs::Session => true,
                Needs::Right(resource, action) => may(&account, resource, action),
            };
            // Behind the gate a missing file is 404 and an empty body 4xx; 401 and 403 are the gate's own words.
            let let_in = answer.status != 403 && answer.status != 401 && !sends_to_login(&answer);
            if let_in != right || answer.status >= 500 {
                wrong.push(format!(
                    "{name} {} {}: {}, right: {right}",
                    entry.method, entry.path, answer.status
                ));
            }
        }
        for out in entries().into_iter().filter(logs_out) {
            let client = server.demo_user(name).await;
            assert!(
                matches!(call(&client, &out).await.status, 204 | 303),
                "{} {}",
                out.method,
                out.path
            );
            assert!(!client.is_logged_in().await);
        }
    }
    println!("{calls} calls");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn account(users: &Value, units: &Value, name: &str) -> Account {
    let all = users["items"].as_array().expect("items");
    let user = all.iter().find(|user| user["email"] == demo_email(name).as_str());
    let user = user.unwrap_or_else(|| panic!("no account of {name}"));
    let role = *Role::ALL.iter().find(|role| role.code() == name).expect("a role");
    assert_eq!(
        user["roles"],
        serde_json::json!([name]),
        "one role each, or the matrix proves nothing"
    );
    let led = levels_led_by(units, &user["personnel_id"]);
    Account {
        role,
        has_file: !user["personnel_id"].is_null(),
        has_units: !led.is_empty() || !user["perimeter"].is_null(),
        is_director: led.iter().any(|level| level != "department"),
    }
}

/// The levels of the units whose recorded head somebody is.
fn levels_led_by(units: &Value, somebody: &Value) -> Vec<String> {
    let mut led = Vec::new();
    match units {
        Value::Array(all) => led.extend(all.iter().flat_map(|unit| levels_led_by(unit, somebody))),
        Value::Object(unit) => {
            if somebody.is_string() && unit.get("head_id") == Some(somebody) {
                led.push(units["level"].as_str().expect("a level").to_owned());
            }
            led.extend(unit.values().flat_map(|below| levels_led_by(below, somebody)));
        }
        _ => {}
    }
    led
}

/// Each role is let in somewhere and kept out somewhere: a matrix of one colour would prove nothing.
#[test]
fn the_table_of_rights_tells_roles_apart() {
    let rights: BTreeSet<(Resource, Action)> = GRANTS
        .iter()
        .map(|grant| (grant.resource, grant.action))
        .collect();
    for role in Role::ALL {
        let account = Account {
            role: *role,
            has_file: true,
            has_units: true,
            is_director: false,
        };
        let held = rights
            .iter()
            .filter(|(resource, action)| may(&account, *resource, *action))
            .count();
        assert!(
            held > 0 && held < rights.len(),
            "{role:?} holds {held} of {}",
            rights.len()
        );
    }
}

/// No line stands twice, and no page can be written to without a right.
#[test]
fn the_table_of_routes_is_sound() {
    let mut seen = BTreeSet::new();
    for entry in entries() {
        assert!(
            seen.insert((entry.method.to_string(), entry.path.clone())),
            "{} {} stands twice",
            entry.method,
            entry.path
        );
        let reads = entry.method == "GET";
        let open = entry.needs == Needs::Public;
        // Who logs in, or has forgotten a password, has no session yet.
        let without_session = entry.path == "/login" || entry.path.starts_with("/mot-de-passe/");
        assert!(
            reads || !open || without_session,
            "{} {} writes and is open to all",
            entry.method,
            entry.path
        );
        if let Needs::Right(_, action) = entry.needs {
            assert!(
                reads || action != Action::Export,
                "{} {}",
                entry.method,
                entry.path
            );
        }
    }
}
