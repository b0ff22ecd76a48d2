//! mppeep's ephemeral ports on Redis: they come with the next version.
//!
//! This version of mppeep keeps what may vanish in the process (`mppeep-cache-memory`). The crate is here so that its
//! place in the workspace, and the direction of its dependencies, are settled: it will implement the cache and the rate
//! limiter of `mppeep-core`, and pass the same checks of `mppeep-conformance`. Until then it exports nothing.
