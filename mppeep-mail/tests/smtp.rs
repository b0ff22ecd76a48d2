//! Mails through a real conversation with a mail server, and everything it may do to them.
#![expect(clippy::expect_used, reason = "a test says what it found by panicking")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use base64::Engine as _;
use mppeep_core::domain::id::JobId;
use mppeep_core::domain::mail::{Mail, MailKind};
use mppeep_core::ports::mailer::{MailError, Mailer as _};
use mppeep_mail::{SmtpMailer, SmtpOptions};
use mppeep_testbed::{SmtpOptions as ServerOptions, SmtpReaction, SmtpServer, free_port};

const FROM: &str = "Direction des ressources humaines <rh@mppeep.example>";
const TO: &str = "aicha.kone@mppeep.example";
const SUBJECT: &str =
    "Réinitialisation du mot de passe de Aïcha Koné, agent de la direction générale du budget";
const TEXT: &str = "Bonjour Aïcha,\n\n.Une ligne qui commence par un point.\n« Choisissez » un mot de passe : \
                    https://mppeep.example/mot-de-passe?jeton=abc=def\n\nÀ bientôt — l’équipe\n";
const HTML: &str = "<p>Bonjour Aïcha,</p>\n<p>« Choisissez » un mot de passe.</p>\n";

fn mail() -> Mail {
    Mail {
        kind: MailKind::PasswordReset,
        to: TO.to_owned(),
        subject: SUBJECT.to_owned(),
        text: TEXT.to_owned(),
        html: HTML.to_owned(),
    }
}

fn job(number: u128) -> JobId {
    JobId::from_uuid(uuid::Uuid::from_u128(number))
}

/// More than any of it takes on a machine with much to do.
const PATIENT: Duration = Duration::from_secs(60);

/// A mailer that gives a mail up after so long.
fn mailer_with(url: &str, whole: Duration) -> SmtpMailer {
    let options = SmtpOptions {
        connect: PATIENT,
        command: PATIENT,
        whole,
        idle: PATIENT,
        ..SmtpOptions::default()
    };
    SmtpMailer::new(url, FROM, options).expect("a mailer")
}

fn mailer(url: &str) -> SmtpMailer {
    mailer_with(url, PATIENT)
}

/// A part of a message, decoded: its headers, unfolded, and its body.
struct Part {
    headers: BTreeMap<String, String>,
    body: String,
}

impl Part {
    fn read(raw: &str) -> Self {
        let (head, body) = raw.split_once("\r\n\r\n").expect("a head and a body");
        let mut headers = BTreeMap::new();
        for line in head.replace("\r\n ", " ").replace("\r\n\t", " ").split("\r\n") {
            let (name, value) = line.split_once(':').expect("a header");
            let twice = headers.insert(name.to_ascii_lowercase(), decoded_words(value.trim()));
            assert!(twice.is_none(), "{name} stands there twice");
        }
        let body = match headers.get("content-transfer-encoding").map(String::as_str) {
            Some("base64") => text(&from_base64(&body.replace("\r\n", ""))),
            Some("quoted-printable") => text(&from_quoted_printable(body, false)),
            _ => body.to_owned(),
        };
        Self { headers, body }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn parts(&self) -> Vec<Self> {
        let (_, boundary) = self
            .header("content-type")
            .split_once("boundary=")
            .expect("a boundary");
        let boundary = format!("--{}", boundary.trim_matches('"'));
        let mut pieces = self.body.split(boundary.as_str()).skip(1);
        let mut parts = Vec::new();
        for piece in pieces.by_ref() {
            if piece.starts_with("--") {
                return parts;
            }
            let piece = piece.trim_start_matches("\r\n");
            parts.push(Self::read(piece.strip_suffix("\r\n").unwrap_or(piece)));
        }
        panic!("the last boundary is missing");
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn from_base64(text: &str) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .expect("base64")
}

fn from_quoted_printable(text: &str, underscores: bool) -> Vec<u8> {
    let text = text.replace("=\r\n", "");
    let (mut bytes, mut letters) = (Vec::new(), text.bytes());
    while let Some(letter) = letters.next() {
        match letter {
            b'=' => {
                let digits = [letters.next().expect("a digit"), letters.next().expect("a digit")];
                bytes.push(
                    u8::from_str_radix(std::str::from_utf8(&digits).expect("ASCII"), 16)
                        .expect("hexadecimal"),
                );
            }
            b'_' if underscores => bytes.push(b' '),
            letter => bytes.push(letter),
        }
    }
    bytes
}

/// A header in which words of another alphabet are encoded; blanks between two such words do not count.
fn decoded_words(value: &str) -> String {
    let mut decoded = String::new();
    let mut rest = value;
    let mut after_word = false;
    while let Some((before, word)) = rest.split_once("=?") {
        if !(after_word && before.trim().is_empty()) {
            decoded.push_str(before);
        }
        let (charset, word) = word.split_once('?').expect("a charset");
        assert!(charset.eq_ignore_ascii_case("utf-8"), "{charset}");
        let (encoding, word) = word.split_once('?').expect("an encoding");
        let (word, after) = word.split_once("?=").expect("an end");
        decoded.push_str(&text(&match encoding.to_ascii_lowercase().as_str() {
            "b" => from_base64(word),
            _ => from_quoted_printable(word, true),
        }));
        rest = after;
        after_word = true;
    }
    decoded.push_str(rest);
    decoded
}

fn lines(text: &str) -> String {
    text.replace("\r\n", "\n")
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_written() {
    let server = SmtpServer::start();
    let mailer = mailer(&server.url());
    mailer.send(job(7), &mail()).await.expect("sent");
    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].from, "rh@mppeep.example");
    assert_eq!(mails[0].to, [TO]);
    assert!(
        mails[0].raw.is_ascii(),
        "nothing depends on how the server reads bytes"
    );
    assert!(mails[0].raw.split("\r\n").all(|line| line.len() < 998));

    let message = Part::read(&mails[0].raw);
    assert_eq!(message.header("subject"), SUBJECT);
    assert_eq!(message.header("to"), TO);
    assert!(message.header("from").contains("ressources humaines"));
    assert!(message.header("from").contains("<rh@mppeep.example>"));
    assert_eq!(
        message.header("message-id"),
        "<00000000-0000-0000-0000-000000000007@mppeep.example>"
    );
    assert_eq!(message.header("auto-submitted"), "auto-generated");
    assert_eq!(message.header("mime-version"), "1.0");
    assert!(!message.header("date").is_empty());
    assert!(
        message
            .header("content-type")
            .starts_with("multipart/alternative")
    );
    let parts = message.parts();
    assert_eq!(parts.len(), 2);
    assert!(
        parts[0]
            .header("content-type")
            .starts_with("text/plain; charset=utf-8")
    );
    assert!(
        parts[1]
            .header("content-type")
            .starts_with("text/html; charset=utf-8")
    );
    assert_eq!(lines(&parts[0].body).trim_end(), TEXT.trim_end());
    assert_eq!(lines(&parts[1].body).trim_end(), HTML.trim_end());
}

#[tokio::test]
async fn a_mail_that_is_sent_again_has_the_same_name_and_another_has_another() {
    let server = SmtpServer::start();
    let mailer = mailer(&server.url());
    for number in [1, 1, 2] {
        mailer.send(job(number), &mail()).await.expect("sent");
    }
    let names: Vec<String> = server
        .mails()
        .iter()
        .map(|mail| Part::read(&mail.raw).header("message-id").to_owned())
        .collect();
    assert_eq!(names[0], names[1]);
    assert_ne!(names[0], names[2]);
    assert_eq!(
        server.connections(),
        1,
        "a connection carries one mail after the other"
    );
}

#[tokio::test]
async fn a_subject_cannot_add_headers() {
    let server = SmtpServer::start();
    let hostile = Mail {
        subject: "Bonjour\r\nBcc: tous@mppeep.example\r\n\r\nx".to_owned(),
        ..mail()
    };
    mailer(&server.url()).send(job(1), &hostile).await.expect("sent");
    let message = Part::read(&server.mails()[0].raw);
    assert_eq!(message.header("bcc"), "");
    assert!(message.header("subject").contains("Bcc: tous"));
    assert_eq!(server.mails()[0].to, [TO]);
}

#[tokio::test]
async fn refusals_are_final_or_not_by_their_code() {
    let server = SmtpServer::start();
    let mailer = mailer(&server.url());
    for (reaction, permanent) in [
        (SmtpReaction::RefuseSender(451), false),
        (SmtpReaction::RefuseSender(553), true),
        (SmtpReaction::RefuseMessage(452), false),
        (SmtpReaction::RefuseMessage(554), true),
    ] {
        server.next([reaction.clone()]);
        let error = mailer.send(job(1), &mail()).await.expect_err("refused");
        assert_eq!(
            matches!(error, MailError::Permanent { .. }),
            permanent,
            "{reaction:?}: {error:?}"
        );
    }
    server.refuse_recipient(TO, 550);
    let error = mailer.send(job(1), &mail()).await.expect_err("refused");
    assert!(matches!(error, MailError::Permanent { .. }), "{error:?}");
    let other = Mail {
        to: "moussa@mppeep.example".to_owned(),
        ..mail()
    };
    mailer.send(job(2), &other).await.expect("the others go");
    let mails = server.mails();
    assert_eq!(mails.len(), 1, "what was refused was not kept");
    assert_eq!(
        mails[0].to,
        ["moussa@mppeep.example"],
        "and leaves no recipient behind"
    );
}

#[tokio::test]
async fn nobody_is_quoted_in_failures() {
    let server = SmtpServer::start();
    server.refuse_recipient(TO, 550);
    let url = server.url().replace("smtp://", "smtp://user:hunter2@") + "?tls=none";
    let mailer = mailer(&url);
    let refused = mailer.send(job(1), &mail()).await.expect_err("refused");
    let unencrypted = self::mailer(&server.url());
    let refused_recipient = unencrypted.send(job(1), &mail()).await.expect_err("refused");
    let no_address = Mail {
        to: "aicha.kone".to_owned(),
        ..mail()
    };
    let invalid = unencrypted
        .send(job(1), &no_address)
        .await
        .expect_err("no address");
    assert!(matches!(invalid, MailError::Permanent { .. }));
    for error in [refused, refused_recipient, invalid] {
        let (MailError::Temporary { source } | MailError::Permanent { source }) = &error else {
            panic!("{error:?}");
        };
        let said = format!("{error} {error:?} {source} {mailer:?}");
        for word in ["aicha", "hunter2", "user:", "Réinitialisation", "jeton"] {
            assert!(!said.contains(word), "{word} in {said}");
        }
    }
}

#[tokio::test]
async fn a_stalled_server_is_given_up_in_time_and_no_answer_is_taken_for_the_next() {
    let server = SmtpServer::start();
    let mailer = mailer_with(&server.url(), Duration::from_secs(4));
    mailer.send(job(1), &mail()).await.expect("sent");
    server.next([SmtpReaction::Stall(PATIENT)]);
    let begun = Instant::now();
    let error = mailer.send(job(2), &mail()).await.expect_err("stalled");
    assert!(matches!(error, MailError::Temporary { .. }), "{error:?}");
    assert!(begun.elapsed() < PATIENT / 2, "{:?}", begun.elapsed());
    // Had the stalled connection been used again, this mail would wait behind the other one.
    server.next([SmtpReaction::RefuseSender(550)]);
    let error = mailer.send(job(3), &mail()).await.expect_err("refused");
    assert!(matches!(error, MailError::Permanent { .. }), "{error:?}");
}

#[tokio::test]
async fn a_caller_who_leaves_in_the_middle_disturbs_nobody() {
    let server = SmtpServer::start();
    let mailer = mailer(&server.url());
    mailer.send(job(1), &mail()).await.expect("sent");
    server.next([SmtpReaction::Stall(PATIENT * 2)]);
    let middle = async {
        while server.attempts() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let second = mail();
    tokio::select! {
        sent = mailer.send(job(2), &second) => panic!("it did not wait: {sent:?}"),
        () = middle => {}
    }
    server.next([SmtpReaction::RefuseMessage(554)]);
    let error = mailer.send(job(3), &mail()).await.expect_err("refused");
    assert!(matches!(error, MailError::Permanent { .. }), "{error:?}");
}

#[tokio::test]
async fn a_dropped_connection_is_temporary_and_the_next_mail_goes() {
    let server = SmtpServer::start();
    let mailer = mailer(&server.url());
    for reaction in [SmtpReaction::DropInData(40), SmtpReaction::DropAfterData] {
        server.next([reaction.clone()]);
        let error = mailer.send(job(1), &mail()).await.expect_err("dropped");
        assert!(
            matches!(error, MailError::Temporary { .. }),
            "{reaction:?}: {error:?}"
        );
        mailer.send(job(1), &mail()).await.expect("sent again");
    }
    assert_eq!(
        server.mails().len(),
        3,
        "the one that was kept without a word came twice"
    );
}

#[tokio::test]
async fn a_server_that_went_and_came_back_is_found_again() {
    let port = free_port();
    let server = SmtpServer::start_on(port, ServerOptions::default());
    let url = server.url();
    let mailer = mailer(&url);
    mailer.send(job(1), &mail()).await.expect("sent");
    drop(server);
    let error = mailer.send(job(2), &mail()).await.expect_err("nobody is there");
    assert!(matches!(error, MailError::Temporary { .. }), "{error:?}");
    assert!(mailer.check().await.is_err());
    let server = SmtpServer::start_on(port, ServerOptions::default());
    mailer.send(job(2), &mail()).await.expect("sent");
    mailer.check().await.expect("it answers");
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn logins_are_decoded_and_a_wrong_one_leaves_the_mail_waiting() {
    let login = ("rh@mppeep.example".to_owned(), "p:/@é".to_owned());
    let server = SmtpServer::start_with(ServerOptions { login: Some(login) });
    let url = |login: &str| server.url().replace("smtp://", &format!("smtp://{login}@")) + "?tls=none";
    let right = mailer(&url("rh%40mppeep.example:p%3A%2F%40%C3%A9"));
    right.check().await.expect("let in");
    right.send(job(1), &mail()).await.expect("sent");
    assert_eq!(server.mails()[0].user.as_deref(), Some("rh@mppeep.example"));
    for login in ["rh%40mppeep.example:wrong", "nobody:p"] {
        let wrong = mailer(&url(login));
        assert!(wrong.check().await.is_err());
        let error = wrong.send(job(2), &mail()).await.expect_err("not let in");
        assert!(matches!(error, MailError::Temporary { .. }), "{error:?}");
    }
    let nobody = mailer(&server.url());
    let error = nobody.send(job(3), &mail()).await.expect_err("not let in");
    assert!(matches!(error, MailError::Temporary { .. }), "{error:?}");
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn what_must_be_encrypted_is_not_sent_in_the_clear() {
    let login = ("user".to_owned(), "hunter2".to_owned());
    let server = SmtpServer::start_with(ServerOptions { login: Some(login) });
    let required = mailer(&(server.url().replace("smtp://", "smtp://user:hunter2@") + "?tls=required"));
    let error = required.send(job(1), &mail()).await.expect_err("no STARTTLS");
    assert!(matches!(error, MailError::Temporary { .. }), "{error:?}");
    let wrapped = mailer(&server.url().replace("smtp://", "smtps://user:hunter2@"));
    let error = wrapped.send(job(1), &mail()).await.expect_err("no TLS");
    assert!(matches!(error, MailError::Temporary { .. }), "{error:?}");
    assert_eq!(server.attempts(), 0);
    assert!(server.mails().is_empty());
}

#[tokio::test]
async fn many_go_at_once() {
    let server = SmtpServer::start();
    let mailer = std::sync::Arc::new(mailer(&server.url()));
    let tasks: Vec<_> = (0..40)
        .map(|number| {
            let mailer = std::sync::Arc::clone(&mailer);
            tokio::spawn(async move { mailer.send(job(number), &mail()).await })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic").expect("sent");
    }
    let mut names: Vec<String> = server
        .mails()
        .iter()
        .map(|mail| Part::read(&mail.raw).header("message-id").to_owned())
        .collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 40);
}
