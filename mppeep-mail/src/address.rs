//! The address of a mail server.

use std::net::IpAddr;

use lettre::transport::smtp::authentication::Credentials;

/// Why a mail server cannot be used as configured. It never quotes the address, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MailConfigError {
    /// The address of the server is not understood.
    #[error("not the address of a mail server, such as smtps://user:password@mail.example: {what}")]
    Url {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The sender is not a mail address.
    #[error("not a sender such as rh@mppeep.example, or Ressources humaines <rh@mppeep.example>")]
    From,
    /// Encryption cannot be prepared.
    #[error("encryption cannot be prepared for this server's name")]
    Tls,
}

/// When a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encryption {
    /// From its first byte.
    Wrapper,
    /// By STARTTLS, or there is no mail.
    Required,
    /// By STARTTLS when the server offers it.
    Opportunistic,
    /// Never.
    None,
}

/// A mail server, and how to speak with it.
pub(crate) struct ServerAddress {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) encryption: Encryption,
    pub(crate) credentials: Option<Credentials>,
    /// The name given with EHLO, if it is not the machine's.
    pub(crate) hello: Option<String>,
}

impl ServerAddress {
    /// Reads `smtp[s]://[user:password@]host[:port][/name for EHLO][?tls=required|opportunistic|none]`.
    pub(crate) fn parse(url: &str) -> Result<Self, MailConfigError> {
        let wrong = |what| MailConfigError::Url { what };
        let (scheme, rest) = url
            .split_once("://")
            .ok_or(wrong("expected smtp:// or smtps://"))?;
        let wrapped = match scheme {
            "smtp" => false,
            "smtps" => true,
            _ => return Err(wrong("expected smtp:// or smtps://")),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, authority),
        };
        let (host, port) = host_and_port(place)?;
        let credentials = login.map(credentials).transpose()?;
        let encryption = match (tls_of(query)?, wrapped) {
            (None, true) => Encryption::Wrapper,
            (Some(_), true) => return Err(wrong("tls belongs to smtp://; smtps:// is encrypted anyway")),
            (Some("required"), false) => Encryption::Required,
            (Some("opportunistic"), false) => Encryption::Opportunistic,
            (Some("none"), false) => Encryption::None,
            (Some(_), false) => return Err(wrong("expected tls=required, tls=opportunistic or tls=none")),
            // A password does not cross a network in the clear unless somebody asks for it by name.
            (None, false) if credentials.is_some() && !is_here(&host) => Encryption::Required,
            (None, false) => Encryption::Opportunistic,
        };
        let usual_port = match encryption {
            Encryption::Wrapper => 465,
            Encryption::Required => 587,
            Encryption::Opportunistic | Encryption::None if credentials.is_some() => 587,
            Encryption::Opportunistic | Encryption::None => 25,
        };
        let hello = match path.trim_end_matches('/') {
            "" => None,
            name if name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)) =>
            {
                Some(name.to_owned())
            }
            _ => {
                return Err(wrong(
                    "the path is the name for EHLO: letters, digits, dots and hyphens",
                ));
            }
        };
        Ok(Self {
            host,
            port: port.unwrap_or(usual_port),
            encryption,
            credentials,
            hello,
        })
    }
}

/// Whether the server is on this machine.
fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn host_and_port(place: &str) -> Result<(String, Option<u16>), MailConfigError> {
    let wrong = |what| MailConfigError::Url { what };
    let (host, port) = if let Some(rest) = place.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or(wrong("the bracket is not closed"))?;
        if host.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(wrong("brackets hold an IPv6 address"));
        }
        let port = match after {
            "" => None,
            after => Some(
                after
                    .strip_prefix(':')
                    .ok_or(wrong("expected a port after the bracket"))?,
            ),
        };
        (host, port)
    } else {
        match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        }
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    if host.is_empty() || !host.bytes().all(plain) {
        return Err(wrong("the host is missing, or is none"));
    }
    let port = match port {
        None => None,
        Some(text) => match text.parse() {
            Ok(0) | Err(_) => return Err(wrong("the port is not one")),
            Ok(port) => Some(port),
        },
    };
    Ok((host.to_owned(), port))
}

fn credentials(login: &str) -> Result<Credentials, MailConfigError> {
    let wrong = |what| MailConfigError::Url { what };
    let (user, password) = login
        .split_once(':')
        .ok_or(wrong("a user needs a password: user:password@"))?;
    let decoded = |text| percent_decoded(text).ok_or(wrong("user or password is badly percent-encoded"));
    let (user, password) = (decoded(user)?, decoded(password)?);
    if user.is_empty() || password.is_empty() {
        return Err(wrong("user and password may not be empty"));
    }
    Ok(Credentials::new(user, password))
}

fn tls_of(query: &str) -> Result<Option<&str>, MailConfigError> {
    let mut found = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("tls", value)) if found.is_none() => found = Some(value),
            _ => {
                return Err(MailConfigError::Url {
                    what: "tls is the only parameter",
                });
            }
        }
    }
    Ok(found)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            decoded.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> (String, u16, Encryption, bool) {
        let server = ServerAddress::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        (
            server.host,
            server.port,
            server.encryption,
            server.credentials.is_some(),
        )
    }

    #[test]
    fn addresses_are_read() {
        for (url, host, port, encryption, login) in [
            (
                "smtp://mail.example",
                "mail.example",
                25,
                Encryption::Opportunistic,
                false,
            ),
            (
                "smtp://mail.example:2525",
                "mail.example",
                2525,
                Encryption::Opportunistic,
                false,
            ),
            (
                "smtps://mail.example",
                "mail.example",
                465,
                Encryption::Wrapper,
                false,
            ),
            (
                "smtps://u:p@mail.example:4650",
                "mail.example",
                4650,
                Encryption::Wrapper,
                true,
            ),
            (
                "smtp://u:p@mail.example",
                "mail.example",
                587,
                Encryption::Required,
                true,
            ),
            (
                "smtp://u:p@localhost:25",
                "localhost",
                25,
                Encryption::Opportunistic,
                true,
            ),
            ("smtp://u:p@[::1]:25", "::1", 25, Encryption::Opportunistic, true),
            (
                "smtp://u:p@mail.example?tls=none",
                "mail.example",
                587,
                Encryption::None,
                true,
            ),
            (
                "smtp://mail.example/?tls=required",
                "mail.example",
                587,
                Encryption::Required,
                false,
            ),
            (
                "smtp://mail.example/our.name?tls=opportunistic",
                "mail.example",
                25,
                Encryption::Opportunistic,
                false,
            ),
        ] {
            assert_eq!(read(url), (host.to_owned(), port, encryption, login), "{url}");
        }
        let named = ServerAddress::parse("smtp://mail.example/our.name").unwrap();
        assert_eq!(named.hello.as_deref(), Some("our.name"));
    }

    #[test]
    fn passwords_are_decoded() {
        let server =
            ServerAddress::parse("smtps://rh%40mppeep.example:p%3A%2F%40%C3%A9@mail.example").unwrap();
        let expected = Credentials::new("rh@mppeep.example".to_owned(), "p:/@é".to_owned());
        assert!(server.credentials == Some(expected), "decoded otherwise");
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for url in [
            "",
            "mail.example",
            "http://mail.example",
            "smtp://",
            "smtp://user:hunter2@",
            "smtp://user@mail.example",
            "smtp://:hunter2@mail.example",
            "smtp://user:hunter2%zz@mail.example",
            "smtp://user:hunter2%4@mail.example",
            "smtp://user:hunter2@mail.example:0",
            "smtp://user:hunter2@mail.example:70000",
            "smtp://user:hunter2@mail.example?tls=maybe",
            "smtp://user:hunter2@mail.example?password=hunter2",
            "smtp://user:hunter2@mail.example?tls=none&tls=required",
            "smtps://user:hunter2@mail.example?tls=none",
            "smtp://user:hunter2@[::1",
            "smtp://user:hunter2@[mail.example]",
            "smtp://user:hunter2@mail.example/a b",
        ] {
            let Err(error) = ServerAddress::parse(url) else {
                panic!("{url} is taken");
            };
            let said = format!("{error} {error:?}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}
