//! The fields of each section as a form shows them.

use mppeep_core::domain::absence::AbsenceType;
use mppeep_core::domain::calendar::CountingMode;
use mppeep_core::domain::document::DocumentKind;
use mppeep_core::domain::evaluation::Criterion;
use mppeep_core::domain::grade::{Grade, GradeCategory};
use mppeep_core::domain::settings::{RetirementMode, SettingsSection};

use super::sections::Values;
use crate::catalogue::{self, Label};
use crate::pages::ui::{Choice, Field, FormErrors, Section};

/// The form of a section.
pub(super) fn form(section: SettingsSection, values: &Values, errors: &FormErrors) -> Vec<Section> {
    let build = Build { values, errors };
    match section {
        SettingsSection::Ministry => build.ministry(),
        SettingsSection::Personnel => build.personnel(),
        SettingsSection::Calendar => build.calendar(),
        SettingsSection::Absences => build.absences(),
        SettingsSection::Evaluations => build.evaluations(),
        SettingsSection::Retirement => build.retirement(),
        SettingsSection::Payroll => build.payroll(),
        SettingsSection::Files => build.files(),
        SettingsSection::Security => build.security(),
        SettingsSection::Charter => build.charter(),
        SettingsSection::Maintenance => build.maintenance(),
    }
}

struct Build<'a> {
    values: &'a Values,
    errors: &'a FormErrors,
}

impl Build<'_> {
    fn fill(&self, field: Field) -> Field {
        let value = self.values.get(&field.name).cloned().unwrap_or_default();
        field.value(value).errors(self.errors)
    }

    fn number(&self, name: impl Into<String>, label: impl Into<String>, suffix: &str) -> Field {
        let field = Field::text(name, label)
            .required()
            .attribute("inputmode", "numeric")
            .attribute("maxlength", "5");
        self.fill(field.suffix(suffix)).width("w4").input_class("mark")
    }

    fn payroll(&self) -> Vec<Section> {
        let label = |name, text| self.fill(Field::text(name, text).required().attribute("maxlength", "80"));
        let amount = |name, text, suffix, help| {
            let field = Field::text(name, text)
                .required()
                .attribute("inputmode", "numeric")
                .attribute("maxlength", "12")
                .help(help);
            self.fill(field.suffix(suffix)).width("w6").input_class("mark")
        };
        vec![
            Section::new(
                "Base",
                vec![amount(
                    "point_value_millifrancs",
                    "Valeur mensuelle du point",
                    "millièmes de F CFA",
                    "233 457 pour 233,457 F CFA. La base est l’indice multiplié par cette valeur.",
                )],
            ),
            Section::new(
                "Indemnité et retenue",
                vec![
                    label("allowance_label", "Libellé de l’indemnité"),
                    amount("allowance_francs", "Montant de l’indemnité", "F CFA par mois", ""),
                    label("deduction_label", "Libellé de la retenue"),
                    amount(
                        "deduction_basis_points",
                        "Taux de la retenue",
                        "centièmes de %",
                        "833 pour 8,33 % de la base.",
                    ),
                ],
            ),
        ]
    }

    fn files(&self) -> Vec<Section> {
        let mandatory = DocumentKind::ALL
            .iter()
            .map(|kind| self.flag(&format!("mandatory_documents.{}", kind.code()), kind.label()))
            .collect();
        vec![
            Section::new(
                "Dépôts",
                vec![
                    self.number("max_upload_mib", "Taille d’un dépôt", "Mio au plus"),
                    self.number("quota_gib", "Espace pour tous les contenus", "Gio"),
                    self.number(
                        "retention_days",
                        "Fichiers archivés supprimés après",
                        "jours (0 : jamais)",
                    ),
                    self.number("expiry_notice_days", "Échéance proche à partir de", "jours"),
                ],
            ),
            Section::new("Pièces obligatoires de chaque dossier", mandatory),
        ]
    }

    fn flag(&self, name: &str, label: &str) -> Field {
        let on = self.values.get(name).is_some_and(|value| !value.is_empty());
        Field::checkbox(name, label, on).errors(self.errors)
    }

    fn ministry(&self) -> Vec<Section> {
        let text = |name, label, max: &str| self.fill(Field::text(name, label).attribute("maxlength", max));
        let colour = |name, label, help| self.fill(Field::input("color", name, label).help(help));
        vec![
            Section::new(
                "Nom",
                vec![
                    text("name", "Nom complet", "160").required().wide(),
                    text("short_name", "Nom court, dans le menu", "24").required(),
                    text("minister", "Ministre", "120"),
                    text("footer", "Pied de page", "200").wide(),
                ],
            ),
            Section::new(
                "Couleurs",
                vec![
                    colour(
                        "brand_colour",
                        "Couleur principale",
                        "Boutons, liens et menu. Le blanc doit s’y lire : contraste de 4,5 au moins.",
                    ),
                    colour("accent_colour", "Couleur d’accent", "Repères et graphiques."),
                ],
            ),
        ]
    }

    fn personnel(&self) -> Vec<Section> {
        let pattern = Field::text("matricule_pattern", "Forme du matricule")
            .required()
            .wide()
            .help("Expression régulière que tout le matricule doit suivre. Par exemple [0-9]{6}[A-Z] : six chiffres et une lettre.")
            .attribute("maxlength", "100")
            .attribute("spellcheck", "false");
        vec![Section::new("Matricule", vec![self.fill(pattern)])]
    }

    fn calendar(&self) -> Vec<Section> {
        use jiff::civil::Weekday as W;
        let days = [
            W::Monday,
            W::Tuesday,
            W::Wednesday,
            W::Thursday,
            W::Friday,
            W::Saturday,
            W::Sunday,
        ];
        let fields = days
            .into_iter()
            .enumerate()
            .map(|(index, day)| {
                self.flag(&format!("week.{index}"), catalogue::weekday(day))
                    .width("w3")
            })
            .collect();
        vec![
            Section::new("Jours travaillés", fields)
                .help("Un jour « ouvré » est un jour travaillé qui n’est pas férié. Les jours « ouvrables » vont toujours du lundi au samedi."),
        ]
    }

    fn absences(&self) -> Vec<Section> {
        let modes: Vec<Choice> = CountingMode::ALL
            .into_iter()
            .map(|mode| Choice::new(mode.code(), mode.label()))
            .collect();
        let fields = AbsenceType::ALL
            .iter()
            .map(|kind| {
                self.fill(Field::select(
                    format!("modes.{}", kind.code()),
                    kind.label(),
                    None,
                    modes.clone(),
                ))
                .width("w4")
            })
            .collect();
        vec![
            Section::new("Décompte des jours", fields).help(
                "Calendaires : tous les jours, fériés compris. Ouvrables : du lundi au samedi, sauf fériés. Ouvrés : les jours travaillés, sauf fériés.",
            ),
        ]
    }

    fn evaluations(&self) -> Vec<Section> {
        let weights = Criterion::ALL
            .iter()
            .enumerate()
            .map(|(index, criterion)| {
                let name = format!("weights.{index}");
                let mut field = self.number(name, criterion.label(), "×");
                if index == 0
                    && let Some(message) = self.errors.get("weights")
                {
                    message.clone_into(&mut field.error);
                }
                field
            })
            .collect();
        let from = |name: &str, label: &str| self.number(name, label, "/20").width("w3");
        vec![
            Section::new("Coefficients", weights)
                .help("La note finale est la moyenne des critères, pondérée par ces coefficients. Zéro retire un critère de la moyenne."),
            Section::new(
                "Appréciations",
                vec![
                    from("excellent_from", "Excellent à partir de"),
                    from("very_good_from", "Très bon à partir de"),
                    from("good_from", "Bon à partir de"),
                    from("fair_from", "Passable à partir de"),
                ],
            )
            .help("En dessous du dernier seuil : Insuffisant."),
        ]
    }

    fn retirement(&self) -> Vec<Section> {
        let modes = [
            RetirementMode::EndOfYear,
            RetirementMode::EndOfMonth,
            RetirementMode::Birthday,
        ];
        let code = |mode| match mode {
            RetirementMode::EndOfYear => "end_of_year",
            RetirementMode::EndOfMonth => "end_of_month",
            RetirementMode::Birthday => "birthday",
        };
        let choices = modes
            .into_iter()
            .map(|mode| Choice::new(code(mode), mode.label()))
            .collect();
        let mut sections = vec![
            Section::new(
                "Règle",
                vec![
                    self.fill(Field::select("mode", "Jour du départ", None, choices)).width("w4"),
                    self.number("default_age", "Âge si le grade est inconnu", "ans"),
                ],
            )
            .help("Le jour du départ se tire du jour où l’âge limite est atteint. Un maintien en activité inscrit au dossier l’emporte."),
        ];
        for category in GradeCategory::ALL {
            let fields = Grade::all()
                .into_iter()
                .filter(|grade| grade.category() == category)
                .map(|grade| {
                    self.number(format!("ages.{grade}"), grade.to_string(), "ans")
                        .width("w3")
                })
                .collect();
            sections.push(Section::new(
                format!("Catégorie {}", catalogue::category(category)),
                fields,
            ));
        }
        sections
    }

    fn security(&self) -> Vec<Section> {
        vec![Section::new(
            "Mots de passe et sessions",
            vec![
                self.number(
                    "password_min_length",
                    "Longueur minimale d’un mot de passe",
                    "caractères",
                )
                .width("w8")
                .help("De 8 à 64. Aucune règle de composition : une phrase longue vaut mieux."),
                self.number(
                    "idle_minutes",
                    "Fermer une session après une inactivité de",
                    "minutes",
                )
                .width("w8")
                .help(
                    "0 : jamais ; sinon de 5 à 10 080. Une session dure de toute façon sept jours au plus.",
                ),
            ],
        )]
    }

    fn charter(&self) -> Vec<Section> {
        let text = Field::new(
            "text",
            "Texte de la charte",
            crate::pages::ui::FieldKind::Textarea(18),
        )
        .wide()
        .help("Une ligne vide sépare deux paragraphes. Laissez vide pour ne pas demander de charte.")
        .attribute("maxlength", "20000");
        vec![Section::new("Charte de confidentialité", vec![self.fill(text)])]
    }

    fn maintenance(&self) -> Vec<Section> {
        vec![Section::new(
            "Maintenance",
            vec![
                self.fill(Field::text("banner", "Bandeau sur toutes les pages").wide().attribute("maxlength", "300")
                    .help("Par exemple : « Le service sera interrompu vendredi de 18 h à 19 h. » Vide : pas de bandeau.")),
                self.flag("read_only", "Lecture seule : refuser toute modification").wide(),
            ],
        )]
    }
}
