//! What the bytes are, and which characters they mean.

use std::borrow::Cow;

use encoding_rs::{Encoding, WINDOWS_1252};

/// What the first bytes say a file is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// No byte, or only a byte-order mark.
    Nothing,
    /// A ZIP archive, as XLSX workbooks are.
    Workbook,
    /// An OLE container: an old `.xls`, or a workbook under a password.
    OldWorkbook,
    /// Text in some encoding.
    Text,
    /// Anything else.
    Other,
}

/// Judges by content; names lie.
pub(crate) fn sniff(bytes: &[u8]) -> Content {
    if bytes.starts_with(b"PK\x03\x04") {
        return Content::Workbook;
    }
    if bytes.starts_with(&[0xD0, 0xCF, 0x11, 0xE0]) {
        return Content::OldWorkbook;
    }
    match Encoding::for_bom(bytes) {
        Some((_, length)) if bytes.len() == length => Content::Nothing,
        Some(_) => Content::Text,
        None if bytes.is_empty() => Content::Nothing,
        None if bytes.contains(&0) || is_markup(bytes) || bytes.starts_with(b"%PDF") => Content::Other,
        None => Content::Text,
    }
}

/// Old programs save HTML or XML under a spreadsheet's name.
fn is_markup(bytes: &[u8]) -> bool {
    let start: String = bytes
        .iter()
        .copied()
        .skip_while(u8::is_ascii_whitespace)
        .take(14)
        .map(|byte| char::from(byte.to_ascii_lowercase()))
        .collect();
    ["<html", "<!doctype html", "<?xml", "<table", "{\\rtf"]
        .iter()
        .any(|mark| start.starts_with(mark))
}

/// The text: by its byte-order mark (UTF-8, UTF-16), else UTF-8 if it is valid, else Windows-1252, in which every byte
/// means something.
pub(crate) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    if let Some((encoding, length)) = Encoding::for_bom(bytes) {
        let rest = bytes.get(length..).unwrap_or_default();
        return encoding.decode_without_bom_handling(rest).0;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_told_apart() {
        assert_eq!(decode(b"\xEF\xBB\xBFKon\xC3\xA9"), "Koné");
        assert_eq!(decode("Koné".as_bytes()), "Koné");
        assert_eq!(decode(b"Kon\xE9 \x80 \x9C"), "Koné € œ");
        assert_eq!(decode(&[0xFF, 0xFE, b'K', 0, 0xE9, 0]), "Ké");
        assert_eq!(decode(&[0xFE, 0xFF, 0, b'K', 0, 0xE9]), "Ké");
    }

    #[test]
    fn contents_are_told_apart() {
        assert_eq!(sniff(b""), Content::Nothing);
        assert_eq!(sniff(b"\xEF\xBB\xBF"), Content::Nothing);
        assert_eq!(sniff(b"PK\x03\x04..."), Content::Workbook);
        assert_eq!(sniff(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"), Content::OldWorkbook);
        assert_eq!(sniff(b"Matricule;Nom"), Content::Text);
        assert_eq!(sniff(b"\x89PNG\r\n\x1a\n\0\0"), Content::Other);
        assert_eq!(sniff(b"%PDF-1.7"), Content::Other);
        assert_eq!(sniff(b"\n<HTML><table>"), Content::Other);
    }
}
