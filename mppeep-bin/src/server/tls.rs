//! TLS: the certificate and its key, read from files, and read again without ending a connection.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use anyhow::{Context as _, anyhow, bail};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{Error, InconsistentKeys, ServerConfig};

/// Names of the protocols, as ALPN has them.
pub(super) const HTTP_2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

/// The two files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// The certificate, and those between it and the authority's, in PEM.
    pub(crate) certificate: PathBuf,
    /// Its private key, in PEM.
    pub(crate) key: PathBuf,
}

/// When each file was written, and how long it is: what a look at them can tell apart.
type Stamp = [Option<(SystemTime, u64)>; 2];

/// The certificate in use.
pub(crate) struct Certificates {
    files: TlsFiles,
    current: Arc<Current>,
    config: Arc<ServerConfig>,
    stamp: Mutex<Stamp>,
}

#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl Certificates {
    /// Reads the files.
    pub(crate) fn load(files: &TlsFiles) -> anyhow::Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let stamp = stamp(files);
        let certified = read(files, &provider)?;
        let current = Arc::new(Current(RwLock::new(Arc::new(certified))));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .context("the versions of TLS do not go with the ciphers")?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as _);
        config.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1_1.to_vec()];
        // Tickets hold their session themselves: nothing is remembered of a client that is gone.
        config.ticketer = ring::Ticketer::new().context("no random numbers for the tickets")?;
        Ok(Self {
            files: files.clone(),
            current,
            config: Arc::new(config),
            stamp: Mutex::new(stamp),
        })
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }

    /// Reads the files again. When they are no good, what was read before stays in use.
    pub(crate) fn reload(&self) -> anyhow::Result<()> {
        *self.stamp.lock().unwrap_or_else(PoisonError::into_inner) = stamp(&self.files);
        let certified = read(&self.files, self.config.crypto_provider())?;
        *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certified);
        Ok(())
    }

    /// Whether the files have been written since they were last read, or tried to be.
    pub(crate) fn is_out_of_date(&self) -> bool {
        stamp(&self.files) != *self.stamp.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stamp(files: &TlsFiles) -> Stamp {
    [&files.certificate, &files.key].map(|path| {
        let meta = std::fs::metadata(path).ok()?;
        Some((meta.modified().ok()?, meta.len()))
    })
}

fn read(files: &TlsFiles, provider: &CryptoProvider) -> anyhow::Result<CertifiedKey> {
    let (certificate, key) = (&files.certificate, &files.key);
    let text = contents(certificate)?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| not_pem(certificate, &error))?;
    if chain.is_empty() {
        bail!(
            "{} holds no certificate: expected PEM, with -----BEGIN CERTIFICATE-----",
            certificate.display()
        );
    }
    let text = contents(key)?;
    let private = match PrivateKeyDer::from_pem_slice(&text) {
        Ok(private) => private,
        Err(pem::Error::NoItemsFound) if is_encrypted(&text) => bail!(
            "the key in {} is locked with a password: give one that is not",
            key.display()
        ),
        Err(pem::Error::NoItemsFound) => bail!(
            "{} holds no private key: expected PEM, with -----BEGIN PRIVATE KEY-----",
            key.display()
        ),
        Err(error) => return Err(not_pem(key, &error)),
    };
    CertifiedKey::from_der(chain, private, provider).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => anyhow!(
            "the key in {} is not the one of the certificate in {}",
            key.display(),
            certificate.display()
        ),
        Error::InvalidCertificate(error) => {
            anyhow!(
                "the certificate in {} is not valid: {error}",
                certificate.display()
            )
        }
        error => anyhow!("the key in {} cannot be used: {error}", key.display()),
    })
}

fn contents(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn not_pem(path: &Path, error: &pem::Error) -> anyhow::Error {
    anyhow!("{} is not PEM: {error}", path.display())
}

fn is_encrypted(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    struct Folder(TempDir);

    impl Folder {
        fn new() -> Self {
            Self(TempDir::new().unwrap())
        }

        fn files(&self) -> TlsFiles {
            TlsFiles {
                certificate: self.0.path().join("cert.pem"),
                key: self.0.path().join("key.pem"),
            }
        }

        fn write(&self, certificate: &str, key: &str) {
            std::fs::write(self.files().certificate, certificate).unwrap();
            std::fs::write(self.files().key, key).unwrap();
        }
    }

    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn in_use(certificates: &Certificates) -> Vec<u8> {
        certificates.current.0.read().unwrap().cert[0].to_vec()
    }

    #[test]
    fn what_is_wrong_is_told_with_the_name_of_the_file() {
        let folder = Folder::new();
        let files = folder.files();
        let trouble = || format!("{:#}", Certificates::load(&files).unwrap_err());
        let ((certificate, key), (_, other)) = (pair(), pair());
        assert!(trouble().contains("cert.pem"), "{}", trouble());
        std::fs::write(&files.certificate, &certificate).unwrap();
        assert!(trouble().contains("key.pem"), "{}", trouble());
        for (certificate, key, file, word) in [
            ("", key.as_str(), "cert.pem", "no certificate"),
            (&key, &key, "cert.pem", "no certificate"),
            (&certificate, "", "key.pem", "no private key"),
            (&certificate, &certificate, "key.pem", "no private key"),
            (&certificate, &other, "key.pem", "not the one of"),
            (
                &certificate,
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
                "key.pem",
                "password",
            ),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                &key,
                "cert.pem",
                "not valid",
            ),
            (
                "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
                &key,
                "cert.pem",
                "not PEM",
            ),
        ] {
            folder.write(certificate, key);
            let told = trouble();
            assert!(told.contains(file) && told.contains(word), "{told}");
        }
        folder.write(&certificate, &key);
        assert!(Certificates::load(&files).is_ok());
    }

    #[test]
    fn a_bad_pair_leaves_the_good_one_in_use() {
        let folder = Folder::new();
        let ((certificate, key), (next, next_key)) = (pair(), pair());
        folder.write(&certificate, &key);
        let certificates = Certificates::load(&folder.files()).unwrap();
        let first = in_use(&certificates);
        assert!(!certificates.is_out_of_date());
        // Half of a renewal.
        folder.write(&format!("{next}\n"), &key);
        assert!(certificates.is_out_of_date());
        assert!(certificates.reload().is_err());
        assert!(!certificates.is_out_of_date(), "it is not tried again and again");
        assert_eq!(in_use(&certificates), first);
        folder.write(&next, &format!("{next_key}\n"));
        assert!(certificates.is_out_of_date());
        certificates.reload().unwrap();
        assert_ne!(in_use(&certificates), first);
    }
}
