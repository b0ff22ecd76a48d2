//! A day of use in a minute: `cargo run --release -p mppeep-benches --bin load -- [agents] [seconds]`.
//!
//! Starts the real binary on a database with 10 000 invented agents, asks for what people ask for, and prints how long
//! the answers took, beside what an answer that does nothing takes in the same run. Then memory, and starting again.

use std::time::{Duration, Instant};

use mppeep_tests::load::{Connection, Times};
use mppeep_tests::processes::resident_kib;
use mppeep_tests::server::demo_email;
use mppeep_tests::{Client, DEMO_PASSWORD, Launch, Server};

/// What is measured: a name, whether somebody is logged in, and the address, with `{id}` for an agent.
const QUESTIONS: [(&str, bool, &str); 13] = [
    ("baseline: health/live", false, "/mppeep/health/live"),
    ("style sheet", false, "/mppeep/static/css/style.css"),
    ("login page", false, "/mppeep/login"),
    ("home", true, "/mppeep/accueil"),
    ("dashboard", true, "/mppeep/dashboard"),
    ("list, first page", true, "/mppeep/personnel"),
    ("list, search « kone »", true, "/mppeep/personnel?q=kone"),
    (
        "list, filters",
        true,
        "/mppeep/personnel?sex=female&category=A&position=active",
    ),
    ("list, sorted by mark", true, "/mppeep/personnel?sort=-score"),
    ("sheet", true, "/mppeep/personnel/{id}"),
    ("API list of 50", true, "/mppeep/api/v1/personnel?limit=50"),
    ("API search", true, "/mppeep/api/v1/personnel?q=traore&limit=50"),
    ("API statistics", true, "/mppeep/api/v1/dashboard/stats"),
];

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse::<u32>().ok());
    let agents = arguments.next().unwrap_or(10_000);
    let seconds = arguments.next().unwrap_or(60);
    let begun = Instant::now();
    let launch = Launch::new().with_demo(agents);
    println!("{agents} agents made in {:.1} s", begun.elapsed().as_secs_f64());
    let server = launch.start();
    println!(
        "listening after {:.0} ms, {} MiB",
        ms(server.started_in()),
        resident_kib(server.id()) / 1024
    );
    let user = server.demo_user("sdrh").await;
    for readers in [1, 8] {
        println!("\n{readers} at once, one connection each:");
        measure(&server, &user, readers, seconds).await;
    }
    println!("\nresident after use: {} MiB", resident_kib(server.id()) / 1024);
    logins(&server).await;
    println!("resident after logins: {} MiB", resident_kib(server.id()) / 1024);
    drop(server);
    restarts(&launch).await;
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

async fn measure(server: &Server, user: &Client, readers: u32, seconds: u32) {
    let page = mppeep_tests::api::list(user, "personnel?limit=200").await;
    let ids: Vec<String> = page["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(mppeep_tests::api::id_of)
        .collect();
    let each = Duration::from_secs(u64::from(seconds)) / 2 / u32::try_from(QUESTIONS.len()).expect("few");
    let mut baseline = None;
    for (name, logged_in, path) in QUESTIONS {
        let mut tasks = tokio::task::JoinSet::new();
        for reader in 0..readers {
            let session = logged_in.then(|| user.session());
            let (address, ids) = (server.address(), ids.clone());
            tasks.spawn(async move {
                let mut connection = Connection::open(address, session.as_deref())
                    .await
                    .expect("a connection");
                let mut times = Times::default();
                let end = Instant::now() + each;
                let mut turn = reader as usize;
                while Instant::now() < end {
                    let (status, _, time) = connection
                        .get(&path.replace("{id}", &ids[turn % ids.len()]))
                        .await
                        .expect("an answer");
                    assert_eq!(status, 200, "{path}");
                    times.push(time);
                    turn += 1;
                }
                times
            });
        }
        let mut times = Times::default();
        while let Some(done) = tasks.join_next().await {
            times.extend(done.expect("a reader"));
        }
        let median = times.percentile(50);
        let base = *baseline.get_or_insert(median);
        let ratio = median.as_secs_f64() / base.as_secs_f64().max(f64::EPSILON);
        println!("  {name:<24} {}  x {ratio:>6.1}", times.summary());
    }
}

/// Logins as they come in the morning, and what an unknown name costs beside a known one.
async fn logins(server: &Server) {
    println!("\nlogins, one after the other:");
    let known = demo_email("sdrh");
    for (name, email, password) in [
        ("right", known.as_str(), DEMO_PASSWORD),
        ("wrong password", known.as_str(), "faux"),
        ("unknown account", "personne@demo.mppeep.example", "faux"),
    ] {
        let mut times = Times::default();
        for number in 0..15 {
            let visitor = server.visitor_from(&format!("198.51.{}.{number}", 100 + name.len()));
            let begun = Instant::now();
            let _answer = visitor.login(email, password).await;
            times.push(begun.elapsed());
        }
        println!("  {name:<24} {}", times.summary());
    }
}

/// From the start of the process to the first answer, on the file that is there.
async fn restarts(launch: &Launch) {
    let mut times = Times::default();
    for _ in 0..5 {
        let begun = Instant::now();
        let server = launch.start();
        let _page = server.visitor().get("/mppeep/login").await.expect(200);
        times.push(begun.elapsed());
    }
    println!(
        "\nfrom the start of the process to the first answer:\n  {}",
        times.summary()
    );
}
