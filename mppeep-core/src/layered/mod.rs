//! What is written once over the ports, whatever adapters stand behind them: the process's view of the epochs, loading
//! through a cache, copies of sessions, limits that outlive their backend, buffered counters, the worker,
//! and what a request spends where.

pub mod buffered_counters;
pub mod cached;
pub mod epoch_board;
pub mod epoch_relay;
pub mod fallback_limiter;
mod flight;
pub mod lock_guard;
pub mod near_cache;
pub mod session_cache;
pub mod spent;
pub mod worker;
