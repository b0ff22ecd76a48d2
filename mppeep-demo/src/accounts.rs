//! One account a role, linked to the agents who play the parts.

use jiff::civil::Date;
use mppeep_core::domain::id::UserId;
use mppeep_core::domain::personnel::Personnel;
use mppeep_core::domain::user::{Role, User, UserFields, UserInput};

use crate::error::GenerateError;
use crate::random::{Random, later, morning_of, plus_days};
use crate::{DEMO_DOMAIN, people};

/// Makes the accounts `<role>@demo.mppeep.example`.
pub(crate) fn make(
    personnel: &[Personnel],
    today: Date,
    random: &mut Random,
) -> Result<Vec<User>, GenerateError> {
    Role::ALL
        .iter()
        .map(|role| {
            let played = people::CAST
                .iter()
                .zip(personnel)
                .find(|(part, _)| part.role == Some(*role));
            let agent = played.map(|(_, file)| file);
            let input = UserInput {
                email: format!("{}@{DEMO_DOMAIN}", role.code()),
                display_name: agent
                    .map_or_else(|| "Visiteur invité".to_owned(), |file| file.fields.full_name()),
                roles: vec![role.code().to_owned()],
                personnel_id: agent.map(|file| file.id.to_string()).unwrap_or_default(),
                ..UserInput::default()
            };
            let created_at = later(morning_of(plus_days(today, -239)), random.between(0, 3_000));
            Ok(User {
                id: UserId::from_uuid(random.uuid(created_at)),
                fields: UserFields::parse(&input)?,
                must_change_password: false,
                charter_version: 0,
                session_epoch: 0,
                last_login_at: None,
                version: 1,
                created_at,
                updated_at: created_at,
            })
        })
        .collect()
}
