//! The frame of every page: menu, search, account, crumbs, message.

use super::ui::Tone;
use crate::catalogue;
use crate::urls::Urls;

/// The ministry, as the settings describe it.
#[derive(Debug, Clone)]
pub(crate) struct Ministry {
    /// Short name, in the menu and in titles.
    pub(crate) short: String,
    /// Full name.
    pub(crate) name: String,
    /// Text at the foot of every page; may be empty.
    pub(crate) footer: String,
}

impl Default for Ministry {
    /// Where the settings are not at hand: on an error, before the database answers.
    fn default() -> Self {
        Self {
            short: "MPPEEP".to_owned(),
            name: String::new(),
            footer: String::new(),
        }
    }
}

/// Who reads the page.
#[derive(Debug, Clone)]
pub(crate) struct FrameReader {
    /// Name shown.
    pub(crate) name: String,
    /// Initials, for the avatar.
    pub(crate) initials: String,
    /// The reader's photograph, if there is one.
    pub(crate) photo: Option<String>,
    /// Roles, in words.
    pub(crate) role: String,
    /// The reader's own file.
    pub(crate) file_url: Option<String>,
    /// Notices that the reader has not read.
    pub(crate) unread: u64,
    /// Whether the reader may look agents up.
    pub(crate) may_search: bool,
}

/// A part of the menu.
#[derive(Debug, Clone)]
pub(crate) struct MenuGroup {
    /// Its heading; empty for the first one.
    pub(crate) title: &'static str,
    /// Its entries.
    pub(crate) items: Vec<MenuItem>,
}

/// An entry of the menu.
#[derive(Debug, Clone)]
pub(crate) struct MenuItem {
    /// Its text.
    pub(crate) label: &'static str,
    /// Its icon.
    pub(crate) icon: &'static str,
    /// Its address.
    pub(crate) url: String,
    /// Whether the page belongs to it.
    pub(crate) current: bool,
}

/// One step of the way to a page.
#[derive(Debug, Clone)]
pub(crate) struct Crumb {
    /// Its text.
    pub(crate) label: String,
    /// Its address; `None` for the page itself.
    pub(crate) url: Option<String>,
}

/// What just happened, on top of the next page.
#[derive(Debug, Clone)]
pub(crate) struct Flash {
    /// Its tone.
    pub(crate) tone: Tone,
    /// Its text.
    pub(crate) text: String,
}

/// Everything `base.html` shows around a page.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// Addresses.
    pub(crate) urls: Urls,
    /// Title of the page.
    pub(crate) title: String,
    /// The ministry.
    pub(crate) ministry: Ministry,
    /// Address of the style sheet with the ministry's colours.
    pub(crate) theme_url: String,
    /// Theme the reader chose: `light`, `dark`, or empty for the device's own.
    pub(crate) theme: &'static str,
    /// Who reads; nobody before the login.
    pub(crate) reader: Option<FrameReader>,
    /// The menu.
    pub(crate) menu: Vec<MenuGroup>,
    /// Announcement on top of every page; may be empty.
    pub(crate) banner: String,
    /// Whether writing is switched off.
    pub(crate) read_only: bool,
    /// Whether the database holds demonstration data.
    pub(crate) demonstration: bool,
    /// The way to this page.
    pub(crate) crumbs: Vec<Crumb>,
    /// What just happened.
    pub(crate) flash: Option<Flash>,
}

impl Frame {
    /// The frame of a page without menu: before the login, or for an error.
    #[must_use]
    pub(crate) fn bare(urls: &Urls, title: impl Into<String>, theme: &'static str) -> Self {
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
    pub(crate) fn other_theme(&self) -> &'static str {
        if self.theme == "dark" { "light" } else { "dark" }
    }

    /// Adds a step to the way: a page above this one.
    #[must_use]
    pub(crate) fn under(mut self, label: impl Into<String>, path: &str) -> Self {
        let url = Some(self.urls.path(path));
        self.crumbs.push(Crumb {
            label: label.into(),
            url,
        });
        self
    }

    /// Ends the way with the page itself.
    #[must_use]
    pub(crate) fn here(mut self, label: impl Into<String>) -> Self {
        self.crumbs.push(Crumb {
            label: label.into(),
            url: None,
        });
        self
    }

    /// Shows the message of a code carried by the address (`?note=…`), if the catalogue knows it.
    #[must_use]
    pub(crate) fn note(mut self, code: Option<&str>) -> Self {
        self.flash = code.and_then(catalogue::note).map(|(tone, text)| Flash {
            tone,
            text: text.to_owned(),
        });
        self
    }

    /// Shows a message.
    #[must_use]
    pub(crate) fn say(mut self, tone: Tone, text: impl Into<String>) -> Self {
        self.flash = Some(Flash {
            tone,
            text: text.into(),
        });
        self
    }
}
