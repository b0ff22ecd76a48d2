//! Which passwords may be chosen: length and a list of what everybody tries, and no rule of composition
//! (NIST SP 800-63B-4, 3.1.1.2; OWASP ASVS 5.0, 6.2).

use super::text::fold;
use super::validation::Rule;

/// Longest password, in characters. Longer ones are refused, never cut.
pub const MAX_LENGTH: usize = 256;

/// Words on which people build the passwords that are guessed first, folded.
const COMMON: &[&str] = &[
    "password",
    "passw",
    "pass",
    "passe",
    "motdepasse",
    "mdp",
    "secret",
    "admin",
    "administrateur",
    "administrator",
    "root",
    "user",
    "utilisateur",
    "test",
    "demo",
    "guest",
    "invite",
    "welcome",
    "bienvenue",
    "bonjour",
    "salut",
    "azerty",
    "azertyuiop",
    "qwerty",
    "qwertyuiop",
    "qwertz",
    "letmein",
    "iloveyou",
    "jetaime",
    "monkey",
    "dragon",
    "football",
    "baseball",
    "master",
    "superman",
    "batman",
    "trustno",
    "sunshine",
    "princess",
    "princesse",
    "soleil",
    "chouchou",
    "doudou",
    "loulou",
    "nicolas",
    "marseille",
    "shadow",
    "michael",
    "jordan",
    "hunter",
    "killer",
    "changeme",
    "changezmoi",
    "changemoi",
    "default",
    "login",
    "access",
    "computer",
    "internet",
    "ordinateur",
    "mppeep",
    "ministere",
    "ministre",
    "personnel",
    "agent",
    "direction",
    "service",
    "abidjan",
    "yamoussoukro",
    "bouake",
    "cotedivoire",
    "civ",
    "ivoire",
    "ivoirien",
    "elephant",
    "elephants",
    "drogba",
    "dakar",
    "senegal",
    "afrique",
    "jesus",
    "dieu",
    "christ",
    "allah",
    "marie",
    "famille",
    "maman",
    "papa",
    "amour",
    "cherie",
    "bebe",
    "juillet",
    "janvier",
    "fevrier",
    "mars",
    "avril",
    "juin",
    "aout",
    "septembre",
    "octobre",
    "novembre",
    "decembre",
    "lundi",
    "mardi",
    "mercredi",
    "jeudi",
    "vendredi",
    "samedi",
    "dimanche",
    "summer",
    "winter",
    "ete",
    "hiver",
    "orange",
    "vert",
    "blanc",
    "rouge",
    "bleu",
    "google",
    "facebook",
    "whatsapp",
    "samsung",
    "nokia",
    "apple",
    "starwars",
    "pokemon",
    "naruto",
    "liverpool",
    "chelsea",
    "arsenal",
    "barcelona",
    "realmadrid",
    "ronaldo",
    "messi",
];

/// Checks a new password. `own_words` are words of the account itself (name, address) that it must not consist of.
///
/// # Errors
/// `TooShort`, `TooLong` or `TooCommon`.
pub fn check(password: &str, min_length: usize, own_words: &[&str]) -> Result<(), Rule> {
    let length = password.chars().count();
    if length < min_length {
        return Err(Rule::TooShort { min: min_length });
    }
    if length > MAX_LENGTH {
        return Err(Rule::TooLong { max: MAX_LENGTH });
    }
    if password.contains('\0') {
        return Err(Rule::BadCharacters);
    }
    let folded = fold(password);
    let core = folded.trim_matches(|c: char| !c.is_alphabetic());
    let read_as_letters = |text: &str| {
        text.chars()
            .map(unleet)
            .filter(|c| c.is_alphabetic())
            .collect::<String>()
    };
    let letters: String = folded.chars().filter(|c| c.is_alphabetic()).collect();
    let readings = [read_as_letters(&folded), read_as_letters(core), letters.clone()];
    let own = own_words
        .iter()
        .flat_map(|words| {
            fold(words)
                .split(|c: char| !c.is_alphanumeric())
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .filter(|word| word.len() >= 3)
        .map(|word| word.chars().filter(|c| c.is_alphabetic()).collect::<String>());
    let known: Vec<String> = COMMON.iter().map(|word| (*word).to_owned()).chain(own).collect();
    let built_of_known = readings.iter().any(|reading| consists_of(reading, &known));
    let few_letters_beside_digits = letters.chars().count() < 3 && length < 15 && distinct(password) < 6;
    if built_of_known || few_letters_beside_digits || is_run(password) {
        return Err(Rule::TooCommon);
    }
    Ok(())
}

fn unleet(c: char) -> char {
    match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    }
}

/// Whether the whole text is one known word, or one repeated, or two of them.
fn consists_of(text: &str, known: &[String]) -> bool {
    if text.is_empty() {
        return false;
    }
    known.iter().filter(|word| !word.is_empty()).any(|word| {
        let Some(rest) = text.strip_prefix(word.as_str()) else {
            return false;
        };
        rest.is_empty() || known.iter().any(|second| rest == second)
    })
}

fn distinct(text: &str) -> usize {
    text.chars().collect::<std::collections::BTreeSet<_>>().len()
}

/// Whether the characters only repeat, or only go up or down by one: `aaaaaaaa`, `12345678`, `hgfedcba`, `12121212`.
fn is_run(text: &str) -> bool {
    let characters: Vec<u32> = text.chars().map(u32::from).collect();
    let all_steps = |step: i64| {
        characters.windows(2).all(|pair| match pair {
            [a, b] => i64::from(*b) - i64::from(*a) == step,
            _ => true,
        })
    };
    distinct(text) <= 2
        || all_steps(1)
        || all_steps(-1)
        || ["01234567890123", "09876543210987"]
            .iter()
            .any(|run| run.contains(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_decides_and_composition_does_not() {
        assert_eq!(check("court12", 8, &[]), Err(Rule::TooShort { min: 8 }));
        assert_eq!(check("vingtcanotsverts", 8, &[]), Ok(()));
        assert_eq!(check(&"x1é".repeat(40), 8, &[]), Ok(()));
        assert_eq!(check("pluie sur la lagune ébrié", 8, &[]), Ok(()));
        assert_eq!(check("49163827", 8, &[]), Ok(()));
        assert!(matches!(
            check(&"long mot ".repeat(40), 8, &[]),
            Err(Rule::TooLong { .. })
        ));
    }

    #[test]
    fn what_everybody_tries_is_refused() {
        for password in [
            "motdepasse1",
            "mppeep2025",
            "Password123!",
            "P@ssw0rd2024",
            "azertyuiop",
            "12345678",
            "87654321",
            "aaaaaaaaaa",
            "12121212",
            "Admin@2025",
            "admin123",
            "Abidjan225",
            "Cotedivoire2026",
            "qwerty123",
            "11111111",
            "0123456789",
        ] {
            assert_eq!(check(password, 8, &[]), Err(Rule::TooCommon), "{password}");
        }
        assert_eq!(
            check("kouadio1987", 8, &["kouadio.amani@exemple.ci"]),
            Err(Rule::TooCommon)
        );
        assert_eq!(check("kouadio1987", 8, &["awa@exemple.ci"]), Ok(()));
    }
}
