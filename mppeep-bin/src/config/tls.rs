//! https without a proxy.

use std::net::SocketAddr;
use std::path::PathBuf;

use mppeep_http::{CookieSecurity, Origin};

use super::values::Values;
use crate::server::TlsFiles;

/// The listener that sends to https.
#[derive(Debug, Clone)]
pub(crate) struct Redirect {
    pub(crate) listen: SocketAddr,
    /// Where to.
    pub(crate) origin: Origin,
}

/// The certificate and its key: both or none.
pub(super) fn files(values: &Values) -> anyhow::Result<Option<TlsFiles>> {
    let (certificate, key) = (values.text("tls_cert"), values.text("tls_key"));
    match (certificate.is_empty(), key.is_empty()) {
        (true, true) => Ok(None),
        (false, false) => Ok(Some(TlsFiles {
            certificate: PathBuf::from(certificate),
            key: PathBuf::from(key),
        })),
        (false, true) => Err(values.wrong("tls_key", "tls_cert is set without its key; set both or none")),
        (true, false) => Err(values.wrong(
            "tls_cert",
            "tls_key is set without its certificate; set both or none",
        )),
    }
}

/// Refuses what would take back what TLS gives.
pub(super) fn needs_https(
    values: &Values,
    public_url: Option<&Origin>,
    cookies: CookieSecurity,
) -> anyhow::Result<()> {
    if cookies == CookieSecurity::Never {
        return Err(values.wrong("cookie_secure", "never is refused with a certificate"));
    }
    if public_url.is_some_and(|origin| !origin.is_https()) {
        return Err(values.wrong(
            "public_url",
            "expected an https address, since there is a certificate",
        ));
    }
    Ok(())
}

/// The listener that sends to the public address, which only the settings know: `Host` is the client's word.
pub(super) fn redirect(values: &Values, public_url: Option<&Origin>) -> anyhow::Result<Option<Redirect>> {
    let Some(listen) = values.optional("redirect_listen")? else {
        return Ok(None);
    };
    match public_url.filter(|origin| origin.is_https()) {
        Some(origin) => Ok(Some(Redirect {
            listen,
            origin: origin.clone(),
        })),
        None => Err(values.wrong(
            "redirect_listen",
            "it sends to public_url, which has to be an https address",
        )),
    }
}
