//! Recognises contents by their first bytes.

use mppeep_core::domain::stored_file::FileType;
use mppeep_core::ports::file_store::FileSniffer;

/// Bytes of a content that are looked at.
const HEAD: usize = 64 * 1024;

/// Recognises images and PDF by their signatures, office files by the names of their parts, and text by being nothing but
/// text. Whatever a browser could take for a page is nothing.
#[derive(Debug, Default, Clone, Copy)]
pub struct MagicSniffer;

impl FileSniffer for MagicSniffer {
    fn head_bytes(&self) -> usize {
        HEAD
    }

    fn sniff(&self, head: &[u8]) -> Option<FileType> {
        if head.starts_with(b"PK\x03\x04") {
            return office(head);
        }
        if let Some(kind) = infer::get(head) {
            return match kind.mime_type() {
                "application/pdf" => Some(FileType::Pdf),
                "image/png" => Some(FileType::Png),
                "image/jpeg" => Some(FileType::Jpeg),
                "image/webp" => Some(FileType::Webp),
                _ => None,
            };
        }
        is_text(head).then_some(FileType::Txt)
    }
}

/// Names of the parts of a ZIP archive whose local headers are in `head` (APPNOTE 4.3.7).
fn parts(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let rest = head.get(from..)?;
        let found = rest.windows(4).position(|window| window == b"PK\x03\x04")?;
        let header = rest.get(found..)?;
        let number = |at: usize| {
            Some(usize::from(u16::from_le_bytes(
                header.get(at..at + 2)?.try_into().ok()?,
            )))
        };
        let (name, extra) = (number(26)?, number(28)?);
        from += found + 30;
        let content = header.get(30 + name + extra..).unwrap_or_default();
        Some((header.get(30..30 + name)?, content))
    })
}

/// What an archive of an office program is. Macros make it nothing, whatever it calls itself.
fn office(head: &[u8]) -> Option<FileType> {
    let mut kind = None;
    let mut describes_itself = false;
    for (index, (name, content)) in parts(head).enumerate() {
        if index == 0 && name == b"mimetype" {
            return open_document(content);
        }
        if name.ends_with(b"vbaProject.bin") {
            return None;
        }
        describes_itself |= name == b"[Content_Types].xml" || name.starts_with(b"_rels/");
        kind = kind.or(if name.starts_with(b"word/") {
            Some(FileType::Docx)
        } else if name.starts_with(b"xl/") {
            Some(FileType::Xlsx)
        } else {
            None
        });
    }
    kind.filter(|_| describes_itself)
}

/// The type that the first, uncompressed part of an OpenDocument archive names (OpenDocument 1.2, part 3, 3.3).
fn open_document(content: &[u8]) -> Option<FileType> {
    const TYPES: [(&[u8], FileType); 2] = [
        (b"application/vnd.oasis.opendocument.text", FileType::Odt),
        (b"application/vnd.oasis.opendocument.spreadsheet", FileType::Ods),
    ];
    TYPES.into_iter().find_map(|(name, kind)| {
        let rest = content.strip_prefix(name)?;
        // Templates and masters have longer names.
        (!rest.starts_with(b"-")).then_some(kind)
    })
}

/// Whether it is text: UTF-8, a single-byte encoding, or UTF-16 with its mark; no controls, and not the start of a markup,
/// a script or a program for a printer.
fn is_text(head: &[u8]) -> bool {
    let text = match head {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => {
            let bytes = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
            // Every byte of a single-byte encoding is a character; only its controls matter here.
            bytes.iter().map(|byte| char::from(*byte)).collect()
        }
    };
    let controls = |c: char| (c < ' ' && !matches!(c, '\t' | '\n' | '\r' | '\u{c}')) || c == '\u{7f}';
    if text.is_empty() || text.chars().any(controls) {
        return false;
    }
    let begins = text.trim_start();
    !["<", "%!", "#!", "{\\rtf"]
        .iter()
        .any(|mark| begins.starts_with(mark))
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let (pairs, _half) = bytes.as_chunks::<2>();
    char::decode_utf16(pairs.iter().map(|pair| unit(*pair)))
        .map(|c| c.unwrap_or('\0'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(parts: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, content) in parts {
            bytes.extend_from_slice(b"PK\x03\x04");
            bytes.extend_from_slice(&[0; 22]);
            bytes.extend_from_slice(&u16::try_from(name.len()).unwrap().to_le_bytes());
            bytes.extend_from_slice(&[0; 2]);
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(content);
        }
        bytes
    }

    fn sniff(head: &[u8]) -> Option<FileType> {
        MagicSniffer.sniff(head)
    }

    #[test]
    fn signatures_tell_types() {
        assert_eq!(sniff(b"%PDF-1.7\n1 0 obj"), Some(FileType::Pdf));
        assert_eq!(sniff(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), Some(FileType::Png));
        assert_eq!(sniff(b"\xff\xd8\xff\xe0\0\x10JFIF"), Some(FileType::Jpeg));
        assert_eq!(sniff(b"RIFF\x24\0\0\0WEBPVP8 "), Some(FileType::Webp));
    }

    #[test]
    fn office_files_are_told_by_their_parts() {
        let types = ("[Content_Types].xml", &b"<Types/>"[..]);
        for (parts, expected) in [
            (
                vec![types, ("_rels/.rels", b""), ("word/document.xml", b"")],
                Some(FileType::Docx),
            ),
            (
                vec![("_rels/.rels", b""), ("xl/workbook.xml", b""), types],
                Some(FileType::Xlsx),
            ),
            (vec![types, ("ppt/presentation.xml", b"")], None),
            (
                vec![types, ("word/vbaProject.bin", b""), ("word/document.xml", b"")],
                None,
            ),
            (vec![("word/document.xml", b"")], None),
            (vec![("a.txt", b"x")], None),
            (
                vec![
                    ("mimetype", b"application/vnd.oasis.opendocument.text"),
                    ("content.xml", b""),
                ],
                Some(FileType::Odt),
            ),
            (
                vec![("mimetype", b"application/vnd.oasis.opendocument.spreadsheet")],
                Some(FileType::Ods),
            ),
            (
                vec![("mimetype", b"application/vnd.oasis.opendocument.text-template")],
                None,
            ),
            (vec![("mimetype", b"application/epub+zip")], None),
        ] {
            let bytes = archive(&parts);
            assert_eq!(sniff(&bytes), expected, "{parts:?}");
            for end in 0..bytes.len() {
                let _cut_anywhere = sniff(&bytes[..end]);
            }
        }
    }

    #[test]
    fn text_is_nothing_but_text() {
        for text in [
            &b"Matricule;Nom\nA1;KOUAM\xc9\n"[..],
            "Prénom\tÉtat\r\n".as_bytes(),
            b"\xef\xbb\xbfa;b",
            b"\xff\xfea\0;\0b\0",
        ] {
            assert_eq!(sniff(text), Some(FileType::Txt), "{text:?}");
        }
        for other in [
            &b""[..],
            b"<html>",
            b"  \n<!DOCTYPE html>",
            b"\xef\xbb\xbf<svg onload=alert(1)>",
            b"<?php system('id');",
            b"#!/bin/sh\nid",
            b"%!PS-Adobe",
            b"a\0b",
            b"\x7fELF\x02\x01",
            b"MZ\x90\0\x03",
            b"\xff\xfe<\0h\0",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
            b"PK\x03\x04",
            b"GIF89a\x01\0\x01\0",
        ] {
            assert_eq!(sniff(other), None, "{other:?}");
        }
    }
}
