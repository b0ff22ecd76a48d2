//! One connection to a mail server.
//!
//! The library's own pool takes back a connection on which a conversation was broken off in the middle, after which every
//! answer would be taken for that of the next question. Here a connection is put back only when its last answer was read.

use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Noop, Quit, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use tokio::time::{Instant, timeout};

use crate::address::Encryption;
use crate::failure::{SmtpFailure, Stage};

/// What a connection is made with.
pub(crate) struct Way {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) encryption: Encryption,
    pub(crate) tls: Option<TlsParameters>,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) hello: ClientId,
    pub(crate) connect: Duration,
    pub(crate) command: Duration,
}

/// A connection that is ready for a mail.
pub(crate) struct Link {
    connection: AsyncSmtpConnection,
    command: Duration,
    pub(crate) used_at: Instant,
}

/// How a mail went.
pub(crate) enum Sent {
    /// Taken; the connection can take another.
    Taken(Link),
    /// Refused with an answer; the connection can take another, if it is given back.
    Refused(SmtpFailure, Option<Link>),
}

async fn patient<T>(
    patience: Duration,
    stage: Stage,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, SmtpFailure> {
    match timeout(patience, work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(SmtpFailure::of(stage, &error)),
        Err(_) => Err(SmtpFailure::TimedOut { stage }),
    }
}

impl Link {
    /// Connects, encrypts and logs in.
    pub(crate) async fn open(way: &Way) -> Result<Self, SmtpFailure> {
        let wrapped = match way.encryption {
            Encryption::Wrapper => way.tls.clone(),
            _ => None,
        };
        let connecting = AsyncSmtpConnection::connect_tokio1(
            (way.host.as_str(), way.port),
            Some(way.connect),
            &way.hello,
            wrapped,
            None,
        );
        let mut connection = patient(way.connect, Stage::Connect, connecting).await?;
        let upgrades = match way.encryption {
            Encryption::Required => true,
            Encryption::Opportunistic => connection.can_starttls(),
            Encryption::Wrapper | Encryption::None => false,
        };
        if upgrades && let Some(tls) = &way.tls {
            patient(
                way.command,
                Stage::Encrypt,
                connection.starttls(tls.clone(), &way.hello),
            )
            .await?;
        }
        if let Some(credentials) = &way.credentials {
            patient(
                way.command,
                Stage::LogIn,
                connection.auth(DEFAULT_MECHANISMS, credentials),
            )
            .await?;
        }
        Ok(Self {
            connection,
            command: way.command,
            used_at: Instant::now(),
        })
    }

    /// Whether the server still listens on a connection that was idle.
    pub(crate) async fn is_alive(&mut self) -> bool {
        patient(self.command, Stage::Connect, self.connection.command(Noop))
            .await
            .is_ok()
    }

    /// Says good-bye, without insisting.
    pub(crate) async fn close(mut self) {
        let _ = timeout(Duration::from_secs(1), self.connection.command(Quit)).await;
    }

    /// Sends one mail. The connection is gone after any failure but an answer.
    pub(crate) async fn send(
        mut self,
        envelope: &Envelope,
        bytes: &[u8],
        last: Duration,
    ) -> Result<Sent, SmtpFailure> {
        let failure = match self.converse(envelope, bytes, last).await {
            Ok(()) => {
                self.used_at = Instant::now();
                return Ok(Sent::Taken(self));
            }
            Err(failure @ SmtpFailure::Refused { .. }) => failure,
            Err(failure) => return Err(failure),
        };
        let forgotten = timeout(Duration::from_secs(1), self.connection.command(Rset)).await;
        self.used_at = Instant::now();
        let link = matches!(forgotten, Ok(Ok(_))).then_some(self);
        Ok(Sent::Refused(failure, link))
    }

    /// `last`: how long the server may take to say that it has the message.
    async fn converse(
        &mut self,
        envelope: &Envelope,
        bytes: &[u8],
        last: Duration,
    ) -> Result<(), SmtpFailure> {
        let mut parameters = Vec::new();
        let addresses = envelope.to().iter().chain(envelope.from());
        if !addresses.map(AsRef::<str>::as_ref).all(str::is_ascii) {
            if !self
                .connection
                .server_info()
                .supports_feature(Extension::SmtpUtfEight)
            {
                return Err(SmtpFailure::Address);
            }
            parameters.push(MailParameter::SmtpUtfEight);
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let (patience, connection) = (self.command, &mut self.connection);
        let sender = Mail::new(envelope.from().cloned(), parameters);
        patient(patience, Stage::Sender, connection.command(sender)).await?;
        for recipient in envelope.to() {
            let recipient = Rcpt::new(recipient.clone(), Vec::new());
            patient(patience, Stage::Recipient, connection.command(recipient)).await?;
        }
        patient(patience, Stage::Message, connection.command(Data)).await?;
        patient(last, Stage::Message, connection.message(bytes)).await?;
        Ok(())
    }
}
