//! The image: what is built, from what, and what is left out.

use super::compose::{is_number_of_nobody, is_pinned, services};
use super::{strings, text};

/// The instructions of the Containerfile, with lines that go on joined.
fn instructions() -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut goes_on = false;
    for line in text("deploy/Containerfile").lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (content, more) = line
            .strip_suffix('\\')
            .map_or((line, false), |content| (content.trim(), true));
        if goes_on {
            let (_, before) = found.last_mut().expect("something goes on");
            before.push(' ');
            before.push_str(content);
        } else {
            let (word, rest) = content.split_once(' ').unwrap_or((content, ""));
            found.push((word.to_owned(), rest.to_owned()));
        }
        goes_on = more;
    }
    found
}

#[test]
fn the_image_is_small_pinned_and_not_root() {
    let instructions = instructions();
    let all = |word: &str| -> Vec<&str> {
        let found = instructions.iter().filter(|(name, _)| name == word);
        found.map(|(_, rest)| rest.as_str()).collect()
    };
    let stages = all("FROM");
    assert_eq!(stages.len(), 2, "one builds, one runs");
    for stage in &stages {
        let image = stage.split(' ').next().unwrap_or_default();
        assert!(is_pinned(image), "{stage}");
    }
    let compiler = text("Cargo.toml");
    let wanted = compiler
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = \""))
        .expect("rust-version")
        .trim_end_matches('"');
    assert!(
        stages[0].starts_with(&format!("rust:{wanted}")),
        "{} builds {wanted}",
        stages[0]
    );
    assert_eq!(all("USER").len(), 1);
    assert!(is_number_of_nobody(all("USER")[0]));
    assert_eq!(
        Some(all("USER")[0]),
        services()["app"]["user"].as_str(),
        "the same one owns the volume"
    );
    assert!(all("ADD").is_empty(), "COPY says what it does");
    assert_eq!(
        all("ENTRYPOINT"),
        ["[\"mppeep\"]"],
        "no shell in between, which would keep signals"
    );
    assert_eq!(all("VOLUME"), ["/data"]);
    let health = all("HEALTHCHECK")[0];
    assert!(health.ends_with("CMD [\"mppeep\", \"health\"]"), "{health}");
    assert_eq!(
        strings(&services()["app"]["healthcheck"]["test"]),
        ["CMD", "mppeep", "health"]
    );
    // After the sources nothing but the program comes over.
    let last = instructions
        .iter()
        .rposition(|(name, _)| name == "FROM")
        .expect("FROM");
    let copied: Vec<&str> = instructions[last..]
        .iter()
        .filter(|(name, _)| name == "COPY")
        .map(|(_, rest)| rest.as_str())
        .collect();
    assert_eq!(copied, ["--from=builder /out/mppeep /usr/local/bin/mppeep"]);
    // The sources are whole: cargo reads the manifest of every member.
    let ignored = text(".dockerignore");
    let ignored: Vec<&str> = ignored.lines().filter(|line| !line.starts_with('#')).collect();
    for name in ["/target", "/.git", "/deploy"] {
        assert!(ignored.contains(&name), "{name} would go into the context");
    }
    let manifest = text("Cargo.toml");
    let (_, members) = manifest.split_once("members = [").expect("members");
    let (members, _) = members.split_once(']').expect("a list");
    for member in members.split('"').skip(1).step_by(2) {
        assert!(
            !ignored.contains(&format!("/{member}").as_str()),
            "{member} is kept out"
        );
    }
}
