//! A text of Office that unfolds into much more than it is.

use mppeep_tests::processes;

use super::{Place, deposit, place};

/// A text of Office that would unfold into gigabytes is stored as it is and never unfolded.
#[tokio::test]
async fn a_bomb_is_not_unfolded() {
    let Place { server, admin, agent } = place().await;
    let bomb = office_text(64 * 1024 * 1024);
    println!("{} bytes that unfold into 64 MiB", bomb.len());
    let memory = || processes::resident_kib(server.id());
    let before = memory();
    let answer = deposit(&admin, &agent, "texte.docx", &bomb).await;
    assert!(matches!(answer.status, 201 | 422), "{}", answer.text());
    let grown = memory().saturating_sub(before);
    println!("resident memory grew by {grown} KiB");
    assert!(grown < 32 * 1024, "{grown} KiB");
}

/// A document of Office Open XML whose text is so many times the same byte.
fn office_text(bytes: usize) -> Vec<u8> {
    use std::io::Write as _;
    let mut coder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![b' '; 1024 * 1024];
    let mut crc = flate2::Crc::new();
    for _ in 0..bytes / zeros.len() {
        coder.write_all(&zeros).expect("coded");
        crc.update(&zeros);
    }
    let coded = coder.finish().expect("coded");
    let plain = |text: &str| {
        let mut crc = flate2::Crc::new();
        crc.update(text.as_bytes());
        (text.as_bytes().to_vec(), crc.sum(), text.len(), 0_u16)
    };
    let types = "<?xml version=\"1.0\"?><Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Override PartName=\"/word/document.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml\"/></Types>";
    let entries = [
        ("[Content_Types].xml", plain(types)),
        ("_rels/.rels", plain("<?xml version=\"1.0\"?><Relationships/>")),
        ("word/document.xml", (coded, crc.sum(), bytes, 8)),
    ];
    let mut file = Vec::new();
    let mut directory = Vec::new();
    for (name, (content, sum, size, method)) in &entries {
        let offset = u32::try_from(file.len()).expect("small");
        let mut common = Vec::new();
        common.extend_from_slice(&[20, 0, 0, 0]);
        common.extend_from_slice(&method.to_le_bytes());
        common.extend_from_slice(&[0, 0, 0x21, 0]);
        common.extend_from_slice(&sum.to_le_bytes());
        common.extend_from_slice(&u32::try_from(content.len()).expect("small").to_le_bytes());
        common.extend_from_slice(&u32::try_from(*size).expect("small").to_le_bytes());
        common.extend_from_slice(&u16::try_from(name.len()).expect("short").to_le_bytes());
        common.extend_from_slice(&[0, 0]);
        file.extend_from_slice(b"PK\x03\x04");
        file.extend_from_slice(&common);
        file.extend_from_slice(name.as_bytes());
        file.extend_from_slice(content);
        directory.extend_from_slice(b"PK\x01\x02\x14\0");
        directory.extend_from_slice(&common);
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&offset.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
    }
    let start = u32::try_from(file.len()).expect("small");
    let count = u16::try_from(entries.len()).expect("few").to_le_bytes();
    file.extend_from_slice(&directory);
    file.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    file.extend_from_slice(&count);
    file.extend_from_slice(&count);
    file.extend_from_slice(&u32::try_from(directory.len()).expect("small").to_le_bytes());
    file.extend_from_slice(&start.to_le_bytes());
    file.extend_from_slice(&[0, 0]);
    file
}
