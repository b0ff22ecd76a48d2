//! A small mail server inside a test.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::background::Background;
use crate::ports::free_port;

/// A mail that was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The sender of the envelope.
    pub from: String,
    /// The recipients of the envelope.
    pub to: Vec<String>,
    /// The message as it was sent, without the dots that the protocol adds.
    pub raw: String,
    /// The user that had logged in on the connection.
    pub user: Option<String>,
}

/// What the server does with one mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SmtpReaction {
    /// Takes it.
    Accept,
    /// Answers its sender with this code, such as 451 (later, perhaps) or 550 (never).
    RefuseSender(u16),
    /// Takes the message and answers with this code instead of keeping it.
    RefuseMessage(u16),
    /// Waits this long before it answers to the message, then takes it.
    Stall(Duration),
    /// Closes the connection after this many bytes of the message.
    DropInData(usize),
    /// Keeps the message and closes the connection without a word: delivered, but its sender cannot know.
    DropAfterData,
}

/// How a server is set up.
#[derive(Clone, Debug, Default)]
pub struct SmtpOptions {
    /// The user and the password without which it takes nothing.
    pub login: Option<(String, String)>,
}

#[derive(Default)]
struct State {
    mails: Vec<Mail>,
    reactions: VecDeque<SmtpReaction>,
    usual: Option<SmtpReaction>,
    refused: Vec<(String, u16)>,
    connections: usize,
    attempts: usize,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    grown: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A mail server that keeps what it is given, and misbehaves on demand. It speaks SMTP with `AUTH PLAIN` and
/// `AUTH LOGIN`, without encryption.
///
/// It works on a thread of its own, so a test may wait for a process that sends mails to it.
pub struct SmtpServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    _background: Background,
}

impl SmtpServer {
    /// Starts a server that takes everything from everybody.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(SmtpOptions::default())
    }

    /// Starts a server.
    ///
    /// # Panics
    ///
    /// When the machine has no free port.
    #[must_use]
    pub fn start_with(options: SmtpOptions) -> Self {
        Self::start_on(free_port(), options)
    }

    /// Starts a server on a port that a client knows already, as one that comes back.
    ///
    /// # Panics
    ///
    /// When the port is taken.
    #[must_use]
    pub fn start_on(port: u16, options: SmtpOptions) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .unwrap_or_else(|error| panic!("port {port}: {error}"));
        listener.set_nonblocking(true).expect("a socket can be set up");
        let address = listener.local_addr().expect("a bound address");
        let shared = Arc::new(Shared::default());
        let keeper = Arc::clone(&shared);
        let background = Background::start(move || async move {
            let listener = TcpListener::from_std(listener).expect("within a runtime");
            let options = Arc::new(options);
            loop {
                let Ok((connection, _)) = listener.accept().await else {
                    continue;
                };
                keeper.state().connections += 1;
                let (shared, options) = (Arc::clone(&keeper), Arc::clone(&options));
                tokio::spawn(async move {
                    // A client that breaks off is the client's affair.
                    let _broken = serve(connection, &shared, &options).await;
                });
            }
        });
        Self {
            address,
            shared,
            _background: background,
        }
    }

    /// Where it listens, as `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The port on which it listens.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// Its URL, without a login.
    #[must_use]
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// What to do with the next mails, one after the other, before the usual.
    pub fn next(&self, reactions: impl IntoIterator<Item = SmtpReaction>) {
        self.shared.state().reactions.extend(reactions);
    }

    /// What to do with every mail for which nothing else was said.
    pub fn usually(&self, reaction: SmtpReaction) {
        self.shared.state().usual = Some(reaction);
    }

    /// Answers a recipient with this code from now on.
    pub fn refuse_recipient(&self, recipient: &str, code: u16) {
        self.shared.state().refused.push((recipient.into(), code));
    }

    /// The mails that were delivered.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        self.shared.state().mails.clone()
    }

    /// Waits until at least this many mails are delivered. Gives those that are there after the patience.
    #[must_use]
    pub fn wait_for(&self, count: usize, patience: Duration) -> Vec<Mail> {
        let end = Instant::now() + patience;
        let mut state = self.shared.state();
        while state.mails.len() < count {
            let Some(left) = end.checked_duration_since(Instant::now()) else {
                break;
            };
            state = self
                .shared
                .grown
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        state.mails.clone()
    }

    /// How many connections there were.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.state().connections
    }

    /// How many mails somebody began to send.
    #[must_use]
    pub fn attempts(&self) -> usize {
        self.shared.state().attempts
    }
}

type Connection = BufReader<TcpStream>;

async fn say(connection: &mut Connection, line: &str) -> std::io::Result<()> {
    connection
        .get_mut()
        .write_all(format!("{line}\r\n").as_bytes())
        .await
}

async fn hear(connection: &mut Connection) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    let read = connection.take(64 * 1024).read_until(b'\n', &mut line).await?;
    let text = String::from_utf8_lossy(&line)
        .trim_end_matches(['\r', '\n'])
        .to_owned();
    Ok((read > 0).then_some(text))
}

/// The address between the angle brackets of `MAIL FROM:<…>` and `RCPT TO:<…>`.
fn address_in(line: &str) -> Option<String> {
    let (_, rest) = line.split_once('<')?;
    let (address, _) = rest.split_once('>')?;
    Some(address.to_owned())
}

#[derive(Default)]
struct Envelope {
    from: Option<String>,
    to: Vec<String>,
}

async fn serve(connection: TcpStream, shared: &Shared, options: &SmtpOptions) -> std::io::Result<()> {
    let mut connection = BufReader::new(connection);
    let mut user = None;
    let mut envelope = Envelope::default();
    let mut reaction = SmtpReaction::Accept;
    say(&mut connection, "220 mail.example ESMTP").await?;
    while let Some(line) = hear(&mut connection).await? {
        let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => {
                say(&mut connection, "250-mail.example").await?;
                say(&mut connection, "250-8BITMIME").await?;
                say(&mut connection, "250-SMTPUTF8").await?;
                if options.login.is_some() {
                    say(&mut connection, "250-AUTH PLAIN LOGIN").await?;
                }
                say(&mut connection, "250 SIZE 20000000").await?;
            }
            "HELO" => say(&mut connection, "250 mail.example").await?,
            "AUTH" => user = authenticate(&mut connection, rest, options).await?,
            "MAIL" if options.login.is_some() && user.is_none() => {
                say(&mut connection, "530 log in first").await?;
            }
            "MAIL" => {
                reaction = {
                    let mut state = shared.state();
                    state.attempts += 1;
                    let usual = state.usual.clone();
                    state
                        .reactions
                        .pop_front()
                        .or(usual)
                        .unwrap_or(SmtpReaction::Accept)
                };
                if let SmtpReaction::RefuseSender(code) = reaction {
                    say(&mut connection, &format!("{code} not this one")).await?;
                    continue;
                }
                envelope = Envelope {
                    from: address_in(rest),
                    to: Vec::new(),
                };
                let known = envelope.from.is_some();
                say(&mut connection, if known { "250 yes" } else { "501 no address" }).await?;
            }
            "RCPT" => {
                let recipient = address_in(rest);
                let refused = {
                    let state = shared.state();
                    let mut codes = state.refused.iter();
                    codes
                        .find(|(who, _)| Some(who) == recipient.as_ref())
                        .map(|(_, code)| *code)
                };
                match (recipient, refused) {
                    (_, _) if envelope.from.is_none() => say(&mut connection, "503 who sends it?").await?,
                    (_, Some(code)) => say(&mut connection, &format!("{code} not to this one")).await?,
                    (Some(recipient), None) => {
                        envelope.to.push(recipient);
                        say(&mut connection, "250 yes").await?;
                    }
                    (None, None) => say(&mut connection, "501 no address").await?,
                }
            }
            "DATA" if envelope.to.is_empty() => say(&mut connection, "503 to whom?").await?,
            "DATA" => {
                say(&mut connection, "354 go on").await?;
                let limit = match reaction {
                    SmtpReaction::DropInData(bytes) => Some(bytes),
                    _ => None,
                };
                let Some(raw) = message(&mut connection, limit).await? else {
                    return Ok(());
                };
                let sent = std::mem::take(&mut envelope);
                let mail = Mail {
                    from: sent.from.unwrap_or_default(),
                    to: sent.to,
                    raw,
                    user: user.clone(),
                };
                let keep = || {
                    shared.state().mails.push(mail);
                    shared.grown.notify_all();
                };
                match reaction {
                    SmtpReaction::RefuseMessage(code) => {
                        say(&mut connection, &format!("{code} not this message")).await?;
                    }
                    SmtpReaction::DropAfterData => {
                        keep();
                        return Ok(());
                    }
                    SmtpReaction::Stall(time) => {
                        tokio::time::sleep(time).await;
                        keep();
                        say(&mut connection, "250 at last").await?;
                    }
                    _ => {
                        keep();
                        say(&mut connection, "250 kept").await?;
                    }
                }
                reaction = SmtpReaction::Accept;
            }
            "RSET" => {
                envelope = Envelope::default();
                say(&mut connection, "250 forgotten").await?;
            }
            "NOOP" => say(&mut connection, "250 still here").await?,
            "QUIT" => {
                say(&mut connection, "221 bye").await?;
                return Ok(());
            }
            _ => say(&mut connection, "502 not known here").await?,
        }
    }
    Ok(())
}

/// Reads a message up to the lone dot. `None`: the connection is to be closed, or was.
async fn message(connection: &mut Connection, limit: Option<usize>) -> std::io::Result<Option<String>> {
    let mut raw = String::new();
    loop {
        if limit.is_some_and(|limit| raw.len() >= limit) {
            return Ok(None);
        }
        let Some(line) = hear(connection).await? else {
            return Ok(None);
        };
        if line == "." {
            return Ok(Some(raw));
        }
        raw.push_str(line.strip_prefix('.').unwrap_or(&line));
        raw.push_str("\r\n");
    }
}

async fn authenticate(
    connection: &mut Connection,
    words: &str,
    options: &SmtpOptions,
) -> std::io::Result<Option<String>> {
    let (method, first) = words.split_once(' ').unwrap_or((words, ""));
    let given = match method.to_ascii_uppercase().as_str() {
        "PLAIN" => {
            let answer = if first.is_empty() {
                ask(connection, "").await?
            } else {
                first.to_owned()
            };
            let text = from_base64(&answer).unwrap_or_default();
            let mut parts = text.split('\0').skip(1).map(str::to_owned);
            parts.next().zip(parts.next())
        }
        "LOGIN" => {
            let user = if first.is_empty() {
                ask(connection, "VXNlcm5hbWU6").await?
            } else {
                first.to_owned()
            };
            let password = ask(connection, "UGFzc3dvcmQ6").await?;
            from_base64(&user).zip(from_base64(&password))
        }
        _ => None,
    };
    if given.is_some() && given == options.login {
        say(connection, "235 welcome").await?;
        Ok(given.map(|(user, _)| user))
    } else {
        say(connection, "535 no").await?;
        Ok(None)
    }
}

async fn ask(connection: &mut Connection, question: &str) -> std::io::Result<String> {
    say(connection, &format!("334 {question}")).await?;
    Ok(hear(connection).await?.unwrap_or_default())
}

fn from_base64(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let (mut bits, mut held) = (0_u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
            bits &= (1 << held) - 1;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::from_base64;

    #[test]
    fn base64_is_read() {
        assert_eq!(from_base64("VXNlcm5hbWU6").as_deref(), Some("Username:"));
        assert_eq!(from_base64("AHUAcMOp").as_deref(), Some("\0u\0pé"));
        assert_eq!(from_base64("YQ==").as_deref(), Some("a"));
        assert_eq!(from_base64("a b"), None);
    }
}
