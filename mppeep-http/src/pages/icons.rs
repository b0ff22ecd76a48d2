//! Icons of the interface: small line drawings, written in the page so that they follow the colour of their text
//! and cost no request.

/// The drawing called `name`, hidden from screen readers: the text beside it says the same thing.
///
/// An unknown name gives an empty string.
#[must_use]
pub(crate) fn icon(name: &str) -> &'static str {
    macro_rules! svg {
        ($body:literal) => {
            concat!(
                r#"<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">"#,
                $body,
                "</svg>"
            )
        };
    }
    match name {
        "home" => svg!(r#"<path d="M4 11l8-6.5 8 6.5V19a1 1 0 0 1-1 1h-4.5v-5.5h-5V20H5a1 1 0 0 1-1-1z"/>"#),
        "dashboard" => svg!(r#"<path d="M4 20V10M10 20V4M16 20v-7M21 20H3"/>"#),
        "people" => svg!(
            r#"<circle cx="9" cy="8.5" r="3.5"/><path d="M3 20c0-3.6 2.6-6 6-6s6 2.4 6 6M16 5.4a3.4 3.4 0 0 1 0 6.2M17.5 14.4c2.2.7 3.5 2.7 3.5 5.6"/>"#
        ),
        "person" => {
            svg!(r#"<circle cx="12" cy="8" r="4"/><path d="M4.5 20.5c.5-4 3.4-6.5 7.5-6.5s7 2.5 7.5 6.5"/>"#)
        }
        "tree" => svg!(
            r#"<rect x="9" y="3" width="6" height="5" rx="1"/><rect x="3" y="16" width="6" height="5" rx="1"/><rect x="15" y="16" width="6" height="5" rx="1"/><path d="M12 8v4M6 16v-4h12v4"/>"#
        ),
        "calendar" => svg!(
            r#"<rect x="4" y="5.5" width="16" height="15" rx="2"/><path d="M4 10h16M8.5 3v4M15.5 3v4"/>"#
        ),
        "star" => svg!(r#"<path d="M12 4l2.4 5 5.6.7-4.1 3.8 1.1 5.5-5-2.8L7 19l1.1-5.5L4 9.7 9.6 9z"/>"#),
        "journal" => svg!(
            r#"<path d="M6 3.5h10.5A1.5 1.5 0 0 1 18 5v15.5H7.5A1.5 1.5 0 0 1 6 19zM6 19a1.5 1.5 0 0 1 1.5-1.5H18M9.5 8h5M9.5 11.5h5"/>"#
        ),
        "users" => svg!(
            r#"<circle cx="10" cy="8" r="3.8"/><path d="M3.5 20c.3-3.8 2.9-6 6.5-6 1.3 0 2.4.3 3.4.8"/><path d="M18 13.5l3 1.3v2.3c0 1.7-1.2 3-3 3.9-1.8-.9-3-2.2-3-3.9v-2.3z"/>"#
        ),
        "settings" => svg!(
            r#"<path d="M4 7h9M17 7h3M4 17h3M11 17h9"/><circle cx="15" cy="7" r="2"/><circle cx="9" cy="17" r="2"/>"#
        ),
        "search" => svg!(r#"<circle cx="10.5" cy="10.5" r="6"/><path d="M15 15l5.5 5.5"/>"#),
        "menu" => svg!(r#"<path d="M4 6.5h16M4 12h16M4 17.5h16"/>"#),
        "close" => svg!(r#"<path d="M6 6l12 12M18 6L6 18"/>"#),
        "moon" => svg!(r#"<path d="M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z"/>"#),
        "sun" => svg!(
            r#"<circle cx="12" cy="12" r="4"/><path d="M12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4"/>"#
        ),
        "logout" => {
            svg!(r#"<path d="M14 4H6a1 1 0 0 0-1 1v14a1 1 0 0 0 1 1h8M10 12h10.5M17 8.5l3.5 3.5-3.5 3.5"/>"#)
        }
        "plus" => svg!(r#"<path d="M12 5v14M5 12h14"/>"#),
        "upload" => svg!(r#"<path d="M12 15.5V4.5M7.5 8.5l4.5-4 4.5 4M4.5 15v4.5h15V15"/>"#),
        "download" => svg!(r#"<path d="M12 4.5v11M7.5 11.5l4.5 4 4.5-4M4.5 15v4.5h15V15"/>"#),
        "edit" => svg!(
            r#"<path d="M5 19l.9-4L16.2 4.7a1.7 1.7 0 0 1 2.4 0l.7.7a1.7 1.7 0 0 1 0 2.4L9 18.1z"/><path d="M14.3 6.6l3.1 3.1"/>"#
        ),
        "more" => svg!(
            r#"<circle cx="12" cy="5.5" r=".6"/><circle cx="12" cy="12" r=".6"/><circle cx="12" cy="18.5" r=".6"/>"#
        ),
        "check" => svg!(r#"<path d="M5 12.5l4.5 4.5L19 7.5"/>"#),
        "info" => svg!(r#"<circle cx="12" cy="12" r="8.5"/><path d="M12 11v5.5M12 7.5v.1"/>"#),
        "alert" => svg!(r#"<path d="M12 4l9 16H3z"/><path d="M12 10.5v4M12 17.2v.1"/>"#),
        "lock" => svg!(
            r#"<rect x="5" y="11" width="14" height="9.5" rx="1.5"/><path d="M8 11V8a4 4 0 0 1 8 0v3"/>"#
        ),
        "eye" => svg!(
            r#"<path d="M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12z"/><circle cx="12" cy="12" r="3"/>"#
        ),
        "print" => svg!(r#"<path d="M7 8.5V4h10v4.5M7 17H4.5V8.5h15V17H17M7 14h10v6H7z"/>"#),
        "archive" => svg!(r#"<path d="M4 4.5h16V9H4zM5.5 9v10.5h13V9M10 13h4"/>"#),
        "restore" => svg!(r#"<path d="M4.5 12a7.5 7.5 0 1 0 2.4-5.5M4.5 4v4.5H9"/>"#),
        "filter" => svg!(r#"<path d="M4 6h16M7 12h10M10.5 18h3"/>"#),
        "columns" => {
            svg!(r#"<rect x="4" y="5" width="16" height="14" rx="1.5"/><path d="M9.3 5v14M14.7 5v14"/>"#)
        }
        "bell" => svg!(r#"<path d="M6.5 16.5V11a5.5 5.5 0 0 1 11 0v5.5l1.8 1.8H4.7zM10 20.5h4"/>"#),
        "mail" => svg!(r#"<rect x="3.5" y="5.5" width="17" height="13" rx="1.5"/><path d="M4 7l8 6 8-6"/>"#),
        "phone" => svg!(
            r#"<path d="M6 4h3l1.5 4.2-2 1.5a11 11 0 0 0 5.8 5.8l1.5-2L20 15v3a2 2 0 0 1-2.2 2A15.8 15.8 0 0 1 4 6.2 2 2 0 0 1 6 4z"/>"#
        ),
        "building" => svg!(
            r#"<path d="M5 20.5V5l8-2v17.5M13 9h6v11.5M3 20.5h18M8 8.5h2M8 12h2M8 15.5h2M16 12.5v.1M16 16v.1"/>"#
        ),
        "clock" => svg!(r#"<circle cx="12" cy="12" r="8.5"/><path d="M12 7.5V12l3 2"/>"#),
        "flag" => svg!(r#"<path d="M6 21V4M6 5h11.5l-2.2 4 2.2 4H6"/>"#),
        "document" => svg!(r#"<path d="M6.5 3.5h7.5l4 4v13H6.5zM14 3.5v4h4M9.5 12h5M9.5 15.5h5"/>"#),
        "wallet" => svg!(
            r#"<rect x="3.5" y="6.5" width="17" height="13" rx="1.5"/><path d="M3.5 8.5l11-4.5v2.5M15 13h5.5"/>"#
        ),
        "key" => svg!(r#"<circle cx="8" cy="15.5" r="4"/><path d="M11 12.5l8.5-8.5M16 7.5l2.5 2.5"/>"#),
        "link" => svg!(
            r#"<path d="M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.3l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3A4 4 0 0 0 11 18.7l1-1"/>"#
        ),
        "chevron" => svg!(r#"<path d="M9 5.5l6.5 6.5L9 18.5"/>"#),
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_icon_draws() {
        for name in ["home", "people", "search", "chevron", "link"] {
            assert!(icon(name).starts_with("<svg"), "{name}");
        }
        assert_eq!(icon("nothing"), "");
    }
}
