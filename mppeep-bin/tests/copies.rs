//! Copies of a database that is a file, and of the contents of files beside it.
#![expect(clippy::expect_used, reason = "a test says what it found by panicking")]

mod line;

use crate::line::Line;

const FIRST: &str = "files/01/019b0000-0000-7000-8000-000000000001";
const SECOND: &str = "files/02/019b0000-0000-7000-8000-000000000002";
const UNFINISHED: &str = "files/incoming/019b0000-0000-7000-8000-000000000003";

#[test]
fn a_copy_holds_the_contents_and_brings_them_back() {
    let line = Line::on("");
    line.well(&["migrate"]);
    line.write(FIRST, "one");
    line.write(SECOND, "three");
    line.write(UNFINISHED, "half an upload");
    let said = line.well(&["backup", "monday.db"]);
    assert!(
        said.contains("8 bytes in monday.db.files (contents of files: 2)"),
        "{said}"
    );
    let again = line.badly(&["backup", "monday.db"], &[]);
    assert!(again.contains("already exists"), "{again}");
    assert_eq!(line.read(&FIRST.replace("files/", "monday.db.files/")), "one");
    assert!(
        !line
            .folder
            .path()
            .join(UNFINISHED.replace("files/", "monday.db.files/"))
            .exists(),
        "an upload under way is no content"
    );

    // One is lost, one is cut, and one came after the copy.
    let later = "files/04/019b0000-0000-7000-8000-000000000004";
    std::fs::remove_file(line.folder.path().join(FIRST)).expect("removed");
    line.write(SECOND, "th");
    line.write(later, "of Tuesday");
    let said = line.well(&["restore", "monday.db"]);
    assert!(
        said.contains("8 bytes are put back") && said.contains("(contents of files: 2)"),
        "{said}"
    );
    assert_eq!(line.read(FIRST), "one");
    assert_eq!(line.read(SECOND), "three");
    assert_eq!(line.read(later), "of Tuesday");
    line.well(&["user", "list"]);

    // What was there before can be brought back with its contents.
    let before = said
        .lines()
        .find_map(|said| said.strip_prefix("What was there before is in "))
        .expect("it says where")
        .trim_end_matches('.');
    std::fs::remove_dir_all(line.folder.path().join("files")).expect("removed");
    line.well(&["restore", before]);
    assert_eq!(line.read(later), "of Tuesday");
    assert_eq!(line.read(SECOND), "th", "as it was");
    line.well(&["user", "list"]);
}

#[test]
fn a_copy_of_another_database_brings_its_contents() {
    let (here, there) = (Line::on(""), Line::on(""));
    here.well(&["demo", "--agents", "10"]);
    here.write(FIRST, "one");
    here.well(&["backup", "copy.db"]);
    there.well(&["migrate"]);
    there.write(SECOND, "of the other one");
    let copy = here.folder.path().join("copy.db");
    there.well(&["restore", copy.to_str().expect("Unicode")]);
    assert_eq!(there.read(FIRST), "one");
    let accounts = there.well(&["user", "list"]);
    assert!(accounts.contains("sdrh@demo.mppeep.example"), "{accounts}");
}

#[test]
fn what_is_no_copy_puts_no_content_back() {
    let line = Line::on("");
    line.well(&["demo", "--agents", "10"]);
    line.write("bad.db", "no database");
    line.write(&FIRST.replace("files/", "bad.db.files/"), "one");
    let said = line.badly(&["restore", "bad.db"], &[]);
    assert!(said.contains("is not taken"), "{said}");
    assert!(!line.folder.path().join(FIRST).exists(), "{said}");
}

#[test]
fn without_contents_a_copy_is_one_file() {
    let line = Line::on("");
    line.well(&["migrate"]);
    line.well(&["backup"]);
    assert_eq!(line.copies("").len(), 1);
    let copy = line.copies(".db").remove(0);
    line.well(&["restore", copy.to_str().expect("Unicode")]);
    let mut names = std::fs::read_dir(line.folder.path())
        .expect("the folder of data")
        .map(|entry| entry.expect("an entry").file_name());
    assert!(names.all(|name| !name.to_string_lossy().ends_with(".files")));
}

/// What the database names and the folder lacks is told, and so is what nothing names; a copy brings back what is missing.
#[test]
fn the_doctor_misses_a_content_that_a_copy_brings_back() {
    let line = Line::on("");
    line.well(&["demo", "--agents", "20"]);
    let said = line.well(&["doctor"]);
    assert!(said.contains("are named, and all are there"), "{said}");
    line.well(&["backup", "monday.db"]);

    let kept: Vec<_> = walk(&line.folder.path().join("files"));
    let [lost, cut, ..] = kept.as_slice() else {
        panic!("{kept:?}");
    };
    std::fs::remove_file(lost).expect("removed");
    std::fs::write(cut, "%PDF").expect("written");
    let old = line.folder.path().join(FIRST);
    line.write(FIRST, "of nobody");
    line.write(SECOND, "on its way to its row");
    let yesterday = std::time::SystemTime::now() - std::time::Duration::from_secs(24 * 3600);
    let file = std::fs::File::options().write(true).open(&old).expect("opened");
    file.set_modified(yesterday).expect("made older");
    let said = line.badly(&["doctor"], &[]);
    let told = format!("2 of {} contents are missing or cut", kept.len());
    assert!(said.contains(&told), "{told} is not in {said}");
    let name = |path: &std::path::Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(said.contains(&name(lost)) && said.contains(&name(cut)), "{said}");
    assert!(said.contains("1 contents are named by nothing"), "{said}");
    assert!(old.exists(), "looking changes nothing");

    line.well(&["restore", "monday.db"]);
    let said = line.well(&["doctor"]);
    assert!(said.contains("are named, and all are there"), "{said}");
}

/// The contents in a folder.
fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut found: Vec<_> = paths
        .flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] })
        .filter(|path| path.file_name().is_some_and(|name| name.len() == 36))
        .collect();
    found.sort();
    found
}

#[test]
fn the_doctor_tells_when_a_certificate_ends() {
    let line = Line::on("");
    line.well(&["migrate"]);
    let made = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).expect("parameters");
    params.not_after = rcgen::date_time_ymd(2020, 2, 29);
    let certificate = params.self_signed(&made).expect("a certificate");
    line.write("cert.pem", &certificate.pem());
    line.write("key.pem", &made.serialize_pem());
    let (cert, key) = (
        line.folder.path().join("cert.pem"),
        line.folder.path().join("key.pem"),
    );
    let environment = [
        ("MPPEEP_TLS_CERT", cert.to_str().expect("Unicode")),
        ("MPPEEP_TLS_KEY", key.to_str().expect("Unicode")),
        ("MPPEEP_PUBLIC_URL", "https://localhost"),
    ];
    let said = line.badly(&["doctor"], &environment);
    assert!(said.contains("the certificate ended on 2020-02-29"), "{said}");
}
