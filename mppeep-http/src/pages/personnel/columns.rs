//! Columns of the list of agents, and the choice a reader makes among them.

use jiff::civil::Date;
use mppeep_core::domain::codes::AgentStatus;
use mppeep_core::domain::personnel::PersonnelField;
use mppeep_core::ports::personnel::PersonnelSort;
use mppeep_core::services::personnel_view::PersonnelView;

use super::filters::Allowed;
use crate::catalogue::{self, Label};
use crate::pages::ui::Badge;

/// A column beside the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Matricule,
    Department,
    Grade,
    Position,
    Status,
    Seniority,
    Absences,
    Score,
    Retirement,
    Phone,
    Email,
    BirthDate,
}

impl Column {
    pub(crate) const ALL: [Self; 12] = [
        Self::Matricule,
        Self::Department,
        Self::Grade,
        Self::Position,
        Self::Status,
        Self::Seniority,
        Self::Absences,
        Self::Score,
        Self::Retirement,
        Self::Phone,
        Self::Email,
        Self::BirthDate,
    ];

    const USUAL: [Self; 7] = [
        Self::Matricule,
        Self::Department,
        Self::Grade,
        Self::Position,
        Self::Absences,
        Self::Score,
        Self::Retirement,
    ];

    const OF_DIRECTORY: [Self; 4] = [Self::Matricule, Self::Department, Self::Phone, Self::Email];

    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Matricule => "matricule",
            Self::Department => "department",
            Self::Grade => "grade",
            Self::Position => "position",
            Self::Status => "status",
            Self::Seniority => "seniority",
            Self::Absences => "absences",
            Self::Score => "score",
            Self::Retirement => "retirement",
            Self::Phone => "phone",
            Self::Email => "email",
            Self::BirthDate => "birth_date",
        }
    }

    /// The heading; the present year is part of some.
    pub(crate) fn heading(self, today: Date) -> String {
        match self {
            Self::Matricule => "Matricule".to_owned(),
            Self::Department => "Service".to_owned(),
            Self::Grade => "Grade".to_owned(),
            Self::Position => "Position".to_owned(),
            Self::Status => "Statut".to_owned(),
            Self::Seniority => "Ancienneté".to_owned(),
            Self::Absences => format!("Absences (en {})", today.year()),
            Self::Score => "Note / 20 (3 ans)".to_owned(),
            Self::Retirement => "Retraite".to_owned(),
            Self::Phone => "Téléphone".to_owned(),
            Self::Email => "E-mail".to_owned(),
            Self::BirthDate => "Naissance".to_owned(),
        }
    }

    pub(crate) const fn sort(self) -> Option<PersonnelSort> {
        match self {
            Self::Matricule => Some(PersonnelSort::Matricule),
            Self::Department => Some(PersonnelSort::Department),
            Self::Grade => Some(PersonnelSort::Grade),
            Self::Position => Some(PersonnelSort::Position),
            Self::Seniority => Some(PersonnelSort::Seniority),
            Self::Absences => Some(PersonnelSort::Absences),
            Self::Score => Some(PersonnelSort::Score),
            Self::Retirement => Some(PersonnelSort::Retirement),
            Self::Status | Self::Phone | Self::Email | Self::BirthDate => None,
        }
    }

    pub(crate) const fn numeric(self) -> bool {
        matches!(self, Self::Absences | Self::Score)
    }

    /// Whether the reader may see it for some agent.
    pub(crate) const fn allowed(self, allowed: Allowed) -> bool {
        match self {
            Self::Matricule | Self::Department | Self::Phone | Self::Email => true,
            Self::Absences => allowed.absences,
            Self::Score => allowed.evaluations,
            Self::Grade
            | Self::Position
            | Self::Status
            | Self::Seniority
            | Self::Retirement
            | Self::BirthDate => allowed.career,
        }
    }

    /// The columns of a choice such as `grade.position`; the usual ones where nothing was chosen.
    pub(crate) fn chosen(choice: Option<&str>, allowed: Allowed) -> Vec<Self> {
        let listed: Vec<Self> = match choice {
            Some(choice) => {
                let named: Vec<&str> = choice.split('.').collect();
                Self::ALL
                    .into_iter()
                    .filter(|column| named.contains(&column.code()))
                    .collect()
            }
            None if allowed.career => Self::USUAL.to_vec(),
            None => Self::OF_DIRECTORY.to_vec(),
        };
        listed
            .into_iter()
            .filter(|column| column.allowed(allowed))
            .collect()
    }

    /// What stands in the row of an agent.
    pub(crate) fn cell(self, agent: &PersonnelView, today: Date) -> Cell {
        let text = |value: Option<String>| Cell {
            value: value.unwrap_or_default(),
            ..Cell::empty(self, today)
        };
        match self {
            Self::Matricule => text(Some(agent.matricule().to_owned())),
            Self::Department => match agent.department_name() {
                Some(name) => text(Some(name.to_owned())),
                None => text(Some("Sans affectation".to_owned())),
            },
            Self::Grade => text(agent.grade().map(|grade| match agent.get(PersonnelField::Step) {
                Some(step) => format!("{grade} · éch. {step}"),
                None => grade.to_string(),
            })),
            Self::Position => Cell {
                badge: agent.position().map(catalogue::position_badge),
                ..Cell::empty(self, today)
            },
            Self::Status => text(
                agent
                    .get(PersonnelField::Status)
                    .and_then(|code| AgentStatus::by_code(&code))
                    .map(|status| status.label().to_owned()),
            ),
            Self::Seniority => text(agent.seniority(today).map(seniority)),
            Self::Absences => text(agent.absence_count().map(|all| {
                let year = agent.absence_count_year().unwrap_or(0);
                if year == 0 {
                    all.to_string()
                } else {
                    format!("{all} ({year})")
                }
            })),
            Self::Score => text(agent.shows_evaluations().then(|| {
                agent
                    .average_mark_hundredths()
                    .map_or_else(|| "—".to_owned(), |mark| catalogue::hundredths(i64::from(mark)))
            })),
            Self::Retirement => text(agent.retirement_date().map(catalogue::date)),
            Self::Phone => text(agent.get(PersonnelField::WorkPhone)),
            Self::Email => text(agent.get(PersonnelField::Email)),
            Self::BirthDate => text(agent.birth_date().map(catalogue::date)),
        }
    }
}

/// A length of service in words.
pub(crate) fn seniority((years, months, _): (i16, i32, i32)) -> String {
    catalogue::years_months(
        u32::try_from(years).unwrap_or(0),
        u32::try_from(months).unwrap_or(0),
    )
}

/// One cell of the list.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    pub(crate) label: String,
    pub(crate) class: &'static str,
    pub(crate) value: String,
    pub(crate) badge: Option<Badge>,
}

impl Cell {
    fn empty(column: Column, today: Date) -> Self {
        let class = match column {
            Column::Matricule => "mono",
            Column::Absences | Column::Score => "num",
            Column::Grade | Column::Retirement | Column::BirthDate | Column::Phone => "nowrap",
            _ => "",
        };
        Self {
            label: column.heading(today),
            class,
            value: String::new(),
            badge: None,
        }
    }
}
