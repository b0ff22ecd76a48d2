//! The certificate of a server that speaks TLS itself: whether it can be used, and until when.

use std::path::Path;

use anyhow::{Context as _, bail};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

use super::{Check, Verdict, add};
use crate::config::Config;
use crate::server::Certificates;

/// How long before its end a certificate is spoken of.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

pub(super) fn check(config: &Config, now: Timestamp, checks: &mut Vec<Check>) {
    let Some(files) = &config.tls else { return };
    let looked_at = Certificates::load(files).and_then(|_usable| end_of_file(&files.certificate));
    let (verdict, says) = match looked_at {
        Err(error) => (Verdict::Error, format!("{error:#}")),
        Ok(end) => judge(end, now),
    };
    add(checks, "tls", verdict, says);
}

fn judge(end: Timestamp, now: Timestamp) -> (Verdict, String) {
    let day = end.to_zoned(TimeZone::UTC).date();
    let left = end.duration_since(now);
    if left < SignedDuration::ZERO {
        return (
            Verdict::Error,
            format!("the certificate ended on {day}: browsers refuse it"),
        );
    }
    if left < SOON {
        let days = left.as_hours() / 24;
        let says = format!("the certificate ends on {day}, in {days} days: renew it");
        return (Verdict::Advice, says);
    }
    (Verdict::Ok, format!("the certificate is valid until {day}"))
}

/// The end of the first certificate of a file, which is the server's own.
fn end_of_file(path: &Path) -> anyhow::Result<Timestamp> {
    let told = || format!("cannot read when the certificate in {} ends", path.display());
    let text = std::fs::read(path).with_context(told)?;
    let Some(first) = CertificateDer::pem_slice_iter(&text).next() else {
        bail!("{} holds no certificate", path.display());
    };
    let first = first.with_context(told)?;
    end_of(&first).with_context(told)
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xA0;

/// When a certificate ends (RFC 5280 §4.1): the second of two times behind version, serial number, algorithm and issuer.
fn end_of(certificate: &[u8]) -> Option<Timestamp> {
    let (whole, _) = element(certificate, SEQUENCE)?;
    let (mut signed, _) = element(whole, SEQUENCE)?;
    if let Some((_, rest)) = element(signed, VERSION) {
        signed = rest;
    }
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        (_, signed) = element(signed, tag)?;
    }
    let (validity, _) = element(signed, SEQUENCE)?;
    let (_, end) = time(validity)?;
    Some(time(end)?.0)
}

/// The content of the first element, if it has that tag, and what follows it (X.690 §8.1).
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first != tag {
        return None;
    }
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = if length < 0x80 {
        (usize::from(length), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7F))?;
        if digits.len() > 4 {
            return None;
        }
        let length = digits
            .iter()
            .fold(0, |length, digit| length << 8 | usize::from(*digit));
        (length, rest)
    };
    rest.split_at_checked(length)
}

/// The first element as a time, and what follows it. Years of two digits are of 1950 to 2049.
fn time(bytes: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (text, rest) = match element(bytes, UTC_TIME) {
        Some((text, rest)) => {
            let text = std::str::from_utf8(text).ok()?;
            let century = if text < "50" { "20" } else { "19" };
            (format!("{century}{text}"), rest)
        }
        None => {
            let (text, rest) = element(bytes, GENERALIZED_TIME)?;
            (std::str::from_utf8(text).ok()?.to_owned(), rest)
        }
    };
    let at = DateTime::strptime("%Y%m%d%H%M%SZ", &text).ok()?;
    let at = at.to_zoned(TimeZone::UTC).ok()?.timestamp();
    Some((at, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(year: i32, month: u8, day: u8) -> Vec<u8> {
        let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, month, day);
        let key = rcgen::KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_end_of_a_certificate_is_read() {
        for (year, month, day) in [
            (1999, 12, 31),
            (2026, 11, 23),
            (2049, 1, 2),
            (2050, 1, 1),
            (4096, 2, 3),
        ] {
            let end = end_of(&made(year, month, day)).map(|end| end.to_zoned(TimeZone::UTC).date());
            let expected = jiff::civil::date(year as i16, month as i8, day as i8);
            assert_eq!(end, Some(expected));
        }
    }

    #[test]
    fn what_is_cut_or_none_has_no_end() {
        let whole = made(2030, 1, 1);
        for length in 0..100 {
            assert_eq!(end_of(&whole[..length]), None, "{length}");
        }
        for bytes in [
            &b""[..],
            b"\x30",
            b"\x30\x80",
            b"\x30\x85\x01\x01\x01\x01\x01",
            b"\x30\x03\x02\x01\x01",
        ] {
            assert_eq!(end_of(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn an_end_is_told_before_it_comes() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let judged = |hours: i64| judge(now + SignedDuration::from_hours(hours), now);
        assert_eq!(judged(-1).0, Verdict::Error);
        assert_eq!(judged(1).0, Verdict::Advice);
        assert_eq!(judged(13 * 24).0, Verdict::Advice);
        assert_eq!(judged(15 * 24).0, Verdict::Ok);
        assert!(judged(49).1.contains("2026-11-25, in 2 days"), "{}", judged(49).1);
    }
}
