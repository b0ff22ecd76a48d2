//! The layers that every request passes, from the outside in: context and access log, security headers, compression,
//! error pages, panic guard, host and method, body limits, origin, session, general limits.

pub(crate) mod body;
pub(crate) mod compression;
pub(crate) mod context;
pub(crate) mod forgery;
pub(crate) mod guard;
pub(crate) mod headers;
pub(crate) mod limits;
pub(crate) mod negotiate;
pub(crate) mod session;
pub(crate) mod traffic;

pub use compression::ShowsSecret;
pub use context::{ClientIpHeader, Network, RequestContext};
pub use forgery::Origin;
