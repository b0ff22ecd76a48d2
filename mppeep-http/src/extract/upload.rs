//! Uploads: a multipart form whose plain fields come first, then one file that is read piece by piece.

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::{HeaderMap, StatusCode, header};
use mppeep_core::domain::photo;
use mppeep_core::services::ServiceError;
use mppeep_core::services::uploads::{FIELD, Upload};
use sha2::{Digest as _, Sha256};

use super::FormFields;
use crate::app::AppState;
use crate::middleware::body;
use crate::problem::Problem;

/// Most fields beside the file.
const MAX_FIELDS: usize = 24;

/// Most bytes of all that is no content of the file: boundaries, heads of parts, fields.
const AROUND: u64 = 64 * 1024;

/// A multipart form that is being received. It is refused before anything is read when it says that it is too large.
pub struct UploadForm {
    multipart: multer::Multipart<'static>,
    allowance: Arc<Allowance>,
    /// Of what it says, where somebody wants to know.
    heard: Option<(Sha256, Said)>,
}

/// The digest of what a form said: its fields, the name of its file and the content, whatever stood between them. A request
/// that carries one is told when the form was read to its end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said(Arc<OnceLock<[u8; 32]>>);

impl Said {
    /// The digest; none of a form that was not read whole.
    pub(crate) fn digest(&self) -> Option<[u8; 32]> {
        self.0.get().copied()
    }
}

/// The plain fields of a form, and the file that follows them.
pub struct Opened {
    /// The fields.
    pub fields: FormFields,
    /// The file; none when none was chosen.
    pub file: Option<FilePart>,
}

/// The file of a form, whose content was not read yet.
pub struct FilePart {
    name: String,
    field: multer::Field<'static>,
}

impl FilePart {
    /// The name it was sent with.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Why a file could not be taken over.
#[derive(Debug)]
pub enum UploadError {
    /// The form cannot be read.
    Form(Problem),
    /// The service does not take it.
    Service(ServiceError),
}

impl From<UploadError> for Problem {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Form(problem) => problem,
            UploadError::Service(error) => error.into(),
        }
    }
}

/// How many bytes may still be read before the next step. Without it, a head or a preamble without an end would be
/// gathered in memory up to the size of the largest file.
struct Allowance(AtomicU64);

impl Allowance {
    fn set(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }

    /// Whether more may be read.
    fn is_left(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    fn spend(&self, bytes: usize) {
        let left = self.0.load(Ordering::Relaxed);
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.0.store(left.saturating_sub(bytes), Ordering::Relaxed);
    }
}

/// There is too much around the file.
#[derive(Debug, Clone, Copy)]
struct TooMuchAround;

impl fmt::Display for TooMuchAround {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the fields of the form are too long")
    }
}

impl Error for TooMuchAround {}

impl FromRequest<AppState> for UploadForm {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        let boundary = boundary(request.headers())?;
        let settings = state.services.settings.current().await?;
        let most = settings.files.max_upload_bytes().max(photo::MOST_BYTES);
        if declared(request.headers()).is_some_and(|length| length > most.saturating_add(AROUND)) {
            return Err(ServiceError::TooLarge { limit_bytes: most }.into());
        }
        Ok(Self::new(request, boundary))
    }
}

/// The boundary of a multipart form.
fn boundary(headers: &HeaderMap) -> Result<String, Problem> {
    let other = || {
        Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            .detail("Le contenu doit être de type multipart/form-data.")
    };
    let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(kind), None) = (kinds.next(), kinds.next()) else {
        return Err(other());
    };
    match multer::parse_boundary(kind.to_str().unwrap_or_default()) {
        // RFC 2046 §5.1.1
        Ok(boundary) if !boundary.is_empty() && boundary.len() <= 70 => Ok(boundary),
        Ok(_) | Err(multer::Error::NoBoundary) => Err(unreadable()),
        Err(_) => Err(other()),
    }
}

fn declared(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

impl UploadForm {
    fn new(request: Request, boundary: String) -> Self {
        let said = request.extensions().get::<Said>().cloned();
        let allowance = Arc::new(Allowance(AtomicU64::new(AROUND)));
        let guard = Arc::clone(&allowance);
        let pieces = request.into_body().into_data_stream().map(move |piece| {
            if !guard.is_left() {
                return Err(axum::BoxError::from(TooMuchAround));
            }
            let piece = piece?;
            guard.spend(piece.len());
            Ok(piece)
        });
        Self {
            multipart: multer::Multipart::new(pieces, boundary),
            allowance,
            heard: said.map(|said| (Sha256::new(), said)),
        }
    }

    /// Reads a whole form for nothing but the digest of what it says, which its [`Said`] is told.
    pub(crate) async fn hear_out(request: Request) -> Result<(), Problem> {
        let boundary = boundary(request.headers())?;
        let mut form = Self::new(request, boundary);
        if let Some(mut part) = form.open().await?.file {
            while let Some(piece) = part.next().await? {
                form.hear(&piece);
            }
            drop(part);
            form.end().await?;
        }
        Ok(())
    }

    /// Takes note of a piece of the file.
    fn hear(&mut self, piece: &[u8]) {
        if let Some((hash, _)) = &mut self.heard {
            hash.update(piece);
        }
    }

    /// Takes note of the head of a part, and of a field's value. The lengths keep one from running into the next.
    fn hear_part(&mut self, kind: u8, name: &str, value: &str) {
        if let Some((hash, _)) = &mut self.heard {
            hash.update([kind]);
            for text in [name, value] {
                hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
                hash.update(text);
            }
        }
    }

    /// Reads the fields up to the file.
    ///
    /// # Errors
    /// 400 when it is no multipart form, has too many fields or texts that are none; 413 when the fields are too long;
    /// what the body's own limits say.
    pub async fn open(&mut self) -> Result<Opened, Problem> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        let mut length = 0;
        loop {
            let Some(mut field) = self.multipart.next_field().await.map_err(problem)? else {
                return Ok(Opened {
                    fields: FormFields::of(pairs),
                    file: None,
                });
            };
            let name = field.name().unwrap_or_default().to_owned();
            if name.is_empty() {
                return Err(Problem::unreadable("Un champ du formulaire n’a pas de nom."));
            }
            if let Some(file_name) = field.file_name().filter(|name| !name.is_empty()) {
                if name != FIELD {
                    return Err(Problem::unreadable(
                        "Un fichier est envoyé dans un autre champ que « file ».",
                    ));
                }
                // Browsers write a quotation mark so.
                let file_name = file_name.replace("%22", "\"");
                self.allowance.set(u64::MAX);
                self.hear_part(1, FIELD, &file_name);
                return Ok(Opened {
                    fields: FormFields::of(pairs),
                    file: Some(FilePart {
                        name: file_name,
                        field,
                    }),
                });
            }
            let mut value = BytesMut::new();
            while let Some(piece) = field.chunk().await.map_err(problem)? {
                length += piece.len();
                if length as u64 > AROUND {
                    return Err(too_long());
                }
                value.extend_from_slice(&piece);
            }
            if name == FIELD {
                // A form without a chosen file sends an empty one; a text of that name is none either.
                continue;
            }
            let value = String::from_utf8(value.to_vec())
                .ok()
                .filter(|value| !value.contains('\0'))
                .ok_or_else(|| Problem::unreadable("Un champ contient des caractères illisibles."))?;
            if pairs.len() == MAX_FIELDS {
                return Err(Problem::unreadable("Trop de champs."));
            }
            self.hear_part(0, &name, &value);
            pairs.push((name, value));
        }
    }

    /// Hands the file on as it comes, and checks that nothing follows it.
    ///
    /// # Errors
    /// 400 when it does not come whole, or something follows; what the service says.
    pub async fn pour(&mut self, mut part: FilePart, upload: &mut Upload) -> Result<(), UploadError> {
        while let Some(piece) = part.next().await.map_err(UploadError::Form)? {
            self.hear(&piece);
            upload.write(piece).await.map_err(UploadError::Service)?;
        }
        drop(part);
        self.end().await.map_err(UploadError::Form)
    }

    /// The whole content of a file that is needed at once.
    ///
    /// # Errors
    /// As [`Self::pour`], and `TooLarge` above `most` bytes.
    pub async fn whole(&mut self, mut part: FilePart, most: u64) -> Result<Bytes, UploadError> {
        let mut whole = BytesMut::new();
        while let Some(piece) = part.next().await.map_err(UploadError::Form)? {
            self.hear(&piece);
            whole.extend_from_slice(&piece);
            if whole.len() as u64 > most {
                return Err(UploadError::Service(ServiceError::TooLarge { limit_bytes: most }));
            }
        }
        drop(part);
        self.end().await.map_err(UploadError::Form)?;
        Ok(whole.freeze())
    }

    async fn end(&mut self) -> Result<(), Problem> {
        self.allowance.set(AROUND);
        match self.multipart.next_field().await.map_err(problem)? {
            None => {
                if let Some((hash, said)) = self.heard.take() {
                    let _ = said.0.set(hash.finalize().into());
                }
                Ok(())
            }
            Some(_) => Err(Problem::unreadable(
                "Le fichier doit être le dernier champ du formulaire, et le seul fichier.",
            )),
        }
    }
}

impl FilePart {
    async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        self.field.chunk().await.map_err(problem)
    }
}

fn unreadable() -> Problem {
    Problem::unreadable("Le formulaire n’est pas lisible ou n’a pas été reçu entier.")
}

fn too_long() -> Problem {
    Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE).detail("Les champs du formulaire sont trop longs.")
}

/// What a client did wrong: reading a form has no other failures.
fn problem(error: multer::Error) -> Problem {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(found) = cause {
        if found.is::<TooMuchAround>() {
            return too_long();
        }
        cause = found.source();
    }
    body::problem_of(&error).unwrap_or_else(unreadable)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn form(body: impl Into<Body>) -> UploadForm {
        let request = Request::post("/").body(body.into()).unwrap();
        UploadForm::new(request, "B".to_owned())
    }

    fn part(head: &str, content: &str) -> String {
        format!("--B\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n")
    }

    async fn verdict(body: String) -> Result<(Vec<(String, String)>, Option<(String, usize)>), u16> {
        let status = |problem: Problem| problem.status().as_u16();
        let mut form = form(body);
        let opened = form.open().await.map_err(status)?;
        let fields = opened.fields.iter().map(|(n, v)| (n.to_owned(), v.to_owned()));
        let fields = fields.collect();
        let Some(part) = opened.file else {
            return Ok((fields, None));
        };
        let name = part.name().to_owned();
        let content = form
            .whole(part, 1000)
            .await
            .map_err(|error| status(error.into()))?;
        Ok((fields, Some((name, content.len()))))
    }

    #[tokio::test]
    async fn what_a_form_says_is_told_whatever_its_boundary() {
        let said = async |boundary: &str, parts: &[(&str, &str)]| {
            let mut body: String = parts
                .iter()
                .map(|(head, content)| part(head, content).replace("--B\r\n", &format!("--{boundary}\r\n")))
                .collect();
            body.push_str(&format!("--{boundary}--\r\n"));
            let said = Said::default();
            let request = Request::post("/")
                .header(
                    "content-type",
                    format!("multipart/form-data; boundary={boundary}"),
                )
                .extension(said.clone())
                .body(body.into())
                .unwrap();
            UploadForm::hear_out(request).await.map(|()| said.digest())
        };
        let kind = ("name=\"kind\"", "a");
        let file = ("name=\"file\"; filename=\"a.pdf\"", "content");
        let one = said("B", &[kind, file]).await.unwrap();
        assert!(one.is_some());
        assert_eq!(said("another-one", &[kind, file]).await.unwrap(), one);
        for other in [
            vec![file],
            vec![("name=\"kind\"", "b"), file],
            vec![("name=\"kin\"", "da"), file],
            vec![kind, kind, file],
            vec![kind, ("name=\"file\"; filename=\"b.pdf\"", "content")],
            vec![kind, ("name=\"file\"; filename=\"a.pdf\"", "Content")],
            vec![kind, ("name=\"file\"; filename=\"a.pdf\"", "")],
        ] {
            let digest = said("B", &other).await.unwrap();
            assert!(digest.is_some_and(|digest| Some(digest) != one), "{other:?}");
        }
        assert_eq!(said("B", &[kind]).await.unwrap(), None, "there is no file");
        assert!(said("B", &[file, kind]).await.is_err());
    }

    #[tokio::test]
    async fn fields_come_first_and_one_file_last() {
        let title = part("name=\"title\"", "Diplôme");
        let file = part("name=\"file\"; filename=\"Été %22b%22.pdf\"", "abc");
        let end = "--B--\r\n";
        let (fields, content) = verdict(format!("{title}{file}{end}")).await.unwrap();
        assert_eq!(fields, [("title".to_owned(), "Diplôme".to_owned())]);
        assert_eq!(content, Some(("Été \"b\".pdf".to_owned(), 3)));
        let none = part("name=\"file\"; filename=\"\"", "");
        assert_eq!(verdict(format!("{title}{none}{end}")).await.unwrap().1, None);
        for (body, expected) in [
            (format!("{file}{title}{end}"), 400),
            (format!("{file}{file}{end}"), 400),
            (format!("{title}{file}"), 400),
            (file.clone(), 400),
            (format!("{title}--B\r\nContent-Dispo"), 400),
            ("rien".to_owned(), 400),
            (String::new(), 400),
            (format!("{}{end}", part("filename=\"a.pdf\"", "x")), 400),
            (
                format!("{}{end}", part("name=\"photo\"; filename=\"a.pdf\"", "x")),
                400,
            ),
            (format!("{}{end}", part("name=\"a\"", "x\0y")), 400),
            (format!("{}{end}", part("name=\"a\"", "x").repeat(30)), 400),
            (format!("{}{end}", part("name=\"a\"", &"x".repeat(70_000))), 413),
            (
                format!(
                    "{}{end}",
                    part("name=\"file\"; filename=\"a.pdf\"", &"x".repeat(1001))
                ),
                413,
            ),
        ] {
            let start: String = body.chars().take(120).collect();
            assert_eq!(verdict(body).await, Err(expected), "{start:?}");
        }
    }

    #[tokio::test]
    async fn what_has_no_end_is_not_gathered_in_memory() {
        use std::sync::atomic::AtomicUsize;
        for (start, line) in [("--B\r\nContent-Disposition: form-data; name=\"", "x"), ("", "y")] {
            let sent = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&sent);
            let first = Bytes::copy_from_slice(start.as_bytes());
            let piece = Bytes::from(line.repeat(16 * 1024));
            let endless = futures_util::stream::iter([first])
                .chain(futures_util::stream::repeat(piece).take(6400))
                .map(move |piece| {
                    counter.fetch_add(piece.len(), Ordering::SeqCst);
                    Ok::<_, std::convert::Infallible>(piece)
                });
            let refused = form(Body::from_stream(endless)).open().await;
            assert_eq!(refused.err().unwrap().status(), 413);
            assert!(sent.load(Ordering::SeqCst) < 200_000);
        }
    }

    #[test]
    fn a_boundary_is_needed() {
        let verdict = |kind: &'static str| {
            let mut headers = HeaderMap::new();
            if !kind.is_empty() {
                headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
            }
            boundary(&headers).map_err(|problem| problem.status().as_u16())
        };
        assert_eq!(verdict("multipart/form-data; boundary=x"), Ok("x".to_owned()));
        assert_eq!(verdict("multipart/form-data"), Err(400));
        assert_eq!(verdict("multipart/mixed; boundary=x"), Err(415));
        assert_eq!(verdict("application/json"), Err(415));
        assert_eq!(verdict(""), Err(415));
    }
}
