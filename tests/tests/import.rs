//! The files of an HR office, through the command line of the real binary.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use mppeep_tests::agents::{HEADER, agent, csv, file_of};
use mppeep_tests::api::{create_agent, list, total};
use mppeep_tests::{Launch, Server, processes};

fn write(launch: &Launch, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = launch.data().join(name);
    std::fs::write(&path, content).expect("written");
    path
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A launch whose database exists and is empty.
fn prepared() -> Launch {
    let launch = Launch::new();
    let _done = launch.run_well(&["migrate"]);
    launch
}

fn agents(launch: &Launch) -> u64 {
    launch
        .ask("select count(*) from personnel")
        .trim()
        .parse()
        .expect("a number")
}

/// Ten thousand rows: the dry run writes nothing, the real one everything, a second one nothing more. Times are printed.
#[test]
fn ten_thousand_rows_are_read_checked_and_written() {
    let launch = prepared();
    let file = write(&launch, "agents.csv", file_of(0..10_000));
    let begun = Instant::now();
    let _report = launch.run_well(&["import", "personnel", text(&file), "--dry-run"]);
    println!("dry run of 10 000 rows: {:?}", begun.elapsed());
    assert_eq!(agents(&launch), 0, "a dry run writes nothing");
    let begun = Instant::now();
    let _report = launch.run_well(&["import", "personnel", text(&file)]);
    println!("import of 10 000 rows: {:?}", begun.elapsed());
    assert_eq!(agents(&launch), 10_000);
    let state = || {
        launch.ask(
            "select matricule, family_name, grade, version, updated_at from personnel order by matricule",
        )
    };
    let before = state();
    let begun = Instant::now();
    let report = launch.run_well(&["import", "personnel", text(&file)]);
    println!("the same again: {:?}", begun.elapsed());
    assert_eq!(
        before,
        state(),
        "a second import of the same file changes nothing: {report}"
    );
}

/// Two hundred planted errors: each is told at its row and column, and nothing is written.
#[test]
fn two_hundred_planted_errors_are_all_told_and_nothing_is_written() {
    let launch = prepared();
    let mut rows: Vec<Vec<String>> = (0..3000).map(|number| agent(number).cells()).collect();
    let mut planted = BTreeSet::new();
    for number in 0..200 {
        let index = number * 13 + 5;
        let (column, value) = match number % 5 {
            0 => (0, "pas un matricule !".to_owned()),
            1 => (1, String::new()),
            2 => (3, "31/02/1980".to_owned()),
            3 => (3, "12/05/80".to_owned()),
            _ => (5, "Z9".to_owned()),
        };
        rows[index][column] = value;
        // The header is row 1 of the file.
        planted.insert((index as u64 + 2, column as u64));
    }
    // An empty family name of an agent who does not exist yet is an error: nobody can be made of it.
    let file = write(&launch, "fautes.csv", csv(&HEADER, rows));
    for arguments in [vec!["--dry-run"], vec![]] {
        let mut command = vec!["import", "personnel", text(&file), "--json"];
        command.extend(arguments);
        let done = launch.run(&command);
        assert_eq!(
            done.status.code(),
            Some(1),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        let told = told_errors(&done.stdout);
        let missing: Vec<_> = planted.difference(&told).collect();
        let invented: Vec<_> = told.difference(&planted).collect();
        assert!(
            missing.is_empty() && invented.is_empty(),
            "missing {missing:?}, invented {invented:?}"
        );
        assert_eq!(agents(&launch), 0, "something was written");
    }
}

/// The (row, column) of every error in the report of the command line; rows and columns as a spreadsheet names them.
fn told_errors(report: &[u8]) -> BTreeSet<(u64, u64)> {
    let report: serde_json::Value = serde_json::from_slice(report).expect("the report is JSON");
    assert_eq!(report["written"], false, "{report}");
    let findings = report["findings"].as_array().expect("findings").iter();
    findings
        .filter(|finding| finding["severity"] == "error")
        .map(|finding| {
            let letters = finding["column"]
                .as_str()
                .unwrap_or_else(|| panic!("a column: {finding}"));
            let column = letters
                .bytes()
                .fold(0, |sum, letter| sum * 26 + u64::from(letter - b'A') + 1)
                - 1;
            (finding["row"].as_u64().expect("a row"), column)
        })
        .collect()
}

/// A kill in the middle leaves none of it; afterwards all of it can be imported.
#[test]
fn a_kill_during_the_import_leaves_none_of_it() {
    let launch = prepared();
    let file = write(&launch, "agents.csv", file_of(0..10_000));
    let mut interrupted = 0;
    for wait in [20, 60, 120, 250, 400, 600, 900, 1300] {
        let mut child = launch
            .command()
            .args(["import", "personnel", text(&file)])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        std::thread::sleep(Duration::from_millis(wait));
        processes::kill(child.id());
        let status = child.wait().expect("reaped");
        let count = agents(&launch);
        if status.success() {
            assert_eq!(count, 10_000);
            break;
        }
        assert!(
            count == 0 || count == 10_000,
            "{count} agents after a kill at {wait} ms"
        );
        interrupted += 1;
        if count == 10_000 {
            break;
        }
    }
    assert!(interrupted > 0);
    let _report = launch.run_well(&["import", "personnel", text(&file)]);
    assert_eq!(agents(&launch), 10_000);
    launch.assert_sound();
}

/// What is exported is read back without loss, in both formats.
#[test]
fn an_export_is_read_back_without_loss() {
    let launch = Launch::new().with_demo(120);
    for format in ["csv", "xlsx"] {
        let file = launch.data().join(format!("export.{format}"));
        let _done = launch.run_well(&["export", "personnel", "--output", text(&file)]);
        assert!(file.metadata().expect("the export").len() > 1000);
        let columns = "matricule, family_name, given_names, birth_date, sex, grade, step, salary_index, status, position, \
                       job_title, recruitment_date, service_start_date, national_id, marital_status, children, email, address, version";
        let state =
            |launch: &Launch| launch.ask(&format!("select {columns} from personnel order by matricule"));
        let before = state(&launch);
        let _again = launch.run_well(&["import", "personnel", text(&file)]);
        assert_eq!(
            before,
            state(&launch),
            "an import of what was exported changes nothing ({format})"
        );
        if format == "csv" {
            let text = std::fs::read(&file).expect("the export");
            assert!(
                text.starts_with(b"\xef\xbb\xbf"),
                "a spreadsheet needs the mark to read accents"
            );
            assert!(text.contains(&b';'));
        }
    }
}

/// The same ten agents in the shapes in which files come.
#[test]
fn files_come_in_many_shapes() {
    let rows = || (0..10).map(|number| agent(number).cells());
    let semicolons = csv(&HEADER, rows());
    let mut reversed_header = HEADER;
    reversed_header.reverse();
    let reversed = csv(
        &reversed_header,
        rows().map(|mut cells| {
            cells.reverse();
            cells
        }),
    );
    let plain = csv(
        &[
            "MATRICULE",
            "NOM",
            "PRENOMS",
            "DATE DE NAISSANCE",
            "SEXE",
            "GRADE",
        ],
        rows(),
    );
    let iso = csv(
        &HEADER,
        rows().map(|mut cells| {
            let day: Vec<String> = cells[3].split('/').rev().map(str::to_owned).collect();
            cells[3] = day.join("-");
            cells
        }),
    );
    let extra = csv(
        &[
            "Matricule",
            "Nom",
            "Prénoms",
            "Date de naissance",
            "Sexe",
            "Grade",
            "Couleur préférée",
        ],
        rows().map(|mut cells| {
            cells.push("bleu".into());
            cells
        }),
    );
    let latin: Vec<u8> = semicolons
        .chars()
        .map(|c| u8::try_from(u32::from(c)).expect("Windows-1252 has it"))
        .collect();
    let shapes: [(&str, Vec<u8>); 8] = [
        ("semicolons", semicolons.clone().into_bytes()),
        ("mark", [b"\xef\xbb\xbf", semicolons.as_bytes()].concat()),
        ("latin", latin),
        ("tabs", semicolons.replace(';', "\t").into_bytes()),
        ("commas", semicolons.replace(';', ",").into_bytes()),
        ("reversed", reversed.into_bytes()),
        ("plain", plain.into_bytes()),
        ("iso", iso.into_bytes()),
    ];
    let mut states = Vec::new();
    for (name, content) in shapes.into_iter().chain([("extra", extra.into_bytes())]) {
        let launch = prepared();
        let file = write(&launch, &format!("{name}.csv"), content);
        let _report = launch.run_well(&["import", "personnel", text(&file)]);
        let question =
            "select matricule, family_name, given_names, birth_date, sex, grade from personnel order by 1";
        let state = launch.ask(question);
        assert_eq!(state.lines().count(), 10, "{name}");
        assert!(state.contains("KONÉ"), "{name}: {state}");
        states.push((name, state));
    }
    for (name, state) in &states[1..] {
        assert_eq!(&states[0].1, state, "{name}");
    }
}

/// An empty cell and a missing column change nothing.
#[tokio::test]
async fn what_a_file_does_not_say_stays() {
    let server = Server::start();
    let admin = server.admin().await;
    let view = create_agent(&admin, 1).await;
    let rows = [vec!["T000001".to_owned(), String::new(), "Directrice".to_owned()]];
    let file = write(
        server.launch(),
        "peu.csv",
        csv(&["Matricule", "Nom", "Fonction"], rows),
    );
    let _report = server.launch().run_well(&["import", "personnel", text(&file)]);
    let page = list(&admin, "personnel").await;
    assert_eq!(page["total"], 1);
    assert_eq!(page["items"][0]["family_name"], view["family_name"]);
    let path = format!(
        "{}/personnel/{}",
        mppeep_tests::api::API,
        view["id"].as_str().expect("an id")
    );
    let now = admin.get(&path).await.expect(200).json();
    assert_eq!(now["job_title"], "Directrice");
    assert_eq!(now["birth_date"], view["birth_date"]);
}

/// The running server shows what another process has imported, within the bound of its copies.
#[tokio::test]
async fn a_running_server_sees_an_import_from_the_command_line() {
    let server = Server::start();
    let admin = server.admin().await;
    assert_eq!(total(&admin, "personnel").await, 0);
    let file = write(server.launch(), "agents.csv", file_of(0..50));
    let _report = server.launch().run_well(&["import", "personnel", text(&file)]);
    let begun = Instant::now();
    let mut seen = total(&admin, "personnel").await;
    while seen != 50 && begun.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        seen = total(&admin, "personnel").await;
    }
    println!("seen after {:?}", begun.elapsed());
    assert_eq!(seen, 50);
}

/// The rows that were refused come back as a file of the same format, with the reasons.
#[test]
fn refused_rows_come_back_with_reasons() {
    let launch = prepared();
    let mut rows: Vec<Vec<String>> = (0..10).map(|number| agent(number).cells()).collect();
    rows[3][3] = "12/05/80".into();
    rows[7][5] = "Z9".into();
    let file = write(&launch, "fautes.csv", csv(&HEADER, rows));
    let rejects = launch.data().join("refus.csv");
    let done = launch.run(&["import", "personnel", text(&file), "--rejects", text(&rejects)]);
    assert_eq!(done.status.code(), Some(1));
    let back = std::fs::read_to_string(&rejects).expect("the file of refused rows");
    assert!(back.contains("T000003") && back.contains("T000007"), "{back}");
    assert!(!back.contains("T000004"), "{back}");
    assert_eq!(agents(&launch), 0);
}
