//! Names of countries, as the list of sessions shows where a login came from.

use std::borrow::Cow;

/// The countries that logins usually come from, by their code (ISO 3166-1), in the order of the codes.
const NAMES: [(&str, &str); 62] = [
    ("AE", "Émirats arabes unis"),
    ("AO", "Angola"),
    ("AU", "Australie"),
    ("BE", "Belgique"),
    ("BF", "Burkina Faso"),
    ("BI", "Burundi"),
    ("BJ", "Bénin"),
    ("BR", "Brésil"),
    ("CA", "Canada"),
    ("CD", "République démocratique du Congo"),
    ("CF", "République centrafricaine"),
    ("CG", "Congo"),
    ("CH", "Suisse"),
    ("CI", "Côte d’Ivoire"),
    ("CM", "Cameroun"),
    ("CN", "Chine"),
    ("CV", "Cap-Vert"),
    ("DE", "Allemagne"),
    ("DJ", "Djibouti"),
    ("DZ", "Algérie"),
    ("EG", "Égypte"),
    ("ES", "Espagne"),
    ("ET", "Éthiopie"),
    ("FR", "France"),
    ("GA", "Gabon"),
    ("GB", "Royaume-Uni"),
    ("GH", "Ghana"),
    ("GM", "Gambie"),
    ("GN", "Guinée"),
    ("GQ", "Guinée équatoriale"),
    ("GW", "Guinée-Bissau"),
    ("IE", "Irlande"),
    ("IN", "Inde"),
    ("IT", "Italie"),
    ("JP", "Japon"),
    ("KE", "Kenya"),
    ("KM", "Comores"),
    ("LB", "Liban"),
    ("LR", "Liberia"),
    ("LU", "Luxembourg"),
    ("MA", "Maroc"),
    ("MG", "Madagascar"),
    ("ML", "Mali"),
    ("MR", "Mauritanie"),
    ("MU", "Maurice"),
    ("NE", "Niger"),
    ("NG", "Nigeria"),
    ("NL", "Pays-Bas"),
    ("PT", "Portugal"),
    ("RU", "Russie"),
    ("RW", "Rwanda"),
    ("SA", "Arabie saoudite"),
    ("SE", "Suède"),
    ("SL", "Sierra Leone"),
    ("SN", "Sénégal"),
    ("T1", "réseau Tor"),
    ("TD", "Tchad"),
    ("TG", "Togo"),
    ("TN", "Tunisie"),
    ("TR", "Turquie"),
    ("US", "États-Unis"),
    ("ZA", "Afrique du Sud"),
];

/// A country by its code: its name where it is one of the usual ones, else the code itself.
pub(crate) fn country(code: &str) -> Cow<'_, str> {
    NAMES
        .binary_search_by(|(known, _)| (*known).cmp(code))
        .ok()
        .and_then(|index| NAMES.get(index))
        .map_or(Cow::Borrowed(code), |(_, name)| Cow::Borrowed(*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_countries_have_names_and_others_their_code() {
        assert!(NAMES.is_sorted_by(|left, right| left.0 < right.0));
        assert_eq!(country("CI"), "Côte d’Ivoire");
        assert_eq!(country("T1"), "réseau Tor");
        assert_eq!(country("NZ"), "NZ");
    }
}
