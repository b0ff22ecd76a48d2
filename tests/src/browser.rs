//! A real Chromium behind a chromedriver that this program starts and ends.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::elements::Element;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::processes;

/// How long a page may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// chromedriver, its browser, and the folder of the browser's profile.
pub struct Browser {
    driver: Child,
    window: Option<Client>,
    _profile: TempDir,
}

impl Browser {
    /// Starts a browser with a new profile. A machine without one fails the test: nothing is skipped.
    ///
    /// # Panics
    ///
    /// When `chromedriver` or `chromium` (Debian: `chromium-driver`, `chromium`) is missing or does not start.
    pub async fn start(width: u32, height: u32) -> Self {
        let profile = TempDir::with_prefix("mppeep-chromium-").expect("a temporary folder");
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed (package chromium-driver)");
        let out = driver.stdout.take().expect("piped");
        let (told, port) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            // Read to the end, or the driver would stop at a full pipe.
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if let Some(port) = line
                    .split("on port ")
                    .nth(1)
                    .filter(|_| line.contains("successfully"))
                {
                    let _nobody = told.send(port.trim_end_matches('.').parse::<u16>());
                }
            }
        });
        let mut browser = Self {
            driver,
            window: None,
            _profile: profile,
        };
        let port = port
            .recv_timeout(PATIENCE)
            .expect("chromedriver says its port")
            .expect("a port");
        let address = format!("http://127.0.0.1:{port}");
        let mut attempts = 0;
        let client = loop {
            attempts += 1;
            // On a loaded machine the driver may lose patience; what it gave up may still hold its folder.
            let folder = browser._profile.path().join(attempts.to_string());
            std::fs::create_dir(&folder).expect("a folder");
            let started = ClientBuilder::new(HttpConnector::new())
                .capabilities(capabilities(&folder, width, height))
                .connect(&address)
                .await;
            match started {
                Ok(client) => break client,
                Err(err) => assert!(
                    attempts < 3,
                    "chromium is installed (package chromium) and starts: {err}"
                ),
            }
        };
        browser.window = Some(client);
        browser.resize(width, height).await;
        browser
    }

    /// The window.
    #[must_use]
    pub fn window(&self) -> &Client {
        self.window.as_ref().expect("an open window")
    }

    /// Opens an address.
    pub async fn open(&self, address: &str) {
        self.window().goto(address).await.expect("the page opens");
    }

    /// Waits for an element.
    #[track_caller]
    pub fn find<'a>(&'a self, css: &'a str) -> impl Future<Output = Element> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            match self
                .window()
                .wait()
                .at_most(PATIENCE)
                .for_element(Locator::Css(css))
                .await
            {
                Ok(element) => element,
                Err(err) => {
                    let here = self
                        .window()
                        .current_url()
                        .await
                        .map(|url| url.to_string())
                        .unwrap_or_default();
                    panic!("{caller}: no {css} on {here}: {err}\n{}", self.text().await)
                }
            }
        }
    }

    /// What a reader sees.
    pub async fn text(&self) -> String {
        // Between two documents there is none.
        let text = self
            .window()
            .execute("return document.body.innerText", vec![])
            .await;
        text.ok()
            .and_then(|text| text.as_str().map(str::to_owned))
            .unwrap_or_default()
    }

    /// Waits until the page shows a text.
    pub async fn shows(&self, wanted: &str) {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            let text = self.text().await;
            if text.contains(wanted) {
                return;
            }
            assert!(
                tokio::time::Instant::now() < end,
                "the page never shows « {wanted} »:\n{text}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the page no longer shows a text.
    pub async fn hides(&self, unwanted: &str) {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            let text = self.text().await;
            // Between two documents nothing is shown, which proves nothing.
            if !text.is_empty() && !text.contains(unwanted) {
                return;
            }
            assert!(
                tokio::time::Instant::now() < end,
                "the page still shows « {unwanted} »:\n{text}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Types into a field, replacing what stands there.
    pub async fn fill(&self, css: &str, text: &str) {
        let field = self.find(css).await;
        field.clear().await.expect("a field can be emptied");
        field.send_keys(text).await.expect("a field can be typed into");
    }

    /// Clicks; when the page replaced the element in that moment, clicks what stands there now.
    pub async fn click(&self, css: &str) {
        let end = tokio::time::Instant::now() + PATIENCE;
        while let Err(err) = self.find(css).await.click().await {
            assert!(
                err.is_stale_element_reference() && tokio::time::Instant::now() < end,
                "{css}: {err}"
            );
        }
    }

    /// Presses a button if it is there, once in a document. For pages that go on by themselves.
    pub async fn press_once(&self, css: &str) {
        let script = "const button = document.querySelector(arguments[0]);
            if (button && !window.mppeepPressed) { window.mppeepPressed = true; button.click(); }";
        // An error means that the document went away in that moment, which is what is waited for.
        let _gone = self.window().execute(script, vec![json!(css)]).await;
    }

    /// Clicks, and waits until another document has come.
    pub async fn click_through(&self, css: &str) {
        let window = self.window();
        window
            .execute("window.mppeepOld = true", vec![])
            .await
            .expect("a mark on the old document");
        self.click(css).await;
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            let ready = "return window.mppeepOld !== true && document.readyState === 'complete'";
            if window
                .execute(ready, vec![])
                .await
                .ok()
                .and_then(|ready| ready.as_bool())
                == Some(true)
            {
                return;
            }
            assert!(
                tokio::time::Instant::now() < end,
                "clicking {css} leads nowhere:\n{}",
                self.text().await
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The path of the page.
    pub async fn path(&self) -> String {
        self.window()
            .current_url()
            .await
            .expect("an address")
            .path()
            .to_owned()
    }

    /// Sets the size of the page: a window cannot be as narrow as a telephone.
    pub async fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Says whether the reader prefers dark pages.
    pub async fn prefer_dark(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let features = json!({ "features": [
            { "name": "prefers-color-scheme", "value": value },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// A picture of the whole page, as PNG.
    pub async fn picture(&self) -> Vec<u8> {
        // A colour on its way from one theme to the other is in neither.
        let still = "return document.getAnimations().every(animation => animation.playState !== 'running')";
        let end = tokio::time::Instant::now() + PATIENCE;
        while self
            .window()
            .execute(still, vec![])
            .await
            .ok()
            .and_then(|still| still.as_bool())
            != Some(true)
        {
            assert!(tokio::time::Instant::now() < end, "the page moves for ever");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let height = self
            .window()
            .execute(
                "return Math.min(document.documentElement.scrollHeight, 6000)",
                vec![],
            )
            .await
            .expect("a height");
        let width = self
            .window()
            .execute("return window.innerWidth", vec![])
            .await
            .expect("a width");
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
        let asked = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let answer = self.devtools("Page.captureScreenshot", asked).await;
        base64_decoded(answer["data"].as_str().expect("a picture"))
    }

    /// A command of the browser's own protocol.
    async fn devtools(&self, command: &'static str, parameters: Value) -> Value {
        let asked = Devtools { command, parameters };
        self.window()
            .issue_cmd(asked)
            .await
            .unwrap_or_else(|err| panic!("{command}: {err}"))
    }

    /// What the console complained about since the last question, without the answers that a test provokes (404).
    pub async fn console_errors(&self) -> Vec<String> {
        let entries = self
            .window()
            .issue_cmd(ConsoleLog)
            .await
            .expect("the console can be read");
        let entries = entries.as_array().cloned().unwrap_or_default();
        entries
            .iter()
            .filter(|entry| entry["level"] == "SEVERE")
            .filter_map(|entry| entry["message"].as_str())
            .filter(|message| !message.contains("status of 404"))
            .map(str::to_owned)
            .collect()
    }

    /// Closes the window, so that the browser ends by itself.
    pub async fn close(mut self) {
        if let Some(window) = self.window.take() {
            let _closed = window.close().await;
        }
    }
}

/// chromedriver's way to the browser's own protocol.
#[derive(Debug)]
struct Devtools {
    command: &'static str,
    parameters: Value,
}

impl WebDriverCompatibleCommand for Devtools {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!(
            "session/{}/goog/cdp/execute",
            session.unwrap_or_default()
        ))
    }

    fn method_and_body(&self, _: &url::Url) -> (Method, Option<String>) {
        (
            Method::POST,
            Some(json!({ "cmd": self.command, "params": self.parameters }).to_string()),
        )
    }
}

/// The standard alphabet, with padding.
fn base64_decoded(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => u32::from(byte - b'A'),
        b'a'..=b'z' => u32::from(byte - b'a') + 26,
        b'0'..=b'9' => u32::from(byte - b'0') + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u32> = text.bytes().filter(|byte| *byte != b'=').map(value).collect();
    digits
        .chunks(4)
        .flat_map(|group| {
            let bits = group.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - group.len()));
            bits.to_be_bytes()[1..group.len()].to_vec()
        })
        .collect()
}

/// chromedriver's own command for the console's lines.
#[derive(Debug)]
struct ConsoleLog;

impl WebDriverCompatibleCommand for ConsoleLog {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({ "type": "browser" }).to_string()))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let others = processes::descendants(self.driver.id());
        let _gone = self.driver.kill();
        let _reaped = self.driver.wait();
        others.into_iter().for_each(processes::kill);
    }
}

fn capabilities(profile: &Path, width: u32, height: u32) -> Capabilities {
    let mut arguments: Vec<String> = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--lang=fr",
    ]
    .map(String::from)
    .to_vec();
    arguments.push(format!("--user-data-dir={}", profile.join("profile").display()));
    arguments.push(format!("--window-size={width},{height}"));
    let options = json!({ "args": arguments });
    let wanted = json!({
        "browserName": "chrome",
        "goog:chromeOptions": options,
        "goog:loggingPrefs": { "browser": "ALL" },
    });
    let Some(map) = wanted.as_object().cloned() else {
        unreachable!("a literal object")
    };
    map
}

#[cfg(test)]
mod tests {
    #[test]
    fn base64_is_decoded() {
        for (coded, plain) in [
            ("", ""),
            ("TQ==", "M"),
            ("TWE=", "Ma"),
            ("TWFu", "Man"),
            ("TWFuTQ==", "ManM"),
        ] {
            assert_eq!(super::base64_decoded(coded), plain.as_bytes());
        }
    }
}
