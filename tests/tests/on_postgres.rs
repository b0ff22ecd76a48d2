//! The tests of the application, on PostgreSQL: the same ones as on SQLite, with the same results.

#[path = "access.rs"]
mod access;
#[path = "cloudflare.rs"]
mod cloudflare;
#[path = "contract.rs"]
mod contract;
#[path = "documents.rs"]
mod documents;
#[path = "errors.rs"]
mod errors;
#[path = "forgery.rs"]
mod forgery;
#[path = "hostile_json.rs"]
mod hostile_json;
#[path = "hostile_queries.rs"]
mod hostile_queries;
#[path = "idempotency.rs"]
mod idempotency;
#[path = "import.rs"]
mod import;
#[path = "limiter.rs"]
mod limiter;
#[path = "login.rs"]
mod login;
#[path = "logs.rs"]
mod logs;
#[path = "matrix.rs"]
mod matrix;
#[path = "passwords.rs"]
mod passwords;
#[path = "photos.rs"]
mod photos;
#[path = "services/main.rs"]
mod services;
#[path = "sessions.rs"]
mod sessions;
#[path = "shared_files.rs"]
mod shared_files;
