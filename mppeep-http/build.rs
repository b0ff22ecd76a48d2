//! Prepares the static files: a hash of each content, brotli and gzip variants, and one table over them.
//!
//! Relative references inside style sheets and scripts get the hash of what they name (`url("../fonts/a.woff2")` becomes
//! `url("../fonts/a.woff2?v=…")`), because every file is served as immutable.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use sha2::{Digest, Sha256};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let manifest = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(std::env::var("OUT_DIR")?).join("assets");
    let release = std::env::var("PROFILE")? == "release";
    let root = manifest.join("assets");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", root.display());
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    fs::create_dir_all(&out)?;

    let mut sources = BTreeMap::new();
    collect(&root, "", &mut sources)?;
    let mut builder = Builder {
        sources,
        done: BTreeMap::new(),
    };
    let names: Vec<String> = builder.sources.keys().cloned().collect();
    for name in &names {
        builder.finish(name, &mut BTreeSet::new());
    }

    let fixed_date: Option<u64> = std::env::var("SOURCE_DATE_EPOCH")
        .ok()
        .and_then(|text| text.parse().ok());
    let mut table =
        String::from("/// Every static file, in name order.\npub(crate) static ASSETS: &[Asset] = &[\n");
    for (index, name) in names.iter().enumerate() {
        let Some((content, hash)) = builder.done.get(name) else {
            continue;
        };
        let Some(source) = builder.sources.get(name) else {
            continue;
        };
        let (mime, text) = kind(name);
        let stored = out.join(format!("{index}.raw"));
        fs::write(&stored, content)?;
        let variant = |extension: &str, bytes: Vec<u8>| -> Outcome<String> {
            if !text || bytes.len() + 64 >= content.len() {
                return Ok("None".to_owned());
            }
            let path = out.join(format!("{index}.{extension}"));
            fs::write(&path, bytes)?;
            Ok(format!("Some(include_bytes!({:?}))", path.display().to_string()))
        };
        let brotli = variant("br", brotli(content, release)?)?;
        let gzip = variant("gz", gzip(content)?)?;
        let modified = fixed_date.unwrap_or(source.modified);
        let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(modified));
        // Weak: the codings of one content share it, and a tunnel may send the content in a coding of its own.
        let tag = format!("W/\"{hash}\"");
        writeln!(
            table,
            "    Asset {{ path: {name:?}, mime: {mime:?}, hash: {hash:?}, tag: {tag:?}, modified: {modified}, date: {date:?}, identity: include_bytes!({:?}), brotli: {brotli}, gzip: {gzip} }},",
            stored.display().to_string(),
        )?;
    }
    table.push_str("];\n");
    fs::write(out.join("table.rs"), table)?;
    Ok(())
}

struct Source {
    content: Vec<u8>,
    modified: u64,
}

fn collect(folder: &Path, prefix: &str, into: &mut BTreeMap<String, Source>) -> Outcome<()> {
    if !folder.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if name.starts_with('.') {
            continue;
        }
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{path}/"), into)?;
        } else {
            let modified = entry
                .metadata()?
                .modified()?
                .duration_since(UNIX_EPOCH)
                .map_or(0, |age| age.as_secs());
            into.insert(
                path,
                Source {
                    content: fs::read(entry.path())?,
                    modified,
                },
            );
        }
    }
    Ok(())
}

struct Builder {
    sources: BTreeMap<String, Source>,
    done: BTreeMap<String, (Vec<u8>, String)>,
}

impl Builder {
    /// Versions the references of `name`, then hashes it. A file that refers to itself in a circle keeps that one
    /// reference without a version.
    fn finish(&mut self, name: &str, open: &mut BTreeSet<String>) -> Option<String> {
        if let Some((_, hash)) = self.done.get(name) {
            return Some(hash.clone());
        }
        if !open.insert(name.to_owned()) {
            return None;
        }
        let mut content = self.sources.get(name)?.content.clone();
        if (name.ends_with(".css") || name.ends_with(".js"))
            && let Ok(text) = String::from_utf8(content.clone())
        {
            content = self.version(name, &text, open).into_bytes();
        }
        open.remove(name);
        let hash = Sha256::digest(&content)
            .iter()
            .take(8)
            .fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            });
        self.done.insert(name.to_owned(), (content, hash.clone()));
        Some(hash)
    }

    fn version(&mut self, name: &str, text: &str, open: &mut BTreeSet<String>) -> String {
        let mut result = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(['"', '\'', '(']) {
            let (before, from) = rest.split_at(at + 1);
            result.push_str(before);
            let end = from.find(['"', '\'', ')', '\n', '(']).unwrap_or(from.len());
            let (reference, after) = from.split_at(end);
            result.push_str(reference);
            if reference.starts_with("./") || reference.starts_with("../") {
                let target = resolve(name, reference);
                if let Some(hash) = self
                    .sources
                    .contains_key(&target)
                    .then(|| self.finish(&target, open))
                    .flatten()
                {
                    result.push_str("?v=");
                    result.push_str(&hash);
                }
                // The closing mark is consumed, so that it does not open another string.
                let skip = usize::from(after.starts_with(['"', '\'', ')']));
                result.push_str(&after[..skip]);
                rest = &after[skip..];
            } else {
                rest = after;
            }
        }
        result.push_str(rest);
        result
    }
}

fn resolve(from: &str, reference: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in reference.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// Media type by extension, and whether the content is text that compresses.
fn kind(name: &str) -> (&'static str, bool) {
    match name.rsplit('.').next().unwrap_or_default() {
        "css" => ("text/css; charset=utf-8", true),
        "js" | "mjs" => ("text/javascript; charset=utf-8", true),
        "svg" => ("image/svg+xml", true),
        "json" => ("application/json", true),
        "webmanifest" => ("application/manifest+json", true),
        "txt" => ("text/plain; charset=utf-8", true),
        "ico" => ("image/x-icon", true),
        "png" => ("image/png", false),
        "jpg" | "jpeg" => ("image/jpeg", false),
        "webp" => ("image/webp", false),
        "woff2" => ("font/woff2", false),
        _ => ("application/octet-stream", false),
    }
}

fn brotli(content: &[u8], release: bool) -> Outcome<Vec<u8>> {
    let quality = if release { 11 } else { 5 };
    let params = brotli::enc::BrotliEncoderParams {
        quality,
        lgwin: 22,
        ..Default::default()
    };
    let mut output = Vec::new();
    brotli::BrotliCompress(&mut &content[..], &mut output, &params)?;
    Ok(output)
}

fn gzip(content: &[u8]) -> Outcome<Vec<u8>> {
    let mut encoder = flate2::GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), flate2::Compression::best());
    encoder.write_all(content)?;
    Ok(encoder.finish()?)
}
