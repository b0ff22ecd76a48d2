//! One program of the distribution, running for a test and not a moment longer.

use std::fmt::Display;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Signal, getuid};
use tempfile::TempDir;

use crate::process;

/// How long a service may take to come up or to end on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The user under which programs run that refuse to be root.
const SERVICE_USER: &str = "postgres";

/// A folder for a service. The supervisor removes it.
pub(crate) fn folder(name: &str) -> PathBuf {
    TempDir::with_prefix(format!("mppeep-{name}-"))
        .expect("a temporary folder")
        .keep()
}

/// Whether programs must be run as another user, because we are root and they refuse that.
pub(crate) fn as_root() -> bool {
    getuid().is_root()
}

/// Gives a file or folder to the user who runs the services.
pub(crate) fn give_to_service_user(path: &Path) {
    if !as_root() {
        return;
    }
    let number = |option: &str| -> u32 {
        let asked = Command::new("id")
            .args([option, SERVICE_USER])
            .output()
            .expect("id can be run");
        String::from_utf8_lossy(&asked.stdout)
            .trim()
            .parse()
            .expect("the user postgres exists (package postgresql)")
    };
    std::os::unix::fs::chown(path, Some(number("-u")), Some(number("-g")))
        .expect("a folder can be given away");
}

/// The words before a command that make it end with its parent and, where asked, drop the rights of root.
pub(crate) fn prefix(unprivileged: bool) -> Vec<String> {
    let mut words = vec!["setpriv".to_owned(), "--pdeathsig".into(), "KILL".into()];
    if unprivileged && as_root() {
        words.extend([
            format!("--reuid={SERVICE_USER}"),
            format!("--regid={SERVICE_USER}"),
            "--clear-groups".into(),
        ]);
    }
    words.push("--".into());
    words
}

struct Supervisor {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    service: u32,
}

/// A service under its supervisor.
pub(crate) struct Service {
    name: &'static str,
    folder: PathBuf,
    log: PathBuf,
    supervisor: Mutex<Supervisor>,
}

impl Service {
    /// Prepares a service in `folder`, without starting it. From now on the folder belongs to the supervisor.
    pub(crate) fn new(name: &'static str, folder: PathBuf, unprivileged: bool, command: Vec<String>) -> Self {
        let log = folder.join("log");
        // In a session of its own: an interrupt from the keyboard, or a runner that ends our group, must not end it, nor
        // the hang-up that the kernel sends to a group with stopped processes when its parent is gone.
        let mut child = Command::new("setsid")
            .args(["sh", "-c"])
            .arg(include_str!("supervisor.sh"))
            .arg(format!("{name}-supervisor"))
            .args([&folder, &log])
            .args(prefix(unprivileged))
            .args(command)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("setsid can be run (package util-linux)");
        let orders = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        Self {
            name,
            folder,
            log,
            supervisor: Mutex::new(Supervisor {
                child,
                orders,
                answers,
                service: 0,
            }),
        }
    }

    fn supervisor(&self) -> MutexGuard<'_, Supervisor> {
        self.supervisor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the process. It may not be ready yet.
    pub(crate) fn start(&self) {
        let mut supervisor = self.supervisor();
        assert!(
            supervisor.service == 0 || !process::runs(supervisor.service),
            "{} runs already",
            self.name
        );
        let orders = supervisor.orders.as_mut().expect("open until the end");
        orders
            .write_all(b"start\n")
            .and_then(|()| orders.flush())
            .expect("the supervisor listens");
        let mut line = String::new();
        supervisor
            .answers
            .read_line(&mut line)
            .expect("the supervisor answers");
        supervisor.service = line.trim().parse().expect("the id of a process");
    }

    /// The id of the process; of the last one, when it has ended.
    pub(crate) fn id(&self) -> u32 {
        self.supervisor().service
    }

    /// Whether the process runs.
    pub(crate) fn runs(&self) -> bool {
        let id = self.id();
        id != 0 && process::runs(id)
    }

    /// The folder of the service.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the service has written.
    pub(crate) fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until `ready` answers yes. `false`: the process has ended instead.
    pub(crate) async fn ready(&self, mut ready: impl AsyncFnMut() -> bool) -> bool {
        let end = Instant::now() + PATIENCE;
        loop {
            if ready().await {
                return true;
            }
            if !self.runs() {
                return false;
            }
            assert!(
                Instant::now() < end,
                "{} does not come up:\n{}",
                self.name,
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    }

    /// Asks the process to end, and waits for that.
    pub(crate) async fn stop(&self, signal: Signal) {
        let id = self.id();
        if !self.runs() {
            return;
        }
        process::send(id, signal);
        assert!(
            process::ended(id, PATIENCE).await,
            "{} does not end:\n{}",
            self.name,
            self.log()
        );
    }

    /// Ends the process and its children at once.
    pub(crate) async fn kill(&self) {
        let id = self.id();
        if !self.runs() {
            return;
        }
        let children = process::descendants(id);
        process::kill_tree(id);
        for member in std::iter::once(id).chain(children) {
            assert!(
                process::ended(member, PATIENCE).await,
                "{} survives its end",
                self.name
            );
        }
    }

    /// Stops the process and its children where they are.
    pub(crate) fn pause(&self) {
        process::pause_tree(self.id());
    }

    /// Lets them go on.
    pub(crate) fn resume(&self) {
        process::resume_tree(self.id());
    }

    /// Says what went wrong with a start.
    pub(crate) fn failure(&self, what: impl Display) -> String {
        format!("{} {what}:\n{}", self.name, self.log())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let supervisor = self.supervisor.get_mut().unwrap_or_else(PoisonError::into_inner);
        supervisor.orders = None;
        let _reaped = supervisor.child.wait();
    }
}

/// The path of a program, or the words that say which package has it.
pub(crate) fn program(name: &str, package: &str) -> String {
    let places = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&places)
        // Servers live where only root looks.
        .chain(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from))
        .map(|place| place.join(name))
        .find(|path| path.is_file())
        .map_or_else(
            || panic!("{name} is not installed (package {package}): `./test --install` installs it"),
            |path| path.display().to_string(),
        )
}
