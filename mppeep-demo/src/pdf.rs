//! A page of plain text as PDF 1.4 (ISO 32000-1, 7.5): a header, objects, the table of their places, a trailer.

/// Width and height of A4 in points.
const A4: (u32, u32) = (595, 842);

/// One page with a few lines of text in Helvetica. Characters outside Windows-1252 become question marks.
pub(crate) fn page(lines: &[&str]) -> Vec<u8> {
    let mut text = b"BT /F1 16 Tf 24 TL 72 740 Td\n".to_vec();
    for line in lines {
        text.push(b'(');
        for byte in line.chars().map(windows_1252) {
            if matches!(byte, b'(' | b')' | b'\\') {
                text.push(b'\\');
            }
            text.push(byte);
        }
        text.extend_from_slice(b") Tj T*\n");
    }
    text.extend_from_slice(b"ET\n");
    let (width, height) = A4;
    let mut stream = format!("<< /Length {} >>\nstream\n", text.len()).into_bytes();
    stream.extend_from_slice(&text);
    stream.extend_from_slice(b"endstream");
    let objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
        format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width} {height}] /Contents 4 0 R \
             /Resources << /Font << /F1 5 0 R >> >> >>"
        )
        .into_bytes(),
        stream,
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_vec(),
    ];
    let mut file = b"%PDF-1.4\n%\xE2\xE3\xCF\xD3\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (number, object) in (1..).zip(&objects) {
        table.push_str(&format!("{:010} 00000 n \n", file.len()));
        file.extend_from_slice(format!("{number} 0 obj\n").as_bytes());
        file.extend_from_slice(object);
        file.extend_from_slice(b"\nendobj\n");
    }
    let start = file.len();
    file.extend_from_slice(table.as_bytes());
    let trailer = format!(
        "trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n",
        objects.len() + 1
    );
    file.extend_from_slice(trailer.as_bytes());
    file
}

/// A character in the encoding of the page.
fn windows_1252(c: char) -> u8 {
    match c {
        ' '..='~' | '\u{a0}'..='\u{ff}' => u8::try_from(u32::from(c)).unwrap_or(b'?'),
        '’' => 0x92,
        '–' => 0x96,
        'œ' => 0x9C,
        'Œ' => 0x8C,
        _ => b'?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number that stands at a place, up to what is no digit.
    fn number_at(file: &[u8], place: usize) -> usize {
        let digits: Vec<u8> = file[place..]
            .iter()
            .copied()
            .take_while(u8::is_ascii_digit)
            .collect();
        std::str::from_utf8(&digits).unwrap().parse().unwrap()
    }

    fn place_of(file: &[u8], text: &[u8]) -> usize {
        file.windows(text.len())
            .rposition(|part| part == text)
            .unwrap_or_else(|| panic!("{:?} is there", String::from_utf8_lossy(text)))
    }

    #[test]
    fn every_object_is_where_the_table_says() {
        let file = page(&["Diplôme (licence)", "l’année \\ 2026 – «œuvre» 漢"]);
        assert!(file.starts_with(b"%PDF-1.4\n") && file.ends_with(b"%%EOF\n"));
        let start = number_at(&file, place_of(&file, b"startxref\n") + 10);
        assert!(file[start..].starts_with(b"xref\n0 6\n"));
        let entries = start + b"xref\n0 6\n".len();
        for number in 1..=5 {
            // Each entry has 20 bytes.
            let place = number_at(&file, entries + 20 * number);
            let begins = format!("{number} 0 obj\n");
            assert!(file[place..].starts_with(begins.as_bytes()), "object {number}");
        }
        let stream = place_of(&file, b"stream\nBT") + 7;
        let length = number_at(&file, place_of(&file, b"/Length ") + 8);
        assert!(file[stream + length..].starts_with(b"endstream"));
    }

    #[test]
    fn brackets_and_accents_are_written_for_the_page() {
        let file = page(&["é(b)\\’漢"]);
        let expected = b"(\xE9\\(b\\)\\\\\x92?) Tj";
        assert!(file.windows(expected.len()).any(|part| part == expected));
    }
}
