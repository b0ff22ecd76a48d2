//! The tools with which the tests look at mppeep from outside: a real process, real sockets, a real browser.
//!
//! Nothing in here knows a room of the house from inside. A test starts the binary that would be shipped on a private
//! folder and a free port, speaks HTTP (or bytes that are not quite HTTP) with it, and leaves no process behind.

pub mod agents;
pub mod api;
pub mod backend;
pub mod binary;
pub mod browser;
pub mod client;
pub mod confinement;
pub mod events;
pub mod frames;
pub mod html;
pub mod kinds;
pub mod load;
pub mod log;
pub mod openapi;
pub mod processes;
pub mod promises;
pub mod raw;
pub mod server;
pub mod tls;

pub use backend::Backend;
pub use client::{Client, Response};
pub use server::{ADMIN_EMAIL, ADMIN_PASSWORD, DEMO_PASSWORD, Launch, Server};
