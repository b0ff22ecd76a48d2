//! `mppeep health`: asks the server of this configuration how it is, for supervisors that can only run a command.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use crate::cli::Health;
use crate::config::Config;
use crate::terminal::say;

/// How long the whole exchange may take: shorter than supervisors wait.
const PATIENCE: Duration = Duration::from_secs(4);

/// As much of an answer as says its status: `HTTP/1.1 200`.
const STATUS_BYTES: usize = 12;

pub(crate) async fn run(config: &Config, health: &Health) -> anyhow::Result<ExitCode> {
    let address = reachable(config.listen);
    let path = format!(
        "{}/health/{}",
        config.root_path.trim_end_matches('/'),
        if health.live { "live" } else { "ready" }
    );
    let asked = tokio::time::timeout(PATIENCE, ask(address, &path, config.tls.is_some())).await;
    let status = asked
        .with_context(|| format!("{address} did not answer within {} seconds", PATIENCE.as_secs()))?
        .with_context(|| format!("asking {address}"))?;
    say(format_args!("{address}{path}: {status}"));
    Ok(if status == 200 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Where a server that listens at this address is reached from its own machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

async fn ask(address: SocketAddr, path: &str, tls: bool) -> anyhow::Result<u16> {
    let socket = TcpStream::connect(address).await?;
    if !tls {
        return exchange(socket, address, path).await;
    }
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(OwnMachine(provider)))
        .with_no_client_auth();
    let name = ServerName::from(address.ip());
    let socket = TlsConnector::from(Arc::new(config)).connect(name, socket).await?;
    exchange(socket, address, path).await
}

/// Takes any certificate: it names the public host and may have been renewed this minute, while we speak with our own
/// machine, tell no secret, and ask only for a status.
#[derive(Debug)]
struct OwnMachine(Arc<CryptoProvider>);

impl ServerCertVerifier for OwnMachine {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _between: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// One request, and the status of its answer.
async fn exchange(
    mut socket: impl AsyncRead + AsyncWrite + Unpin,
    address: SocketAddr,
    path: &str,
) -> anyhow::Result<u16> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    socket.flush().await?;
    let mut answer = Vec::with_capacity(1024);
    while answer.len() < STATUS_BYTES && socket.read_buf(&mut answer).await? > 0 {}
    let status = answer
        .strip_prefix(b"HTTP/1.1 ")
        .and_then(|rest| std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok());
    match status {
        Some(status) => Ok(status),
        None => bail!("the answer is not HTTP/1.1: another program listens there"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_listens_everywhere_is_asked_on_its_own_machine() {
        for (listen, asked) in [
            ("0.0.0.0:9000", "127.0.0.1:9000"),
            ("[::]:9000", "[::1]:9000"),
            ("192.0.2.7:80", "192.0.2.7:80"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()), asked.parse().unwrap());
        }
    }

    #[tokio::test]
    async fn whatever_is_no_answer_is_a_failure() {
        for (said, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\n", Some(200)),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\nx", Some(503)),
            ("SSH-2.0-OpenSSH_9.2\r\n", None),
            ("HTTP/1.1 2", None),
            ("", None),
        ] {
            let (ours, mut theirs) = tokio::io::duplex(1024);
            theirs.write_all(said.as_bytes()).await.unwrap();
            theirs.shutdown().await.unwrap();
            let status = exchange(ours, "127.0.0.1:1".parse().unwrap(), "/").await;
            assert_eq!(status.ok(), expected, "{said:?}");
            drop(theirs);
        }
    }
}
