//! mppeep over HTTP: routes, layers, pages, templates, static files and the API with its description.
//!
//! This crate asks the core's services and shows what they answer. It names no adapter: whoever builds the router gives
//! it the services. It does not listen either: the accept loop is the binary's.

mod api;
pub mod app;
mod assets;
mod catalogue;
mod download;
pub mod extract;
mod health;
mod letters;
mod live;
pub mod middleware;
mod pages;
mod portraits;
pub mod problem;
pub mod routes;
mod site;
mod urls;

pub use app::{AppState, EdgeSettings, ServicePorts, Services, openapi, openapi_json, site};
pub use extract::session_cookie::CookieSecurity;
pub use health::{ComponentHealth, Readiness};
pub use letters::FrenchLetters;
pub use middleware::{
    ClientIpHeader, Network, ObservedRequest, Origin, RequestObserver, Transport, Unobserved,
};
pub use site::Site;
pub use urls::Urls;
