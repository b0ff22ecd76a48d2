//! Forms, as browsers send them without files.

use axum::extract::{FromRequest, Request};
use http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use super::urlencoded::Pairs;
use crate::middleware::body;
use crate::problem::Problem;

/// A form as `T`.
#[derive(Debug, Clone, Copy, Default)]
pub struct FormBody<T>(pub T);

/// A form field by field, for pages that show it again with what is wrong with it.
#[derive(Debug, Clone, Default)]
pub struct FormFields(Pairs);

impl FormFields {
    /// Fields that were read elsewhere.
    pub(super) fn of(pairs: Vec<(String, String)>) -> Self {
        Self(Pairs::of(pairs))
    }

    /// The first value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.all(name).next()
    }

    /// Every value of a field.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.all(name)
    }

    /// The value of a field that may come once only; empty when it does not come.
    ///
    /// # Errors
    /// 422 when it comes twice.
    pub fn single(&self, name: &str) -> Result<&str, Problem> {
        let mut values = self.0.all(name);
        let first = values.next().unwrap_or_default();
        if values.next().is_some() {
            return Err(Problem::invalid().field(name, "repeated", "Ce champ est présent plusieurs fois."));
        }
        Ok(first)
    }

    /// Every field with its value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter()
    }

    /// The same fields as `T`.
    ///
    /// # Errors
    /// 422 that names the first field that is wrong.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        self.0.clone().read()
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| {
            kind.trim()
                .eq_ignore_ascii_case("application/x-www-form-urlencoded")
        })
}

impl<S: Send + Sync> FromRequest<S> for FormFields {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if !is_form(request.headers()) {
            return Err(Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let bytes = body::read(request.into_body()).await?;
        Pairs::parse(&bytes).map(Self)
    }
}

impl<T, S> FromRequest<S> for FormBody<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let fields = FormFields::from_request(request, state).await?;
        fields.0.read().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    struct Login {
        username: String,
        password: String,
    }

    async fn login(kind: Option<&str>, text: &'static str) -> Result<Login, u16> {
        let mut request = Request::post("/");
        if let Some(kind) = kind {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        FormBody::from_request(request.body(Body::from(text)).unwrap(), &())
            .await
            .map(|FormBody(login)| login)
            .map_err(|problem| problem.status().as_u16())
    }

    #[tokio::test]
    async fn a_form_is_read_and_what_is_none_is_refused() {
        let form = Some("application/x-www-form-urlencoded");
        let read = login(form, "username=a%40b.example&password=%C3%A9+%2B&next=%2F")
            .await
            .unwrap();
        assert_eq!(
            (read.username.as_str(), read.password.as_str()),
            ("a@b.example", "é +")
        );
        for (kind, text, status) in [
            (None, "username=a&password=b", 415),
            (Some("text/plain"), "username=a&password=b", 415),
            (Some("application/json"), "{}", 415),
            (form, "username=a", 422),
            (form, "username=a&password=b&password=c", 422),
            (form, "username[$ne]=a&password=b", 422),
            (form, "username=%FF&password=b", 400),
            (form, "username=%00&password=b", 400),
            (form, "username=%ED%A0%80&password=b", 400),
            (form, "username=%4&password=b", 400),
            (form, "username=%zz&password=b", 400),
        ] {
            assert_eq!(login(kind, text).await.unwrap_err(), status, "{kind:?} {text}");
        }
        let many: &'static str = Box::leak("a=1&".repeat(1001).into_boxed_str());
        assert_eq!(login(form, many).await.unwrap_err(), 400);
    }
}
