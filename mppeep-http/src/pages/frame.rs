//! The frame of every page: menu, search, account, crumbs, message.

use super::ui::Tone;
use crate::catalogue;
use crate::urls::Urls;

/// The ministry, as the settings describe it.
#[derive(Debug, Clone)]
pub struct Ministry {
    /// Short name, in the menu and in titles.
    pub short: String,
    /// Full name.
    pub name: String,
    /// Text at the foot of every page; may be empty.
    pub footer: String,
}

impl Default for Ministry {
    /// Where the settings are not at hand: on an error, before the database answers.
    fn default() -> Self {
        Self { short: "MPPEEP".to_owned(), name: String::new(), footer: String::new() }
    }
}

/// Who reads the page.
#[derive(Debug, Clone)]
pub struct FrameReader {
    /// Name shown.
    pub name: String,
    /// Initials, for the avatar.
    pub initials: String,
    /// Roles, in words.
    pub role: String,
    /// The reader's own file.
    pub file_url: Option<String>,
    /// Whether the reader may look agents up.
    pub may_search: bool,
}

/// A part of the menu.
#[derive(Debug, Clone)]
pub struct MenuGroup {
    /// Its heading; empty for the first one.
    pub title: &'static str,
    /// Its entries.
    pub items: Vec<MenuItem>,
}

/// An entry of the menu.
#[derive(Debug, Clone)]
pub struct MenuItem {
    /// Its text.
    pub label: &'static str,
    /// Its icon.
    pub icon: &'static str,
    /// Its address.
    pub url: String,
    /// Whether the page belongs to it.
    pub current: bool,
}

/// One step of the way to a page.
#[derive(Debug, Clone)]
pub struct Crumb {
    /// Its text.
    pub label: String,
    /// Its address; `None` for the page itself.
    pub url: Option<String>,
}

/// What just happened, on top of the next page.
#[derive(Debug, Clone)]
pub struct Flash {
    /// Its tone.
    pub tone: Tone,
    /// Its text.
    pub text: String,
}

/// Everything `base.html` shows around a page.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Addresses.
    pub urls: Urls,
    /// Title of the page.
    pub title: String,
    /// The ministry.
    pub ministry: Ministry,
    /// Address of the style sheet with the ministry's colours.
    pub theme_url: String,
    /// Theme the reader chose: `light`, `dark`, or empty for the device's own.
    pub theme: &'static str,
    /// Who reads; nobody before the login.
    pub reader: Option<FrameReader>,
    /// The menu.
    pub menu: Vec<MenuGroup>,
    /// Announcement on top of every page; may be empty.
    pub banner: String,
    /// Whether writing is switched off.
    pub read_only: bool,
    /// Whether the database holds demonstration data.
    pub demonstration: bool,
    /// The way to this page.
    pub crumbs: Vec<Crumb>,
    /// What just happened.
    pub flash: Option<Flash>,
}

impl Frame {
    /// The frame of a page without menu: before the login, or for an error.
    #[must_use]
    pub fn bare(urls: &Urls, title: impl Into<String>, theme: &'static str) -> Self {
        Self {
            urls: urls.clone(),
            title: title.into(),
            ministry: Ministry::default(),
            theme_url: urls.path("/theme.css"),
            theme,
            reader: None,
            menu: Vec::new(),
            banner: String::new(),
            read_only: false,
            demonstration: false,
            crumbs: Vec::new(),
            flash: None,
        }
    }

    /// The theme the button switches to when there is no JavaScript.
    #[must_use]
    pub fn other_theme(&self) -> &'static str {
        if self.theme == "dark" { "light" } else { "dark" }
    }

    /// Adds a step to the way: a page above this one.
    #[must_use]
    pub fn under(mut self, label: impl Into<String>, path: &str) -> Self {
        let url = Some(self.urls.path(path));
        self.crumbs.push(Crumb { label: label.into(), url });
        self
    }

    /// Ends the way with the page itself.
    #[must_use]
    pub fn here(mut self, label: impl Into<String>) -> Self {
        self.crumbs.push(Crumb { label: label.into(), url: None });
        self
    }

    /// Shows the message of a code carried by the address (`?note=…`), if the catalogue knows it.
    #[must_use]
    pub fn note(mut self, code: Option<&str>) -> Self {
        self.flash = code.and_then(catalogue::note).map(|(tone, text)| Flash { tone, text: text.to_owned() });
        self
    }

    /// Shows a message.
    #[must_use]
    pub fn say(mut self, tone: Tone, text: impl Into<String>) -> Self {
        self.flash = Some(Flash { tone, text: text.into() });
        self
    }
}
