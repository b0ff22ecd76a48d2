//! What can be done with a PostgreSQL cluster without being its owner.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use crate::process;
use crate::service::PATIENCE;

/// The variable that names a cluster for all tests, as `host:port`.
pub const POSTGRES_VARIABLE: &str = "MPPEEP_TEST_POSTGRES";

/// The superuser of every cluster. He needs no password.
pub(crate) const SUPERUSER: &str = "mppeep";

/// The folder of PostgreSQL's programs, of the newest version that is installed.
pub(crate) fn programs() -> PathBuf {
    let version = |path: &PathBuf| -> Option<u32> { path.parent()?.file_name()?.to_str()?.parse().ok() };
    std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|path| path.join("postgres").is_file())
        .max_by_key(version)
        .expect("the PostgreSQL server is not installed (package postgresql): `./test --install` installs it")
}

/// A running cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    host: String,
    port: u16,
}

static NUMBER: AtomicU64 = AtomicU64::new(0);

impl Cluster {
    pub(crate) fn local(port: u16) -> Self {
        Self {
            host: "127.0.0.1".into(),
            port,
        }
    }

    /// The cluster at `host:port`.
    ///
    /// # Panics
    ///
    /// When the address has another form.
    #[must_use]
    pub fn at(address: &str) -> Self {
        let (host, port) = address
            .rsplit_once(':')
            .unwrap_or_else(|| panic!("{POSTGRES_VARIABLE} wants host:port, not {address}"));
        Self {
            host: host.into(),
            port: port
                .parse()
                .unwrap_or_else(|_| panic!("{POSTGRES_VARIABLE} wants host:port, not {address}")),
        }
    }

    /// Its address, as `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The URL of one of its databases.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.url_through(&self.address(), database)
    }

    /// The URL of one of its databases through something in front of it, which listens at `address`.
    #[must_use]
    pub fn url_through(&self, address: &str, database: &str) -> String {
        format!("postgres://{SUPERUSER}@{address}/{database}")
    }

    fn psql(&self, database: &str) -> Command {
        // Not the wrapper in the search path, which is slow.
        let mut command = Command::new(programs().join("psql"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(&name);
            }
        }
        command
            .args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-U", SUPERUSER, "-h"])
            .arg(&self.host)
            .arg("-p")
            .arg(self.port.to_string())
            .args(["-d", database])
            .env("PGCONNECT_TIMEOUT", "20")
            .env("PGCLIENTENCODING", "UTF8")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Runs a statement through `psql`. Gives its rows, one a line, their fields separated by `|`; or what is wrong.
    ///
    /// # Errors
    ///
    /// The words of the server, or of `psql` when there is none.
    pub async fn try_sql(&self, database: &str, statement: &str) -> Result<String, String> {
        let done = self
            .psql(database)
            .args(["-c", statement])
            .output()
            .await
            .expect("psql can be run (package postgresql-client)");
        if done.status.success() {
            Ok(String::from_utf8_lossy(&done.stdout).trim_end().to_owned())
        } else {
            Err(String::from_utf8_lossy(&done.stderr).into_owned())
        }
    }

    /// Like [`Cluster::try_sql`], for a statement that must succeed.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub async fn sql(&self, database: &str, statement: &str) -> String {
        self.try_sql(database, statement)
            .await
            .unwrap_or_else(|error| panic!("{statement}\n{error}"))
    }

    /// Makes an empty database of this name.
    pub async fn create_database(&self, name: &str) {
        self.copy("template0", name).await;
    }

    /// Makes an empty database with a name of its own, and gives its URL.
    pub async fn fresh_database(&self) -> String {
        self.fresh_from("template0").await
    }

    /// Makes a copy of a database with a name of its own, and gives its URL.
    pub async fn fresh_from(&self, template: &str) -> String {
        let name = fresh_name();
        self.copy(template, &name).await;
        self.url(&name)
    }

    async fn copy(&self, template: &str, name: &str) {
        let statement = format!("CREATE DATABASE \"{name}\" TEMPLATE \"{template}\"");
        let end = Instant::now() + PATIENCE;
        loop {
            match self.try_sql("postgres", &statement).await {
                Ok(_) => return,
                // Whoever filled it has closed his connections, and the server has not noticed yet.
                Err(error) if error.contains("being accessed by other users") && Instant::now() < end => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("{statement}\n{error}"),
            }
        }
    }

    /// A database to copy with [`Cluster::fresh_from`]: the first who asks for `name` fills it with `fill`, which
    /// gets its URL; all others, in this process or another one, wait for that. Gives the name to copy.
    ///
    /// Put what the content depends on into the name when the cluster may live longer than the program.
    pub async fn template(&self, name: &str, fill: impl AsyncFnOnce(String)) -> String {
        let database = format!("template_{name}");
        let finished = format!("SELECT 1 FROM pg_database WHERE datname = '{database}' AND datistemplate");
        if self.sql("postgres", &finished).await == "1" {
            return database;
        }
        let lock = self.lock(&database).await;
        if self.sql("postgres", &finished).await != "1" {
            // Whoever began it before us and did not finish is gone: he would hold the lock.
            self.sql(
                "postgres",
                &format!("DROP DATABASE IF EXISTS \"{database}\" WITH (FORCE)"),
            )
            .await;
            self.create_database(&database).await;
            fill(self.url(&database)).await;
            self.sql(
                "postgres",
                &format!("ALTER DATABASE \"{database}\" IS_TEMPLATE true ALLOW_CONNECTIONS false"),
            )
            .await;
        }
        drop(lock);
        database
    }

    /// Holds an advisory lock of this name until the answer is dropped, or its process is gone.
    async fn lock(&self, name: &str) -> Child {
        let mut session = self
            .psql("postgres")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("psql can be run");
        let orders = format!("SELECT pg_advisory_lock(hashtext('{name}'));\n\\echo locked\n");
        session
            .stdin
            .as_mut()
            .expect("piped")
            .write_all(orders.as_bytes())
            .await
            .expect("psql reads");
        let mut lines = BufReader::new(session.stdout.take().expect("piped")).lines();
        while let Some(line) = lines.next_line().await.expect("psql writes") {
            if line == "locked" {
                return session;
            }
        }
        panic!("the lock {name} was not given");
    }

    /// Ends every session on a database but those of `psql`, as its administrator would. Gives how many.
    pub async fn terminate_sessions(&self, database: &str) -> usize {
        let statement = format!(
            "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE datname = '{database}' AND pid <> pg_backend_pid()"
        );
        self.sql("postgres", &statement).await.parse().expect("a number")
    }

    /// Drops the databases that tests made whose processes are gone.
    pub async fn sweep(&self) {
        let names = self
            .sql(
                "postgres",
                "SELECT datname FROM pg_database WHERE datname LIKE 'test\\_%'",
            )
            .await;
        for name in names.lines() {
            let maker = name.split('_').nth(1).and_then(|id| id.parse().ok());
            if maker.is_some_and(|id| !process::runs(id)) {
                // Not worth a word when it fails: the cluster itself is about to go.
                let statement = format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)");
                let _dropped = self.try_sql("postgres", &statement).await;
            }
        }
    }
}

/// A name that no other test uses. It tells which process made it.
fn fresh_name() -> String {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let moment = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .subsec_nanos();
    format!("test_{}_{number}_{moment:x}", std::process::id())
}

/// The name of the database in a URL.
#[must_use]
pub fn database_of(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}
