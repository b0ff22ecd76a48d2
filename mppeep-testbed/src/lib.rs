//! Real servers for mppeep's tests, started privately.
//!
//! A test that needs PostgreSQL, Redis, `PgBouncer` or nginx gets the real program from the distribution, in a folder of its
//! own, on a free port, and may kill it, stop it and start it again. Between a client and such a server stands, where
//! wanted, a [`FaultProxy`]; mails arrive at an [`SmtpServer`] inside the test. Nothing of this outlives the test: each
//! service hangs on a supervisor that ends it when the test process is gone, however it went.
//!
//! Starting a cluster costs about a second, making a database on one a few dozen milliseconds. So most tests take a
//! fresh database of [`Postgres::shared`], and only those that do harm start a cluster of their own. `mppeep-testbed
//! run CMD…` keeps one of each for all the processes below `CMD`; see [`POSTGRES_VARIABLE`] and [`REDIS_VARIABLE`].

mod background;
mod cluster;
mod nginx;
mod pgbouncer;
mod ports;
mod postgres;
pub mod process;
mod proxy;
mod redis;
mod service;
mod smtp;

pub use cluster::{Cluster, POSTGRES_VARIABLE, database_of};
pub use nginx::{Nginx, NginxOptions};
pub use pgbouncer::PgBouncer;
pub use ports::free_port;
pub use postgres::{Postgres, PostgresOptions};
pub use proxy::{Fault, FaultProxy};
pub use redis::{REDIS_VARIABLE, Redis, RedisNode, RedisOptions};
pub use smtp::{Mail, SmtpOptions, SmtpReaction, SmtpServer};
