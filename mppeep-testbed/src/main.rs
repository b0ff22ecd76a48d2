//! `mppeep-testbed run CMD…`: one cluster and one Redis for all the tests that a command runs.

use std::process::ExitCode;
use std::time::Duration;

use mppeep_testbed::{POSTGRES_VARIABLE, Postgres, PostgresOptions, REDIS_VARIABLE, Redis, RedisOptions};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

/// How often the databases of tests that have ended are dropped: thousands of them would fill a disk.
const SWEEP: Duration = Duration::from_secs(20);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let ("run", Some((program, arguments))) = (
        words.first().and_then(|word| word.to_str()).unwrap_or_default(),
        words.get(1..).and_then(<[_]>::split_first),
    ) else {
        eprintln!("usage: mppeep-testbed run CMD…");
        return ExitCode::from(2);
    };
    // An interrupt from the keyboard reaches the command as well: it ends, and then we do.
    let mut interrupts = signal(SignalKind::interrupt()).expect("signals can be heard");
    let mut ends = signal(SignalKind::terminate()).expect("signals can be heard");
    let (postgres, redis) = tokio::join!(
        Postgres::start(PostgresOptions {
            max_connections: 500,
            ..PostgresOptions::default()
        }),
        Redis::start(RedisOptions::default()),
    );
    let mut child = match Command::new(program)
        .args(arguments)
        .env(POSTGRES_VARIABLE, postgres.address())
        .env(REDIS_VARIABLE, redis.address())
        .spawn()
    {
        Ok(child) => child,
        Err(error) => {
            eprintln!("{}: {error}", program.display());
            return ExitCode::from(127);
        }
    };
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let status = loop {
        tokio::select! {
            status = child.wait() => break status.expect("the command can be waited for"),
            _ = interrupts.recv() => {}
            _ = ends.recv() => {
                if let Some(id) = child.id() {
                    mppeep_testbed::process::send(id, rustix::process::Signal::TERM);
                }
            }
            _ = sweep.tick() => postgres.sweep().await,
        }
    };
    drop((postgres, redis));
    // A command that was ended by a signal has no code of its own.
    status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from)
}
