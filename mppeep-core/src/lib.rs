//! The core of mppeep, the personnel dashboard of a ministry.
//!
//! This crate holds the **domain** (types that cannot hold an invalid value, and rules that are pure functions), the
//! **ports** (traits that databases, caches and clocks implement), the **services** (one use case, one unit of work)
//! and the **layers** written once over the ports. It knows no driver, no protocol and no framework, and does no I/O
//! of its own: other programs embed it with the adapters of their choice.

pub mod domain;
pub mod layered;
pub mod ports;
pub mod services;
