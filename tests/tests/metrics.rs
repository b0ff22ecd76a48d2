//! Metrics: readable by a scraper, moved by what happens, few in number, and for nobody else (CHECKS P-04).

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mppeep_testbed::{Fault, FaultProxy, Postgres, database_of};
use mppeep_tests::{ADMIN_EMAIL, Backend, Client, Launch, Server, backend, raw};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// How long a loaded machine may take for what takes seconds.
const PATIENCE: Duration = Duration::from_secs(90);

fn launch() -> Launch {
    Launch::new().env("MPPEEP_METRICS_LISTEN", "127.0.0.1:0")
}

/// Where a server tells its metrics.
fn metrics_of(server: &Server) -> Client {
    let address = server.log().wait_for(PATIENCE, |line| {
        let entry: Value = serde_json::from_str(line).ok()?;
        let own = entry["message"] == "metrics";
        own.then(|| entry["address"].as_str()?.parse::<SocketAddr>().ok())?
    });
    Client::new(address.expect("the server says where its metrics are"))
}

/// What a scrape told: families by name with their kind, samples by name and labels.
#[derive(Debug, Default)]
struct Scrape {
    kinds: BTreeMap<String, String>,
    samples: BTreeMap<String, f64>,
}

impl Scrape {
    async fn of(metrics: &Client) -> Self {
        let answer = metrics.get("/metrics").await.expect(200);
        let kind = answer.header_or_empty("content-type");
        assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        Self::parse(&answer.text())
    }

    /// Reads every line as OpenMetrics wants it, and panics at the first that is not so.
    fn parse(text: &str) -> Self {
        let mut scrape = Self::default();
        let mut family = String::new();
        let mut finished = BTreeSet::new();
        let mut ended = false;
        for line in text.lines() {
            assert!(!ended, "something follows the end: {line}");
            if line == "# EOF" {
                ended = true;
                continue;
            }
            if let Some(rest) = line.strip_prefix("# ") {
                let (word, rest) = rest.split_once(' ').expect("a word");
                let (name, rest) = rest.split_once(' ').expect("a name");
                assert!(is_name(name), "{line}");
                assert!(!rest.is_empty(), "{line}");
                if name != family {
                    assert!(finished.insert(family.clone()), "{family} is told twice");
                    assert!(!finished.contains(name), "{name} is told in pieces");
                    family = name.to_owned();
                }
                match word {
                    "HELP" => {}
                    "UNIT" => assert!(name.ends_with(&format!("_{rest}")), "{line}"),
                    "TYPE" => {
                        assert!(["counter", "gauge", "histogram"].contains(&rest), "{line}");
                        scrape.kinds.insert(name.to_owned(), rest.to_owned());
                    }
                    other => panic!("{other}: {line}"),
                }
                continue;
            }
            let (series, value) = line
                .rsplit_once(' ')
                .unwrap_or_else(|| panic!("no value: {line}"));
            let value: f64 = value.parse().unwrap_or_else(|err| panic!("{err}: {line}"));
            assert!(value.is_finite() && value >= 0.0, "{line}");
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            assert!(is_name(name) && labels.ends_with('}'), "{line}");
            let suffixes: &[&str] = match scrape.kinds.get(&family).map(String::as_str) {
                Some("counter") => &["_total"],
                Some("gauge") => &[""],
                Some("histogram") => &["_bucket", "_count", "_sum"],
                _ => panic!("{line} belongs to no family"),
            };
            let own = suffixes.iter().any(|suffix| *name == format!("{family}{suffix}"));
            assert!(own, "{line} is not of {family}");
            let again = scrape.samples.insert(series.to_owned(), value);
            assert!(again.is_none(), "told twice: {series}");
        }
        assert!(ended, "the end is missing");
        scrape
    }

    /// A sample by name and labels, in whatever order these are told; nothing is 0.
    fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let matches = |series: &str| {
            let (own, told) = series.split_once('{').unwrap_or((series, ""));
            own == name
                && labels
                    .iter()
                    .all(|(label, value)| told.contains(&format!("{label}=\"{value}\"")))
        };
        let found = self.samples.iter().filter(|(series, _)| matches(series));
        found.map(|(_, value)| value).sum()
    }

    fn names(&self) -> BTreeSet<&str> {
        let names = self.samples.keys();
        names
            .map(|series| series.split('{').next().unwrap_or_default())
            .collect()
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Scrapes until something holds.
async fn until(metrics: &Client, holds: impl Fn(&Scrape) -> bool) -> Scrape {
    let begun = Instant::now();
    loop {
        let scrape = Scrape::of(metrics).await;
        if holds(&scrape) {
            return scrape;
        }
        assert!(begun.elapsed() < PATIENCE, "never: {scrape:#?}");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

#[tokio::test]
async fn a_scraper_can_read_it_all_and_nobody_is_in_it() {
    let server = launch().with_demo(40).start();
    let metrics = metrics_of(&server);
    let client = server.demo_user("sdrh").await;
    let _home = client.get("/mppeep/accueil").await.expect(200);
    let _figures = client.get("/mppeep/api/v1/dashboard/stats").await.expect(200);
    let scrape = until(&metrics, |scrape| scrape.value("mppeep_sessions", &[]) >= 1.0).await;
    let names = scrape.names();
    for name in [
        "mppeep_build_info",
        "mppeep_http_requests_total",
        "mppeep_http_request_duration_seconds_bucket",
        "mppeep_http_request_duration_seconds_sum",
        "mppeep_http_requests_in_flight",
        "mppeep_http_requests_shed_total",
        "mppeep_http_response_size_bytes_total",
        "mppeep_connections_open",
        "mppeep_live_streams",
        "mppeep_database_connections",
        "mppeep_database_connections_max",
        "mppeep_database_waiting",
        "mppeep_cache_values_total",
        "mppeep_cache_failures_total",
        "mppeep_component_up",
        "mppeep_queue_jobs",
        "mppeep_queue_oldest_due_seconds",
        "mppeep_worker_jobs_total",
        "mppeep_sample_age_seconds",
        "mppeep_log_lines_lost_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_max_fds",
        "process_cpu_seconds_total",
        "process_start_time_seconds",
    ] {
        assert!(names.contains(name), "{name} is missing: {names:#?}");
    }
    assert!(scrape.value("process_resident_memory_bytes", &[]) > 1e6);
    assert!(scrape.value("mppeep_cache_values_total", &[("outcome", "loaded")]) >= 1.0);
    assert!(scrape.value("mppeep_component_up", &[("component", "disk")]) >= 1.0);
    let text = metrics.get("/metrics").await.text();
    for inside in [
        "sdrh@",
        "demo.mppeep",
        ADMIN_EMAIL,
        "127.0.0.1",
        &client.session(),
    ] {
        assert!(!text.contains(inside), "{inside} is in the metrics");
    }
}

#[tokio::test]
async fn counters_count_what_happens() {
    let server = launch()
        .env("MPPEEP_REQUEST_RATE", 1)
        .env("MPPEEP_REQUEST_BURST", 4)
        .start();
    let metrics = metrics_of(&server);
    let before = Scrape::of(&metrics).await;
    let visitor = server.visitor_from("203.0.113.5");
    let mut allowed = 0.0;
    for _ in 0..12 {
        let answer = visitor.get("/mppeep/login").await;
        assert!([200, 429].contains(&answer.status));
        allowed += if answer.status == 200 { 1.0 } else { 0.0 };
    }
    let _alive = visitor.get("/mppeep/health/live").await.expect(200);
    // A request leaves those in flight before it is counted.
    let asked = |scrape: &Scrape| scrape.value("mppeep_http_requests_total", &[("route", "/mppeep/login")]);
    let after = until(&metrics, |scrape| {
        asked(scrape) >= asked(&before) + 12.0 && scrape.value("mppeep_http_requests_in_flight", &[]) == 0.0
    })
    .await;
    let moved = |name, labels: &[(&str, &str)]| after.value(name, labels) - before.value(name, labels);
    let login = |status| [("method", "GET"), ("route", "/mppeep/login"), ("status", status)];
    assert_eq!(moved("mppeep_http_requests_total", &login("2xx")), allowed);
    assert_eq!(moved("mppeep_http_requests_total", &login("4xx")), 12.0 - allowed);
    let route = [("route", "/mppeep/login"), ("method", "GET")];
    assert_eq!(moved("mppeep_http_request_duration_seconds_count", &route), 12.0);
    assert!(moved("mppeep_http_request_duration_seconds_sum", &route) > 0.0);
    let policy = |outcome| [("policy", "anonymous"), ("outcome", outcome)];
    assert_eq!(
        moved("mppeep_limiter_decisions_total", &policy("allowed")),
        allowed
    );
    assert_eq!(
        moved("mppeep_limiter_decisions_total", &policy("refused")),
        12.0 - allowed
    );
    assert!(allowed < 12.0, "nothing was refused");
    assert!(moved("mppeep_http_response_size_bytes_total", &[]) > 1000.0);
    // What is counted never grows smaller.
    for (series, value) in &before.samples {
        if series.contains("_total") || series.contains("_bucket") || series.contains("_count") {
            assert!(after.samples.get(series) >= Some(value), "{series}");
        }
    }
}

/// A thousand addresses that nobody has are one label.
#[tokio::test]
async fn nobody_can_make_new_labels() {
    let server = launch().start();
    let metrics = metrics_of(&server);
    let client = server.visitor();
    let ask = async |number: usize| {
        let method = ["GET", "POST", "PURGE", "LINK"][number % 4];
        let path = match number % 3 {
            0 => format!("/mppeep/random-{number}"),
            1 => format!("/random-{number}/x"),
            _ => format!("/mppeep/static/random-{number}.css"),
        };
        let method = if number % 40 == 3 {
            format!("M{number}")
        } else {
            method.to_owned()
        };
        client.request(&method, &path).send().await.status
    };
    for number in 0..24 {
        let _warm = ask(number).await;
    }
    let before = Scrape::of(&metrics).await;
    for number in 24..1024 {
        let status = ask(number).await;
        assert!(status >= 400, "{number}: {status}");
    }
    let after = until(&metrics, |scrape| {
        scrape.value("mppeep_http_requests_in_flight", &[]) == 0.0
    })
    .await;
    let fresh: Vec<&String> = after
        .samples
        .keys()
        .filter(|series| !before.samples.contains_key(*series) && series.contains("_http_"))
        .collect();
    let families: BTreeSet<&str> = fresh
        .iter()
        .filter(|series| !series.contains("_bucket"))
        .map(|series| series.as_str())
        .collect();
    assert!(families.len() <= 6, "{families:#?}");
    let all: String = after.samples.keys().cloned().collect();
    assert!(!all.contains("random"), "an address became a label");
    assert!(
        !all.contains("M43") && !all.contains("PURGE"),
        "a method became a label"
    );
    let unmatched = after.value("mppeep_http_requests_total", &[("route", "unmatched")]);
    assert!(unmatched >= 600.0, "{unmatched}");
    println!(
        "series: {} before, {} after",
        before.samples.len(),
        after.samples.len()
    );
}

/// Ports on which a process listens.
fn ports_of(server: &Server) -> BTreeSet<u16> {
    let folder = format!("/proc/{}/fd", server.id());
    let own: BTreeSet<String> = std::fs::read_dir(folder)
        .expect("the process runs")
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|target| {
            let target = target.to_str()?;
            Some(target.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
        })
        .collect();
    let mut ports = BTreeSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in std::fs::read_to_string(table).unwrap_or_default().lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let listens =
                fields.get(3) == Some(&"0A") && fields.get(9).is_some_and(|inode| own.contains(*inode));
            if listens && let Some((_, port)) = fields[1].rsplit_once(':') {
                ports.insert(u16::from_str_radix(port, 16).expect("a port"));
            }
        }
    }
    ports
}

/// P-04
#[tokio::test]
async fn the_public_address_tells_no_metrics() {
    let server = launch().start();
    let metrics = metrics_of(&server);
    let admin = server.admin().await;
    for client in [&server.visitor(), &admin] {
        for path in [
            "/metrics",
            "/mppeep/metrics",
            "/mppeep/api/v1/metrics",
            "/mppeep/health/metrics",
            "/mppeep/static/metrics",
        ] {
            let answer = client.get(path).await;
            assert_eq!(answer.status, 404, "{path}");
            assert!(!answer.text().contains("mppeep_http"), "{path}");
        }
    }
    let expected = BTreeSet::from([server.address().port(), metrics.server().port()]);
    assert_eq!(ports_of(&server), expected);
    for (method, path, status) in [
        ("GET", "/", 404),
        ("GET", "/mppeep/login", 404),
        ("GET", "/metrics/x", 404),
        ("POST", "/metrics", 405),
        ("DELETE", "/metrics", 405),
        ("HEAD", "/metrics", 200),
    ] {
        let answer = metrics.request(method, path).send().await;
        assert_eq!(answer.status, status, "{method} {path}");
    }
}

#[tokio::test]
async fn without_the_setting_nothing_listens() {
    let server = Server::start();
    assert_eq!(ports_of(&server), BTreeSet::from([server.address().port()]));
    let answer = server.visitor().get("/metrics").await;
    assert_eq!(answer.status, 404);
}

/// An address that is taken is told at the start, and an address that others can reach is warned of.
#[tokio::test]
async fn an_address_is_judged_at_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound");
    let refused = Launch::new()
        .env("MPPEEP_METRICS_LISTEN", address)
        .run(&["serve"]);
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        said.contains("metrics_listen") && said.contains(&address.to_string()),
        "{said}"
    );
    let open = Launch::new().env("MPPEEP_METRICS_LISTEN", "0.0.0.0:0").start();
    assert!(
        open.log().text().contains("keep it from the public"),
        "{}",
        open.log().text()
    );
    let closed = launch().start();
    assert!(!closed.log().text().contains("keep it from the public"));
}

/// Who is slow is cut off, and others are answered meanwhile, also when all places are taken by slow ones.
#[tokio::test]
async fn a_slow_scraper_is_ended() {
    let server = launch().start();
    let metrics = metrics_of(&server);
    let mut slow = Vec::new();
    for number in 0..20 {
        let mut socket = TcpStream::connect(metrics.server()).await.expect("accepted");
        let bytes: &[u8] = if number % 2 == 0 {
            b""
        } else {
            b"GET /metrics HTTP/1.1\r\nHost: x"
        };
        socket.write_all(bytes).await.expect("sent");
        slow.push(socket);
    }
    let begun = Instant::now();
    let scrape = tokio::time::timeout(Duration::from_secs(40), Scrape::of(&metrics)).await;
    assert!(scrape.is_ok(), "the slow keep the places");
    println!("a scrape after {:?} among twenty slow ones", begun.elapsed());
    for socket in &mut slow {
        let echo = raw::read(socket, Duration::from_secs(40)).await;
        assert!(echo.closed, "a slow scraper is still connected after 40 s");
    }
}

/// A scrape never waits for the database: it is told the last figures and how old they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_hangs_holds_no_scrape() {
    let postgres = Postgres::shared().await;
    let url = backend::migrated(postgres).await;
    let proxy = FaultProxy::start(&postgres.address());
    let server = Launch::on(Backend::Sqlite)
        .postgres(&postgres.url_through(&proxy.address(), database_of(&url)))
        .env("MPPEEP_METRICS_LISTEN", "127.0.0.1:0")
        .env("MPPEEP_REQUEST_RATE", 50)
        .env("MPPEEP_MAX_REQUESTS", 2)
        .start();
    let metrics = metrics_of(&server);
    let admin = server.admin().await;
    let well = until(&metrics, |scrape| scrape.value("mppeep_sessions", &[]) >= 1.0).await;
    for name in [
        "mppeep_limiter_local_decisions_total",
        "mppeep_limiter_degraded",
        "mppeep_database_connections",
    ] {
        assert!(well.names().contains(name), "{name} is missing");
    }
    assert!(
        well.samples
            .keys()
            .any(|series| series.contains("cache=\"sessions\""))
    );
    proxy.set(Fault::BlackHole).await;
    // These hang, or are sent away; and so does the limiter.
    let asking: Vec<_> = (0..8)
        .map(|number| {
            let admin = admin.clone();
            let path = format!("/mppeep/api/v1/personnel?q=personne{number}");
            tokio::spawn(async move { admin.get(&path).await })
        })
        .collect();
    let _unlimited = server.visitor().get("/mppeep/login").await.expect(200);
    for _ in 0..5 {
        let begun = Instant::now();
        let hung = Scrape::of(&metrics).await;
        println!("scraped in {:?}", begun.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(10), "a scrape waited");
        assert!(
            hung.value("mppeep_sessions", &[]) >= 1.0,
            "the last figures are told"
        );
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let local = |scrape: &Scrape| scrape.value("mppeep_limiter_local_decisions_total", &[]);
    let _decided_here = until(&metrics, |scrape| local(scrape) >= 1.0).await;
    proxy.set(Fault::Pass).await;
    let mut sent_away = 0.0;
    for asked in asking {
        let answer = asked.await.expect("answered");
        sent_away += if answer.text().contains("overloaded") {
            1.0
        } else {
            0.0
        };
    }
    assert!(sent_away >= 1.0, "there was room for all");
    let shed = Scrape::of(&metrics)
        .await
        .value("mppeep_http_requests_shed_total", &[]);
    assert_eq!(shed, sent_away);
}

/// A worker of its own tells its metrics as well.
#[tokio::test]
async fn a_worker_tells_its_own() {
    let launch = launch();
    let _migrated = launch.run_well(&["migrate"]);
    let mut process = launch
        .command()
        .arg("worker")
        .env("MPPEEP_METRICS_LISTEN", "127.0.0.1:0")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the binary can be started");
    let said = process.stderr.take().expect("piped");
    let address = tokio::task::spawn_blocking(move || {
        use std::io::BufRead as _;
        let mut lines = std::io::BufReader::new(said).lines().map_while(Result::ok);
        lines.find_map(|line| {
            let entry: Value = serde_json::from_str(&line).ok()?;
            let own = entry["message"] == "metrics";
            own.then(|| entry["address"].as_str()?.parse::<SocketAddr>().ok())?
        })
    });
    let address = address.await.expect("read").expect("the worker tells where");
    let scrape = Scrape::of(&Client::new(address)).await;
    assert!(scrape.names().contains("mppeep_worker_jobs_total"));
    assert!(!scrape.names().contains("mppeep_connections_open"));
    process.kill().expect("ended");
    let _status = process.wait().expect("ended");
}
