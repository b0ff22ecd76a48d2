//! Photographs, from outside: made anew, shown small and large, changed by whom they concern.

use mppeep_tests::api::{API, create_agent, id_of};
use mppeep_tests::{Client, Response, Server};

/// A picture of one colour, as PNG without compression.
fn png(side: u32) -> Vec<u8> {
    use std::io::Write as _;
    let mut coder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..side {
        coder.write_all(&[0]).expect("coded");
        for column in 0..side {
            let shade = u8::try_from(column % 200).expect("small");
            coder.write_all(&[shade, 90, 60]).expect("coded");
        }
    }
    let pixels = coder.finish().expect("coded");
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut head = Vec::new();
    head.extend_from_slice(&side.to_be_bytes());
    head.extend_from_slice(&side.to_be_bytes());
    head.extend_from_slice(&[8, 2, 0, 0, 0]);
    for (name, content) in [
        (b"IHDR", head),
        (b"tEXt", b"Comment\0Abidjan, rue 12".to_vec()),
        (b"IDAT", pixels),
        (b"IEND", Vec::new()),
    ] {
        let mut crc = flate2::Crc::new();
        crc.update(name);
        crc.update(&content);
        file.extend_from_slice(&u32::try_from(content.len()).expect("small").to_be_bytes());
        file.extend_from_slice(name);
        file.extend_from_slice(&content);
        file.extend_from_slice(&crc.sum().to_be_bytes());
    }
    file
}

async fn put(client: &Client, path: &str, name: &str, content: &[u8]) -> Response {
    client
        .request("PUT", path)
        .multipart(&[], ("file", name, "application/octet-stream", content))
        .send()
        .await
}

#[tokio::test]
async fn a_photograph_is_made_anew_and_shown() {
    let server = Server::start();
    let admin = server.admin().await;
    let agent = id_of(&create_agent(&admin, 1).await);
    let address = format!("{API}/personnel/{agent}/photo");
    let _problem = admin.get(&address).await.problem(404);
    let image = png(500);
    assert_eq!(put(&admin, &address, "photo.png", &image).await.status, 204);
    let large = admin.get(&address).await.expect(200);
    let small = admin.get(&format!("{address}?small=true")).await.expect(200);
    assert_eq!(large.header("content-type"), Some("image/jpeg"));
    assert!(small.body.len() < large.body.len());
    assert!(large.body.starts_with(b"\xff\xd8"), "JPEG");
    let text = String::from_utf8_lossy(&large.body).into_owned();
    assert!(
        !text.contains("Abidjan"),
        "what the file carried besides is left out"
    );
    assert!(large.header_or_empty("cache-control").starts_with("private"));
    let _refused = server.visitor().get(&address).await.problem(401);
    // The sheet and the list show it.
    let sheet = admin
        .get(&format!("/mppeep/personnel/{agent}"))
        .await
        .expect(200)
        .text();
    assert!(sheet.contains(&format!("/personnel/{agent}/photo?v=")), "{sheet}");
    let list = admin.get("/mppeep/personnel").await.expect(200).text();
    assert!(
        list.contains(&format!("/personnel/{agent}/photo?small=1")),
        "{list}"
    );
    assert_eq!(admin.request("DELETE", &address).send().await.status, 204);
    let _problem = admin.get(&address).await.problem(404);
}

#[tokio::test]
async fn the_reader_has_a_photograph_of_his_own() {
    let server = Server::start();
    let admin = server.admin().await;
    let page = "/mppeep/profil/photo/modifier";
    assert!(admin.get(page).await.expect(200).is_html());
    let done = admin
        .request("POST", page)
        .multipart(&[], ("file", "moi.png", "image/png", &png(200)))
        .send()
        .await;
    assert_eq!(done.status, 303, "{}", done.text());
    let home = admin.get("/mppeep/accueil").await.expect(200).text();
    assert!(home.contains("/profil/photo?small=1"), "{home}");
    assert_eq!(
        admin
            .get("/mppeep/profil/photo?small=1")
            .await
            .expect(200)
            .header("content-type"),
        Some("image/jpeg")
    );
    let gone = admin
        .post_form("/mppeep/profil/photo/retirer", &[("remove", "1")])
        .await;
    assert_eq!(gone.status, 303);
    let home = admin.get("/mppeep/accueil").await.expect(200).text();
    assert!(!home.contains("/profil/photo?small=1"));
}

#[tokio::test]
async fn what_is_no_photograph_is_refused() {
    let server = Server::start();
    let admin = server.admin().await;
    let agent = id_of(&create_agent(&admin, 1).await);
    let address = format!("{API}/personnel/{agent}/photo");
    let cut = png(300);
    for (name, content) in [
        ("a.png", &b"\x89PNG\r\n\x1a\nrien"[..]),
        ("a.png", &cut[..cut.len() / 2]),
        ("a.png", b""),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("a.gif", b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff"),
        ("a.png", &png(10)),
    ] {
        let problem = put(&admin, &address, name, content).await.problem(422);
        assert_eq!(problem["errors"][0]["field"], "file", "{name}: {problem}");
    }
    let _problem = put(&admin, &address, "a.png", &vec![0; 9 * 1024 * 1024])
        .await
        .problem(413);
    let _problem = admin.get(&address).await.problem(404);
}

/// An agent changes his own photograph and nobody else's.
#[tokio::test]
async fn others_change_no_photograph() {
    let server = Server::demo();
    let sdrh = server.demo_user("sdrh").await;
    let agent = server.demo_user("agent").await;
    let own = agent.get(&format!("{API}/session")).await.expect(200).json();
    let own = own["personnel_id"].as_str().expect("his file").to_owned();
    let all = sdrh
        .get(&format!("{API}/personnel?limit=5"))
        .await
        .expect(200)
        .json();
    let other = all["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(id_of)
        .find(|id| *id != own)
        .expect("another");
    let image = png(200);
    let address = |id: &str| format!("{API}/personnel/{id}/photo");
    assert_eq!(put(&agent, &address(&own), "a.png", &image).await.status, 204);
    assert_eq!(put(&agent, &address(&other), "a.png", &image).await.status, 403);
    assert_eq!(put(&sdrh, &address(&other), "a.png", &image).await.status, 204);
    let removed = agent.request("DELETE", &address(&other)).send().await;
    assert_eq!(removed.status, 403);
    let page = agent
        .get(&format!("/mppeep/personnel/{other}/photo/modifier"))
        .await;
    assert_eq!(page.status, 303);
}
