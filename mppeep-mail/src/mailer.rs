//! The mailer.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use lettre::message::Mailbox;
use lettre::transport::smtp::client::TlsParameters;
use lettre::transport::smtp::extension::ClientId;
use mppeep_core::domain::id::JobId;
use mppeep_core::domain::mail::Mail;
use mppeep_core::ports::mailer::{MailError, Mailer};
use tokio::time::timeout;

use crate::address::{Encryption, MailConfigError, ServerAddress};
use crate::failure::{SmtpFailure, Stage};
use crate::link::{Link, Sent, Way};
use crate::message::{self, Written};

/// How long things may take, and how many connections are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SmtpOptions {
    /// To reach the server and hear its greeting.
    pub connect: Duration,
    /// For each answer but the last.
    pub command: Duration,
    /// For all of it. Shorter than the lease of the job that sends, so that no other worker has begun the same mail.
    pub whole: Duration,
    /// A connection that was idle for longer is not used again.
    pub idle: Duration,
    /// Idle connections that are kept.
    pub kept: usize,
}

impl Default for SmtpOptions {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            command: Duration::from_secs(10),
            whole: Duration::from_secs(25),
            idle: Duration::from_secs(20),
            kept: 4,
        }
    }
}

/// Sends mails over one mail server.
pub struct SmtpMailer {
    way: Way,
    from: Mailbox,
    options: SmtpOptions,
    idle: Mutex<Vec<Link>>,
}

impl fmt::Debug for SmtpMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpMailer")
            .field("server", &self.server())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl SmtpMailer {
    /// A mailer for the server at `url`, in the name of `from`. Nothing is connected yet.
    ///
    /// The address is `smtps://` (encrypted from the first byte) or `smtp://` with `?tls=required` (STARTTLS, or no mail),
    /// `?tls=opportunistic` (STARTTLS when the server offers it) or `?tls=none`. Without a word it is `required` when a
    /// password would cross a network, otherwise `opportunistic`. User and password are percent-encoded.
    ///
    /// # Errors
    /// [`MailConfigError`], which never quotes the address.
    pub fn new(url: &str, from: &str, options: SmtpOptions) -> Result<Self, MailConfigError> {
        let server = ServerAddress::parse(url)?;
        let from = from.parse().map_err(|_| MailConfigError::From)?;
        let tls = match server.encryption {
            Encryption::None => None,
            _ => Some(TlsParameters::new(server.host.clone()).map_err(|_| MailConfigError::Tls)?),
        };
        Ok(Self {
            way: Way {
                host: server.host,
                port: server.port,
                encryption: server.encryption,
                tls,
                credentials: server.credentials,
                hello: server.hello.map_or_else(ClientId::default, ClientId::Domain),
                connect: options.connect,
                command: options.command,
            },
            from,
            options,
            idle: Mutex::default(),
        })
    }

    /// The server, as `host:port`.
    pub fn server(&self) -> String {
        if self.way.host.contains(':') {
            format!("[{}]:{}", self.way.host, self.way.port)
        } else {
            format!("{}:{}", self.way.host, self.way.port)
        }
    }

    /// Connects and logs in without sending anything.
    ///
    /// # Errors
    /// What did not work.
    pub async fn check(&self) -> Result<(), SmtpFailure> {
        let whole = async {
            let mut link = Link::open(&self.way).await?;
            let alive = link.is_alive().await;
            link.close().await;
            if alive {
                Ok(())
            } else {
                Err(SmtpFailure::Link {
                    stage: Stage::Connect,
                    what: "the mail server does not answer".to_owned(),
                })
            }
        };
        timeout(self.options.whole, whole)
            .await
            .unwrap_or(Err(SmtpFailure::TimedOut {
                stage: Stage::Connect,
            }))
    }

    async fn deliver(&self, written: &Written) -> Result<(), SmtpFailure> {
        let link = match self.kept_link().await {
            Some(link) => link,
            None => Link::open(&self.way).await?,
        };
        match link
            .send(&written.envelope, &written.bytes, self.options.whole)
            .await?
        {
            Sent::Taken(link) => {
                self.keep(link);
                Ok(())
            }
            Sent::Refused(failure, link) => {
                if let Some(link) = link {
                    self.keep(link);
                }
                Err(failure)
            }
        }
    }

    /// An idle connection on which the server still listens.
    async fn kept_link(&self) -> Option<Link> {
        loop {
            let mut link = self.links().pop()?;
            if link.used_at.elapsed() < self.options.idle && link.is_alive().await {
                return Some(link);
            }
        }
    }

    fn keep(&self, link: Link) {
        let mut links = self.links();
        if links.len() < self.options.kept {
            links.push(link);
        }
    }

    fn links(&self) -> std::sync::MutexGuard<'_, Vec<Link>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, id: JobId, mail: &Mail) -> Result<(), MailError> {
        let written = message::write(id, &self.from, mail)?;
        let sent = timeout(self.options.whole, self.deliver(&written))
            .await
            .unwrap_or(Err(SmtpFailure::TimedOut {
                stage: Stage::Message,
            }));
        match sent {
            Ok(()) => {
                tracing::info!(job = %id, kind = mail.kind.code(), "mail sent");
                Ok(())
            }
            Err(failure) => {
                tracing::warn!(job = %id, kind = mail.kind.code(), %failure, "mail not sent");
                Err(failure.into())
            }
        }
    }
}
