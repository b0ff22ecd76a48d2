//! What a trusted peer tells of a request in its fields.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue};

use super::peer::ClientIpHeader;

/// What a trusted peer says of a request, found in one look through its fields.
#[derive(Default)]
pub(super) struct Told<'a> {
    client: Once<'a>,
    ray: Once<'a>,
    country: Once<'a>,
    scheme: Once<'a>,
    visitor: Once<'a>,
}

impl<'a> Told<'a> {
    pub(super) fn read(headers: &'a HeaderMap, client: ClientIpHeader) -> Self {
        let mut told = Self::default();
        let client = client.name();
        for (name, value) in headers {
            match name.as_str() {
                "cf-ray" => told.ray.see(value),
                "cf-ipcountry" => told.country.see(value),
                "x-forwarded-proto" => told.scheme.see(value),
                "cf-visitor" => told.visitor.see(value),
                name if Some(name) == client => told.client.see(value),
                _ => {}
            }
        }
        told
    }

    /// The client's address, canonical.
    pub(super) fn client(&self) -> Option<IpAddr> {
        let address: IpAddr = self.client.get()?.trim().parse().ok()?;
        Some(address.to_canonical())
    }

    /// Cloudflare's number of the request.
    pub(super) fn ray(&self) -> Option<&'a str> {
        self.ray.get().filter(|text| is_ray(text))
    }

    /// The client's country.
    pub(super) fn country(&self) -> Option<&'a str> {
        self.country.get().filter(|text| is_country(text))
    }

    /// Whether the client spoke https, if anything is said of it.
    pub(super) fn https(&self) -> Option<bool> {
        if let Some(scheme) = self.scheme.get() {
            return Some(scheme.trim().eq_ignore_ascii_case("https"));
        }
        let visitor: serde_json::Value = serde_json::from_str(self.visitor.get()?).ok()?;
        let scheme = visitor.get("scheme")?.as_str()?;
        Some(scheme == "https")
    }
}

/// The value of a header that is believed if it was sent exactly once.
#[derive(Default, Clone, Copy)]
enum Once<'a> {
    #[default]
    Never,
    Seen(&'a HeaderValue),
    Again,
}

impl<'a> Once<'a> {
    fn see(&mut self, value: &'a HeaderValue) {
        *self = match self {
            Self::Never => Self::Seen(value),
            Self::Seen(_) | Self::Again => Self::Again,
        };
    }

    fn get(self) -> Option<&'a str> {
        match self {
            Self::Seen(value) => value.to_str().ok(),
            Self::Never | Self::Again => None,
        }
    }
}

fn is_ray(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Whether it is a country as Cloudflare writes it (ISO 3166-1, `T1` for Tor), and not `XX`, which says that it is not known.
fn is_country(text: &str) -> bool {
    matches!(text.as_bytes(), [b'A'..=b'Z', b'A'..=b'Z'] | b"T1") && text != "XX"
}
