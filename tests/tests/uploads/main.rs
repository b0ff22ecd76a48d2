//! Uploads over a socket: what is refused leaves nothing behind, what is kept goes out as it came in and no further.

mod kept;
mod office;
mod refused;
mod sockets;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mppeep_tests::api::{API, create_agent, id_of};
use mppeep_tests::{Client, Response, Server};

pub(crate) const PDF: &[u8] = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";
pub(crate) const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc\xf8\x0f\0\x01\x01\x01\0\x1b\xb6\xeeV\0\0\0\0IEND\xaeB`\x82";

pub(crate) fn documents() -> String {
    format!("{API}/documents")
}

pub(crate) async fn deposit(client: &Client, agent: &str, name: &str, content: &[u8]) -> Response {
    let fields = [("personnel_id", agent), ("kind", "diploma")];
    client
        .request("POST", &documents())
        .multipart(&fields, ("file", name, "application/octet-stream", content))
        .send()
        .await
}

/// Every file below a folder that is no part of the database.
pub(crate) fn contents(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .filter_map(Result::ok)
        {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if !path.to_string_lossy().contains(".db") {
                found.insert(path);
            }
        }
    }
    found
}

/// Waits until the folder holds the same as before: a request that was cut is cleaned up after when its end is noticed.
pub(crate) async fn same_contents(folder: &Path, before: &BTreeSet<PathBuf>, what: &str) {
    let mut now = contents(folder);
    for _ in 0..600 {
        if now == *before {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        now = contents(folder);
    }
    panic!(
        "{what} left something: {:?}",
        now.difference(before).collect::<Vec<_>>()
    );
}

pub(crate) struct Place {
    pub(crate) server: Server,
    pub(crate) admin: Client,
    pub(crate) agent: String,
}

pub(crate) async fn place() -> Place {
    let server = Server::start();
    let admin = server.admin().await;
    let agent = id_of(&create_agent(&admin, 1).await);
    Place { server, admin, agent }
}
