//! A private PostgreSQL cluster.

use std::ops::Deref;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use tokio::sync::OnceCell;

use crate::cluster::{Cluster, POSTGRES_VARIABLE, SUPERUSER, programs};
use crate::ports::free_port;
use crate::service::{Service, folder, give_to_service_user, prefix};

/// How a private cluster is set up.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// Whether what is committed reaches the disk. Only a test of what survives needs it.
    pub durable: bool,
    /// How many sessions there can be.
    pub max_connections: u32,
    /// More settings, as in `postgresql.conf`.
    pub settings: Vec<(String, String)>,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            durable: false,
            max_connections: 100,
            settings: Vec::new(),
        }
    }
}

/// A private cluster of the distribution's PostgreSQL. It ends with this value, or with this process.
///
/// It has `pg_stat_statements`, readable in the database `postgres`.
pub struct Postgres {
    cluster: Cluster,
    service: Service,
}

impl Deref for Postgres {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

static SHARED: OnceCell<Cluster> = OnceCell::const_new();
static OWN: OnceCell<Postgres> = OnceCell::const_new();

impl Postgres {
    /// The cluster that tests share: the one that [`POSTGRES_VARIABLE`] names, or one that this process starts.
    pub async fn shared() -> &'static Cluster {
        SHARED
            .get_or_init(async || match std::env::var(POSTGRES_VARIABLE) {
                Ok(address) => Cluster::at(&address),
                Err(_) => {
                    let own = OWN
                        .get_or_init(|| {
                            Self::start(PostgresOptions {
                                max_connections: 300,
                                ..PostgresOptions::default()
                            })
                        })
                        .await;
                    own.cluster.clone()
                }
            })
            .await
    }

    /// Makes and starts a cluster.
    ///
    /// # Panics
    ///
    /// When PostgreSQL is not installed or does not come up.
    pub async fn start(options: PostgresOptions) -> Self {
        let programs = programs();
        let folder = folder("postgres");
        give_to_service_user(&folder);
        let port = free_port();
        let data = folder.join("data");
        let mut settings = vec![
            ("port".to_owned(), port.to_string()),
            ("listen_addresses".into(), "127.0.0.1".into()),
            ("unix_socket_directories".into(), folder.display().to_string()),
            ("max_connections".into(), options.max_connections.to_string()),
            ("shared_preload_libraries".into(), "pg_stat_statements".into()),
            ("shared_buffers".into(), "64MB".into()),
            ("timezone".into(), "UTC".into()),
            ("log_checkpoints".into(), "off".into()),
        ];
        if !options.durable {
            for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
                settings.push((setting.into(), "off".into()));
            }
        }
        settings.extend(options.settings.iter().cloned());
        let mut command = vec![
            programs.join("postgres").display().to_string(),
            "-D".into(),
            data.display().to_string(),
        ];
        for (name, value) in settings {
            command.extend(["-c".to_owned(), format!("{name}={value}")]);
        }
        // The supervisor first: from here on the folder vanishes, whatever happens.
        let service = Service::new("PostgreSQL", folder, true, command);
        init(&programs.join("initdb"), &data);
        let cluster = Cluster::local(port);
        let postgres = Self { cluster, service };
        postgres.start_again().await;
        postgres
            .sql("postgres", "CREATE EXTENSION pg_stat_statements")
            .await;
        postgres
    }

    /// Starts it again on the same data and port, after [`Postgres::stop`] or [`Postgres::kill`].
    pub async fn start_again(&self) {
        self.service.start();
        let up = self
            .service
            .ready(async || self.try_sql("postgres", "SELECT 1").await.is_ok())
            .await;
        assert!(up, "{}", self.service.failure("ended at once"));
    }

    /// Ends it in order, open sessions or not.
    pub async fn stop(&self) {
        self.service.stop(Signal::INT).await;
    }

    /// Ends it in order and starts it again.
    pub async fn restart(&self) {
        self.stop().await;
        self.start_again().await;
    }

    /// Ends it and all its children at once, as a machine that fails would.
    pub async fn kill(&self) {
        self.service.kill().await;
    }

    /// Stops all its processes where they are: connections stay open, and nobody answers.
    pub fn pause(&self) {
        self.service.pause();
    }

    /// Lets them go on.
    pub fn resume(&self) {
        self.service.resume();
    }

    /// Whether it runs.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.service.runs()
    }

    /// The id of its first process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.service.id()
    }

    /// The folder with its data, its socket and its log.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.service.folder()
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.service.log()
    }
}

fn init(initdb: &Path, data: &Path) {
    let mut words = prefix(true);
    words.push(initdb.display().to_string());
    let done = Command::new(&words[0])
        .args(&words[1..])
        .arg("-D")
        .arg(data)
        .args([
            "-U",
            SUPERUSER,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ])
        .args(["--no-instructions"])
        .current_dir("/")
        .output()
        .expect("setpriv can be run (package util-linux)");
    assert!(
        done.status.success(),
        "initdb: {}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
}
