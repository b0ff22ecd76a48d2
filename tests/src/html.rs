//! Just enough reading of HTML: tags, attributes, forms.

use std::collections::BTreeMap;

/// An opening tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Its name in lower case; closing tags have a slash in front.
    pub name: String,
    /// Its attributes, names in lower case, values unescaped.
    pub attributes: BTreeMap<String, String>,
    /// Where the tag begins.
    pub start: usize,
    /// Where the text after the tag begins.
    pub end: usize,
}

impl Tag {
    /// An attribute's value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

/// The tags of a page in order; the contents of scripts and styles are passed over.
#[must_use]
pub fn tags(page: &str) -> Vec<Tag> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(open) = page[at..].find('<') {
        let start = at + open + 1;
        if page[start..].starts_with("!--") {
            at = page[start..]
                .find("-->")
                .map_or(page.len(), |end| start + end + 3);
            continue;
        }
        let Some(tag) = read_tag(page, start) else {
            at = start;
            continue;
        };
        at = tag.end;
        if tag.name == "script" || tag.name == "style" {
            let closing = format!("</{}", tag.name);
            at = page[at..].find(&closing).map_or(page.len(), |end| at + end);
        }
        found.push(tag);
    }
    found
}

fn read_tag(page: &str, start: usize) -> Option<Tag> {
    let bytes = page.as_bytes();
    let mut at = start;
    while at < bytes.len() && (bytes[at].is_ascii_alphanumeric() || b"/!-".contains(&bytes[at])) {
        at += 1;
    }
    let name = page[start..at].to_ascii_lowercase();
    if name.is_empty() || name == "/" {
        return None;
    }
    let mut attributes = BTreeMap::new();
    loop {
        while at < bytes.len() && (bytes[at].is_ascii_whitespace() || bytes[at] == b'/') {
            at += 1;
        }
        if at >= bytes.len() {
            return None;
        }
        if bytes[at] == b'>' {
            return Some(Tag {
                name,
                attributes,
                start: start - 1,
                end: at + 1,
            });
        }
        let begin = at;
        while at < bytes.len() && !bytes[at].is_ascii_whitespace() && !b"=>/".contains(&bytes[at]) {
            at += 1;
        }
        if at == begin {
            at += 1; // a stray character
            continue;
        }
        let attribute = page[begin..at].to_ascii_lowercase();
        let mut value = String::new();
        if at < bytes.len() && bytes[at] == b'=' {
            at += 1;
            let (from, to, next) = match bytes.get(at) {
                Some(&quote @ (b'"' | b'\'')) => {
                    let close = page[at + 1..]
                        .find(char::from(quote))
                        .map_or(page.len(), |end| at + 1 + end);
                    (at + 1, close, (close + 1).min(page.len()))
                }
                _ => {
                    let close = page[at..]
                        .find(|c: char| c.is_ascii_whitespace() || c == '>')
                        .map_or(page.len(), |end| at + end);
                    (at, close, close)
                }
            };
            value = unescape(&page[from..to]);
            at = next;
        }
        attributes.insert(attribute, value);
    }
}

/// The character references that a careful template writes.
#[must_use]
pub fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#x27;", "'")
        .replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&nbsp;", "\u{a0}")
        .replace("&#38;", "&")
        .replace("&amp;", "&")
}

/// The text of a page: tags and scripts taken out, spaces gathered.
#[must_use]
pub fn text(page: &str) -> String {
    let mut out = String::new();
    let mut end = 0;
    let mut hidden = false;
    for tag in tags(page) {
        if !hidden {
            out.push_str(&page[end..tag.start]);
            out.push(' ');
        }
        hidden = tag.name == "script" || tag.name == "style";
        end = tag.end;
    }
    out.push_str(&page[end..]);
    unescape(&out).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A form of a page.
#[derive(Clone, Debug)]
pub struct Form {
    /// Where it goes.
    pub action: String,
    /// `get` or `post`.
    pub method: String,
    /// How its body is encoded.
    pub encoding: String,
    /// Its fields as a browser would send them untouched: (name, value).
    pub fields: Vec<(String, String)>,
    /// The tags of its inputs, selects, text areas and buttons.
    pub controls: Vec<Tag>,
}

impl Form {
    /// The same form with one field filled in; a field that is not there is added.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(other, _)| other != name);
        self.fields.push((name.into(), value.into()));
        self
    }

    /// A field's value.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    /// The fields as the client wants them.
    #[must_use]
    pub fn pairs(&self) -> Vec<(&str, &str)> {
        self.fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }
}

/// The forms of a page.
#[must_use]
pub fn forms(page: &str) -> Vec<Form> {
    let mut forms = Vec::new();
    let mut open: Option<Form> = None;
    let mut select: Option<String> = None;
    for tag in tags(page) {
        let value = |name: &str| tag.get(name).unwrap_or("").to_owned();
        match tag.name.as_str() {
            "form" => {
                open = Some(Form {
                    action: value("action"),
                    method: value("method").to_ascii_lowercase(),
                    encoding: value("enctype"),
                    fields: Vec::new(),
                    controls: Vec::new(),
                });
            }
            "/form" => forms.extend(open.take()),
            "/select" => select = None,
            _ => {}
        }
        let Some(form) = open.as_mut() else { continue };
        let name = value("name");
        match tag.name.as_str() {
            "input" if !name.is_empty() => {
                let kind = value("type").to_ascii_lowercase();
                let ticked = tag.get("checked").is_some();
                let sent = match kind.as_str() {
                    "checkbox" | "radio" => ticked,
                    "submit" | "button" | "file" | "reset" => false,
                    _ => true,
                };
                if sent {
                    let given = if matches!(kind.as_str(), "checkbox" | "radio") && tag.get("value").is_none()
                    {
                        "on".into()
                    } else {
                        value("value")
                    };
                    form.fields.push((name, given));
                }
                form.controls.push(tag);
            }
            "select" if !name.is_empty() => {
                select = Some(name.clone());
                form.fields.push((name, String::new()));
                form.controls.push(tag);
            }
            "option" => {
                if let Some(name) = &select
                    && let Some(field) = form.fields.iter_mut().rev().find(|(other, _)| other == name)
                    && (tag.get("selected").is_some())
                {
                    field.1 = value("value");
                }
            }
            "textarea" if !name.is_empty() => {
                let rest = &page[tag.end..];
                let content = &rest[..rest.find("</textarea").unwrap_or(0)];
                form.fields
                    .push((name, unescape(content.strip_prefix('\n').unwrap_or(content))));
                form.controls.push(tag);
            }
            "button" => form.controls.push(tag),
            _ => {}
        }
    }
    forms
}

/// The form of a page that posts to a path ending so.
#[must_use]
#[track_caller]
pub fn form_to(page: &str, action: &str) -> Form {
    let all: Vec<Form> = forms(page)
        .into_iter()
        .filter(|form| form.method == "post")
        .collect();
    let goes_there = |form: &&Form| form.action.split('?').next().unwrap_or("").ends_with(action);
    all.iter().find(goes_there).cloned().unwrap_or_else(|| {
        let actions: Vec<&str> = all.iter().map(|form| form.action.as_str()).collect();
        panic!("no form posts to {action}, only to {actions:?}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_as_a_browser_would_send_them() {
        let page = r#"<!-- <form action="/no"> --><form method="POST" action='/a?b=1'>
            <input name=user value="A &amp; &quot;B&quot;"><input type="password" name="secret">
            <input type=checkbox name=seen><input type="checkbox" name="kept" value="1" checked>
            <select name="unit"><option value="1">One<option value="2" selected>Two</select>
            <textarea name="note">x &lt; y</textarea><button name="go" value="1">Go</button></form>"#;
        let form = form_to(page, "/a");
        assert_eq!(form.method, "post");
        let fields: Vec<(&str, &str)> = form.pairs();
        let expected = [
            ("user", "A & \"B\""),
            ("secret", ""),
            ("kept", "1"),
            ("unit", "2"),
            ("note", "x < y"),
        ];
        assert_eq!(fields, expected);
    }

    #[test]
    fn text_is_what_a_reader_sees() {
        assert_eq!(
            text("<p>Il reste <b>3</b>&nbsp;essais</p><script>if (a<b) {}</script>fin"),
            "Il reste 3 essais fin"
        );
    }
}
