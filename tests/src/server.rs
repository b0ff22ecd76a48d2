//! A running mppeep, on a private folder and a free port.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::backend::Backend;
use crate::client::Client;
use crate::log::Log;
use crate::{backend, binary, processes};

/// The first administrator of a server started by a test.
pub const ADMIN_EMAIL: &str = "administration@mppeep.example";
/// His password.
pub const ADMIN_PASSWORD: &str = "Trois-pirogues-remontent-2026";
/// The password of every demo account.
pub const DEMO_PASSWORD: &str = "Demo-mppeep-2026";
/// The roles of the demo accounts: `<role>@demo.mppeep.example`.
pub const ROLES: [&str; 8] = ["admin", "daf", "sdrh", "sdb", "sdc", "cs", "agent", "invite"];

/// The e-mail of the demo account of a role.
#[must_use]
pub fn demo_email(role: &str) -> String {
    format!("{role}@demo.mppeep.example")
}

/// How long a process may take to come up on a busy machine before the test gives up.
const PATIENCE: Duration = Duration::from_secs(90);

/// Where a server keeps its data: a folder of its own that vanishes with it, or one that the test keeps.
#[derive(Clone)]
enum Folder {
    Own(Arc<TempDir>),
    Kept(PathBuf),
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Own(folder) => folder.path(),
            Self::Kept(path) => path,
        }
    }
}

/// What a server is started with.
#[derive(Clone)]
pub struct Launch {
    environment: BTreeMap<String, String>,
    arguments: Vec<String>,
    /// A program that starts the binary, with its own arguments.
    wrapper: Vec<String>,
    folder: Folder,
}

impl Default for Launch {
    fn default() -> Self {
        Self::new()
    }
}

impl Launch {
    /// A server of its own, with an administrator, without the general limits (tests come from one address), on the
    /// backend that was chosen for the run.
    #[must_use]
    pub fn new() -> Self {
        Self::on(Backend::chosen())
    }

    /// The same on this backend.
    #[must_use]
    pub fn on(backend: Backend) -> Self {
        let environment = [
            ("MPPEEP_LISTEN", "127.0.0.1:0"),
            ("MPPEEP_ADMIN_EMAIL", ADMIN_EMAIL),
            ("MPPEEP_ADMIN_PASSWORD", ADMIN_PASSWORD),
            ("MPPEEP_LOG_FORMAT", "json"),
            ("MPPEEP_LOG", "info"),
            ("MPPEEP_REQUEST_RATE", "0"),
            ("MPPEEP_USER_REQUEST_RATE", "0"),
        ];
        let folder = TempDir::with_prefix("mppeep-test-").expect("a temporary folder");
        Self {
            environment: environment
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .chain(backend.provide())
                .collect(),
            arguments: Vec::new(),
            wrapper: Vec::new(),
            folder: Folder::Own(Arc::new(folder)),
        }
    }

    /// Sets one variable of the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.environment.insert(name.into(), value.to_string());
        self
    }

    /// Uses this PostgreSQL database.
    #[must_use]
    pub fn postgres(self, url: &str) -> Self {
        self.env("DATABASE_URL", url)
    }

    /// Uses this Redis.
    #[must_use]
    pub fn redis(self, url: &str) -> Self {
        self.env("REDIS_URL", url)
    }

    /// Sends its mails through this server.
    #[must_use]
    pub fn smtp(self, url: &str) -> Self {
        self.env("MPPEEP_SMTP_URL", url)
    }

    /// The URL of its PostgreSQL database, without the pooler; nothing where it has a file.
    #[must_use]
    pub fn database_url(&self) -> Option<&str> {
        ["MPPEEP_DATABASE_LISTEN_URL", "DATABASE_URL"]
            .iter()
            .find_map(|name| self.environment.get(*name).map(String::as_str))
            .filter(|url| url.starts_with("postgres"))
    }

    /// What its database answers to a question: its rows, one a line, their fields separated by `|`.
    #[must_use]
    pub fn ask(&self, question: &str) -> String {
        backend::ask(self.database_url(), self.data(), question)
    }

    /// Everything in its database, as statements that would make it again.
    #[must_use]
    pub fn dump(&self) -> String {
        backend::dump(self.database_url(), self.data())
    }

    /// Asserts that the files of its database fit together.
    pub fn assert_sound(&self) {
        backend::assert_sound(self.database_url(), self.data());
    }

    /// Leaves one variable of the environment unset.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    /// Adds an argument after `serve`.
    #[must_use]
    pub fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Lets another program start the binary, for instance one that lowers a limit.
    #[must_use]
    pub fn wrapped_by(mut self, program: &[&str]) -> Self {
        self.wrapper = program.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Uses this data folder, and leaves it there.
    #[must_use]
    pub fn data_in(mut self, folder: &Path) -> Self {
        self.folder = Folder::Kept(folder.to_path_buf());
        self
    }

    /// The folder of the data.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.folder.path()
    }

    /// The command, with nothing of the environment of whoever runs the tests.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = match self.wrapper.split_first() {
            None => Command::new(binary::path()),
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(binary::path());
                command
            }
        };
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("MPPEEP_")
                || text.starts_with("DATABASE_URL")
                || text.starts_with("REDIS_URL")
            {
                command.env_remove(&name);
            }
        }
        command
            .envs(&self.environment)
            .env("MPPEEP_DATA_DIR", self.data())
            .current_dir(self.data());
        command.stdin(Stdio::null());
        command
    }

    /// Runs another command of the binary on the same data, to its end.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command()
            .args(arguments)
            .output()
            .expect("the binary can be run")
    }

    /// Like [`Launch::run`], for a command that must succeed; gives what it wrote to its standard output.
    #[must_use]
    pub fn run_well(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments);
        assert!(
            done.status.success(),
            "mppeep {arguments:?} ended with {:?}\n{}\n{}",
            done.status.code(),
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr)
        );
        String::from_utf8(done.stdout).expect("UTF-8")
    }

    /// Fills the database with demo data and accounts of every role, before a start.
    #[must_use]
    pub fn with_demo(self, agents: u32) -> Self {
        let _report = self.run_well(&["demo", "--agents", &agents.to_string()]);
        self
    }

    /// Starts the process, without waiting for it.
    #[must_use]
    pub fn spawn(&self) -> Starting {
        let begun = Instant::now();
        let mut child = self
            .command()
            .arg("serve")
            .args(&self.arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary can be started");
        let out = Log::follow(child.stdout.take().expect("piped"));
        let log = Log::follow(child.stderr.take().expect("piped"));
        Starting {
            process: Process(child),
            out,
            log,
            launch: self.clone(),
            begun,
        }
    }

    /// Starts the process and waits until it listens.
    #[must_use]
    pub fn start(&self) -> Server {
        self.spawn().listening()
    }
}

/// A child that does not outlive its owner.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// A process that has been started and may not listen yet.
pub struct Starting {
    process: Process,
    out: Arc<Log>,
    log: Arc<Log>,
    launch: Launch,
    begun: Instant,
}

impl Starting {
    /// Waits until the process says where it listens.
    #[must_use]
    pub fn listening(mut self) -> Server {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(address) = self.log.wait_for(Duration::from_millis(100), address_of) {
                let Self {
                    process,
                    out,
                    log,
                    launch,
                    begun,
                } = self;
                return Server {
                    process,
                    address,
                    out,
                    log,
                    launch,
                    started_in: begun.elapsed(),
                };
            }
            if let Some(status) = self.process.0.try_wait().expect("the child can be waited for") {
                panic!(
                    "the server ended with {status} instead of listening:\n{}",
                    self.log.text()
                );
            }
            assert!(
                Instant::now() < end,
                "the server does not listen:\n{}",
                self.log.text()
            );
        }
    }

    /// Waits for the end of a process that should refuse to serve. Gives its status and its log.
    #[must_use]
    pub fn ended(mut self) -> (ExitStatus, String) {
        let status = wait(&mut self.process.0, PATIENCE).expect("the process should have ended by itself");
        read_to_the_end(&self.out, &self.log);
        (status, format!("{}\n{}", self.out.text(), self.log.text()))
    }

    /// The id of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.0.id()
    }
}

/// Waits until the last lines of a process that has ended are read: whoever reads them lets go of them then. A child of
/// its own may hold the pipes open for longer.
fn read_to_the_end(out: &Arc<Log>, log: &Arc<Log>) {
    let end = Instant::now() + Duration::from_secs(10);
    while Arc::strong_count(out) + Arc::strong_count(log) > 2 && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait().expect("the child can be waited for") {
            return Some(status);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The address in the line that says that the server listens.
fn address_of(line: &str) -> Option<SocketAddr> {
    address_after(line, "listening")
}

/// The address in the line with this message.
fn address_after(line: &str, message: &str) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    let field = |name: &str| line.get(name).or_else(|| line.get("fields")?.get(name))?.as_str();
    (field("message")? == message).then(|| field("address")?.parse().ok())?
}

/// A server that listens.
pub struct Server {
    process: Process,
    address: SocketAddr,
    out: Arc<Log>,
    log: Arc<Log>,
    launch: Launch,
    started_in: Duration,
}

impl Server {
    /// A server of its own, with the settings that most tests want.
    #[must_use]
    pub fn start() -> Self {
        Launch::new().start()
    }

    /// A server with a few demo agents and an account of every role.
    #[must_use]
    pub fn demo() -> Self {
        Launch::new().with_demo(40).start()
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it sends to https, once it says so.
    #[must_use]
    pub fn redirect_address(&self) -> SocketAddr {
        self.log
            .wait_for(PATIENCE, |line| address_after(line, "redirecting"))
            .expect("the server should redirect")
    }

    /// The id of its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.0.id()
    }

    /// What it writes to its standard error: the log.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// What it writes to its standard output.
    #[must_use]
    pub fn out(&self) -> &Log {
        &self.out
    }

    /// What it was started with.
    #[must_use]
    pub const fn launch(&self) -> &Launch {
        &self.launch
    }

    /// From the start of the process to the line that says that it listens.
    #[must_use]
    pub const fn started_in(&self) -> Duration {
        self.started_in
    }

    /// A visitor without a session.
    #[must_use]
    pub fn visitor(&self) -> Client {
        Client::new(self.address)
    }

    /// A visitor from elsewhere, as the tunnel would tell.
    #[must_use]
    pub fn visitor_from(&self, address: &str) -> Client {
        self.visitor().coming_from(address)
    }

    /// Somebody who is logged in.
    pub async fn logged_in(&self, email: &str, password: &str) -> Client {
        let client = self.visitor();
        let answer = client.login(email, password).await;
        assert_eq!(answer.status, 303, "{email} should be let in: {}", answer.text());
        client
    }

    /// The administrator, logged in.
    pub async fn admin(&self) -> Client {
        self.logged_in(ADMIN_EMAIL, ADMIN_PASSWORD).await
    }

    /// The demo account of a role, logged in.
    pub async fn demo_user(&self, role: &str) -> Client {
        self.logged_in(&demo_email(role), DEMO_PASSWORD).await
    }

    /// The database file, where it has one.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        database_in(self.launch.data())
    }

    /// Ends it without a word, and gives what it was started with.
    pub fn kill(mut self) -> Launch {
        processes::kill(self.id());
        let _status = self.process.0.wait();
        self.launch.clone()
    }

    /// Asks it to end, and waits for that and for its last lines. `None`: it was still there after the patience.
    pub fn terminate(&mut self, patience: Duration) -> Option<ExitStatus> {
        processes::terminate(self.id());
        let status = wait(&mut self.process.0, patience)?;
        read_to_the_end(&self.out, &self.log);
        Some(status)
    }

    /// The status that it ended with; nothing while it runs, or when a signal ended it.
    pub fn status(&mut self) -> Option<i32> {
        self.process
            .0
            .try_wait()
            .expect("the child can be waited for")
            .and_then(|status| status.code())
    }

    /// Whether the process still runs.
    pub fn runs(&mut self) -> bool {
        self.process
            .0
            .try_wait()
            .expect("the child can be waited for")
            .is_none()
    }
}

/// The one database file of a data folder.
#[must_use]
pub fn database_in(folder: &Path) -> PathBuf {
    let files = std::fs::read_dir(folder).expect("the data folder can be read");
    let mut found: Vec<PathBuf> = files
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| {
            std::fs::File::open(path)
                .and_then(|mut file| {
                    let mut magic = [0; 15];
                    file.read_exact(&mut magic).map(|()| &magic == b"SQLite format 3")
                })
                .unwrap_or(false)
        })
        .collect();
    assert_eq!(found.len(), 1, "one database in {}: {found:?}", folder.display());
    found.remove(0)
}

/// What `sqlite3` answers to a question about a database file, from another process. A server that writes at the moment
/// is waited for.
#[must_use]
pub fn sqlite3(database: &Path, question: &str) -> String {
    let done = Command::new("sqlite3")
        .args(["-batch", "-cmd", ".timeout 30000"])
        .arg(database)
        .arg(question)
        .output()
        .expect("the sqlite3 command is installed (package sqlite3)");
    assert!(
        done.status.success(),
        "sqlite3: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8(done.stdout).expect("UTF-8")
}
