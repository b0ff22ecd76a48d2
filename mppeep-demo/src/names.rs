//! Common names by region of origin; a person's family name and given names come from one of them.

use mppeep_core::domain::codes::Sex;

use crate::random::Random;

struct Region {
    weight: i64,
    families: &'static [&'static str],
    /// Given names of that region, women's.
    women: &'static [&'static str],
    /// Given names of that region, men's.
    men: &'static [&'static str],
    /// In a hundred: how often a Christian name comes first.
    christian_percent: i64,
}

/// Akan of the centre and east.
const AKAN: Region = Region {
    weight: 38,
    families: &[
        "KOUASSI",
        "KOFFI",
        "KONAN",
        "YAO",
        "KOUADIO",
        "KOUAMÉ",
        "N'GUESSAN",
        "N'DRI",
        "KOUAKOU",
        "BROU",
        "AMANI",
        "AKA",
        "ASSI",
        "EHUI",
        "ANOH",
        "KASSI",
        "TANOH",
        "ADOU",
        "N'GORAN",
        "ALLOU",
        "KACOU",
        "ABOUA",
        "ETTIEN",
        "AHOUA",
        "DIBY",
        "KOSSONOU",
        "N'ZI",
        "ATTA",
        "BONI",
        "ESSAN",
    ],
    women: &[
        "Akissi", "Adjoua", "Amenan", "Affoué", "Aya", "Ahou", "Amoin", "Aho", "Amlan", "N'Goran",
    ],
    men: &[
        "Kouadio", "Yao", "Koffi", "Kouamé", "Konan", "Kouassi", "Kouakou", "Amani", "N'Dri", "Brou",
    ],
    christian_percent: 85,
};

/// Mandé of the north.
const NORTH_MANDE: Region = Region {
    weight: 27,
    families: &[
        "KONÉ",
        "TRAORÉ",
        "COULIBALY",
        "OUATTARA",
        "BAMBA",
        "DIABATÉ",
        "CISSÉ",
        "TOURÉ",
        "FOFANA",
        "DIOMANDÉ",
        "DOUMBIA",
        "KEÏTA",
        "SANOGO",
        "BERTHÉ",
        "KARAMOKO",
        "CAMARA",
        "SYLLA",
        "DIARRASSOUBA",
        "MEÏTÉ",
        "BAKAYOKO",
        "KAMAGATÉ",
        "DEMBÉLÉ",
        "SIDIBÉ",
    ],
    women: &[
        "Aminata",
        "Fatoumata",
        "Mariam",
        "Awa",
        "Aïcha",
        "Kadidia",
        "Salimata",
        "Rokia",
        "Assétou",
        "Djénéba",
        "Massandjé",
        "Korotoumou",
        "Maïmouna",
        "Nafissatou",
        "Matogoma",
    ],
    men: &[
        "Mamadou",
        "Ibrahim",
        "Moussa",
        "Issa",
        "Abdoulaye",
        "Souleymane",
        "Adama",
        "Bakary",
        "Lassina",
        "Drissa",
        "Yacouba",
        "Seydou",
        "Karim",
        "Amadou",
        "Vakaramoko",
    ],
    christian_percent: 8,
};

/// Sénoufo of the north.
const SENUFO: Region = Region {
    weight: 10,
    families: &[
        "SORO", "SILUÉ", "YÉO", "TUO", "SÉKONGO", "KONATÉ", "NAVIGUÉ", "DAGNOGO", "KONÉ", "OUATTARA",
    ],
    women: &[
        "Nawa",
        "Yéléna",
        "Tiéwa",
        "Mariam",
        "Salimata",
        "Kafounou",
        "Pénatchin",
        "Minata",
    ],
    men: &[
        "Zié",
        "Nanga",
        "Dofana",
        "Navigué",
        "Klotioloma",
        "Sinaly",
        "Pétio",
        "Donatien",
    ],
    christian_percent: 45,
};

/// Krou of the west and centre-west.
const KROU: Region = Region {
    weight: 14,
    families: &[
        "ZADI", "DJÉDJÉ", "SÉRI", "BLÉ", "GNAHORÉ", "ZOKOU", "TAPÉ", "LOHOURI", "GUÉDÉ", "DIGBEU", "DAGO",
        "GNAKPA", "OUPOH", "GUÉI", "KPAN", "SÉKA", "BOHUI", "GOULI",
    ],
    women: &[
        "Zéhia", "Gnoan", "Dédé", "Bahi", "Zouzouo", "Lago", "Doh", "Yohou",
    ],
    men: &["Zadi", "Dago", "Gnahoua", "Séri", "Lago", "Gbaka", "Okou", "Tapé"],
    christian_percent: 92,
};

/// Mandé of the south and west.
const SOUTH_MANDE: Region = Region {
    weight: 7,
    families: &[
        "ZAMBLÉ",
        "IRIÉ BI",
        "TRA BI",
        "GOHI BI",
        "VANIÉ BI",
        "OULAÏ",
        "TIA",
        "LOUA",
        "GONDO",
        "MONIN",
        "DROH",
    ],
    women: &["Lou", "Irié", "Nanti", "Tinan", "Zinan", "Yébo"],
    men: &["Bi", "Zamblé", "Vanié", "Tié", "Gore", "Dro"],
    christian_percent: 80,
};

/// Lagoon peoples of the south.
const LAGOON: Region = Region {
    weight: 4,
    families: &[
        "AKRÉ", "DJOMAN", "MEL", "LATH", "YED", "ESSIS", "GNAGNE", "NANDJUI", "BOGUI", "ABÉ", "ANGORAN",
    ],
    women: &["Essoh", "Akpa", "Lasme", "Mélèdje", "Yéï", "Dja"],
    men: &["Akpa", "Essis", "Lath", "Gnagne", "Mel", "Djé"],
    christian_percent: 95,
};

const REGIONS: [Region; 6] = [AKAN, NORTH_MANDE, SENUFO, KROU, SOUTH_MANDE, LAGOON];

const CHRISTIAN_WOMEN: &[&str] = &[
    "Marie",
    "Adèle",
    "Solange",
    "Chantal",
    "Estelle",
    "Béatrice",
    "Viviane",
    "Nadège",
    "Édith",
    "Clarisse",
    "Patricia",
    "Hortense",
    "Mireille",
    "Sandrine",
    "Prisca",
    "Reine",
    "Félicité",
    "Angèle",
    "Élodie",
    "Grâce",
    "Françoise",
    "Cécile",
    "Léa",
    "Thérèse",
    "Éliane",
    "Joëlle",
    "Rachel",
    "Sylvie",
];

const CHRISTIAN_MEN: &[&str] = &[
    "Jean",
    "Serge",
    "Alain",
    "Hervé",
    "Didier",
    "Franck",
    "Olivier",
    "Éric",
    "Armand",
    "Fabrice",
    "Stéphane",
    "Gérard",
    "Noël",
    "Désiré",
    "Cyrille",
    "Sylvain",
    "Rodrigue",
    "Landry",
    "André",
    "Jérôme",
    "Benoît",
    "Thierry",
    "François",
    "Emmanuel",
    "Rémi",
    "Ghislain",
    "Wilfried",
    "Jean-Marc",
    "Jean-Baptiste",
];

/// Towns of birth.
pub(crate) const TOWNS: &[&str] = &[
    "Abidjan",
    "Bouaké",
    "Daloa",
    "Korhogo",
    "Man",
    "Yamoussoukro",
    "San-Pédro",
    "Gagnoa",
    "Abengourou",
    "Divo",
    "Odienné",
    "Bondoukou",
    "Agboville",
    "Séguéla",
    "Dimbokro",
    "Aboisso",
    "Ferkessédougou",
    "Boundiali",
    "Soubré",
    "Katiola",
    "Touba",
    "Guiglo",
    "Grand-Bassam",
    "Sassandra",
    "Tiassalé",
    "Toumodi",
    "Issia",
    "Danané",
    "Adzopé",
    "Bongouanou",
];

/// Communes of Abidjan, with quarters.
pub(crate) const QUARTERS: &[&str] = &[
    "Cocody, Riviera 2",
    "Cocody, Angré 7e tranche",
    "Cocody, Deux-Plateaux",
    "Cocody, Palmeraie",
    "Yopougon, Siporex",
    "Yopougon, Niangon Nord",
    "Yopougon, Maroc",
    "Yopougon, Toits Rouges",
    "Abobo, Baoulé",
    "Abobo, PK 18",
    "Abobo, Samaké",
    "Adjamé, 220 Logements",
    "Adjamé, Williamsville",
    "Treichville, avenue 12",
    "Marcory, Résidentiel",
    "Marcory, Anoumabo",
    "Koumassi, Remblais",
    "Koumassi, Grand Campement",
    "Port-Bouët, Vridi",
    "Port-Bouët, Gonzagueville",
    "Attécoubé, Locodjro",
    "Bingerville, Akandjé",
    "Anyama, Centre",
    "Songon, Kassemblé",
    "Plateau, Indénié",
];

/// A family name and given names.
pub(crate) fn person(sex: Sex, random: &mut Random) -> (String, String) {
    let weights = REGIONS.map(|region| region.weight);
    let chosen = random.weighted(&weights);
    let region = REGIONS.get(chosen).unwrap_or(&AKAN);
    let family = random.word(region.families);
    let (local, christian) = match sex {
        Sex::Female => (region.women, CHRISTIAN_WOMEN),
        Sex::Male => (region.men, CHRISTIAN_MEN),
    };
    let mut given = Vec::new();
    if random.chance(region.christian_percent) {
        if random.chance(75) {
            given.push(random.word(local));
        }
        given.push(random.word(christian));
        if random.chance(25) {
            given.push(random.word(christian));
        }
    } else {
        given.push(random.word(local));
        if random.chance(30) {
            given.push(random.word(local));
        }
    }
    let mut seen = Vec::new();
    given.retain(|name| {
        let new = !seen.contains(name) && name.to_uppercase() != family;
        seen.push(*name);
        new
    });
    if given.is_empty() {
        given.push(random.word(christian));
    }
    (family.to_owned(), given.join(" "))
}
