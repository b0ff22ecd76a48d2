//! Photographs on a real store: whose they are decides who may change them, and one takes the place of another.

use std::sync::Arc;

use bytes::Bytes;
use mppeep_core::domain::permission::Actor;
use mppeep_core::domain::photo::PhotoOwner;
use mppeep_core::domain::user::Role;
use mppeep_core::ports::photo::{PhotoError, PhotoMaker, Pictures};
use mppeep_core::services::photos::PhotoService;

use super::contents::{Folder, why};
use super::world::World;

/// Makes the same two pictures of everything but of nothing.
struct Maker;

impl PhotoMaker for Maker {
    fn make(&self, image: &[u8]) -> Result<Pictures, PhotoError> {
        if image.is_empty() {
            return Err(PhotoError::Unreadable);
        }
        Ok(Pictures {
            large: Bytes::from_static(b"\xff\xd8large"),
            small: Bytes::from_static(b"\xff\xd8small"),
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whose_photograph_it_is_decides() {
    let world = World::new().await;
    let folder = Folder::new();
    let photos = PhotoService::new(world.context.clone(), folder.contents(), Arc::new(Maker));
    let mine = world.file("A-1", &[]).await.id();
    let other = world.file("A-2", &[]).await.id();
    let me = world.agent(mine);
    let sdrh = world.of_role(Role::Sdrh);
    let image = || Bytes::from_static(b"image");
    let of = PhotoOwner::Personnel;
    photos.set(&me, of(mine), image()).await.expect("his own");
    assert_eq!(why(photos.set(&me, of(other), image()).await), "forbidden");
    photos.set(&sdrh, of(other), image()).await.expect("by the staff");
    assert_eq!(folder.files(), 4);
    // Another one takes its place, and nothing stays of the first.
    photos.set(&me, of(mine), image()).await.expect("again");
    assert_eq!(folder.files(), 4);
    assert_eq!(
        why(photos.set(&me, of(mine), Bytes::new()).await),
        "file: unreadable"
    );
    let huge = Bytes::from(vec![0; 9 * 1024 * 1024]);
    assert_eq!(why(photos.set(&me, of(mine), huge).await), "too large");
    let (_, mut small) = photos
        .open(&me, of(other), true)
        .await
        .expect("the directory shows it");
    let bytes = small.reader.read(100).await.expect("read");
    assert_eq!(bytes.as_ref(), b"\xff\xd8small");
    let guest: Actor = world.of_role(Role::Invite);
    assert_eq!(why(photos.open(&guest, of(other), true).await), "forbidden");
    let found = photos.of_agents(&sdrh, &[mine, other]).await.expect("asked");
    assert_eq!(found.len(), 2);
    assert_eq!(why(photos.remove(&me, of(other)).await), "forbidden");
    photos.remove(&sdrh, of(mine)).await.expect("removed");
    photos.remove(&sdrh, of(mine)).await.expect("gone already");
    assert_eq!(folder.files(), 2);
    assert_eq!(why(photos.open(&me, of(mine), false).await), "not found");
}
