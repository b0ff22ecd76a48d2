//! The suite that every adapter passes, on PostgreSQL: each check on a database of its own, once connected to the server
//! and once behind a pooler that lends servers by the transaction.
#![expect(clippy::unwrap_used, reason = "a test says what it found by panicking")]

mod harness;

mod direct {
    use mppeep_conformance::conformance_tests;

    use crate::harness::PgHarness;

    conformance_tests!(store, PgHarness::direct().await);
    conformance_tests!(sessions, PgHarness::direct().await);
    conformance_tests!(login_attempts, PgHarness::direct().await);
    conformance_tests!(pubsub, PgHarness::direct().await);
    conformance_tests!(cache, PgHarness::direct().await);
    conformance_tests!(rate_limiter, PgHarness::direct().await);
}

mod pooled {
    use mppeep_conformance::conformance_tests;

    use crate::harness::PgHarness;

    conformance_tests!(store, PgHarness::pooled().await);
    conformance_tests!(sessions, PgHarness::pooled().await);
    conformance_tests!(login_attempts, PgHarness::pooled().await);
    conformance_tests!(pubsub, PgHarness::pooled().await);
    conformance_tests!(cache, PgHarness::pooled().await);
    conformance_tests!(rate_limiter, PgHarness::pooled().await);
}
