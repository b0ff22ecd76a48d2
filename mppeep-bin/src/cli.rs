//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The personnel dashboard of a ministry.
#[derive(Debug, Parser)]
#[command(name = "mppeep", version, about, long_about = None)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command; they win over the environment and the file.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Configuration file [default: mppeep.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Folder of the database
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) data_dir: Option<PathBuf>,
    /// What is logged, for instance info,mppeep_http=debug
    #[arg(long, global = true, value_name = "FILTER")]
    pub(crate) log: Option<String>,
    /// auto (text on a terminal), json or text
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the pages and the API
    Serve(Serve),
    /// Work on the queue (mails, salaries) and on scheduled tasks, without serving
    Worker,
    /// Make the database, or bring its schema up to date
    Migrate,
    /// Fill an empty database with invented people
    Demo(Demo),
    /// Login accounts
    #[command(subcommand)]
    User(User),
    /// Read a file into the database
    #[command(subcommand)]
    Import(Import),
    /// Write a file from the database
    #[command(subcommand)]
    Export(Export),
    /// Copy the database into a new file, and the contents of files beside it, while a server may run
    Backup(Backup),
    /// Put a copy of the database in the place of the present one, and the contents beside it back
    Restore(Restore),
    /// Try everything that the configuration names
    Doctor(Report),
    /// Ask the running server whether it may be sent requests; status 0 when it may
    Health(Health),
    /// Print the description of the API (OpenAPI 3.1)
    Openapi,
    /// The configuration
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Address and port; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Serve invented people from a database of their own, made if there is none
    #[arg(long)]
    pub(crate) demo: bool,
    /// How many of them, when the database is made
    #[arg(long, value_name = "NUMBER", requires = "demo", default_value_t = 10_000)]
    pub(crate) agents: u32,
    /// Leave the queue and the scheduled tasks to other processes
    #[arg(long)]
    pub(crate) no_worker: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// How many agents
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000)]
    pub(crate) agents: u32,
}

#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Make an account; without a password file its password is made and shown once
    Create(UserCreate),
    /// Set an account's password, to be changed at the next login
    Password(UserPassword),
    /// Close an account and end its sessions
    Disable {
        /// E-mail address of the account
        email: String,
    },
    /// Show the accounts
    List(Report),
}

#[derive(Debug, Args)]
pub(crate) struct UserCreate {
    /// E-mail address, which is the login name
    pub(crate) email: String,
    /// Name shown to others [default: the address]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Role; may be repeated
    #[arg(long = "role", required = true, value_name = "ROLE")]
    pub(crate) roles: Vec<String>,
    /// File whose first line is the password
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct UserPassword {
    /// E-mail address of the account
    pub(crate) email: String,
    /// File whose first line is the password [default: one is made and shown once]
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// Personnel files from CSV or XLSX: all of it, or nothing
    Personnel(ImportPersonnel),
}

#[derive(Debug, Args)]
pub(crate) struct ImportPersonnel {
    /// The file
    pub(crate) file: PathBuf,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Write the refused rows with their reasons into a new file (.csv or .xlsx)
    #[arg(long, value_name = "FILE")]
    pub(crate) rejects: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) report: Report,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Export {
    /// All personnel files, as an import reads them back
    Personnel(ExportPersonnel),
}

#[derive(Debug, Args)]
pub(crate) struct ExportPersonnel {
    /// The file to write [default: the standard output]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The format [default: that of the file's name, else csv]
    #[arg(long)]
    pub(crate) format: Option<Format>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Csv,
    Xlsx,
}

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The file to write [default: backups/mppeep-TIME.db (PostgreSQL: .dump) in the data folder]; contents of files go
    /// into a folder of its name and .files
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// A file that `backup` wrote; contents of files are taken from the folder of its name and .files
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Health {
    /// Ask only whether its process runs
    #[arg(long)]
    pub(crate) live: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print each value and where it came from
    Check(Report),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn commands_are_read_as_documented() {
        for line in [
            "mppeep serve",
            "mppeep serve --demo --agents 50 --listen 127.0.0.1:0",
            "mppeep serve --no-worker",
            "mppeep worker --log debug",
            "mppeep --config x.toml migrate",
            "mppeep demo --agents 10",
            "mppeep user create a@b.example --role admin --role sdrh --name A",
            "mppeep user list --json",
            "mppeep import personnel a.csv --dry-run --json --rejects b.csv",
            "mppeep export personnel --format xlsx -o a.xlsx",
            "mppeep backup",
            "mppeep restore a.db",
            "mppeep doctor",
            "mppeep health",
            "mppeep health --live",
            "mppeep openapi",
            "mppeep config check --json --data-dir x",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
        for line in [
            "mppeep",
            "mppeep serve --agents 5",
            "mppeep user create a@b.example",
            "mppeep worker --no-worker",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
