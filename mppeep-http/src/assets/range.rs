//! Which part of a file a request wants (RFC 9110 §14). One range is served; a list of ranges is answered with the whole
//! file, once: hundreds of overlapping ones would multiply it.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};

/// A date is a strong validator when the content was last changed well before it was sent (RFC 9110 §8.8.2.2).
const SETTLED: Duration = Duration::from_secs(60);

/// What a request wants of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it.
    Whole,
    /// These bytes, both included.
    Part {
        /// The first one.
        first: usize,
        /// The last one.
        last: usize,
    },
    /// Bytes that it does not have.
    Nowhere,
}

impl Wanted {
    /// Reads `Range` and `If-Range` for a file of `length` bytes. What cannot be read is as if it were not there.
    pub(super) fn read(request: &HeaderMap, length: usize, modified: SystemTime) -> Self {
        let mut ranges = request.get_all(header::RANGE).iter();
        let (Some(range), None) = (ranges.next(), ranges.next()) else {
            return Self::Whole;
        };
        if !is_same(request, modified) {
            return Self::Whole;
        }
        range
            .to_str()
            .ok()
            .and_then(|text| one(text, length))
            .unwrap_or(Self::Whole)
    }
}

/// Whether what the client has of the file is of this content. The tag is weak, so that only the date can say so.
fn is_same(request: &HeaderMap, modified: SystemTime) -> bool {
    let Some(condition) = request.get(header::IF_RANGE) else {
        return true;
    };
    let date = condition
        .to_str()
        .ok()
        .and_then(|text| httpdate::parse_http_date(text).ok());
    let settled = modified.elapsed().is_ok_and(|since_then| since_then >= SETTLED);
    settled && date.is_some_and(|date| date == modified)
}

/// Reads one range; none for what is no single range of bytes.
pub(crate) fn one(text: &str, length: usize) -> Option<Wanted> {
    let (unit, range) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    let end = length.checked_sub(1);
    match (first.is_empty(), last.is_empty()) {
        (true, true) => None,
        (true, false) => {
            let count = number(last)?;
            Some(match end {
                Some(end) if count > 0 => Wanted::Part {
                    first: length.saturating_sub(count),
                    last: end,
                },
                _ => Wanted::Nowhere,
            })
        }
        (false, open) => {
            let first = number(first)?;
            let last = if open { usize::MAX } else { number(last)? };
            if last < first {
                return None;
            }
            Some(match end {
                Some(end) if first <= end => Wanted::Part {
                    first,
                    last: last.min(end),
                },
                _ => Wanted::Nowhere,
            })
        }
    }
}

/// A number of digits only; one that is too large for any file is as large as can be.
fn number(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use std::time::UNIX_EPOCH;

    fn wanted(pairs: &[(&'static str, &str)]) -> Wanted {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        Wanted::read(&headers, 100, UNIX_EPOCH + Duration::from_secs(1_700_000_000))
    }

    #[test]
    fn one_range_is_understood() {
        let part = |first, last| Wanted::Part { first, last };
        for (range, expected) in [
            ("bytes=0-9", part(0, 9)),
            ("bytes=0-0", part(0, 0)),
            ("bytes=90-", part(90, 99)),
            ("bytes=90-1000", part(90, 99)),
            ("bytes=-5", part(95, 99)),
            ("bytes=-1000", part(0, 99)),
            ("Bytes = 0-9", part(0, 9)),
            ("bytes=0-99999999999999999999999", part(0, 99)),
            ("bytes=100-", Wanted::Nowhere),
            ("bytes=99999999999999999999999-", Wanted::Nowhere),
            ("bytes=-0", Wanted::Nowhere),
            ("bytes=9-0", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes=0-1,5-6", Wanted::Whole),
            ("lines=0-9", Wanted::Whole),
            ("0-9", Wanted::Whole),
        ] {
            assert_eq!(wanted(&[("range", range)]), expected, "{range}");
        }
        assert_eq!(wanted(&[]), Wanted::Whole);
        assert_eq!(
            wanted(&[("range", "bytes=0-1"), ("range", "bytes=2-3")]),
            Wanted::Whole
        );
    }

    #[test]
    fn a_part_of_another_content_is_not_continued() {
        let range = ("range", "bytes=0-9");
        for (condition, continued) in [
            ("Tue, 14 Nov 2023 22:13:20 GMT", true),
            ("Tue, 14 Nov 2023 22:13:21 GMT", false),
            ("W/\"0123456789abcdef\"", false),
            ("\"0123456789abcdef\"", false),
            ("nonsense", false),
        ] {
            let found = wanted(&[range, ("if-range", condition)]);
            assert_eq!(found != Wanted::Whole, continued, "{condition}");
        }
    }

    #[test]
    fn an_empty_file_has_no_part() {
        assert_eq!(one("bytes=0-", 0), Some(Wanted::Nowhere));
        assert_eq!(one("bytes=-1", 0), Some(Wanted::Nowhere));
    }
}
