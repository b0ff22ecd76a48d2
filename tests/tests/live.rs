//! What happens meanwhile: events reach readers who keep a stream open, and only them.

use std::time::Duration;

use mppeep_testbed::FaultProxy;
use mppeep_tests::events::Events;
use mppeep_tests::{Client, Server, raw};
use serde_json::json;
use tokio::net::TcpStream;

/// How long a loaded machine may take to end a stream.
const PATIENCE: Duration = Duration::from_secs(60);

async fn open(address: &str, client: &Client) -> Events<TcpStream> {
    let socket = TcpStream::connect(address).await.expect("accepted");
    Events::open(socket, "localhost", &client.session()).await
}

async fn new_agent(client: &Client, matricule: &str) -> String {
    let body = json!({
        "matricule": matricule, "family_name": "Koné", "given_names": "Awa", "birth_date": "1980-05-17",
    });
    let made = client
        .post("/mppeep/api/v1/personnel", &body)
        .await
        .expect(201)
        .json();
    made["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_change_by_somebody_else_arrives_through_a_proxy_and_is_not_held_back() {
    let server = Server::start();
    let admin = server.admin().await;
    let proxy = FaultProxy::start(&server.address().to_string());
    let mut stream = open(&proxy.address(), &admin).await;
    let head = stream.received().to_ascii_lowercase();
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    assert!(head.contains("cache-control: no-store"), "{head}");
    assert!(head.contains("x-accel-buffering: no"), "{head}");
    assert!(!head.contains("content-encoding"), "{head}");
    stream.until("event: notices").await;
    new_agent(&admin, "LIVE-1").await;
    stream.until("event: figures").await;
    assert!(
        !stream.received().contains("Koné"),
        "an event says nothing of what changed"
    );
}

#[tokio::test]
async fn the_bell_counts_what_others_record() {
    let server = Server::start();
    let admin = server.admin().await;
    let file = new_agent(&admin, "LIVE-1").await;
    let password = "Sept-palmiers-au-bord-du-fleuve";
    let account = json!({
        "email": "awa@example.org", "display_name": "Awa Koné", "roles": ["agent"], "personnel_id": file,
        "password": password,
    });
    let _account = admin.post("/mppeep/api/v1/users", &account).await.expect(201);
    let owner = server.logged_in("awa@example.org", password).await;
    let renewed = "Huit-palmiers-au-bord-du-fleuve";
    let _changed = owner
        .post_form(
            "/mppeep/mot-de-passe",
            &[
                ("old_password", password),
                ("new_password", renewed),
                ("confirmation", renewed),
            ],
        )
        .await
        .expect(303);
    let mut stream = open(&server.address().to_string(), &owner).await;
    stream.until("data: 0").await;
    let absence = json!({ "personnel_id": file, "kind": "mission", "start_date": "2026-03-02" });
    let _absence = admin.post("/mppeep/api/v1/absences", &absence).await.expect(201);
    stream.until("data: 1").await;
    let page = owner.get("/mppeep/avis").await.expect(200).text();
    assert!(page.contains("Une absence a été enregistrée pour vous"), "{page}");
    let _marked = owner.post_form("/mppeep/avis/lus", &[]).await.expect(303);
    stream.until("data: 0").await;
    let others = admin.get("/mppeep/api/v1/notices").await.expect(200).json();
    assert_eq!(others["items"], json!([]), "notices are their owner's");
}

#[tokio::test]
async fn a_stream_ends_with_its_session() {
    let server = Server::start();
    let admin = server.admin().await;
    let twin = server.admin().await;
    let stream = open(&server.address().to_string(), &twin).await;
    let _left = twin.post_form("/mppeep/logout", &[]).await.expect(303);
    let rest = raw::read(&mut stream.into_socket(), PATIENCE).await;
    assert!(rest.closed || rest.text.contains("0\r\n\r\n"), "{}", rest.text);
    drop(admin);
    let nobody = server.visitor().get("/mppeep/evenements").await;
    assert_eq!(nobody.status, 303, "nobody has a stream");
}

#[tokio::test]
async fn open_streams_do_not_hold_the_servers_end() {
    let mut server = Server::start();
    let admin = server.admin().await;
    let address = server.address().to_string();
    let _open = [open(&address, &admin).await, open(&address, &admin).await];
    let status = server.terminate(Duration::from_secs(60)).expect("it ended");
    assert_eq!(status.code(), Some(0));
    assert!(
        !server.log().text().contains("are cut"),
        "{}",
        server.log().text()
    );
}
