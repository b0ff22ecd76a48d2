//! The number of a request, by which a person can name the one that failed.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// The number of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Number<'a> {
    /// Cloudflare's.
    Ray(&'a str),
    /// Made here: twelve digits of the process, ten of the request, both hexadecimal.
    Own([u8; 23]),
}

impl Number<'_> {
    /// A number that no request has had.
    pub(crate) fn next(process: u64) -> Self {
        let request = next_number();
        let mut text = [b'-'; 23];
        for (digits, number) in [(0..12, process), (13..23, request)] {
            for (place, digit) in text[digits].iter_mut().rev().enumerate() {
                *digit = b"0123456789abcdef"[(number >> (4 * place)) as usize & 15];
            }
        }
        Self::Own(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Ray(text) => text,
            Self::Own(text) => str::from_utf8(text).unwrap_or_default(),
        }
    }
}

/// How many numbers a thread takes at once, so that threads seldom meet over them.
const NUMBERS: u64 = 64;

/// The next number in this process: each is given once, in no order.
fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    thread_local! {
        /// The next of this thread; it has none left at a multiple of [`NUMBERS`].
        static OWN: Cell<u64> = const { Cell::new(0) };
    }
    OWN.with(|own| {
        let mut number = own.get();
        if number.is_multiple_of(NUMBERS) {
            number = NEXT.fetch_add(NUMBERS, Ordering::Relaxed);
        }
        own.set(number + 1);
        number
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn every_request_has_a_number_of_its_own() {
        const EACH: usize = 1000;
        let (found, threads) = (Mutex::new(HashSet::new()), 4);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let own: Vec<u64> = (0..EACH).map(|_| next_number()).collect();
                    found.lock().unwrap().extend(own);
                });
            }
        });
        assert_eq!(found.lock().unwrap().len(), threads * EACH);
    }
}
