//! A mail as bytes.

use lettre::Message;
use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use mppeep_core::domain::id::JobId;
use mppeep_core::domain::mail::Mail;

use crate::failure::SmtpFailure;

/// What goes over the wire.
pub(crate) struct Written {
    pub(crate) envelope: Envelope,
    pub(crate) bytes: Vec<u8>,
}

/// Writes a mail: text and HTML as alternatives, with an identifier that stays the same when it is sent again.
pub(crate) fn write(id: JobId, from: &Mailbox, mail: &Mail) -> Result<Written, SmtpFailure> {
    let to = mail.to.parse().map_err(|_| SmtpFailure::Address)?;
    let message = Message::builder()
        .message_id(Some(format!("<{id}@{}>", from.email.domain())))
        .date_now()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(one_line(&mail.subject))
        // No « out of office » comes back for what nobody wrote by hand.
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ))
        .multipart(MultiPart::alternative_plain_html(
            mail.text.clone(),
            mail.html.clone(),
        ))
        .map_err(|_| SmtpFailure::Message)?;
    Ok(Written {
        envelope: message.envelope().clone(),
        bytes: message.formatted(),
    })
}

/// A subject has one line, whatever is in it.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}
