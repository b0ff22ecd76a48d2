//! A process that computes the salaries of everybody: this test program again, in a role.

use std::collections::{HashMap, VecDeque};
use std::io::BufRead as _;
use std::process::Stdio;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mppeep_core::domain::id::{PersonnelId, UserId};
use mppeep_core::domain::permission::Actor;
use mppeep_core::ports::locks::Locks;
use mppeep_core::services::ServiceError;
use mppeep_core::services::payroll::PayrollService;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, error::TryRecvError, unbounded_channel};
use uuid::Uuid;

use crate::locks::{Fenceless, Pausing};
use crate::place::{Place, month};

const PLACE: &str = "SALARY_PLACE";
const NUMBER: &str = "SALARY_NUMBER";
const PAUSES: &str = "SALARY_PAUSES";
const NAIVE: &str = "SALARY_NAIVE";

/// How long a salary is locked in these tests.
pub(crate) const LOCK_TTL: Duration = Duration::from_millis(1_500);

/// How long a computer may take for the next word on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a computer is told besides « go ».
enum Order {
    /// Computes this salary next.
    Again(PersonnelId),
    /// Ends when everybody's salary is computed.
    End,
}

/// Reads orders from standard input.
fn listen(go: UnboundedSender<()>, orders: UnboundedSender<Order>) {
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let told = match line.split_once(' ') {
            Some(("again", agent)) => orders
                .send(Order::Again(agent.parse().expect("an agent")))
                .is_ok(),
            _ if line == "end" => orders.send(Order::End).is_ok(),
            _ if line == "go" => go.send(()).is_ok(),
            _ => panic!("{line} is no order"),
        };
        if !told {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a role that other tests play in processes of their own"]
async fn computes_salaries() {
    let var = |name| std::env::var(name).expect("this role is played by another test");
    let opened = Place::of_text(&var(PLACE)).open().await;
    let pauses = var(PAUSES);
    let (go, told_to_go) = unbounded_channel();
    let (give, mut orders) = unbounded_channel();
    std::thread::spawn(move || listen(go, give));
    let mut locks: Arc<dyn Locks> = opened.locks.clone();
    if var(NAIVE) == "1" {
        locks = Arc::new(Fenceless {
            inner: locks,
            fences: Mutex::new(HashMap::new()),
        });
    }
    let locks = Arc::new(Pausing {
        inner: locks,
        at: pauses
            .split_whitespace()
            .map(|at| at.parse().expect("a number"))
            .collect(),
        taken: AtomicUsize::new(0),
        go: tokio::sync::Mutex::new(told_to_go),
    });
    let service =
        PayrollService::with_lock_ttl(opened.context.clone(), locks, opened.queue.clone(), LOCK_TTL);
    let actor = Actor {
        user: Some(UserId::from_uuid(Uuid::from_u128(
            var(NUMBER).parse().expect("a number"),
        ))),
        ..Actor::operator("computer")
    };
    compute_all(&service, &actor, opened.payable().await, &mut orders).await;
}

async fn compute_all(
    service: &PayrollService,
    actor: &Actor,
    agents: Vec<PersonnelId>,
    orders: &mut UnboundedReceiver<Order>,
) {
    let mut waiting = VecDeque::from(agents);
    let (mut written, mut busy, mut refused, mut may_end) = (0, 0, 0, false);
    loop {
        loop {
            match orders.try_recv() {
                Ok(Order::Again(agent)) => waiting.push_front(agent),
                Ok(Order::End) => may_end = true,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => panic!("the test that plays this role is gone"),
            }
        }
        let Some(agent) = waiting.pop_front() else {
            if may_end {
                println!("» ended {written} {busy} {refused}");
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        match service.process(actor, agent, month()).await {
            Ok(slip) => {
                written += 1;
                println!("» wrote {agent} {} {}", slip.fence, slip.version);
            }
            Err(ServiceError::State("salary-busy")) => {
                busy += 1;
                waiting.push_back(agent);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            Err(ServiceError::State("salary-lock-lost")) => {
                refused += 1;
                waiting.push_back(agent);
                println!("» refused {agent}");
            }
            Err(other) => panic!("{agent}: {other}"),
        }
    }
}

/// What a computer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    /// It took the lock of this agent under that fence, and waits to be told to go on.
    Holds(PersonnelId, i64),
    /// It wrote the slip of this agent, under that fence; it has that version now.
    Wrote(PersonnelId, i64, i64),
    /// Its write was refused.
    Refused(PersonnelId),
    /// It is done: slips written, salaries found busy, writes refused.
    Ended(u64, u64, u64),
}

fn word(line: &str) -> Option<Word> {
    let (_, said) = line.rsplit_once("» ")?;
    let mut parts = said.split(' ');
    let kind = parts.next()?;
    let mut next = || parts.next().expect("a whole line");
    Some(match kind {
        "holds" => Word::Holds(next().parse().ok()?, next().parse().ok()?),
        "wrote" => Word::Wrote(next().parse().ok()?, next().parse().ok()?, next().parse().ok()?),
        "refused" => Word::Refused(next().parse().ok()?),
        "ended" => Word::Ended(next().parse().ok()?, next().parse().ok()?, next().parse().ok()?),
        _ => return None,
    })
}

/// A computer seen from the test that started it. It dies with this value.
pub(crate) struct Computer {
    child: Child,
    orders: ChildStdin,
    words: UnboundedReceiver<Word>,
}

impl Computer {
    /// Starts one, which stops after taking these locks, counted from 1.
    pub(crate) fn start(place: &Place, number: u32, pauses: &[usize], naive: bool) -> Self {
        let pauses: Vec<String> = pauses.iter().map(ToString::to_string).collect();
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args([
                "computer::computes_salaries",
                "--exact",
                "--ignored",
                "--nocapture",
            ])
            .env(PLACE, place.text())
            .env(NUMBER, number.to_string())
            .env(PAUSES, pauses.join(" "))
            .env(NAIVE, if naive { "1" } else { "0" })
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("this program starts again");
        let orders = child.stdin.take().expect("piped");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let (say, words) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(word) = word(&line)
                    && say.send(word).is_err()
                {
                    return;
                }
            }
        });
        Self { child, orders, words }
    }

    /// The next word for which `wanted` gives something; others are passed over.
    pub(crate) async fn hears<T>(&mut self, mut wanted: impl FnMut(Word) -> Option<T>) -> T {
        let heard = async {
            loop {
                let word = self.words.recv().await.expect("the computer ended too early");
                if let Some(found) = wanted(word) {
                    return found;
                }
            }
        };
        tokio::time::timeout(PATIENCE, heard)
            .await
            .expect("the computer says what is expected")
    }

    pub(crate) async fn tell(&mut self, order: &str) {
        let line = format!("{order}\n");
        self.orders.write_all(line.as_bytes()).await.expect("it listens");
        self.orders.flush().await.expect("it listens");
    }

    fn id(&self) -> Pid {
        let id = self.child.id().expect("it runs");
        Pid::from_raw(i32::try_from(id).expect("a process id fits")).expect("a process id is not zero")
    }

    /// Stops it where it is, and returns when the kernel says so.
    pub(crate) async fn pause(&self) {
        kill_process(self.id(), Signal::STOP).expect("it runs");
        let stat = format!("/proc/{}/stat", self.id().as_raw_nonzero());
        for _ in 0..500 {
            let text = std::fs::read_to_string(&stat).expect("it runs");
            let state = text.rsplit_once(") ").map(|(_, rest)| rest.chars().next());
            if state == Some(Some('T')) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the process does not stop");
    }

    pub(crate) fn resume(&self) {
        kill_process(self.id(), Signal::CONT).expect("it runs");
    }

    /// Lets it end; gives what it counted.
    pub(crate) async fn ends(mut self) -> (u64, u64, u64) {
        self.tell("end").await;
        let counted = self
            .hears(|word| match word {
                Word::Ended(written, busy, refused) => Some((written, busy, refused)),
                _ => None,
            })
            .await;
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        assert!(status.expect("it ends").expect("waited for").success());
        counted
    }
}
