//! What handlers take from a request. Every refusal is a [`Problem`](crate::problem::Problem).

mod form;
mod json;
mod path;
mod query;
pub mod session_cookie;
mod upload;
mod urlencoded;
mod user;

pub use form::{FormBody, FormFields};
pub use json::JsonBody;
pub use path::{PathId, PathIds};
pub use query::QueryParams;
pub(crate) use upload::Said;
pub use upload::{FilePart, Opened, UploadError, UploadForm};
pub use user::{Client, CurrentUser, MaybeUser};
