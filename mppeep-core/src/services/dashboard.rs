//! Statistics.

use std::sync::Arc;

use jiff::civil::Date;

use super::context::{Context, require};
use super::error::ServiceError;
use super::personnel::SCORE_YEARS;
use crate::domain::organisation::UnitRef;
use crate::domain::permission::{Action, Actor, Resource};
use crate::ports::cache::Ttl;
use crate::ports::epochs::Namespace;
use crate::ports::personnel::{DashboardFigures, FiguresQuery, PersonnelFilter};

/// Counts below this are not shown to who may not see the careers behind them.
pub const SMALLEST_SHOWN: u64 = 5;

const MADE_OF: &[Namespace] = &[
    Namespace::ABSENCES,
    Namespace::EVALUATIONS,
    Namespace::ORGANISATION,
    Namespace::PERSONNEL,
];

/// Number of the cached shape; another shape takes another number.
const SCHEMA: u32 = 1;

/// The figures for one reader.
#[derive(Debug, Clone)]
pub struct Dashboard {
    /// The figures.
    pub figures: Arc<DashboardFigures>,
    /// The day they are of.
    pub on: Date,
    /// Whether small counts are hidden from this reader.
    pub hides_small: bool,
}

impl Dashboard {
    /// A count as this reader may see it; none when it is small and hidden.
    pub fn shown(&self, count: u64) -> Option<u64> {
        (!self.hides_small || count == 0 || count >= SMALLEST_SHOWN).then_some(count)
    }
}

/// Statistics.
pub struct DashboardService {
    context: Arc<Context>,
}

impl DashboardService {
    /// The service over its context.
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// The figures of the files in the actor's scope, of one unit or all, on a day (today when none is given).
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn figures(
        &self,
        actor: &Actor,
        unit: Option<UnitRef>,
        on: Option<Date>,
    ) -> Result<Dashboard, ServiceError> {
        require(actor, Resource::Statistics, Action::Read)?;
        let on = on.unwrap_or_else(|| self.context.today());
        let scope = actor.scope(Resource::Statistics, Action::Read);
        let careers = actor.scope(Resource::Career, Action::Read);
        let hides_small = !careers.everything && (scope.everything || careers != scope);
        let score_from_year = self.context.today().year() - (SCORE_YEARS - 1);
        let departments: Vec<String> = scope.departments.iter().map(ToString::to_string).collect();
        let key = format!(
            "{on}|{}|{}|{}|{}|{score_from_year}",
            unit.map(|unit| unit.to_string()).unwrap_or_default(),
            scope.everything,
            departments.join(","),
            scope.own.map(|own| own.to_string()).unwrap_or_default(),
        );
        let query = FiguresQuery {
            filter: PersonnelFilter {
                scope,
                unit,
                ..PersonnelFilter::default()
            },
            on,
            score_from_year,
            now: self.context.now(),
        };
        let soft = self.context.cache_times().statistics;
        let ttl = Ttl { soft, hard: soft * 2 };
        let figures = self
            .context
            .cached()
            .load(MADE_OF, SCHEMA, &key, ttl, || async {
                let mut unit = self.context.store().begin_read().await?;
                let figures = unit.personnel().figures(&query).await?;
                Ok::<DashboardFigures, ServiceError>(figures)
            })
            .await?;
        Ok(Dashboard {
            figures: Arc::new(figures),
            on,
            hides_small,
        })
    }
}
