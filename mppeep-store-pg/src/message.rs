//! How messages travel as notifications, whose payload is text of less than 8 000 bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::pubsub::CHANNEL_MAX_BYTES;
use uuid::Uuid;

use crate::error::ADAPTER;
use crate::{epochs, job_queue};

/// The channel on which published messages travel, each behind the name it was published under.
pub(crate) const CHANNEL: &str = "mppeep_messages";
/// Everything that is listened to.
pub(crate) const CHANNELS: [&str; 3] = [CHANNEL, epochs::CHANNEL, job_queue::CHANNEL];
/// The name under which subscribers hear of bumped epochs.
const EPOCHS: &str = mppeep_core::layered::epoch_board::CHANNEL;
/// The name under which this crate hears of new jobs; no publisher may use it.
pub(crate) const JOBS: &str = "/jobs";
/// Precedes the mark of a subscription; no publisher may use it.
const MARK: &str = "/mark";
/// Size of the largest payload: in base 64, behind its name, it stays under what a notification carries.
pub(crate) const PAYLOAD_LIMIT_BYTES: usize = 5_800;

/// What was heard.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A subscription begins here.
    Mark(Uuid),
    /// A message.
    Message {
        /// Under which name it was published.
        channel: String,
        /// Its content.
        payload: Bytes,
    },
}

fn invalid(what: String) -> BackendError {
    BackendError::Invalid {
        adapter: ADAPTER,
        what,
    }
}

/// Refuses the names that no adapter takes.
pub(crate) fn check_channel(channel: &str) -> Result<(), BackendError> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if channel.is_empty() || channel.len() > CHANNEL_MAX_BYTES || !channel.bytes().all(known) {
        return Err(invalid("the name of a channel".to_owned()));
    }
    Ok(())
}

/// A message as it is told: text as it stands where it can be, anything else in base 64.
pub(crate) fn write(channel: &str, payload: &[u8]) -> Result<String, BackendError> {
    if payload.len() > PAYLOAD_LIMIT_BYTES {
        return Err(invalid(format!("a payload of {} bytes", payload.len())));
    }
    Ok(match std::str::from_utf8(payload) {
        Ok(text) if !text.contains('\0') => format!("{channel} ={text}"),
        _ => format!("{channel} :{}", STANDARD_NO_PAD.encode(payload)),
    })
}

/// The mark of a subscription as it is told.
pub(crate) fn write_mark(mark: Uuid) -> String {
    format!("{MARK} ={mark}")
}

/// What a notification says; none when it is not this program's.
pub(crate) fn read(channel: &str, told: &str) -> Option<Heard> {
    let message = |channel: &str, payload: Bytes| Heard::Message {
        channel: channel.to_owned(),
        payload,
    };
    match channel {
        epochs::CHANNEL => Some(message(EPOCHS, Bytes::copy_from_slice(told.as_bytes()))),
        job_queue::CHANNEL => Some(message(JOBS, Bytes::copy_from_slice(told.as_bytes()))),
        CHANNEL => {
            let (channel, told) = told.split_once(' ')?;
            let payload = match told.split_at_checked(1)? {
                ("=", text) if channel == MARK => return text.parse().ok().map(Heard::Mark),
                ("=", text) => Bytes::copy_from_slice(text.as_bytes()),
                (":", encoded) => STANDARD_NO_PAD.decode(encoded).ok()?.into(),
                _ => return None,
            };
            Some(message(channel, payload))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use mppeep_core::ports::pubsub::PAYLOAD_MIN_LIMIT_BYTES;

    use super::*;

    #[test]
    fn whatever_is_written_is_read_back() {
        let payloads: [&[u8]; 7] = [
            b"",
            b"a b =c",
            b"\0",
            b"\xff\xfe",
            "é\n".as_bytes(),
            &[b'x'; PAYLOAD_LIMIT_BYTES],
            &[0xA5; PAYLOAD_LIMIT_BYTES],
        ];
        const { assert!(PAYLOAD_LIMIT_BYTES >= PAYLOAD_MIN_LIMIT_BYTES) };
        let channel = "c".repeat(CHANNEL_MAX_BYTES);
        for payload in payloads {
            let told = write(&channel, payload).unwrap();
            assert!(told.len() < 8_000);
            let heard = Heard::Message {
                channel: channel.clone(),
                payload: Bytes::copy_from_slice(payload),
            };
            assert_eq!(read(CHANNEL, &told), Some(heard));
        }
        let mark = Uuid::from_u128(7);
        assert_eq!(read(CHANNEL, &write_mark(mark)), Some(Heard::Mark(mark)));
    }

    #[test]
    fn what_is_too_long_or_not_ours_is_refused() {
        assert!(write("live", &[b'x'; PAYLOAD_LIMIT_BYTES + 1]).is_err());
        for told in ["", "live", "live ", "live ?x", "live :%", "/mark =x"] {
            assert_eq!(read(CHANNEL, told), None, "{told}");
        }
        assert_eq!(read("another", "live =x"), None);
        for name in ["", "a b", "/jobs", "é", &"x".repeat(CHANNEL_MAX_BYTES + 1)] {
            assert!(check_channel(name).is_err(), "{name}");
        }
        assert!(check_channel(&"x".repeat(CHANNEL_MAX_BYTES)).is_ok());
    }
}
