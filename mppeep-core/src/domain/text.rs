//! Text as people type it: cleaning, folding, bounded lines.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::validation::Rule;

/// Folds text for comparison and search: no accents, no case, ligatures opened, typographic signs as plain ones,
/// runs of white space as one space.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut pending_space = false;
    for c in text
        .nfkd()
        .filter(|c| !is_combining_mark(*c))
        .flat_map(char::to_lowercase)
    {
        let replacement = match c {
            'œ' => "oe",
            'æ' => "ae",
            'ß' => "ss",
            'ø' => "o",
            'ł' => "l",
            '’' | '‘' | 'ʼ' | '`' => "'",
            '–' | '—' | '‑' | '‐' => "-",
            c if c.is_whitespace() => {
                pending_space = true;
                continue;
            }
            c => {
                open_space(&mut folded, &mut pending_space);
                folded.extend(c.nfkd().filter(|c| !is_combining_mark(*c)));
                continue;
            }
        };
        open_space(&mut folded, &mut pending_space);
        folded.push_str(replacement);
    }
    folded
}

fn open_space(folded: &mut String, pending: &mut bool) {
    if *pending && !folded.is_empty() {
        folded.push(' ');
    }
    *pending = false;
}

/// The words of a search, folded. All of them must occur, in any order.
pub fn search_words(text: &str) -> Vec<String> {
    fold(text)
        .split(' ')
        .filter(|word| !word.is_empty())
        .take(8)
        .map(str::to_owned)
        .collect()
}

/// One line of text, trimmed, composed (NFC), with inner white space made plain, of 1 to `max` characters.
///
/// # Errors
/// `Required`, `TooLong` or `BadCharacters`.
pub fn line(text: &str, max: usize) -> Result<String, Rule> {
    if text.chars().any(|c| is_forbidden(c) || c == '\n' || c == '\r') {
        return Err(Rule::BadCharacters);
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let cleaned: String = words.join(" ").nfc().collect();
    bounded(cleaned, max)
}

/// Several lines of text, trimmed, composed, with line ends made `\n`, of 1 to `max` characters.
///
/// # Errors
/// As [`line()`].
pub fn paragraph(text: &str, max: usize) -> Result<String, Rule> {
    let unified = text.replace("\r\n", "\n");
    if unified.chars().any(|c| is_forbidden(c) || c == '\r') {
        return Err(Rule::BadCharacters);
    }
    bounded(unified.trim().nfc().collect(), max)
}

fn bounded(cleaned: String, max: usize) -> Result<String, Rule> {
    if cleaned.is_empty() {
        Err(Rule::Required)
    } else if cleaned.chars().count() > max {
        Err(Rule::TooLong { max })
    } else {
        Ok(cleaned)
    }
}

/// Control characters but tab and line feed, and the marks that turn the direction of text around.
fn is_forbidden(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t' && c != '\r')
        || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}')
}

/// Number of single-character edits between two words (Levenshtein 1966), for « did you mean ».
pub fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cb, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let substitute = diagonal + usize::from(ca != *cb);
            diagonal = *cell;
            left = substitute.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

/// The candidates that most resemble `given`, nearest first, at most `n`.
pub fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>, n: usize) -> Vec<String> {
    let given = fold(given);
    let mut scored: Vec<(usize, &str)> = candidates
        .into_iter()
        .map(|candidate| {
            let folded = fold(candidate);
            let inside = !given.is_empty() && (folded.contains(&given) || given.contains(&folded));
            (if inside { 1 } else { edit_distance(&given, &folded) }, candidate)
        })
        .filter(|(distance, candidate)| {
            *distance <= candidate.chars().count().max(given.chars().count()) / 2 + 1
        })
        .collect();
    scored.sort();
    scored
        .into_iter()
        .take(n)
        .map(|(_, candidate)| candidate.to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_ignores_accents_case_and_typography() {
        assert_eq!(fold("  KONÉ   Aïcha "), "kone aicha");
        assert_eq!(fold("N’Guessan"), "n'guessan");
        assert_eq!(fold("Cœur Æ ß"), "coeur ae ss");
        assert_eq!(fold("İ"), "i");
        assert_eq!(fold("e\u{301}"), fold("é"));
    }

    #[test]
    fn a_line_refuses_what_cannot_be_stored() {
        assert_eq!(line("a\0b", 10), Err(Rule::BadCharacters));
        assert_eq!(line("   ", 10), Err(Rule::Required));
        assert_eq!(line("abc", 2), Err(Rule::TooLong { max: 2 }));
        assert_eq!(line(" Koffi \t Amani ", 20), Ok("Koffi Amani".to_owned()));
        assert_eq!(line("a\u{202E}b", 10), Err(Rule::BadCharacters));
        assert_eq!(paragraph("un\r\ndeux", 20), Ok("un\ndeux".to_owned()));
    }

    #[test]
    fn the_nearest_names_come_first() {
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(
            nearest("Servce Solde", ["Service Paie", "Service Solde"], 1),
            vec!["Service Solde"]
        );
        assert!(nearest("zzz", ["Direction"], 3).is_empty());
    }

    proptest::proptest! {
        #[test]
        fn folding_twice_changes_nothing(text in "\\PC{0,40}") {
            let once = fold(&text);
            proptest::prop_assert_eq!(fold(&once), once);
        }
    }
}
