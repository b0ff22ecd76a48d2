//! Looks into a workbook before the workbook reader trusts it.
//!
//! An XLSX file is an archive of XML files. A small archive may unpack to gigabytes, and the table of shared texts
//! announces a number of texts for which the reader would take memory at once. Both are checked here, by unpacking
//! everything once, piece by piece, into nothing.

use std::io::{Cursor, Read};

use mppeep_core::ports::spreadsheet::SheetError;
use zip::ZipArchive;

use crate::Limits;

/// Files in an archive; a real workbook has a few dozen.
const ENTRIES: usize = 5_000;
/// The attribute by which a workbook announces how many texts follow.
const COUNT_ATTRIBUTE: &[u8] = b"uniquecount";

/// Refuses an archive that would cost more than the limits.
pub(crate) fn check(bytes: &[u8], limits: &Limits) -> Result<(), SheetError> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|err| damaged(&err))?;
    if archive.len() > ENTRIES {
        return Err(SheetError::Expands {
            limit_bytes: limits.unpacked_bytes,
        });
    }
    let mut unpacked = 0_u64;
    let mut piece = vec![0_u8; 64 * 1024];
    let most_texts = u64::try_from(limits.cells).unwrap_or(u64::MAX);
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|err| damaged(&err))?;
        let mut counts = AnnouncedCounts::default();
        loop {
            let length = entry.read(&mut piece).map_err(|err| damaged(&err))?;
            if length == 0 {
                break;
            }
            unpacked += u64::try_from(length).unwrap_or(u64::MAX);
            if unpacked > limits.unpacked_bytes {
                return Err(SheetError::Expands {
                    limit_bytes: limits.unpacked_bytes,
                });
            }
            counts.see(piece.get(..length).unwrap_or_default());
            if counts.largest > most_texts {
                return Err(SheetError::TooManyCells { limit: limits.cells });
            }
        }
    }
    Ok(())
}

fn damaged(err: &dyn std::error::Error) -> SheetError {
    SheetError::Damaged {
        detail: err.to_string(),
    }
}

/// Finds the largest announced number of texts in a stream of bytes, whatever the pieces it comes in. Zero bytes are
/// skipped, so that two-byte encodings are seen too.
#[derive(Default)]
struct AnnouncedCounts {
    matched: usize,
    value: Option<u64>,
    largest: u64,
}

impl AnnouncedCounts {
    fn see(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().map(u8::to_ascii_lowercase).filter(|byte| *byte != 0) {
            if self.matched == COUNT_ATTRIBUTE.len() {
                self.see_value(byte);
            } else if COUNT_ATTRIBUTE.get(self.matched) == Some(&byte) {
                self.matched += 1;
            } else {
                // Only its first letter begins the word again, so that nothing is missed.
                self.matched = usize::from(COUNT_ATTRIBUTE.first() == Some(&byte));
            }
        }
    }

    fn see_value(&mut self, byte: u8) {
        match byte {
            b'0'..=b'9' => {
                let value = self
                    .value
                    .unwrap_or_default()
                    .saturating_mul(10)
                    .saturating_add(u64::from(byte - b'0'));
                self.value = Some(value);
                self.largest = self.largest.max(value);
            }
            b' ' | b'\t' | b'\r' | b'\n' | b'=' | b'"' | b'\'' | b'+' if self.value.is_none() => {}
            _ => {
                self.value = None;
                self.matched = usize::from(COUNT_ATTRIBUTE.first() == Some(&byte));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announced_counts_are_found_in_any_pieces() {
        let text = b"<sst count=\"9\" uniqueCount = \"1234567\"><si/><x uniqueuniqueCount='8'/></sst>";
        for size in [1, 2, 3, 7, 100] {
            let mut counts = AnnouncedCounts::default();
            for piece in text.chunks(size) {
                counts.see(piece);
            }
            assert_eq!(counts.largest, 1_234_567, "pieces of {size}");
        }
    }

    #[test]
    fn two_byte_encodings_do_not_hide_it() {
        let wide: Vec<u8> = "uniqueCount=\"99999999999999999999999\""
            .bytes()
            .flat_map(|byte| [byte, 0])
            .collect();
        let mut counts = AnnouncedCounts::default();
        counts.see(&wide);
        assert_eq!(counts.largest, u64::MAX);
    }
}
