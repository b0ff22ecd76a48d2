//! What is read of salary slips besides lists: a whole month as a table, and who answers for a slip.

use super::context::{Note, require_all};
use super::error::ServiceError;
use super::payroll::PayrollService;
use crate::domain::activity::{ActivityAction, EntityKind};
use crate::domain::id::UserId;
use crate::domain::payroll::{Month, Slip};
use crate::domain::permission::{Action, Actor, Resource};
use crate::ports::page::{PageRequest, PageStart};
use crate::ports::payroll::{SlipFilter, SlipRow};

/// Rows read at once.
const ROWS: u32 = 500;

/// Who answers for a slip, by the names of their accounts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signatories {
    /// Who computed it last.
    pub computed_by: Option<String>,
    /// Who validated it.
    pub validated_by: Option<String>,
}

impl PayrollService {
    /// Every slip of a month, in the order of the list and of one moment. The export is noted in the journal.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn export(&self, actor: &Actor, month: Month) -> Result<Vec<SlipRow>, ServiceError> {
        require_all(actor, Resource::Payroll, Action::Read)?;
        let filter = SlipFilter {
            scope: actor.scope(Resource::Payroll, Action::Read),
            month: Some(month),
            ..SlipFilter::default()
        };
        let mut rows = Vec::new();
        let mut page = PageRequest::first(ROWS);
        let mut unit = self.context.store().begin_read().await?;
        loop {
            let read = unit.payroll().list(&filter, &page).await?;
            rows.extend(read.rows);
            match read.next {
                Some(cursor) => page.start = PageStart::After(cursor),
                None => break,
            }
        }
        drop(unit);
        self.context
            .note(
                actor,
                Note {
                    action: ActivityAction::Exported,
                    entity: EntityKind::Slip,
                    entity_id: None,
                    subject: None,
                    label: month.to_string(),
                    changes: Vec::new(),
                },
            )
            .await?;
        Ok(rows)
    }

    /// The names of those who computed and validated a slip that the actor has read.
    ///
    /// # Errors
    /// `Store`.
    pub async fn signatories(&self, slip: &Slip) -> Result<Signatories, ServiceError> {
        let mut unit = self.context.store().begin_read().await?;
        let mut names = [None, None];
        let ids: [Option<UserId>; 2] = [slip.computed_by, slip.validated.map(|(by, _)| by)];
        for (name, id) in names.iter_mut().zip(ids) {
            if let Some(id) = id {
                *name = unit.users().find(id).await?.map(|user| user.fields.display_name);
            }
        }
        let [computed_by, validated_by] = names;
        Ok(Signatories {
            computed_by,
            validated_by,
        })
    }
}
