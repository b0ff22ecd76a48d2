//! One-time tokens.

use async_trait::async_trait;
use jiff::Timestamp;
use jiff_sqlx::Timestamp as StoredInstant;
use mppeep_core::domain::id::UserId;
use mppeep_core::ports::account_token::{AccountToken, AccountTokenRepository, TokenPurpose};
use mppeep_core::ports::error::{BackendError, StoreError};
use uuid::Uuid;

use crate::codec::{code, stored};
use crate::error::ADAPTER;
use crate::unit::Handle;

const ENTITY: &str = "account_token";

/// A row of `account_token`, in plain types.
struct TokenRecord {
    digest: Vec<u8>,
    user_id: Uuid,
    purpose: String,
    expires_at: StoredInstant,
}

impl TryFrom<TokenRecord> for AccountToken {
    type Error = BackendError;

    fn try_from(row: TokenRecord) -> Result<Self, BackendError> {
        let digest = row.digest.try_into();
        Ok(Self {
            digest: digest.map_err(|_| BackendError::corrupt(ADAPTER, "account_token.digest"))?,
            user: UserId::from_uuid(row.user_id),
            purpose: code(&row.purpose, TokenPurpose::by_code, "account_token.purpose")?,
            expires_at: row.expires_at.to_jiff(),
        })
    }
}

#[async_trait]
impl AccountTokenRepository for Handle<'_> {
    async fn insert(&mut self, token: &AccountToken) -> Result<(), StoreError> {
        let link = self.0.writing().await?;
        let done = sqlx::query!(
            r#"
                INSERT INTO account_token (digest, user_id, purpose, expires_at) VALUES ($1, $2, $3, $4)
                ON CONFLICT (user_id, purpose) DO UPDATE SET digest = excluded.digest, expires_at = excluded.expires_at
            "#,
            token.digest.as_slice(),
            token.user.as_uuid(),
            token.purpose.code(),
            stored(token.expires_at) as _,
        )
        .execute(link)
        .await;
        self.0.settle(ENTITY, done)?;
        Ok(())
    }

    async fn find(&mut self, digest: &[u8; 32], now: Timestamp) -> Result<Option<AccountToken>, StoreError> {
        let link = self.0.reading().await?;
        let found = sqlx::query_as!(
            TokenRecord,
            "SELECT digest, user_id, purpose, expires_at FROM account_token WHERE digest = $1 AND expires_at > $2",
            digest.as_slice(),
            stored(now) as _,
        )
        .fetch_optional(link)
        .await;
        let found = self.0.settle(ENTITY, found)?;
        self.0.decoded(found.map(AccountToken::try_from).transpose())
    }

    async fn take(&mut self, digest: &[u8; 32], now: Timestamp) -> Result<Option<AccountToken>, StoreError> {
        let link = self.0.batch().await?;
        let ended = sqlx::query_as!(
            TokenRecord,
            r#"
                DELETE FROM account_token
                WHERE user_id = (SELECT t.user_id FROM account_token AS t WHERE t.digest = $1 AND t.expires_at > $2)
                RETURNING digest, user_id, purpose, expires_at
            "#,
            digest.as_slice(),
            stored(now) as _,
        )
        .fetch_all(link)
        .await;
        let ended = self.0.settle(ENTITY, ended)?;
        let taken = ended.into_iter().find(|token| token.digest == digest);
        self.0.decoded(taken.map(AccountToken::try_from).transpose())
    }
}
