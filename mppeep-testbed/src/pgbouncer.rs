//! `PgBouncer` in front of a cluster.

use std::process::Command;

use rustix::process::Signal;

use crate::cluster::{Cluster, SUPERUSER};
use crate::ports::free_port;
use crate::service::{Service, folder, give_to_service_user, program};

/// A private `PgBouncer` of the distribution, in transaction mode: a session of a client is not one of the server.
pub struct PgBouncer {
    cluster: Cluster,
    service: Service,
    prepares: bool,
}

impl PgBouncer {
    /// Starts one in front of a cluster, with at most `pool` sessions on each of its databases.
    ///
    /// # Panics
    ///
    /// When `PgBouncer` is not installed or does not come up.
    pub async fn start(cluster: &Cluster, pool: u32) -> Self {
        let server = program("pgbouncer", "pgbouncer");
        let prepares = prepares(&server);
        let folder = folder("pgbouncer");
        give_to_service_user(&folder);
        let port = free_port();
        let (host, upstream) = cluster.address().rsplit_once(':').map_or_else(
            || (String::new(), String::new()),
            |(host, port)| (host.to_owned(), port.to_owned()),
        );
        let prepared = if prepares {
            "max_prepared_statements = 200\n"
        } else {
            ""
        };
        let settings = format!(
            "[databases]\n\
             * = host={host} port={upstream} user={SUPERUSER}\n\
             [pgbouncer]\n\
             listen_addr = 127.0.0.1\n\
             listen_port = {port}\n\
             unix_socket_dir =\n\
             auth_type = any\n\
             pool_mode = transaction\n\
             default_pool_size = {pool}\n\
             max_client_conn = 1000\n\
             server_reset_query_always = 0\n\
             ignore_startup_parameters = extra_float_digits,options,statement_timeout,lock_timeout\n\
             {prepared}"
        );
        let file = folder.join("pgbouncer.ini");
        std::fs::write(&file, settings).expect("the settings can be written");
        give_to_service_user(&file);
        let command = vec![server, file.display().to_string()];
        let bouncer = Self {
            cluster: Cluster::local(port),
            service: Service::new("PgBouncer", folder, true, command),
            prepares,
        };
        bouncer.service.start();
        let up = bouncer
            .service
            .ready(async || bouncer.cluster.try_sql("postgres", "SELECT 1").await.is_ok())
            .await;
        assert!(up, "{}", bouncer.service.failure("ended at once"));
        bouncer
    }

    /// Whether this version follows prepared statements from one session of the server to another (1.21 and newer).
    /// Where it does not, its clients must not prepare any by name.
    #[must_use]
    pub const fn prepares(&self) -> bool {
        self.prepares
    }

    /// Where it listens, as `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        self.cluster.address()
    }

    /// The URL of a database of the cluster, through it.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.cluster.url(database)
    }

    /// Ends it.
    pub async fn stop(&self) {
        self.service.stop(Signal::TERM).await;
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.service.log()
    }
}

fn prepares(server: &str) -> bool {
    let told = Command::new(server)
        .arg("--version")
        .output()
        .expect("pgbouncer can be run");
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    let version: Vec<u32> = text
        .split_whitespace()
        .nth(1)
        .unwrap_or_default()
        .split('.')
        .map_while(|part| part.parse().ok())
        .collect();
    version >= vec![1, 21]
}
