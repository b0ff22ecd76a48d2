//! What went wrong, in words that hold nothing personal.

use std::error::Error as _;
use std::fmt;

use mppeep_core::ports::mailer::MailError;

/// Where in a conversation with a mail server something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Reaching the server, and its greeting.
    Connect,
    /// Encrypting the connection.
    Encrypt,
    /// Logging in.
    LogIn,
    /// Naming the sender.
    Sender,
    /// Naming the recipient.
    Recipient,
    /// Handing over the message.
    Message,
}

impl Stage {
    /// Whether a refusal here is about this mail; otherwise it is about the server or the way to it.
    fn is_about_the_mail(self) -> bool {
        matches!(self, Self::Sender | Self::Recipient | Self::Message)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::Encrypt => "encrypting",
            Self::LogIn => "logging in",
            Self::Sender => "naming the sender",
            Self::Recipient => "naming the recipient",
            Self::Message => "handing over the message",
        })
    }
}

/// Why a mail was not sent, or perhaps not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SmtpFailure {
    /// The server said no.
    #[error("{stage}: the mail server answered {code}")]
    Refused {
        /// Where.
        stage: Stage,
        /// The number of its answer.
        code: u16,
    },
    /// No answer came in time.
    #[error("{stage}: no answer in time")]
    TimedOut {
        /// Where.
        stage: Stage,
    },
    /// The connection could not be made, or was lost.
    #[error("{stage}: {what}")]
    Link {
        /// Where.
        stage: Stage,
        /// What happened.
        what: String,
    },
    /// The recipient is not a mail address.
    #[error("the recipient is not a mail address")]
    Address,
    /// The message cannot be written as a mail.
    #[error("the message cannot be written as a mail")]
    Message,
}

/// Answers that are about who sends and how, not about the mail: somebody corrects a setting, and the mail may go.
const OF_THE_LOGIN: [u16; 4] = [530, 534, 535, 538];

impl SmtpFailure {
    pub(crate) fn of(stage: Stage, error: &lettre::transport::smtp::Error) -> Self {
        if let Some(code) = error.status() {
            return Self::Refused {
                stage,
                code: u16::from(code),
            };
        }
        if error.is_timeout() {
            return Self::TimedOut { stage };
        }
        // The library's own words may hold the server's, and these an address.
        let what = match error
            .source()
            .and_then(|source| source.downcast_ref::<std::io::Error>())
        {
            Some(io) if stage == Stage::Encrypt || io.kind() == std::io::ErrorKind::InvalidData => {
                format!("the encrypted connection failed: {io}")
            }
            Some(io) => io.kind().to_string(),
            None if error.is_response() => "the connection ended, or the answer is not one".to_owned(),
            None if error.is_tls() => "the encrypted connection failed".to_owned(),
            None if error.is_client() => "the mail server lacks what this needs".to_owned(),
            None => "the connection failed".to_owned(),
        };
        Self::Link { stage, what }
    }

    /// Whether sending the same mail again cannot help.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Refused { stage, code } => {
                stage.is_about_the_mail() && (500..600).contains(code) && !OF_THE_LOGIN.contains(code)
            }
            Self::Address | Self::Message => true,
            Self::TimedOut { .. } | Self::Link { .. } => false,
        }
    }
}

impl From<SmtpFailure> for MailError {
    fn from(failure: SmtpFailure) -> Self {
        if failure.is_permanent() {
            Self::Permanent {
                source: failure.into(),
            }
        } else {
            Self::Temporary {
                source: failure.into(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_final_only_when_it_is_about_the_mail() {
        for (stage, code, permanent) in [
            (Stage::Recipient, 550, true),
            (Stage::Recipient, 450, false),
            (Stage::Sender, 553, true),
            (Stage::Sender, 530, false),
            (Stage::Message, 554, true),
            (Stage::Message, 451, false),
            (Stage::LogIn, 535, false),
            (Stage::Connect, 554, false),
            (Stage::Encrypt, 501, false),
        ] {
            let failure = SmtpFailure::Refused { stage, code };
            assert_eq!(failure.is_permanent(), permanent, "{failure}");
        }
        assert!(SmtpFailure::Address.is_permanent());
        assert!(
            !SmtpFailure::TimedOut {
                stage: Stage::Message
            }
            .is_permanent()
        );
    }
}
