//! mppeep's store on PostgreSQL: it comes with the next version.
//!
//! This version of mppeep runs on SQLite (`mppeep-store-sqlite`). The crate is here so that its place in the workspace,
//! and the direction of its dependencies, are settled: it will implement the ports of `mppeep-core` that the SQLite
//! store implements, and pass the same checks of `mppeep-conformance`. Until then it exports nothing.
