//! Addresses of this server, with its root path. The `Host` header never enters one.

use std::fmt::Display;
use std::sync::Arc;

use crate::assets;

/// Builds addresses below the configured root path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Urls {
    root: Arc<str>,
}

impl Urls {
    /// Addresses below `root`, for instance `/mppeep`; an empty root or `/` means the top of the host.
    pub fn new(root: &str) -> Self {
        let trimmed = root.trim_matches('/');
        let root = if trimmed.is_empty() {
            String::new()
        } else {
            format!("/{trimmed}")
        };
        Self { root: root.into() }
    }

    /// The root path without a trailing slash; empty at the top of the host.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The path that cookies are limited to.
    pub fn cookie_path(&self) -> &str {
        if self.root.is_empty() { "/" } else { &self.root }
    }

    /// The address of a page; `path` starts with `/`.
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.root)
    }

    /// The address of one item of an API collection.
    pub fn api(&self, collection: &str, id: impl Display) -> String {
        format!("{}/api/v1/{collection}/{id}", self.root)
    }

    /// The address of a static file, with the hash of its content so that it may be kept for ever.
    pub fn asset(&self, path: &str) -> String {
        match assets::find(path) {
            Some(asset) => format!("{}/static/{path}?v={}", self.root, asset.hash),
            None => format!("{}/static/{path}", self.root),
        }
    }

    /// The part of a request path below the root, or `None` when it lies elsewhere.
    pub(crate) fn below_root<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(&*self.root)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_normalised() {
        for root in ["/mppeep", "mppeep", "/mppeep/", "mppeep/"] {
            assert_eq!(Urls::new(root).path("/login"), "/mppeep/login");
        }
        assert_eq!(Urls::new("/").path("/login"), "/login");
        assert_eq!(Urls::new("").cookie_path(), "/");
        assert_eq!(Urls::new("/a/b").api("personnel", 7), "/a/b/api/v1/personnel/7");
    }

    #[test]
    fn a_look_alike_root_is_not_the_root() {
        let urls = Urls::new("/mppeep");
        assert_eq!(urls.below_root("/mppeep/api"), Some("/api"));
        assert_eq!(urls.below_root("/mppeep"), Some(""));
        assert_eq!(urls.below_root("/mppeepx/api"), None);
        assert_eq!(urls.below_root("/api"), None);
    }
}
