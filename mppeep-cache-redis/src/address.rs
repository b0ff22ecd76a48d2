//! Where Redis is: the URL, and what of it is refused.

use std::time::Duration;

use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{Client, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, TlsCertificates};

/// Why an address cannot be used. No text of it repeats the address, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It is not a URL of Redis.
    #[error(
        "the address of Redis is not a URL such as redis://user:password@host:6379/0, rediss://host or unix:///path"
    )]
    NotAUrl,
    /// It names a sentinel.
    #[error("Redis Sentinel is not supported: give the address of the primary, or of a proxy in front of it")]
    Sentinel,
    /// It names a cluster.
    #[error("Redis Cluster is not supported: give the address of one server that is no part of a cluster")]
    Cluster,
    /// It names several servers.
    #[error("several addresses of Redis are not supported: give one")]
    Several,
    /// Its database is not a number.
    #[error("the database in the address of Redis is not a number from 0 on")]
    Database,
    /// It ends with a fragment.
    #[error("the address of Redis has a fragment; a `#` in a password is written %23")]
    Fragment,
    /// It has parameters that nothing would look at.
    #[error("the address of Redis has a parameter that is not supported")]
    Parameter,
    /// The certificates given for TLS cannot be read.
    #[error("the root certificates for Redis cannot be read as PEM")]
    Certificates,
}

/// Time without traffic after which the system probes a connection.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// Time after which the system gives up on bytes that nobody acknowledges.
const USER_TIMEOUT: Duration = Duration::from_secs(3);

/// A client for the address; it connects to nothing yet.
pub(crate) fn client(url: &str, root_certificates: Option<&[u8]>) -> Result<Client, OpenError> {
    let info = connection_info(url)?;
    let tls = matches!(info.addr(), redis::ConnectionAddr::TcpTls { .. });
    if tls {
        // Fails when the program chose a provider already, whose choice stands.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    match root_certificates {
        Some(pem) if tls => {
            let certificates = TlsCertificates {
                client_tls: None,
                root_cert: Some(pem.to_vec()),
            };
            Client::build_with_tls(info, certificates).map_err(|_| OpenError::Certificates)
        }
        _ => Client::open(info).map_err(|_| OpenError::NotAUrl),
    }
}

fn connection_info(url: &str) -> Result<ConnectionInfo, OpenError> {
    let scheme = url.split(':').next().unwrap_or_default().to_ascii_lowercase();
    if scheme.contains("sentinel") {
        return Err(OpenError::Sentinel);
    }
    if scheme.contains("cluster") {
        return Err(OpenError::Cluster);
    }
    if url.contains('#') {
        return Err(OpenError::Fragment);
    }
    let unix = scheme.contains("unix");
    let authority = url
        .split_once("://")
        .map_or("", |(_, rest)| rest.split(['/', '?']).next().unwrap_or_default());
    let hosts = authority.rsplit('@').next().unwrap_or_default();
    if !unix && hosts.contains(',') {
        return Err(OpenError::Several);
    }
    let parsed = redis::parse_redis_url(url).ok_or(OpenError::NotAUrl)?;
    let database = if unix {
        let known = |name: &str| matches!(name, "db" | "user" | "pass");
        if !parsed.query_pairs().all(|(name, _)| known(&name)) {
            return Err(OpenError::Parameter);
        }
        let given = parsed.query_pairs().find(|(name, _)| name == "db");
        given.map_or_else(String::new, |(_, value)| value.into_owned())
    } else {
        if parsed.query().is_some() {
            return Err(OpenError::Parameter);
        }
        parsed.path().trim_matches('/').to_owned()
    };
    if !database.is_empty() && database.parse::<u16>().is_err() {
        return Err(OpenError::Database);
    }
    let info = parsed.into_connection_info().map_err(|_| OpenError::NotAUrl)?;
    let settings = info
        .redis_settings()
        .clone()
        // The newer protocol tells at once when the server closes the connection.
        .set_protocol(ProtocolVersion::RESP3)
        .set_lib_name("mppeep", env!("CARGO_PKG_VERSION"));
    let tcp = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(
            TcpKeepalive::new()
                .with_time(KEEPALIVE)
                .with_interval(Duration::from_secs(1))
                .with_retries(3),
        )
        .set_user_timeout(USER_TIMEOUT);
    Ok(info.set_redis_settings(settings).set_tcp_settings(tcp))
}

#[cfg(test)]
mod tests {
    use redis::ConnectionAddr;

    use super::*;

    #[test]
    fn the_parts_of_an_address_are_understood() {
        let info = connection_info("redis://reader:p%40ss%23@cache.example:6380/3").unwrap();
        assert_eq!(
            info.addr(),
            &ConnectionAddr::Tcp("cache.example".to_owned(), 6380)
        );
        let settings = info.redis_settings();
        assert_eq!(settings.username(), Some("reader"));
        assert_eq!(settings.password(), Some("p@ss#"));
        assert_eq!(settings.db(), 3);
        let plain = connection_info("redis://127.0.0.1").unwrap();
        assert_eq!(plain.addr(), &ConnectionAddr::Tcp("127.0.0.1".to_owned(), 6379));
        assert_eq!(plain.redis_settings().db(), 0);
        let tls = connection_info("rediss://cache.example").unwrap();
        assert!(matches!(
            tls.addr(),
            ConnectionAddr::TcpTls { insecure: false, .. }
        ));
        let six = connection_info("redis://[::1]:7000").unwrap();
        assert_eq!(six.addr(), &ConnectionAddr::Tcp("::1".to_owned(), 7000));
        let unix = connection_info("unix:///run/redis/redis.sock?db=2").unwrap();
        assert_eq!(unix.addr(), &ConnectionAddr::Unix("/run/redis/redis.sock".into()));
        assert_eq!(unix.redis_settings().db(), 2);
    }

    #[test]
    fn what_is_not_supported_is_refused_in_its_own_words() {
        for (url, expected) in [
            ("redis+sentinel://:secret@host/service", OpenError::Sentinel),
            ("redis-sentinel://:secret@host", OpenError::Sentinel),
            ("sentinel://:secret@host", OpenError::Sentinel),
            ("redis+cluster://:secret@host", OpenError::Cluster),
            ("redis://:secret@one:6379,two:6379", OpenError::Several),
            ("redis://one,two", OpenError::Several),
            ("redis://:secret@host/zero", OpenError::Database),
            ("redis://:secret@host/-1", OpenError::Database),
            ("redis://:secret@host/1/2", OpenError::Database),
            ("unix:///run/redis.sock?db=secret", OpenError::Database),
            ("unix:///run/redis.sock?secret=1", OpenError::Parameter),
            ("redis://:secret@host?db=1", OpenError::Parameter),
            ("rediss://:secret@host#insecure", OpenError::Fragment),
            ("redis://:sec#ret@host", OpenError::Fragment),
            ("http://:secret@host", OpenError::NotAUrl),
            ("redis://", OpenError::NotAUrl),
            ("redis://0.0.0.0", OpenError::NotAUrl),
            ("host:6379", OpenError::NotAUrl),
            ("", OpenError::NotAUrl),
        ] {
            let refused = client(url, None).unwrap_err();
            assert_eq!(refused, expected, "{url}");
            assert!(!format!("{refused} {refused:?}").contains("sec"), "{refused}");
        }
        assert_eq!(
            client("rediss://host", Some(b"-----BEGIN CERTIFICATE-----\nsecret")).unwrap_err(),
            OpenError::Certificates
        );
    }
}
