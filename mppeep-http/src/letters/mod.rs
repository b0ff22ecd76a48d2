//! The words of mails, in French. A letter is a greeting, paragraphs and at most one link; the text and the HTML of a mail
//! are two forms of that one letter, so that they cannot say different things.

use std::time::Duration;

use askama::Template;
use mppeep_core::domain::settings::MinistrySettings;
use mppeep_core::ports::letters::{Letter, Letters, Words};

use crate::catalogue;

/// Where the link of a mail leads, below the root.
pub(crate) const CHOOSE_PATH: &str = "/mot-de-passe/choisir";

/// Writes mails in French.
#[derive(Debug, Clone)]
pub struct FrenchLetters {
    base: String,
}

impl FrenchLetters {
    /// Letters whose links begin with `base`, the absolute address of the site's root without a slash at its end.
    pub fn new(base: String) -> Self {
        Self {
            base: base.trim_end_matches('/').to_owned(),
        }
    }

    fn link(&self, token: &str) -> String {
        format!("{}{CHOOSE_PATH}?jeton={token}", self.base)
    }

    /// The subject, without the ministry, and what stands below it.
    fn compose(&self, letter: Letter<'_>) -> (&'static str, Body) {
        match letter {
            Letter::PasswordReset { token, valid_for } => (
                "Choisir un nouveau mot de passe",
                Body {
                    before: vec![
                        "Un nouveau mot de passe a été demandé pour votre compte. Pour le choisir, ouvrez ce lien :"
                            .to_owned(),
                    ],
                    link: Some(("Choisir un nouveau mot de passe", self.link(token))),
                    after: vec![
                        format!(
                            "Le lien sert une seule fois et reste valable {}. Vos sessions ouvertes seront fermées.",
                            span(valid_for)
                        ),
                        "Si vous n’avez rien demandé, ignorez ce message : votre mot de passe ne change pas."
                            .to_owned(),
                    ],
                },
            ),
            Letter::Invitation { token, valid_for } => (
                "Ouvrir votre compte",
                Body {
                    before: vec![
                        "Un compte a été préparé pour vous dans l’application du personnel. Pour l’ouvrir, choisissez \
                         votre mot de passe en suivant ce lien :"
                            .to_owned(),
                    ],
                    link: Some(("Ouvrir mon compte", self.link(token))),
                    after: vec![format!(
                        "Le lien sert une seule fois et reste valable {}. Votre adresse e-mail sera votre nom de \
                         connexion.",
                        span(valid_for)
                    )],
                },
            ),
            Letter::PasswordChanged { at, address } => {
                let from = address.map_or_else(String::new, |address| format!(" depuis l’adresse {address}"));
                (
                    "Votre mot de passe a été changé",
                    Body {
                        before: vec![
                            format!(
                                "Le mot de passe de votre compte a été changé le {} à {}{from}.",
                                catalogue::date_long(catalogue::day_of(at)),
                                catalogue::hour(at)
                            ),
                            "Si c’est bien vous, il n’y a rien à faire. Sinon, demandez tout de suite un nouveau mot de \
                             passe et prévenez l’administrateur de l’application."
                                .to_owned(),
                        ],
                        link: None,
                        after: Vec::new(),
                    },
                )
            }
            Letter::Test => (
                "Courriel d’essai",
                Body {
                    before: vec![
                        "Ce message montre que l’application sait envoyer des courriels. Il n’y a rien à faire."
                            .to_owned(),
                    ],
                    link: None,
                    after: Vec::new(),
                },
            ),
        }
    }
}

struct Body {
    before: Vec<String>,
    link: Option<(&'static str, String)>,
    after: Vec<String>,
}

#[derive(Template)]
#[template(path = "letter/letter.txt")]
struct TextLetter<'a> {
    name: &'a str,
    body: &'a Body,
    ministry: &'a MinistrySettings,
}

#[derive(Template)]
#[template(path = "letter/letter.html")]
struct HtmlLetter<'a> {
    subject: &'a str,
    name: &'a str,
    body: &'a Body,
    ministry: &'a MinistrySettings,
}

impl Letters for FrenchLetters {
    fn write(&self, letter: Letter<'_>, name: &str, ministry: &MinistrySettings) -> Words {
        let (title, body) = self.compose(letter);
        let subject = format!("{title} · {}", ministry.short_name);
        let text = TextLetter {
            name,
            body: &body,
            ministry,
        };
        let html = HtmlLetter {
            subject: &subject,
            name,
            body: &body,
            ministry,
        };
        // Rendering into a string has no way to fail; a mail without words would be worse than none of its forms.
        Words {
            text: text.render().unwrap_or_default(),
            html: html.render().unwrap_or_default(),
            subject,
        }
    }
}

/// A time in words, in the largest unit that says it exactly.
fn span(time: Duration) -> String {
    const HOUR: u64 = 3600;
    const DAY: u64 = 24 * HOUR;
    let seconds = time.as_secs();
    let (count, one, many) = match seconds {
        days if days >= DAY && days % DAY == 0 => (days / DAY, "jour", "jours"),
        hours if hours >= HOUR && hours % HOUR == 0 => (hours / HOUR, "heure", "heures"),
        _ => (seconds.div_ceil(60), "minute", "minutes"),
    };
    catalogue::plural(count, one, many)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(letter: Letter<'_>, name: &str) -> Words {
        FrenchLetters::new("https://drh.example.ci/mppeep/".to_owned()).write(
            letter,
            name,
            &MinistrySettings::default(),
        )
    }

    #[test]
    fn a_link_is_whole_in_both_forms() {
        for letter in [
            Letter::PasswordReset {
                token: "AbC-_9",
                valid_for: Duration::from_secs(3600),
            },
            Letter::Invitation {
                token: "AbC-_9",
                valid_for: Duration::from_secs(7 * 24 * 3600),
            },
        ] {
            let words = written(letter, "Awa Koné");
            let link = "https://drh.example.ci/mppeep/mot-de-passe/choisir?jeton=AbC-_9";
            assert!(words.text.contains(&format!("\n{link}\n")), "{}", words.text);
            assert!(words.html.contains(&format!("href=\"{link}\"")), "{}", words.html);
            assert!(words.subject.ends_with("MPPEEP"));
            assert!(words.text.contains("Bonjour Awa Koné,"));
        }
    }

    #[test]
    fn nothing_of_a_name_becomes_markup() {
        let words = written(Letter::Test, "<img src=x onerror=alert(1)> & fils");
        assert!(!words.html.contains("<img"), "{}", words.html);
        assert!(words.text.contains("<img src=x"), "{}", words.text);
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere() {
        let words = written(Letter::Test, "Awa");
        for word in ["http:", "https:", "src=", "<script", "<style", "url("] {
            assert!(!words.html.contains(word), "{word}: {}", words.html);
        }
    }

    #[test]
    fn a_change_says_when_and_from_where() {
        let at = "2026-03-01T08:05:00Z".parse().unwrap();
        let words = written(
            Letter::PasswordChanged {
                at,
                address: Some("192.0.2.7"),
            },
            "Awa",
        );
        for form in [&words.text, &words.html] {
            assert!(form.contains("le 1er mars 2026 à 08:05"), "{form}");
            assert!(
                form.contains("depuis l’adresse 192.0.2.7") || form.contains("192.0.2.7"),
                "{form}"
            );
        }
        let unknown = written(Letter::PasswordChanged { at, address: None }, "Awa");
        assert!(!unknown.text.contains("depuis"), "{}", unknown.text);
    }

    #[test]
    fn times_are_said_in_their_largest_unit() {
        let say = |seconds| span(Duration::from_secs(seconds));
        assert_eq!(say(3600), "1 heure");
        assert_eq!(say(7 * 24 * 3600), "7 jours");
        assert_eq!(say(24 * 3600), "1 jour");
        assert_eq!(say(5400), "90 minutes");
        assert_eq!(say(30), "1 minute");
    }
}
