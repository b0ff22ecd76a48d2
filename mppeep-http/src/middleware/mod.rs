//! The layers that every request passes, from the outside in: context and access log, security headers, compression,
//! error pages, panic guard, host and method, body limits, origin, session, general limits.

pub(crate) mod body;
pub(crate) mod compression;
pub(crate) mod context;
pub(crate) mod deadline;
pub(crate) mod forgery;
pub(crate) mod guard;
pub(crate) mod headers;
pub(crate) mod idempotency;
pub(crate) mod limits;
pub(crate) mod negotiate;
mod number;
pub(crate) mod observe;
pub(crate) mod peer;
pub(crate) mod session;
pub(crate) mod shedding;
mod told;
pub(crate) mod traffic;

pub use compression::ShowsSecret;
pub use context::{RequestContext, Transport};
pub use forgery::Origin;
pub use observe::{ObservedRequest, RequestObserver, Unobserved};
pub use peer::{ClientIpHeader, Network};
