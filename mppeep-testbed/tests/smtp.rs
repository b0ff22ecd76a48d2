//! The mail server keeps what it takes, and misbehaves as told.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use mppeep_testbed::{SmtpOptions, SmtpReaction, SmtpServer};

/// A client that says one line and hears one answer.
struct Client(BufReader<TcpStream>);

impl Client {
    fn of(server: &SmtpServer) -> Self {
        let connection = TcpStream::connect(server.address()).expect("it listens");
        let mut client = Self(BufReader::new(connection));
        assert!(client.hear().starts_with("220 "));
        client
    }

    /// The last line of an answer; nothing where the connection has ended.
    fn hear(&mut self) -> String {
        loop {
            let mut line = String::new();
            let _end = self.0.read_line(&mut line);
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end().to_owned();
            }
        }
    }

    fn say(&mut self, line: &str) -> String {
        self.0
            .get_mut()
            .write_all(format!("{line}\r\n").as_bytes())
            .expect("open");
        self.hear()
    }

    fn code(&mut self, line: &str) -> String {
        self.say(line).chars().take(3).collect()
    }

    /// Sends a mail; gives the codes up to the one for the message.
    fn send(&mut self, to: &str, text: &str) -> [String; 4] {
        [
            self.code("MAIL FROM:<rh@mppeep.example> BODY=8BITMIME"),
            self.code(&format!("RCPT TO:<{to}>")),
            self.code("DATA"),
            self.code(&format!("{text}\r\n.")),
        ]
    }
}

#[test]
fn mails_are_kept_as_they_were_sent() {
    let server = SmtpServer::start();
    let mut client = Client::of(&server);
    assert_eq!(client.code("EHLO test"), "250");
    let codes = client.send("awa@mppeep.example", "Subject: Été\r\n\r\nligne\r\n..point");
    assert_eq!(codes, ["250", "250", "354", "250"]);
    assert_eq!(
        client.send("koffi@mppeep.example", "Subject: deux\r\n\r\n")[3],
        "250"
    );
    assert_eq!(client.code("QUIT"), "221");
    let mails = server.wait_for(2, Duration::from_secs(10));
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0].from, "rh@mppeep.example");
    assert_eq!(mails[0].to, ["awa@mppeep.example"]);
    assert_eq!(mails[0].raw, "Subject: Été\r\n\r\nligne\r\n.point\r\n");
    assert_eq!(mails[0].user, None);
    assert_eq!((server.connections(), server.attempts()), (1, 2));
}

#[test]
fn a_login_is_wanted_and_checked() {
    let server = SmtpServer::start_with(SmtpOptions {
        login: Some(("rh".into(), "pirogue".into())),
    });
    let mut client = Client::of(&server);
    assert_eq!(client.code("EHLO test"), "250");
    assert_eq!(client.code("MAIL FROM:<a@b.example>"), "530");
    assert_eq!(client.code("AUTH PLAIN AHJoAGZhdXg="), "535");
    assert_eq!(client.code("AUTH PLAIN AHJoAHBpcm9ndWU="), "235");
    assert_eq!(client.send("awa@mppeep.example", "a")[3], "250");
    assert_eq!(server.mails()[0].user.as_deref(), Some("rh"));

    let mut client = Client::of(&server);
    assert_eq!(client.say("AUTH LOGIN"), "334 VXNlcm5hbWU6");
    assert_eq!(client.code("cmg="), "334");
    assert_eq!(client.code("cGlyb2d1ZQ=="), "235");
}

#[test]
fn it_refuses_as_told() {
    let server = SmtpServer::start();
    server.refuse_recipient("parti@mppeep.example", 550);
    server.next([SmtpReaction::RefuseSender(451), SmtpReaction::RefuseMessage(452)]);
    let mut client = Client::of(&server);
    assert_eq!(client.code("MAIL FROM:<a@b.example>"), "451");
    assert_eq!(
        client.send("awa@mppeep.example", "a"),
        ["250", "250", "354", "452"]
    );
    assert_eq!(client.code("MAIL FROM:<a@b.example>"), "250");
    assert_eq!(client.code("RCPT TO:<parti@mppeep.example>"), "550");
    assert_eq!(client.code("DATA"), "503");
    assert_eq!(server.mails(), []);
    assert_eq!(client.send("awa@mppeep.example", "a")[3], "250");
    assert_eq!(server.mails().len(), 1);
    server.usually(SmtpReaction::RefuseMessage(451));
    assert_eq!(client.send("awa@mppeep.example", "a")[3], "451");
    assert_eq!(client.send("awa@mppeep.example", "a")[3], "451");
}

#[test]
fn it_stalls() {
    let server = SmtpServer::start();
    server.next([SmtpReaction::Stall(Duration::from_millis(150))]);
    let begun = Instant::now();
    assert_eq!(Client::of(&server).send("awa@mppeep.example", "a")[3], "250");
    assert!(begun.elapsed() >= Duration::from_millis(150));
}

#[test]
fn it_drops_connections_before_and_after_the_message() {
    let server = SmtpServer::start();
    server.next([SmtpReaction::DropInData(10), SmtpReaction::DropAfterData]);
    let long = "twelve bytes\r\n".repeat(4);
    assert_eq!(
        Client::of(&server).send("awa@mppeep.example", &long)[3],
        "",
        "it has ended"
    );
    assert_eq!(server.mails(), []);
    assert_eq!(Client::of(&server).send("awa@mppeep.example", &long)[3], "");
    assert_eq!(server.wait_for(1, Duration::from_secs(10)).len(), 1);
}

#[test]
fn it_comes_back_on_the_same_port() {
    let server = SmtpServer::start();
    let port = server.port();
    drop(server);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    let server = SmtpServer::start_on(port, SmtpOptions::default());
    assert_eq!(server.url(), format!("smtp://127.0.0.1:{port}"));
    assert_eq!(Client::of(&server).send("awa@mppeep.example", "a")[3], "250");
}
