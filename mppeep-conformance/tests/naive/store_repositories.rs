//! What the naive store keeps.

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use mppeep_core::domain::absence::Absence;
use mppeep_core::domain::email::Email;
use mppeep_core::domain::id::{AbsenceId, ImportId, PersonnelId, SessionHandle, SlipId, UserId};
use mppeep_core::domain::payroll::{Month, Slip, SlipStatus};
use mppeep_core::domain::personnel::{Matricule, Personnel};
use mppeep_core::domain::settings::{Settings, SettingsSection};
use mppeep_core::domain::user::{Role, User};
use mppeep_core::ports::absence::{AbsenceFilter, AbsenceRepository, AbsenceRow};
use mppeep_core::ports::account_token::{AccountToken, AccountTokenRepository};
use mppeep_core::ports::error::StoreError;
use mppeep_core::ports::import::{ImportFile, ImportRepository, ImportStatus};
use mppeep_core::ports::page::{Page, PageRequest};
use mppeep_core::ports::payroll::{PayrollRepository, SlipFilter, SlipRow, SlipTotals, SlipWrite};
use mppeep_core::ports::personnel::{
    DashboardFigures, FiguresQuery, PersonnelIdentity, PersonnelQuery, PersonnelRepository, PersonnelRow,
    PossibleDuplicate, RetirementInput,
};
use mppeep_core::ports::setting::SettingRepository;
use mppeep_core::ports::user::{Credentials, UserFilter, UserRepository, UserRow};

use super::{Flaw, Loan, unused};

#[async_trait]
impl PersonnelRepository for Loan<'_> {
    async fn insert(&mut self, personnel: &Personnel) -> Result<(), StoreError> {
        self.0.insert_personnel(personnel)
    }

    async fn insert_many(&mut self, personnel: &[Personnel]) -> Result<(), StoreError> {
        for file in personnel {
            self.0.insert_personnel(file)?;
        }
        Ok(())
    }

    async fn update(&mut self, personnel: &Personnel) -> Result<(), StoreError> {
        let stored = self
            .0
            .state()
            .personnel
            .get(&personnel.id)
            .map(|file| file.version + 1);
        if stored != Some(personnel.version) {
            return Err(StoreError::StaleVersion);
        }
        let file = personnel.clone();
        self.0
            .write(move |state| drop(state.personnel.insert(file.id, file.clone())));
        Ok(())
    }

    async fn find(&mut self, id: PersonnelId) -> Result<Option<Personnel>, StoreError> {
        Ok(self.0.state().personnel.get(&id).cloned())
    }

    async fn find_by_matricules(&mut self, _: &[Matricule]) -> Result<Vec<Personnel>, StoreError> {
        unused()
    }

    async fn find_many(&mut self, _: &[PersonnelId]) -> Result<Vec<Personnel>, StoreError> {
        unused()
    }

    async fn list(&mut self, _: &PersonnelQuery) -> Result<Page<PersonnelRow>, StoreError> {
        unused()
    }

    async fn possible_duplicates(
        &mut self,
        _: Option<PersonnelId>,
        _: &str,
        _: Date,
        _: Option<&str>,
    ) -> Result<Vec<PossibleDuplicate>, StoreError> {
        unused()
    }

    async fn identities(&mut self) -> Result<Vec<PersonnelIdentity>, StoreError> {
        let all = self.0.state().personnel.values();
        Ok(all
            .map(|file| PersonnelIdentity {
                id: file.id,
                matricule: file.fields.matricule.clone(),
                name_key: file.fields.name_key(),
                birth_date: file.fields.birth_date,
                national_id: None,
            })
            .collect())
    }

    async fn figures(&mut self, _: &FiguresQuery) -> Result<DashboardFigures, StoreError> {
        unused()
    }

    async fn set_retirement_dates(&mut self, _: &[(PersonnelId, Option<Date>)]) -> Result<(), StoreError> {
        unused()
    }

    async fn retirement_inputs(&mut self) -> Result<Vec<RetirementInput>, StoreError> {
        unused()
    }
}

#[async_trait]
impl AbsenceRepository for Loan<'_> {
    async fn insert(&mut self, absence: &Absence) -> Result<(), StoreError> {
        let free = |other: &Absence| {
            let taken: Vec<_> = other.fields.period.half_days().collect();
            other.personnel != absence.personnel
                || !absence
                    .fields
                    .period
                    .half_days()
                    .any(|half| taken.contains(&half))
        };
        if !self.0.state().absences.iter().all(free) {
            return Err(StoreError::Conflict {
                entity: "absence",
                field: "period",
            });
        }
        let absence = absence.clone();
        self.0.write(move |state| state.absences.push(absence.clone()));
        Ok(())
    }

    async fn insert_many(&mut self, _: &[Absence]) -> Result<(), StoreError> {
        unused()
    }

    async fn update(&mut self, _: &Absence) -> Result<(), StoreError> {
        unused()
    }

    async fn find(&mut self, _: AbsenceId) -> Result<Option<Absence>, StoreError> {
        unused()
    }

    async fn touching(&mut self, _: PersonnelId, _: Date, _: Date) -> Result<Vec<Absence>, StoreError> {
        unused()
    }

    async fn touching_day(&mut self, _: Date) -> Result<Vec<Absence>, StoreError> {
        unused()
    }

    async fn list(&mut self, _: &AbsenceFilter, _: &PageRequest) -> Result<Page<AbsenceRow>, StoreError> {
        unused()
    }
}

#[async_trait]
impl UserRepository for Loan<'_> {
    async fn insert(&mut self, user: &User, password_hash: Option<&str>) -> Result<(), StoreError> {
        let (user, hash) = (user.clone(), password_hash.is_some());
        assert!(!hash, "no login in these checks");
        self.0
            .write(move |state| drop(state.users.insert(user.id, user.clone())));
        Ok(())
    }

    async fn update(&mut self, _: &User, _: bool) -> Result<(), StoreError> {
        unused()
    }

    async fn set_password(
        &mut self,
        _: UserId,
        _: &str,
        _: bool,
        _: Option<SessionHandle>,
    ) -> Result<(), StoreError> {
        unused()
    }

    async fn rehash(&mut self, _: UserId, _: &str, _: &str) -> Result<(), StoreError> {
        unused()
    }

    async fn note_login(&mut self, _: UserId, _: Timestamp) -> Result<(), StoreError> {
        unused()
    }

    async fn accept_charter(&mut self, _: UserId, _: u32) -> Result<(), StoreError> {
        unused()
    }

    async fn find(&mut self, id: UserId) -> Result<Option<User>, StoreError> {
        Ok(self.0.state().users.get(&id).cloned())
    }

    async fn credentials(&mut self, _: &Email) -> Result<Option<Credentials>, StoreError> {
        unused()
    }

    async fn credentials_of(&mut self, _: UserId) -> Result<Option<Credentials>, StoreError> {
        unused()
    }

    async fn find_by_personnel(&mut self, _: PersonnelId) -> Result<Option<User>, StoreError> {
        unused()
    }

    async fn list(
        &mut self,
        _: &UserFilter,
        _: Timestamp,
        _: &PageRequest,
    ) -> Result<Page<UserRow>, StoreError> {
        unused()
    }

    async fn count_active_with_role(&mut self, _: Role) -> Result<u64, StoreError> {
        unused()
    }

    async fn count(&mut self) -> Result<u64, StoreError> {
        unused()
    }
}

#[async_trait]
impl SettingRepository for Loan<'_> {
    async fn load(&mut self) -> Result<Settings, StoreError> {
        unused()
    }

    async fn save(
        &mut self,
        section: SettingsSection,
        value: &serde_json::Value,
        version: i64,
    ) -> Result<(), StoreError> {
        assert!(!value.is_null());
        if self.0.state().settings.get(&section).copied().unwrap_or(0) + 1 != version {
            return Err(StoreError::StaleVersion);
        }
        self.0.write(move |state| {
            state.settings.insert(section, version);
        });
        Ok(())
    }

    async fn fact(&mut self, _: &str) -> Result<Option<String>, StoreError> {
        unused()
    }

    async fn set_fact(&mut self, _: &str, _: &str) -> Result<(), StoreError> {
        unused()
    }
}

#[async_trait]
impl ImportRepository for Loan<'_> {
    async fn insert(&mut self, import: &ImportFile, bytes: &[u8]) -> Result<(), StoreError> {
        assert!(!bytes.is_empty());
        let import = import.clone();
        self.0
            .write(move |state| drop(state.imports.insert(import.id, import.clone())));
        Ok(())
    }

    async fn find(&mut self, _: ImportId, _: UserId) -> Result<Option<ImportFile>, StoreError> {
        unused()
    }

    async fn bytes(&mut self, _: ImportId) -> Result<Option<Vec<u8>>, StoreError> {
        unused()
    }

    async fn update(&mut self, import: &ImportFile, expected: ImportStatus) -> Result<(), StoreError> {
        if self.0.state().imports.get(&import.id).map(|stored| stored.status) != Some(expected) {
            return Err(StoreError::StaleVersion);
        }
        let import = import.clone();
        self.0
            .write(move |state| drop(state.imports.insert(import.id, import.clone())));
        Ok(())
    }

    async fn list(&mut self, _: UserId) -> Result<Vec<ImportFile>, StoreError> {
        unused()
    }

    async fn delete_before(&mut self, _: Timestamp) -> Result<u64, StoreError> {
        unused()
    }
}

#[async_trait]
impl PayrollRepository for Loan<'_> {
    async fn write(&mut self, slip: &Slip) -> Result<SlipWrite, StoreError> {
        let flaw = self.0.store.flaw;
        let key = (slip.personnel, slip.month);
        let stored = self.0.state().slips.get(&key).cloned();
        let mut slip = Slip {
            version: 1,
            ..slip.clone()
        };
        if let Some(stored) = stored {
            if stored.status == SlipStatus::Validated && flaw != Flaw::ValidatedIsDraft {
                return Ok(SlipWrite::Validated(stored));
            }
            if stored.fence > slip.fence && flaw != Flaw::NoFence {
                return Ok(SlipWrite::FenceLost);
            }
            slip.id = stored.id;
            slip.version = stored.version + 1;
        }
        let new = slip.clone();
        self.0
            .write(move |state| drop(state.slips.insert(key, new.clone())));
        Ok(SlipWrite::Written(slip))
    }

    async fn validate(
        &mut self,
        id: SlipId,
        version: i64,
        by: UserId,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let stored = self.0.state().slips.values().find(|slip| slip.id == id).cloned();
        let draft = stored.filter(|slip| slip.version == version && slip.status == SlipStatus::Draft);
        let mut slip = draft.ok_or(StoreError::StaleVersion)?;
        slip.version += 1;
        slip.status = SlipStatus::Validated;
        slip.validated = Some((by, at));
        self.0.write(move |state| {
            state.slips.insert((slip.personnel, slip.month), slip.clone());
        });
        Ok(())
    }

    async fn find(&mut self, id: SlipId) -> Result<Option<SlipRow>, StoreError> {
        let found = self.0.state().slips.values().find(|slip| slip.id == id);
        Ok(found.cloned().map(row))
    }

    async fn list(&mut self, filter: &SlipFilter, _: &PageRequest) -> Result<Page<SlipRow>, StoreError> {
        let all = self.0.state().slips.values();
        let rows: Vec<SlipRow> = all
            .filter(|slip| filter.personnel == Some(slip.personnel))
            .cloned()
            .map(row)
            .collect();
        Ok(Page {
            total: rows.len() as u64,
            rows,
            next: None,
        })
    }

    async fn totals(&mut self, _: &SlipFilter) -> Result<SlipTotals, StoreError> {
        unused()
    }

    async fn months(&mut self) -> Result<Vec<Month>, StoreError> {
        unused()
    }

    async fn payable(&mut self, _: Month) -> Result<Vec<PersonnelId>, StoreError> {
        unused()
    }
}

fn row(slip: Slip) -> SlipRow {
    SlipRow {
        slip,
        matricule: String::new(),
        name: String::new(),
    }
}

#[async_trait]
impl AccountTokenRepository for Loan<'_> {
    async fn insert(&mut self, token: &AccountToken) -> Result<(), StoreError> {
        if !self.0.state().users.contains_key(&token.user) {
            return Err(StoreError::DanglingReference {
                entity: "account_token",
            });
        }
        let keeps = self.0.store.flaw == Flaw::KeepsTokens;
        let token = token.clone();
        self.0.write(move |state| {
            state.tokens.retain(|old| {
                keeps || (old.user, old.purpose) != (token.user, token.purpose) && old.digest != token.digest
            });
            state.tokens.push(token.clone());
        });
        Ok(())
    }

    async fn find(&mut self, digest: &[u8; 32], now: Timestamp) -> Result<Option<AccountToken>, StoreError> {
        let late = self.0.store.flaw == Flaw::EndsLate;
        let mut all = self.0.state().tokens.iter();
        let lives = |token: &&AccountToken| token.expires_at > now || late && token.expires_at == now;
        Ok(all.find(|token| token.digest == *digest).filter(lives).cloned())
    }

    async fn take(&mut self, digest: &[u8; 32], now: Timestamp) -> Result<Option<AccountToken>, StoreError> {
        let taken = AccountTokenRepository::find(self, digest, now).await?;
        let alone = self.0.store.flaw == Flaw::TakesOne;
        if let Some(taken) = taken.clone() {
            self.0.write(move |state| {
                state
                    .tokens
                    .retain(|token| token.digest != taken.digest && (alone || token.user != taken.user));
            });
        }
        Ok(taken)
    }
}
