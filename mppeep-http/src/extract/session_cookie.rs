//! The cookie that holds the session's token (OWASP ASVS 5.0 §3.3).

use http::{HeaderMap, HeaderValue, header};

use crate::urls::Urls;

/// Its name.
pub const NAME: &str = "session_id";

/// Seven days, like the session itself.
const MAX_AGE_SECONDS: u32 = 604_800;

/// Whether browsers are told to send the cookie over https only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CookieSecurity {
    /// Always; browsers make an exception for loopback by themselves.
    #[default]
    Always,
    /// Never, for a network without https. The server warns about it.
    Never,
}

/// `Set-Cookie` for a new session.
pub fn set(urls: &Urls, security: CookieSecurity, token: &str) -> Option<HeaderValue> {
    value(urls, security, token, MAX_AGE_SECONDS)
}

/// `Set-Cookie` that takes the cookie away.
pub fn clear(urls: &Urls, security: CookieSecurity) -> Option<HeaderValue> {
    value(urls, security, "", 0)
}

fn value(urls: &Urls, security: CookieSecurity, token: &str, max_age: u32) -> Option<HeaderValue> {
    let secure = match security {
        CookieSecurity::Always => " Secure;",
        CookieSecurity::Never => "",
    };
    let path = urls.cookie_path();
    let text = format!("{NAME}={token}; Max-Age={max_age};{secure} HttpOnly; SameSite=Lax; Path={path}");
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The cookie's value as the client sent it; the first one when it was sent twice.
pub fn read(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| name.trim() == NAME)
        .map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_the_one_of_the_contract() {
        let value = set(&Urls::new("/mppeep"), CookieSecurity::Always, "sess_07_x").unwrap();
        assert_eq!(
            value.to_str().unwrap(),
            "session_id=sess_07_x; Max-Age=604800; Secure; HttpOnly; SameSite=Lax; Path=/mppeep"
        );
        let cleared = clear(&Urls::new(""), CookieSecurity::Never).unwrap();
        assert_eq!(
            cleared.to_str().unwrap(),
            "session_id=; Max-Age=0; HttpOnly; SameSite=Lax; Path=/"
        );
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        for (text, expected) in [
            ("session_id=abc", Some("abc")),
            ("theme=dark; session_id=abc; other=1", Some("abc")),
            ("xsession_id=abc", None),
            ("session_id", None),
            ("", None),
            ("session_id=first; session_id=second", Some("first")),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_str(text).unwrap());
            assert_eq!(read(&headers), expected, "{text}");
        }
    }
}
