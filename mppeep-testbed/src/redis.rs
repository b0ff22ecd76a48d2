//! A private Redis.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command as Blocking, Stdio};

use rustix::process::Signal;
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::ports::free_port;
use crate::service::{Service, folder, program};

/// The variable that names a Redis for all tests, as `host:port`.
pub const REDIS_VARIABLE: &str = "MPPEEP_TEST_REDIS";

/// How many numbered databases a private Redis has. The first one counts those that are taken.
const DATABASES: u64 = 4096;

/// How a private Redis is set up.
#[derive(Clone, Debug, Default)]
pub struct RedisOptions {
    /// Whether it writes what it is told into a file, and finds it there after a start.
    pub append_only: bool,
    /// How much it may keep, such as `1mb`.
    pub max_memory: Option<String>,
    /// What it does when that is full, such as `allkeys-lru`. By itself it refuses writes.
    pub max_memory_policy: Option<String>,
    /// The password it wants.
    pub password: Option<String>,
    /// Whether it speaks TLS, with a certificate of its own that [`Redis::certificate`] names.
    pub tls: bool,
}

/// A running Redis.
#[derive(Clone, Debug)]
pub struct RedisNode {
    host: String,
    port: u16,
    password: Option<String>,
    certificate: Option<PathBuf>,
}

impl RedisNode {
    /// The Redis at `host:port`.
    ///
    /// # Panics
    ///
    /// When the address has another form.
    #[must_use]
    pub fn at(address: &str) -> Self {
        let parts = address
            .rsplit_once(':')
            .and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let (host, port) = parts.unwrap_or_else(|| panic!("{REDIS_VARIABLE} wants host:port, not {address}"));
        Self {
            host: host.into(),
            port,
            password: None,
            certificate: None,
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

    /// Its URL, for the first of its numbered databases.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_through(&self.address())
    }

    /// Its URL through something in front of it, which listens at `address`.
    #[must_use]
    pub fn url_through(&self, address: &str) -> String {
        let scheme = if self.certificate.is_some() {
            "rediss"
        } else {
            "redis"
        };
        let secret = self
            .password
            .as_ref()
            .map_or_else(String::new, |password| format!(":{password}@"));
        format!("{scheme}://{secret}{address}")
    }

    /// The URL of an empty numbered database that nobody else uses.
    ///
    /// Keys are apart there; channels to publish on are not, Redis has them once for all its databases.
    pub async fn fresh_url(&self) -> String {
        let taken: u64 = self
            .cli(&["INCR", "testbed:databases"])
            .await
            .parse()
            .expect("a number");
        let number = 1 + (taken - 1) % (DATABASES - 1);
        self.cli(&["-n", &number.to_string(), "FLUSHDB"]).await;
        format!("{}/{number}", self.url())
    }

    /// Runs a command through `redis-cli`, and gives the lines of its answer; or what is wrong.
    ///
    /// # Errors
    ///
    /// The words of the server, or of `redis-cli` when there is none.
    pub async fn try_cli(&self, words: &[&str]) -> Result<String, String> {
        let mut command = Command::new(program("redis-cli", "redis-tools"));
        command
            .args(["-e", "-h", &self.host, "-p", &self.port.to_string()])
            .env_remove("REDISCLI_AUTH")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if let Some(password) = &self.password {
            command.env("REDISCLI_AUTH", password);
        }
        if let Some(certificate) = &self.certificate {
            command.arg("--tls").arg("--cacert").arg(certificate);
        }
        let done = command.args(words).output().await.expect("redis-cli can be run");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if done.status.success() {
            Ok(text(&done.stdout))
        } else {
            Err(format!("{}{}", text(&done.stdout), text(&done.stderr)))
        }
    }

    /// Like [`RedisNode::try_cli`], for a command that must succeed.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub async fn cli(&self, words: &[&str]) -> String {
        self.try_cli(words)
            .await
            .unwrap_or_else(|error| panic!("redis-cli {words:?}: {error}"))
    }
}

/// A private Redis of the distribution. It ends with this value, or with this process.
pub struct Redis {
    node: RedisNode,
    service: Service,
}

impl Deref for Redis {
    type Target = RedisNode;

    fn deref(&self) -> &RedisNode {
        &self.node
    }
}

static SHARED: OnceCell<RedisNode> = OnceCell::const_new();
static OWN: OnceCell<Redis> = OnceCell::const_new();

impl Redis {
    /// The Redis that tests share: the one that [`REDIS_VARIABLE`] names, or one that this process starts.
    pub async fn shared() -> &'static RedisNode {
        SHARED
            .get_or_init(async || match std::env::var(REDIS_VARIABLE) {
                Ok(address) => RedisNode::at(&address),
                Err(_) => OWN
                    .get_or_init(|| Self::start(RedisOptions::default()))
                    .await
                    .node
                    .clone(),
            })
            .await
    }

    /// Starts one.
    ///
    /// # Panics
    ///
    /// When Redis is not installed or does not come up.
    pub async fn start(options: RedisOptions) -> Self {
        let server = program("redis-server", "redis-server");
        let folder = folder("redis");
        let port = free_port();
        let mut command = vec![server];
        let mut set = |name: &str, value: &str| command.extend([format!("--{name}"), value.to_owned()]);
        set("bind", "127.0.0.1");
        set("dir", &folder.display().to_string());
        set("daemonize", "no");
        set("save", "");
        set("databases", &DATABASES.to_string());
        set("appendonly", if options.append_only { "yes" } else { "no" });
        set("appendfsync", "always");
        if let Some(memory) = &options.max_memory {
            set("maxmemory", memory);
        }
        if let Some(policy) = &options.max_memory_policy {
            set("maxmemory-policy", policy);
        }
        if let Some(password) = &options.password {
            set("requirepass", password);
        }
        let certificate = options.tls.then(|| folder.join("certificate.pem"));
        if let Some(certificate) = &certificate {
            let key = folder.join("key.pem");
            make_certificate(certificate, &key);
            let certificate = certificate.display().to_string();
            set("port", "0");
            set("tls-port", &port.to_string());
            set("tls-cert-file", &certificate);
            set("tls-key-file", &key.display().to_string());
            set("tls-ca-cert-file", &certificate);
            set("tls-auth-clients", "no");
        } else {
            set("port", &port.to_string());
        }
        let redis = Self {
            node: RedisNode {
                host: "127.0.0.1".into(),
                port,
                password: options.password.clone(),
                certificate,
            },
            service: Service::new("Redis", folder, false, command),
        };
        redis.start_again().await;
        redis
    }

    /// Starts it again on the same folder and port, after [`Redis::stop`] or [`Redis::kill`].
    pub async fn start_again(&self) {
        self.service.start();
        let up = self
            .service
            .ready(async || self.try_cli(&["PING"]).await.is_ok_and(|answer| answer == "PONG"))
            .await;
        assert!(up, "{}", self.service.failure("ended at once"));
    }

    /// Ends it in order.
    pub async fn stop(&self) {
        self.service.stop(Signal::TERM).await;
    }

    /// Ends it at once.
    pub async fn kill(&self) {
        self.service.kill().await;
    }

    /// Stops its process where it is: connections stay open, and nobody answers.
    pub fn pause(&self) {
        self.service.pause();
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.service.resume();
    }

    /// Whether it runs.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.service.runs()
    }

    /// The id of its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.service.id()
    }

    /// The certificate that it shows, where it speaks TLS: it signed itself, and clients have to trust it.
    #[must_use]
    pub fn certificate(&self) -> Option<&Path> {
        self.node.certificate.as_deref()
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.service.log()
    }
}

fn make_certificate(certificate: &Path, key: &Path) {
    let done = Blocking::new(program("openssl", "openssl"))
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
        ])
        .args(["-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        // Some clients refuse a certificate that could sign others as that of a server.
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(key)
        .arg("-out")
        .arg(certificate)
        .output()
        .expect("openssl can be run");
    assert!(
        done.status.success(),
        "openssl: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}
