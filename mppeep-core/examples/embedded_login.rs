//! A lending library with nothing of a ministry in it, which takes from mppeep how people log in: sessions, counted
//! attempts, request limits and a cached catalogue, all in memory.
//!
//! ```sh
//! cargo run -p mppeep-core --example embedded_login
//! ```
//!
//! It tells what happens and checks it. A program that strangers reach would keep sessions and attempts in a store
//! (`mppeep-store-sqlite`); nothing else here would change.

use std::collections::HashMap;
use std::error::Error;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mppeep_cache_memory::{
    MemoryCache, MemoryCacheSettings, MemoryEpochs, MemoryLoginAttempts, MemoryRateLimiter, MemorySessions,
    MemoryUsers,
};
use mppeep_core::domain::email::Email;
use mppeep_core::domain::id::{SessionHandle, UserId};
use mppeep_core::domain::session::{LIFETIME, SessionToken};
use mppeep_core::domain::user::{Role, User, UserFields, UserStatus};
use mppeep_core::layered::cached::Cached;
use mppeep_core::layered::epoch_board::EpochBoard;
use mppeep_core::ports::cache::Ttl;
use mppeep_core::ports::clock::{Clock, ManualClock, SystemEntropy, TimeSource};
use mppeep_core::ports::epochs::Namespace;
use mppeep_core::ports::login_attempts::{Attempt, AttemptLimits, Begun, LoginAttempts};
use mppeep_core::ports::password::{PasswordHasher, Verified};
use mppeep_core::ports::rate_limiter::{Gcra, RateLimiter};
use mppeep_core::ports::session::{Created, NewSession, Revoke, Session, SessionStore};
use mppeep_password::Argon2Hasher;

/// What this program caches; a namespace of its own.
const CATALOGUE: Namespace = Namespace("catalogue");

/// Three requests at once, then one a second.
const REQUESTS: Gcra = Gcra {
    name: "requests",
    count: 1,
    period: Duration::from_secs(1),
    burst: 3,
};

struct Library {
    clock: Arc<ManualClock>,
    users: Arc<MemoryUsers>,
    hashes: Mutex<HashMap<UserId, String>>,
    hasher: Arc<dyn PasswordHasher>,
    sessions: Arc<dyn SessionStore>,
    attempts: Arc<dyn LoginAttempts>,
    limiter: Arc<dyn RateLimiter>,
    epochs: Arc<MemoryEpochs>,
    board: Arc<EpochBoard>,
    cached: Cached,
    shelf: Mutex<Vec<String>>,
    shelf_reads: AtomicUsize,
}

/// What a login came to.
enum Login {
    In(SessionToken),
    Wrong { tries_left: u32 },
    Blocked { minutes: u64 },
}

impl Library {
    /// A library whose time is turned by hand, so that the story does not take a week.
    fn open(clock: Arc<ManualClock>) -> Self {
        let time = || TimeSource::Clock(clock.clone());
        let users = Arc::new(MemoryUsers::new());
        let epochs = Arc::new(MemoryEpochs::new());
        let board = Arc::new(EpochBoard::new(epochs.clone()));
        let cache = Arc::new(MemoryCache::new(time(), MemoryCacheSettings::default()));
        Self {
            hashes: Mutex::default(),
            hasher: Arc::new(Argon2Hasher::default()),
            sessions: Arc::new(MemorySessions::new(users.clone(), time())),
            attempts: Arc::new(MemoryLoginAttempts::new(time())),
            limiter: Arc::new(MemoryRateLimiter::new(time())),
            cached: Cached::new(cache, board.clone()),
            board,
            epochs,
            users,
            clock,
            shelf: Mutex::new(vec!["Les Soleils des indépendances".to_owned()]),
            shelf_reads: AtomicUsize::new(0),
        }
    }

    async fn register(&self, email: &str, password: &str) -> Result<User, Box<dyn Error>> {
        let now = self.clock.now();
        let user = User {
            id: UserId::new(self.clock.as_ref(), &SystemEntropy),
            fields: UserFields {
                email: Email::parse(email).map_err(|rule| format!("{email}: {rule:?}"))?,
                display_name: email.to_owned(),
                roles: [Role::Agent].into(),
                status: UserStatus::Active,
                personnel: None,
                perimeter: None,
            },
            must_change_password: false,
            charter_version: 0,
            session_epoch: 1,
            last_login_at: None,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let hash = self.hasher.hash(password).await?;
        self.hashes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(user.id, hash);
        Ok(self.users.put(user))
    }

    /// Takes a slot, verifies, settles. An unknown account costs the same time and gets the same answer.
    async fn log_in(&self, address: &str, email: &str, password: &str) -> Result<Login, Box<dyn Error>> {
        let who = Attempt {
            address: address.to_owned(),
            account: email.to_lowercase(),
        };
        let limits = AttemptLimits::default();
        let (id, remaining) = match self.attempts.begin(&who, &limits).await? {
            Begun::Go { id, remaining } => (id, remaining),
            Begun::Wait => return Err("this story has one client: nobody holds the slots".into()),
            Begun::Blocked { retry_after } => {
                return Ok(Login::Blocked {
                    minutes: retry_after.as_secs().div_ceil(60),
                });
            }
        };
        let user = Email::parse(email)
            .ok()
            .and_then(|email| self.users.find_by_email(&email));
        let hash = user.as_ref().and_then(|user| {
            self.hashes
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&user.id)
                .cloned()
        });
        let verified = self.hasher.verify(password, hash.as_deref()).await?;
        let Some(user) = user.filter(|_| verified != Verified::Wrong) else {
            self.attempts.settle(id, &who, &limits, false).await?;
            return Ok(Login::Wrong {
                tries_left: remaining,
            });
        };
        let token = SessionToken::generate(user.id, &SystemEntropy);
        let new = NewSession {
            key: token.key(),
            handle: SessionHandle::new(self.clock.as_ref(), &SystemEntropy),
            user: user.id,
            user_epoch: user.session_epoch,
            device: "the reading room's terminal".to_owned(),
            address: address.to_owned(),
            country: None,
            lifetime: LIFETIME,
        };
        let created = self.sessions.create(new).await?;
        self.attempts.settle(id, &who, &limits, true).await?;
        match created {
            Created::Done => Ok(Login::In(token)),
            Created::StaleEpoch => Ok(Login::Wrong {
                tries_left: remaining,
            }),
        }
    }

    /// Who asks, from the text of a cookie.
    async fn whoami(&self, cookie: &str) -> Result<Option<Session>, Box<dyn Error>> {
        let Some(token) = SessionToken::parse(cookie) else {
            return Ok(None);
        };
        Ok(self.sessions.load(&token.key(), None).await?)
    }

    /// The catalogue: from the cache, or from the shelf, which is slow.
    async fn catalogue(&self) -> Result<Vec<String>, Box<dyn Error>> {
        let ttl = Ttl {
            soft: Duration::from_secs(60),
            hard: Duration::from_secs(3_600),
        };
        let read_shelf = || async {
            self.shelf_reads.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(self.shelf.lock().unwrap_or_else(PoisonError::into_inner).clone())
        };
        self.cached.load(&[CATALOGUE], 1, "all", ttl, read_shelf).await
    }

    /// Writes first, then bumps: whoever asks from now on reads the shelf anew.
    fn add_book(&self, title: &str) {
        self.shelf
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(title.to_owned());
        self.board.observe(&self.epochs.bump(&[CATALOGUE]));
    }
}

fn tell(text: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout().lock(), "{text}")
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    story().await
}

async fn story() -> Result<(), Box<dyn Error>> {
    let clock = Arc::new(ManualClock::new("2026-11-22T09:00:00Z".parse()?));
    let library = Library::open(clock.clone());
    let awa = library
        .register("awa@bibliotheque.example", "une phrase de passe")
        .await?;
    logins(&library, &awa).await?;
    guesses(&library, &clock).await?;
    limits(&library, &clock).await?;
    readers(&library).await
}

async fn logins(library: &Library, awa: &User) -> Result<(), Box<dyn Error>> {
    let Login::In(token) = library
        .log_in("192.0.2.1", "Awa@bibliotheque.example", "une phrase de passe")
        .await?
    else {
        return Err("the right password opens a session".into());
    };
    let session = library.whoami(token.expose()).await?;
    assert_eq!(session.map(|session| session.user), Some(awa.id));
    assert!(library.whoami("sess_00_not-a-token").await?.is_none());
    tell("Awa logs in; her cookie opens her session, and no other text does.")?;

    let mut librarian = awa.clone();
    librarian.fields.roles = [Role::Agent, Role::Cs].into();
    let librarian = library.users.put(librarian);
    assert!(library.whoami(token.expose()).await?.is_none());
    tell("She becomes a librarian: the session with her old rights is over.")?;

    let Login::In(token) = library
        .log_in("192.0.2.1", "awa@bibliotheque.example", "une phrase de passe")
        .await?
    else {
        return Err("she logs in again".into());
    };
    let roles = library.whoami(token.expose()).await?.map(|session| session.roles);
    assert_eq!(roles, Some(librarian.fields.roles));
    assert_eq!(library.sessions.revoke(Revoke::Key(&token.key())).await?, 1);
    assert!(library.whoami(token.expose()).await?.is_none());
    tell("She logs in again with her new rights, and logs out.")?;
    Ok(())
}

async fn guesses(library: &Library, clock: &ManualClock) -> Result<(), Box<dyn Error>> {
    for (guess, account) in (1..=5).zip(["awa", "awa", "nobody", "awa", "awa"]) {
        let email = format!("{account}@bibliotheque.example");
        let Login::Wrong { tries_left } = library.log_in("203.0.113.7", &email, "1234").await? else {
            return Err("a wrong password opens nothing".into());
        };
        assert_eq!(tries_left, 5 - guess);
    }
    let right = library
        .log_in("203.0.113.7", "awa@bibliotheque.example", "une phrase de passe")
        .await?;
    let Login::Blocked { minutes } = right else {
        return Err("five failures block an address".into());
    };
    assert_eq!(minutes, 15);
    tell(&format!(
        "Five wrong guesses from one address: it is blocked for {minutes} minutes, even with the password."
    ))?;
    let elsewhere = library
        .log_in("192.0.2.1", "awa@bibliotheque.example", "une phrase de passe")
        .await?;
    assert!(matches!(elsewhere, Login::In(_)));
    clock.advance(Duration::from_secs(15 * 60));
    let later = library
        .log_in("203.0.113.7", "awa@bibliotheque.example", "une phrase de passe")
        .await?;
    assert!(matches!(later, Login::In(_)));
    tell("Awa gets in from her own address meanwhile, and a quarter of an hour later from that one.")?;
    Ok(())
}

async fn limits(library: &Library, clock: &ManualClock) -> Result<(), Box<dyn Error>> {
    for left in (0..REQUESTS.burst).rev() {
        let decision = library.limiter.take(&REQUESTS, "192.0.2.1").await?;
        assert!(decision.allowed && decision.remaining == left);
    }
    let refused = library.limiter.take(&REQUESTS, "192.0.2.1").await?;
    assert!(!refused.allowed);
    clock.advance(refused.retry_after);
    assert!(library.limiter.take(&REQUESTS, "192.0.2.1").await?.allowed);
    tell(&format!(
        "A fourth request at once is refused, and passes after {:?}.",
        refused.retry_after
    ))?;
    Ok(())
}

async fn readers(library: &Library) -> Result<(), Box<dyn Error>> {
    let (one, two, three) = tokio::join!(library.catalogue(), library.catalogue(), library.catalogue());
    assert!(one? == two? && three?.len() == 1);
    assert_eq!(library.shelf_reads.load(Ordering::SeqCst), 1);
    tell("Three readers open the catalogue at once: the shelf is read once.")?;

    library.add_book("Une si longue lettre");
    assert_eq!(library.catalogue().await?.len(), 2);
    assert_eq!(library.catalogue().await?.len(), 2);
    assert_eq!(library.shelf_reads.load(Ordering::SeqCst), 2);
    tell("A book arrives: the next reader sees it, and the one after him needs no shelf.")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn the_story_holds() {
        super::story().await.unwrap();
    }
}
