//! The units of the ministry: three programmes, a dozen directorates, some forty-five departments.

use std::collections::BTreeMap;

use jiff::civil::Date;
use mppeep_core::domain::id::{DepartmentId, DirectorateId, PersonnelId, ProgrammeId};
use mppeep_core::domain::organisation::{Department, Directorate, Organisation, Programme, UnitFields};
use mppeep_core::domain::personnel::Personnel;

use crate::error::GenerateError;
use crate::people;
use crate::random::{Random, morning_of};

/// Departments without a head, so that a vacant post can be seen.
const VACANT: [&str; 2] = ["DPS-SE", "DSI-AU"];

type Departments = &'static [(&'static str, &'static str)];

const PROGRAMMES: [(&str, &str); 3] = [
    ("AG", "Administration générale"),
    ("EPN", "Gestion des établissements publics nationaux"),
    ("PE", "Portefeuille de l'État"),
];

const DIRECTORATES: &[(usize, &str, &str, Departments)] = &[
    (
        0,
        "CAB",
        "Cabinet du Ministre",
        &[
            ("CAB-SP", "Secrétariat particulier"),
            ("CAB-PR", "Service du protocole"),
            ("CAB-COM", "Service de la communication"),
        ],
    ),
    (
        0,
        "DAF",
        "Direction des Affaires Financières",
        &[
            ("DAF-BUD", "Service du budget"),
            ("DAF-CPT", "Service de la comptabilité"),
            ("DAF-MP", "Service des marchés publics"),
            ("DAF-MG", "Service des moyens généraux"),
            ("DAF-PAT", "Service du patrimoine"),
        ],
    ),
    (
        0,
        "DRH",
        "Direction des Ressources Humaines",
        &[
            ("DRH-GP", "Service de la gestion du personnel"),
            ("DRH-SOL", "Service de la solde"),
            ("DRH-FOR", "Service de la formation"),
            ("DRH-AS", "Service de l'action sociale"),
            ("DRH-ARC", "Service des archives du personnel"),
        ],
    ),
    (
        0,
        "DSI",
        "Direction des Systèmes d'Information",
        &[
            ("DSI-ED", "Service des études et du développement"),
            ("DSI-RI", "Service des réseaux et infrastructures"),
            ("DSI-AU", "Service d'assistance aux utilisateurs"),
        ],
    ),
    (
        0,
        "DAJC",
        "Direction des Affaires Juridiques et du Contentieux",
        &[
            ("DAJC-EJ", "Service des études juridiques"),
            ("DAJC-CT", "Service du contentieux"),
            ("DAJC-DOC", "Service de la documentation"),
        ],
    ),
    (
        0,
        "DPS",
        "Direction de la Planification et des Statistiques",
        &[
            ("DPS-PL", "Service de la planification"),
            ("DPS-ST", "Service des statistiques"),
            ("DPS-SE", "Service du suivi-évaluation"),
        ],
    ),
    (
        0,
        "IG",
        "Inspection Générale",
        &[
            ("IG-AUD", "Service de l'audit interne"),
            ("IG-CTL", "Service du contrôle"),
            ("IG-QUA", "Service de la qualité"),
        ],
    ),
    (
        1,
        "DTF",
        "Direction de la Tutelle Financière",
        &[
            ("DTF-BE", "Service des budgets des établissements"),
            ("DTF-CF", "Service des comptes financiers"),
            ("DTF-CP", "Service des conventions et contrats de performance"),
            ("DTF-SEC", "Secrétariat"),
        ],
    ),
    (
        1,
        "DRE",
        "Direction de la Réforme des Établissements",
        &[
            ("DRE-RI", "Service de la réforme institutionnelle"),
            ("DRE-GOU", "Service de la gouvernance"),
            ("DRE-TX", "Service des textes et statuts"),
        ],
    ),
    (
        1,
        "DCE",
        "Direction du Contrôle des Établissements",
        &[
            ("DCE-AG", "Service des établissements administratifs"),
            ("DCE-IC", "Service des établissements industriels et commerciaux"),
            ("DCE-SAN", "Service des établissements de santé et d'enseignement"),
            ("DCE-SEC", "Secrétariat"),
        ],
    ),
    (
        2,
        "DSP",
        "Direction du Suivi du Portefeuille",
        &[
            ("DSP-AF", "Service de l'analyse financière"),
            ("DSP-DIV", "Service des dividendes"),
            ("DSP-BD", "Service de la base de données du portefeuille"),
            ("DSP-ADM", "Service des administrateurs représentants de l'État"),
        ],
    ),
    (
        2,
        "DPR",
        "Direction des Participations et Restructurations",
        &[
            ("DPR-ACQ", "Service des acquisitions et cessions"),
            ("DPR-RES", "Service des restructurations"),
            ("DPR-LIQ", "Service des liquidations"),
            ("DPR-SEC", "Secrétariat"),
        ],
    ),
];

/// The units before they have heads.
pub(crate) struct Plan {
    organisation: Organisation,
    weights: Vec<i64>,
}

impl Plan {
    pub(crate) fn new(random: &mut Random, today: Date) -> Result<Self, GenerateError> {
        let at = morning_of(today.first_of_year());
        let mut organisation = Organisation::default();
        let mut weights = Vec::new();
        for (code, name) in PROGRAMMES {
            organisation.programmes.push(Programme {
                id: ProgrammeId::from_uuid(random.uuid(at)),
                fields: UnitFields::parse(code, name, None, true)?,
                version: 1,
            });
        }
        for (programme, code, name, departments) in DIRECTORATES {
            let Some(programme) = organisation.programmes.get(*programme).map(|unit| unit.id) else {
                continue;
            };
            let directorate = DirectorateId::from_uuid(random.uuid(at));
            organisation.directorates.push(Directorate {
                id: directorate,
                programme,
                fields: UnitFields::parse(code, name, None, true)?,
                version: 1,
            });
            for (code, name) in *departments {
                organisation.departments.push(Department {
                    id: DepartmentId::from_uuid(random.uuid(at)),
                    directorate,
                    fields: UnitFields::parse(code, name, None, true)?,
                    version: 1,
                });
                weights.push(random.between(6, 24));
            }
        }
        Ok(Self {
            organisation,
            weights,
        })
    }

    /// The department of a code.
    pub(crate) fn department(&self, code: &str) -> Option<DepartmentId> {
        self.organisation
            .departments
            .iter()
            .find(|unit| unit.fields.code == code)
            .map(|unit| unit.id)
    }

    /// A department, larger ones more often.
    pub(crate) fn any_department(&self, random: &mut Random) -> Option<DepartmentId> {
        let index = random.weighted(&self.weights);
        self.organisation.departments.get(index).map(|unit| unit.id)
    }

    /// The units with their heads: the highest grade of each, an agent heading one unit at most; where a part of the
    /// accounts needs a certain head, that one.
    pub(crate) fn with_heads(&self, personnel: &[Personnel]) -> Organisation {
        let mut organisation = self.organisation.clone();
        let mut free: BTreeMap<DepartmentId, Vec<&Personnel>> = BTreeMap::new();
        // The parts of the accounts are given by name; chance does not promote them.
        for file in personnel
            .iter()
            .skip(people::PARTS)
            .filter(|file| people::may_head(file))
        {
            if let Some(department) = file.fields.department {
                free.entry(department).or_default().push(file);
            }
        }
        for files in free.values_mut() {
            files.sort_by_key(|file| (people::rank(file), std::cmp::Reverse(file.fields.birth_date)));
        }
        let fixed = |code: &str| people::head_of(code, personnel);
        for unit in &mut organisation.departments {
            unit.fields.head = fixed(&unit.fields.code);
        }
        for unit in &mut organisation.directorates {
            let below: Vec<DepartmentId> = organisation
                .departments
                .iter()
                .filter(|department| department.directorate == unit.id)
                .map(|department| department.id)
                .collect();
            unit.fields.head = fixed(&unit.fields.code).or_else(|| take_highest(&mut free, &below));
        }
        for unit in &mut organisation.programmes {
            let below: Vec<DepartmentId> = organisation
                .departments
                .iter()
                .filter(|department| {
                    organisation.directorates.iter().any(|directorate| {
                        directorate.id == department.directorate && directorate.programme == unit.id
                    })
                })
                .map(|department| department.id)
                .collect();
            unit.fields.head = take_highest(&mut free, &below);
        }
        for unit in &mut organisation.departments {
            if unit.fields.head.is_none() && !VACANT.contains(&unit.fields.code.as_str()) {
                unit.fields.head = take_highest(&mut free, &[unit.id]);
            }
        }
        organisation
    }
}

/// Takes the agent of the highest grade out of some departments.
fn take_highest(
    free: &mut BTreeMap<DepartmentId, Vec<&Personnel>>,
    departments: &[DepartmentId],
) -> Option<PersonnelId> {
    let best = departments
        .iter()
        .filter_map(|id| Some((people::rank(free.get(id)?.last()?), *id)))
        .max_by_key(|(rank, id)| (*rank, std::cmp::Reverse(*id)))?;
    free.get_mut(&best.1)?.pop().map(|file| file.id)
}
