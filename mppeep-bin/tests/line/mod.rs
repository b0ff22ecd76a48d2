//! The command line under test.

use std::path::PathBuf;
use std::process::{Command, Output};

/// The command line on one database, with nothing of the environment of whoever runs the tests.
pub(crate) struct Line {
    /// The database; an empty one takes a file in the folder.
    pub(crate) url: String,
    /// The folder of data, where commands are given.
    pub(crate) folder: tempfile::TempDir,
}

impl Line {
    pub(crate) fn on(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mppeep"));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("MPPEEP_DATA_DIR", self.folder.path())
            .env("MPPEEP_LISTEN", "127.0.0.1:0")
            .envs(environment.iter().copied())
            .current_dir(self.folder.path())
            .args(arguments);
        if !self.url.is_empty() {
            command.env("DATABASE_URL", &self.url);
        }
        command.output().expect("the binary runs")
    }

    pub(crate) fn well(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments, &[]);
        let said = told(&done);
        assert!(done.status.success(), "{arguments:?}: {said}");
        said
    }

    pub(crate) fn badly(&self, arguments: &[&str], environment: &[(&str, &str)]) -> String {
        let done = self.run(arguments, environment);
        let said = told(&done);
        assert_eq!(done.status.code(), Some(1), "{arguments:?}: {said}");
        said
    }

    /// Writes a file of the folder of data.
    pub(crate) fn write(&self, place: &str, text: &str) {
        let path = self.folder.path().join(place);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    }

    /// Reads a file of the folder of data.
    pub(crate) fn read(&self, place: &str) -> String {
        let path = self.folder.path().join(place);
        std::fs::read_to_string(&path).unwrap_or_else(|error| format!("{}: {error}", path.display()))
    }

    /// The copies whose name ends so.
    pub(crate) fn copies(&self, end: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder.path().join("backups")).expect("the folder of copies");
        let mut paths: Vec<PathBuf> = entries
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.to_string_lossy().ends_with(end))
            .collect();
        paths.sort();
        paths
    }
}

fn told(done: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    )
}
