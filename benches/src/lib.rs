//! Measurements of mppeep: `cargo bench --workspace` for rules and ports, the program `load` for the whole application.

pub mod ministry;
