//! Mail of mppeep over SMTP: the core's [`Mailer`](mppeep_core::ports::mailer::Mailer) for one mail server.
//!
//! ```no_run
//! use mppeep_mail::{SmtpMailer, SmtpOptions};
//!
//! let mailer = SmtpMailer::new(
//!     "smtp://mppeep:secret@mail.example?tls=required",
//!     "Ressources humaines <rh@mppeep.example>",
//!     SmtpOptions::default(),
//! )?;
//! # let _ = mailer;
//! # Ok::<(), mppeep_mail::MailConfigError>(())
//! ```
//!
//! Nothing that this room says of a failure, to a log or to a caller, holds an address, a subject or a secret: servers like to
//! quote addresses in their answers, so only the number of an answer is kept.

mod address;
mod failure;
mod link;
mod mailer;
mod message;

pub use address::MailConfigError;
pub use failure::{SmtpFailure, Stage};
pub use mailer::{SmtpMailer, SmtpOptions};
