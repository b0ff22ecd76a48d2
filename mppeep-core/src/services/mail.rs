//! Mail: written into the outbox by the unit that causes it, sent by the worker.

use std::sync::Arc;

use async_trait::async_trait;

use super::context::Context;
use crate::domain::id::JobId;
use crate::domain::mail::{Mail, MailKind};
use crate::domain::user::User;
use crate::layered::worker::{JobHandler, MAX_ATTEMPTS, pause_after};
use crate::ports::error::StoreError;
use crate::ports::job_queue::{LeasedJob, Outcome, Queue};
use crate::ports::letters::Letter;
use crate::ports::mailer::{MailError, Mailer};
use crate::ports::outbox::NewJob;
use crate::ports::store::UnitOfWork;

impl Context {
    /// Puts a mail to a user into the outbox of a unit. Does nothing when this program writes no mail.
    pub(crate) async fn post(
        &self,
        unit: &mut Box<dyn UnitOfWork>,
        to: &User,
        letter: Letter<'_>,
    ) -> Result<(), StoreError> {
        let Some(letters) = self.letters() else {
            return Ok(());
        };
        let ministry = unit.settings().load().await?.ministry;
        let words = letters.write(letter, &to.fields.display_name, &ministry);
        let mail = Mail {
            kind: kind_of(letter),
            to: to.fields.email.to_string(),
            subject: words.subject,
            text: words.text,
            html: words.html,
        };
        let job = NewJob {
            id: JobId::new(self.clock(), self.entropy()),
            queue: Queue::Mail,
            payload: serde_json::to_string(&mail).unwrap_or_default(),
            priority: 0,
            run_at: None,
            max_attempts: MAX_ATTEMPTS,
            unique_key: None,
        };
        unit.jobs().enqueue(&job).await?;
        Ok(())
    }
}

const fn kind_of(letter: Letter<'_>) -> MailKind {
    match letter {
        Letter::PasswordReset { .. } => MailKind::PasswordReset,
        Letter::Invitation { .. } => MailKind::Invitation,
        Letter::PasswordChanged { .. } => MailKind::Security,
        Letter::Test => MailKind::Test,
    }
}

/// Sends the mails of the outbox.
pub struct MailJobs {
    context: Arc<Context>,
    mailer: Arc<dyn Mailer>,
}

impl MailJobs {
    /// A handler that sends through `mailer`. A worker without it leaves the mails where they are.
    pub fn new(context: Arc<Context>, mailer: Arc<dyn Mailer>) -> Self {
        Self { context, mailer }
    }
}

/// What is shown to administrators: mailers name no address in their errors.
fn reason(error: &MailError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[async_trait]
impl JobHandler for MailJobs {
    fn queue(&self) -> Queue {
        Queue::Mail
    }

    async fn run(&self, job: &LeasedJob) -> Outcome {
        let Ok(mail) = serde_json::from_str::<Mail>(&job.payload) else {
            return Outcome::Dead {
                error: "the job cannot be read".to_owned(),
            };
        };
        match self.mailer.send(job.lease.job, &mail).await {
            Ok(()) => Outcome::Done,
            Err(error @ MailError::Permanent { .. }) => Outcome::Dead {
                error: reason(&error),
            },
            Err(error) => Outcome::Retry {
                after: pause_after(job.attempt, self.context.entropy()),
                error: reason(&error),
            },
        }
    }

    async fn died(&self, job: &LeasedJob, _error: &str) {
        super::notices::tell_of_dead_job(&self.context, job).await;
    }
}
