//! Checks of the store of contents.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mppeep_core::domain::id::StoredFileId;
use mppeep_core::ports::file_store::{FileReader, FileStore, FileStoreError};

use crate::fixtures::file_id;
use crate::harness::FileStoreHarness;
use crate::support::{Dice, at_once, in_time, poll_then_drop};

const HOUR: Duration = Duration::from_secs(3_600);

type Port = Arc<dyn FileStore>;

/// Bytes that no other number has, at no place.
fn a_content(number: u64, size: usize) -> Bytes {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(size).collect()
}

/// Writes a content in pieces of that size.
async fn write(files: &Port, id: StoredFileId, content: &Bytes, piece: usize) -> Result<(), FileStoreError> {
    let mut writer = files.create(id).await?;
    let mut rest = content.clone();
    while !rest.is_empty() {
        writer.write(rest.split_to(piece.min(rest.len()))).await?;
    }
    writer.finish().await
}

async fn read_on(reader: &mut Box<dyn FileReader>, most: usize) -> Vec<u8> {
    let mut read = Vec::new();
    loop {
        let bytes = in_time(reader.read(most)).await.unwrap();
        assert!(bytes.len() <= most, "{} of {most} bytes", bytes.len());
        if bytes.is_empty() {
            return read;
        }
        read.extend_from_slice(&bytes);
    }
}

/// The content, if it is there.
async fn read(files: &Port, id: StoredFileId) -> Option<Vec<u8>> {
    let mut reader = files.open(id).await.unwrap()?;
    let read = read_on(&mut reader, 256 * 1_024).await;
    assert_eq!(reader.size(), u64::try_from(read.len()).unwrap());
    Some(read)
}

async fn list(files: &Port) -> Vec<StoredFileId> {
    files.list(Duration::ZERO, None, 1_000).await.unwrap()
}

/// Contents from none to ten mebibytes come back byte for byte, on every instance, in whatever pieces they were written;
/// one that is not there is told so.
pub async fn contents_come_back_byte_for_byte(harness: &dyn FileStoreHarness) {
    let (one, two) = (harness.files(0).await, harness.files(1).await);
    let sizes = [
        (0, 1),
        (1, 1),
        (2, 1),
        (4_095, 7),
        (4_096, 4_096),
        (65_537, 1_000),
        (1 << 20, 8_192),
        (10 << 20, 65_536),
        ((1 << 20) + 1, 1 << 20),
    ];
    let mut contents = BTreeMap::new();
    for ((size, piece), number) in sizes.into_iter().zip(1u64..) {
        let content = a_content(number, size);
        write(&one, file_id(number.into()), &content, piece)
            .await
            .unwrap();
        contents.insert(file_id(number.into()), content);
    }
    for files in [&one, &two] {
        for (id, content) in &contents {
            let read = read(files, *id).await.unwrap();
            assert!(read == *content, "{} bytes", content.len());
        }
        assert!(files.open(file_id(99)).await.unwrap().is_none());
        assert!(!files.remove(file_id(99)).await.unwrap());
        let listed: BTreeSet<StoredFileId> = list(files).await.into_iter().collect();
        assert!(listed.iter().eq(contents.keys()));
    }
    assert_eq!(harness.unfinished().await, 0);
}

/// A content is there when its writer finished and not before: whoever looks meanwhile sees all of it or nothing.
pub async fn a_content_is_there_whole_or_not_at_all(harness: &dyn FileStoreHarness) {
    let (one, two) = (harness.files(0).await, harness.files(1).await);
    for number in 1..=10u64 {
        let (id, content) = (file_id(number.into()), a_content(number, 300_000));
        let mut writer = one.create(id).await.unwrap();
        assert!(two.open(id).await.unwrap().is_none(), "nothing was written");
        for piece in content.chunks(70_000) {
            writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
            assert!(two.open(id).await.unwrap().is_none(), "it is not finished");
            assert!(!list(&two).await.contains(&id), "it is not finished");
            assert!(!two.remove(id).await.unwrap(), "it is not finished");
        }
        let other = two.clone();
        let looking = tokio::spawn(async move {
            loop {
                if let Some(seen) = read(&other, id).await {
                    return (seen, list(&other).await);
                }
                tokio::task::yield_now().await;
            }
        });
        tokio::task::yield_now().await;
        writer.finish().await.unwrap();
        let (seen, listed) = in_time(looking).await.unwrap();
        assert!(seen == content, "{} of {} bytes", seen.len(), content.len());
        assert!(listed.contains(&id));
    }
}

/// COM-7: a writer that is dropped, before or after some bytes, leaves nothing: neither a content nor a part of one.
pub async fn a_dropped_writer_leaves_nothing(harness: &dyn FileStoreHarness) {
    let (one, two) = (harness.files(0).await, harness.files(1).await);
    for pieces in [0, 1, 3, 40] {
        let id = file_id(pieces);
        let mut writer = one.create(id).await.unwrap();
        for _ in 0..pieces {
            writer.write(a_content(1, 65_536)).await.unwrap();
        }
        assert_eq!(harness.unfinished().await, 1, "after {pieces} pieces");
        drop(writer);
        assert_eq!(left_in_time(harness).await, 0, "after {pieces} pieces");
        assert!(two.open(id).await.unwrap().is_none());
        assert!(list(&two).await.is_empty());
        assert_eq!(two.sweep_unfinished(Duration::ZERO).await.unwrap(), 0);
        let content = a_content(2, 10);
        write(&two, id, &content, 3).await.unwrap();
        assert!(read(&one, id).await.unwrap() == content, "the name is free");
        assert!(one.remove(id).await.unwrap());
    }
}

/// What is unfinished once a dropped writer's last work, which nobody waits for, is done.
async fn left_in_time(harness: &dyn FileStoreHarness) -> usize {
    let mut left = harness.unfinished().await;
    for _ in 0..3_000 {
        if left == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        left = harness.unfinished().await;
    }
    left
}

/// COM-7: a call that is dropped anywhere leaves a whole content or none.
pub async fn a_cancelled_write_leaves_nothing_half(harness: &dyn FileStoreHarness) {
    let (one, two) = (harness.files(0).await, harness.files(1).await);
    let content = a_content(1, 200_000);
    for polls in 0..=20usize {
        let id = file_id(u128::try_from(polls).unwrap());
        let written = poll_then_drop(polls, write(&one, id, &content, 50_000)).await;
        assert_eq!(left_in_time(harness).await, 0);
        let seen = read(&two, id).await;
        assert!(seen.is_some() || written.is_none(), "it was finished");
        assert!(seen.is_none_or(|seen| seen == content), "after {polls} polls");
    }
    for polls in 0..=6usize {
        let id = file_id(100 + u128::try_from(polls).unwrap());
        let mut writer = one.create(id).await.unwrap();
        writer.write(content.clone()).await.unwrap();
        let finished = poll_then_drop(polls, writer.finish()).await;
        assert_eq!(left_in_time(harness).await, 0);
        let seen = read(&two, id).await;
        assert!(seen.is_some() || finished.is_none(), "it was finished");
        assert!(seen.is_none_or(|seen| seen == content), "after {polls} polls");
    }
}

/// A content never changes: whoever writes another under its identifier is refused, and so are all but one of those who
/// do so at the same time.
pub async fn a_content_never_changes(harness: &dyn FileStoreHarness) {
    let instances = [harness.files(0).await, harness.files(1).await];
    let first = a_content(1, 1_000);
    write(&instances[0], file_id(1), &first, 100).await.unwrap();
    for files in &instances {
        let again = write(files, file_id(1), &a_content(2, 2_000), 100).await;
        assert!(again.is_err(), "there is one already");
        assert!(read(files, file_id(1)).await.unwrap() == first);
    }
    for round in 0..5u64 {
        let id = file_id(u128::from(10 + round));
        let written = at_once((0..6u64).map(|n| {
            let files = instances[usize::from(n % 2 == 1)].clone();
            async move {
                write(&files, id, &a_content(10 + n, 50_000), 10_000)
                    .await
                    .is_ok()
            }
        }))
        .await;
        let done: Vec<u64> = (0..6u64)
            .zip(&written)
            .filter_map(|(n, done)| done.then_some(n))
            .collect();
        assert_eq!(done.len(), 1, "{written:?}");
        let seen = read(&instances[0], id).await.unwrap();
        assert!(seen == a_content(10 + done[0], 50_000));
    }
    assert_eq!(left_in_time(harness).await, 0);
}

/// COM-13: sixteen who write at the same time on two instances disturb each other in nothing.
pub async fn writers_at_once_are_kept_apart(harness: &dyn FileStoreHarness) {
    let instances = [harness.files(0).await, harness.files(1).await];
    at_once((0..16u64).map(|n| {
        let files = instances[usize::from(n % 2 == 1)].clone();
        async move {
            let size = 100_000 + usize::try_from(n).unwrap() * 1_003;
            let mut writer = files.create(file_id(n.into())).await.unwrap();
            for piece in a_content(n, size).chunks(7_001) {
                writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
                tokio::task::yield_now().await;
            }
            if n % 4 != 3 {
                writer.finish().await.unwrap();
            }
        }
    }))
    .await;
    for n in 0..16u64 {
        let size = 100_000 + usize::try_from(n).unwrap() * 1_003;
        let seen = read(&instances[usize::from(n % 2 == 0)], file_id(n.into())).await;
        if n % 4 == 3 {
            assert!(seen.is_none(), "{n} was not finished");
        } else {
            assert!(seen.unwrap() == a_content(n, size), "{n}");
        }
    }
    assert_eq!(left_in_time(harness).await, 0);
    assert_eq!(list(&instances[0]).await.len(), 12);
}

/// A content that is removed is gone for whoever comes, and there to its end for whoever has it open.
pub async fn a_removed_content_is_read_to_its_end(harness: &dyn FileStoreHarness) {
    let (one, two) = (harness.files(0).await, harness.files(1).await);
    let content = a_content(1, 3 << 20);
    write(&one, file_id(1), &content, 65_536).await.unwrap();
    write(&one, file_id(2), &a_content(2, 10), 10).await.unwrap();
    let mut reader = two.open(file_id(1)).await.unwrap().unwrap();
    let begun = reader.read(1_000).await.unwrap();
    assert!(!begun.is_empty() && content.starts_with(&begun));
    let outcomes = at_once(
        [one.clone(), two.clone(), one.clone()]
            .map(|files| async move { files.remove(file_id(1)).await.unwrap() }),
    )
    .await;
    assert_eq!(outcomes.iter().filter(|removed| **removed).count(), 1);
    for files in [&one, &two] {
        assert!(files.open(file_id(1)).await.unwrap().is_none());
        assert_eq!(list(files).await, [file_id(2)]);
        assert!(!files.remove(file_id(1)).await.unwrap());
    }
    let rest = read_on(&mut reader, 65_536).await;
    assert!(rest == content[begun.len()..]);
    reader.seek(1).await.unwrap();
    assert!(read_on(&mut reader, 65_536).await == content[1..]);
}

/// Reading goes on at the byte that it was told, gives no more than asked for, and ends with nothing, again and again.
pub async fn reading_goes_on_where_it_is_told(harness: &dyn FileStoreHarness) {
    let (one, two) = (harness.files(0).await, harness.files(1).await);
    let size = 300_000;
    let content = a_content(1, size);
    write(&one, file_id(1), &content, size).await.unwrap();
    let mut reader = two.open(file_id(1)).await.unwrap().unwrap();
    assert_eq!(reader.size(), u64::try_from(size).unwrap());
    let dice = Dice::new(0xf11e);
    let mut places: Vec<usize> = (0..50)
        .map(|_| usize::try_from(dice.below(300_000)).unwrap())
        .collect();
    places.extend([0, size - 1, size, 1, 0, size / 2]);
    for place in places {
        reader.seek(u64::try_from(place).unwrap()).await.unwrap();
        let most = 1 + usize::try_from(dice.below(100_000)).unwrap();
        let bytes = reader.read(most).await.unwrap();
        assert!(bytes.len() <= most);
        assert_eq!(bytes.is_empty(), place == size);
        assert!(bytes == content[place..place + bytes.len()]);
        let more = reader.read(most).await.unwrap();
        let from = place + bytes.len();
        assert!(more == content[from..from + more.len()], "it goes on");
    }
    reader.seek(10).await.unwrap();
    assert!(read_on(&mut reader, 1_000).await == content[10..]);
    for _ in 0..3 {
        assert!(
            reader.read(1_000).await.unwrap().is_empty(),
            "the end stays the end"
        );
    }
    // Two readers have places of their own.
    let mut other = two.open(file_id(1)).await.unwrap().unwrap();
    reader.seek(100_000).await.unwrap();
    let begun = other.read(10).await.unwrap();
    assert!(!begun.is_empty() && content.starts_with(&begun));
}

/// Contents are listed when they are old enough, page by page in one order; what is unfinished is no content at any age.
pub async fn contents_are_listed_by_age_in_order(harness: &dyn FileStoreHarness) {
    let (one, two) = (harness.files(0).await, harness.files(1).await);
    assert!(list(&one).await.is_empty());
    let ids = |numbers: &[u128]| -> BTreeSet<StoredFileId> {
        numbers.iter().map(|number| file_id(*number)).collect()
    };
    let old = [5u128, 300, 2, 70, 9, 4_000];
    for number in old {
        write(&one, file_id(number), &a_content(1, 10), 10).await.unwrap();
    }
    harness.leave_unfinished().await;
    harness.grow_older(HOUR * 2).await;
    for number in [3u128, 100] {
        write(&one, file_id(number), &a_content(1, 10), 10).await.unwrap();
    }
    let all = list(&two).await;
    assert_eq!(all.len(), 8, "{all:?}");
    assert_eq!(
        all.iter().copied().collect::<BTreeSet<_>>(),
        ids(&[2, 3, 5, 9, 70, 100, 300, 4_000])
    );
    assert_eq!(list(&one).await, all);
    let aged = two.list(HOUR, None, 1_000).await.unwrap();
    let expected: Vec<StoredFileId> = all.iter().copied().filter(|id| ids(&old).contains(id)).collect();
    assert_eq!(aged, expected);
    assert!(two.list(HOUR * 3, None, 1_000).await.unwrap().is_empty());
    for limit in [1, 3, 8] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = two.list(Duration::ZERO, after, limit).await.unwrap();
            assert!(page.len() <= limit);
            let Some(last) = page.last() else { break };
            after = Some(*last);
            seen.extend(page);
            assert!(seen.len() <= all.len(), "{limit} at a time: {seen:?}");
        }
        assert_eq!(seen, all, "{limit} at a time");
    }
    // It goes on behind a content that is gone by then.
    assert!(one.remove(aged[2]).await.unwrap());
    let rest = two.list(HOUR, Some(aged[2]), 2).await.unwrap();
    assert_eq!(rest, aged[3..5]);
}

/// Sweeping removes what writers of dead processes left, each once and when it is old enough; contents stay, and so does
/// what is being written.
pub async fn sweeping_removes_what_the_dead_left(harness: &dyn FileStoreHarness) {
    let (one, two) = (harness.files(0).await, harness.files(1).await);
    let content = a_content(1, 1_000);
    write(&one, file_id(1), &content, 100).await.unwrap();
    harness.leave_unfinished().await;
    harness.leave_unfinished().await;
    harness.grow_older(HOUR * 2).await;
    harness.leave_unfinished().await;
    let mut writer = one.create(file_id(2)).await.unwrap();
    writer.write(content.slice(..500)).await.unwrap();
    assert_eq!(harness.unfinished().await, 4);
    assert_eq!(two.sweep_unfinished(HOUR * 3).await.unwrap(), 0);
    assert_eq!(two.sweep_unfinished(HOUR).await.unwrap(), 2);
    assert_eq!(one.sweep_unfinished(HOUR).await.unwrap(), 0);
    assert_eq!(harness.unfinished().await, 2);
    writer.write(content.slice(500..)).await.unwrap();
    writer.finish().await.unwrap();
    for number in [1, 2] {
        assert!(read(&two, file_id(number)).await.unwrap() == content);
    }
    harness.grow_older(HOUR * 2).await;
    assert_eq!(one.sweep_unfinished(HOUR).await.unwrap(), 1);
    assert_eq!(harness.unfinished().await, 0);
    assert_eq!(list(&two).await.len(), 2);
}

/// Where room can be told, what is free is no more than what there is.
pub async fn room_is_told_where_it_can_be(harness: &dyn FileStoreHarness) {
    let files = harness.files(0).await;
    if let Some(space) = files.space().await.unwrap() {
        assert!(space.total > 0 && space.free <= space.total, "{space:?}");
    }
}
