//! Demonstration data, imports and exports on a real database.

mod loading;
mod support;
mod transfers;
