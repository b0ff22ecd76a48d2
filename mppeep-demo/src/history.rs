//! The journal: how the files came to be what they are.

use jiff::Timestamp;
use jiff::civil::Date;
use mppeep_core::domain::activity::{Activity, ActivityAction, EntityKind, FieldChange};
use mppeep_core::domain::id::{ActivityId, PersonnelId};
use mppeep_core::domain::organisation::Organisation;
use mppeep_core::domain::personnel::{Personnel, PersonnelField};
use mppeep_core::domain::user::{Role, User};
use uuid::Uuid;

use crate::random::{Random, later, morning_of, plus_days};

/// Days of logins before today.
const LOGIN_DAYS: i64 = 20;

/// Makes the lines, the earliest first, and moves the versions of the files that were changed.
pub(crate) fn make(
    personnel: &mut [Personnel],
    organisation: &Organisation,
    users: &[User],
    today: Date,
    random: &mut Random,
) -> Vec<Activity> {
    let by_role = |role: Role| users.iter().find(|user| user.fields.roles.contains(&role));
    let (Some(hr), Some(admin)) = (by_role(Role::Sdrh), by_role(Role::Admin)) else {
        return Vec::new();
    };
    let mut writer = Writer {
        lines: Vec::new(),
        random,
    };
    let opened = later(morning_of(plus_days(today, -240)), -1_200);
    for directorate in &organisation.directorates {
        let label = format!("{} · {}", directorate.fields.code, directorate.fields.name);
        writer.line(
            opened,
            admin,
            ActivityAction::Created,
            EntityKind::Unit,
            Some(directorate.id.as_uuid()),
            &label,
        );
    }
    for user in users {
        let label = user.fields.email.to_string();
        writer.line(
            user.created_at,
            admin,
            ActivityAction::Created,
            EntityKind::User,
            Some(user.id.as_uuid()),
            &label,
        );
    }
    let imported = personnel
        .iter()
        .map(|file| file.created_at)
        .min()
        .unwrap_or(opened);
    let count = personnel.len();
    let label = format!("effectif-initial.xlsx : {count} créés, 0 modifiés, 0 inchangés");
    writer.line(
        later(imported, 3_100),
        hr,
        ActivityAction::Imported,
        EntityKind::Transfer,
        None,
        &label,
    );
    for file in personnel.iter_mut() {
        writer.file(file.created_at, hr, ActivityAction::Created, file, Vec::new());
        if writer.random.chance(6) {
            writer.change(file, hr, today);
        }
        if let Some(departure) = &file.departure {
            let day = plus_days(departure.date, 2).min(plus_days(today, -1));
            let at = later(morning_of(day), 4_000).max(later(file.created_at, 60));
            let changes = vec![
                change("departure_date", None, Some(departure.date.to_string())),
                change("departure_reason", None, Some(departure.reason.code().to_owned())),
            ];
            file.version += 1;
            file.updated_at = at.max(file.updated_at);
            writer.file(file.updated_at, hr, ActivityAction::Archived, file, changes);
        }
    }
    for day in 1..=LOGIN_DAYS {
        for user in users {
            if writer.random.chance(60) {
                let at = later(
                    morning_of(plus_days(today, -day)),
                    writer.random.between(0, 20_000),
                );
                let label = user.fields.email.to_string();
                writer.line(
                    at,
                    user,
                    ActivityAction::LoggedIn,
                    EntityKind::Session,
                    None,
                    &label,
                );
            }
        }
    }
    let mut lines = writer.lines;
    lines.sort_by_key(|line| (line.at, line.id));
    lines
}

fn change(field: &str, before: Option<String>, after: Option<String>) -> FieldChange {
    FieldChange {
        field: field.to_owned(),
        before,
        after,
    }
}

struct Writer<'a> {
    lines: Vec<Activity>,
    random: &'a mut Random,
}

impl Writer<'_> {
    fn push(
        &mut self,
        (at, by): (Timestamp, &User),
        action: ActivityAction,
        (entity, entity_id): (EntityKind, Option<Uuid>),
        (subject, label): (Option<PersonnelId>, String),
        changes: Vec<FieldChange>,
    ) {
        self.lines.push(Activity {
            id: ActivityId::from_uuid(self.random.uuid(at)),
            at,
            actor: Some(by.id),
            actor_name: by.fields.display_name.clone(),
            action,
            entity,
            entity_id,
            subject,
            label,
            changes,
            address: Some("10.20.30.40".to_owned()),
            request_id: None,
        });
    }

    fn line(
        &mut self,
        at: Timestamp,
        by: &User,
        action: ActivityAction,
        entity: EntityKind,
        entity_id: Option<Uuid>,
        label: &str,
    ) {
        self.push(
            (at, by),
            action,
            (entity, entity_id),
            (None, label.to_owned()),
            Vec::new(),
        );
    }

    fn file(
        &mut self,
        at: Timestamp,
        by: &User,
        action: ActivityAction,
        file: &Personnel,
        changes: Vec<FieldChange>,
    ) {
        let label = format!("{} · {}", file.fields.matricule, file.fields.full_name());
        let record = (EntityKind::Personnel, Some(file.id.as_uuid()));
        self.push((at, by), action, record, (Some(file.id), label), changes);
    }

    /// A step was gained, or a telephone changed.
    fn change(&mut self, file: &mut Personnel, by: &User, today: Date) {
        let day = plus_days(today, -self.random.between(2, 200));
        let at = later(morning_of(day), self.random.between(0, 30_000)).max(later(file.created_at, 600));
        let changes = match file.fields.step {
            Some(step) if step > 1 => {
                let code = PersonnelField::Step.code();
                vec![change(code, Some((step - 1).to_string()), Some(step.to_string()))]
            }
            _ => {
                let code = PersonnelField::Address.code();
                let Some(address) = file.fields.address.clone() else {
                    return;
                };
                vec![change(code, None, Some(address))]
            }
        };
        if at >= morning_of(today) {
            return;
        }
        file.version += 1;
        file.updated_at = at;
        self.file(at, by, ActivityAction::Updated, file, changes);
    }
}
