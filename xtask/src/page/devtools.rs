//! A browser, driven over the DevTools protocol (<https://chromedevtools.github.io/devtools-protocol/>).
//!
//! It speaks through two pipes, a message of JSON with a NUL after it, so that no port is opened and no WebSocket is needed.
//! Nothing here sleeps: what is waited for is an answer or an event.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use serde_json::{Value, json};

use super::chromium::is_root;

/// How long a browser that says nothing is thought to be alive.
const SILENCE: Duration = Duration::from_secs(120);
/// The pipes that the browser reads and writes are its descriptors 3 and 4; a shell puts them there.
const PIPES: &str = "exec \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null";

/// A browser with one tab.
pub(super) struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    session: Option<String>,
    last: u64,
    /// What pages have complained of since somebody asked.
    complaints: Vec<String>,
    loaded: bool,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Browser {
    /// Starts it with an empty profile.
    ///
    /// # Errors
    /// When it does not start or does not answer.
    pub(super) fn start(program: &Path, profile: &Path) -> anyhow::Result<Self> {
        if profile.exists() {
            std::fs::remove_dir_all(profile).context("removing the profile of the last run")?;
        }
        let mut command = Command::new("sh");
        command.args(["-c", PIPES, "sh"]).arg(program).arg(format!("--user-data-dir={}", profile.display()));
        command.args(["--headless", "--remote-debugging-pipe", "--disable-gpu", "--no-first-run", "--hide-scrollbars"]);
        command.args(["--disable-background-networking", "--disable-extensions", "--disable-dev-shm-usage"]);
        if is_root() {
            command.arg("--no-sandbox");
        }
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = piped.spawn().context("starting the browser")?;
        let to = child.stdin.take().context("the browser has no pipe to write to")?;
        let out = child.stdout.take().context("the browser has no pipe to read from")?;
        let (send, from) = mpsc::channel();
        thread::spawn(move || {
            let mut out = BufReader::new(out);
            loop {
                let mut message = Vec::new();
                match out.read_until(0, &mut message) {
                    Ok(length) if length > 0 => {}
                    _ => return,
                }
                message.pop();
                let Ok(message) = serde_json::from_slice(&message) else { return };
                if send.send(message).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self { child, to, from, session: None, last: 0, complaints: Vec::new(), loaded: false };
        let target = browser.ask("Target.createTarget", json!({"url": "about:blank"}))?;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.ask("Target.attachToTarget", attach)?;
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.ask(&format!("{domain}.enable"), json!({}))?;
        }
        Ok(browser)
    }

    /// The browser's own name and version.
    ///
    /// # Errors
    /// When it does not answer.
    pub(super) fn version(&mut self) -> anyhow::Result<String> {
        let version = self.ask("Browser.getVersion", json!({}))?;
        Ok(version["product"].as_str().unwrap_or("a browser without a name").to_owned())
    }

    /// One request, and its answer.
    ///
    /// # Errors
    /// When the browser refuses it, is gone or is silent.
    pub(super) fn ask(&mut self, method: &str, params: Value) -> anyhow::Result<Value> {
        self.last += 1;
        let mut request = json!({"id": self.last, "method": method, "params": params});
        if let Some(session) = &self.session {
            request["sessionId"] = session.as_str().into();
        }
        let mut bytes = serde_json::to_vec(&request)?;
        bytes.push(0);
        self.to.write_all(&bytes).with_context(|| format!("asking the browser for {method}"))?;
        self.to.flush()?;
        loop {
            let mut message = self.next(method)?;
            if message["id"] == self.last {
                if let Some(error) = message.get("error") {
                    bail!("the browser refuses {method}: {error}");
                }
                return Ok(message["result"].take());
            }
            self.heard(&message);
        }
    }

    fn next(&self, waiting_for: &str) -> anyhow::Result<Value> {
        let next = self.from.recv_timeout(SILENCE);
        next.map_err(|error| anyhow!("waiting for {waiting_for}: the browser is gone or silent ({error})"))
    }

    fn heard(&mut self, event: &Value) {
        let params = &event["params"];
        match event["method"].as_str() {
            Some("Page.loadEventFired") => self.loaded = true,
            Some("Runtime.consoleAPICalled") => self.complaints.push(format!("console: {}", params["args"])),
            Some("Runtime.exceptionThrown") => {
                self.complaints.push(format!("exception: {}", params["exceptionDetails"]))
            }
            Some("Log.entryAdded") => self.complaints.push(format!("log: {}", params["entry"]["text"])),
            Some("Page.javascriptDialogOpening") => self.complaints.push(format!("dialog: {}", params["message"])),
            Some("Network.requestWillBeSent") => {
                let url = params["request"]["url"].as_str().unwrap_or_default();
                if params["type"] != "Document" {
                    self.complaints.push(format!("request: {url}"));
                }
            }
            _ => {}
        }
    }

    /// What pages have complained of since this was asked last: messages, exceptions, dialogs, requests, breaches of policy.
    pub(super) fn complaints(&mut self) -> Vec<String> {
        std::mem::take(&mut self.complaints)
    }

    /// Opens a file in a window of this width, and waits until it is loaded.
    ///
    /// # Errors
    /// When the browser cannot show it.
    pub(super) fn open(&mut self, file: &Path, width: u32, scheme: &str) -> anyhow::Result<()> {
        let size = json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600});
        self.ask("Emulation.setDeviceMetricsOverride", size)?;
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.ask("Emulation.setEmulatedMedia", media)?;
        // What leads to a part of a page that is open already is no new page.
        self.navigate("about:blank")?;
        self.navigate(&format!("file://{}", file.display()))
    }

    fn navigate(&mut self, url: &str) -> anyhow::Result<()> {
        self.loaded = false;
        let answer = self.ask("Page.navigate", json!({"url": url}))?;
        if let Some(error) = answer["errorText"].as_str() {
            bail!("the browser does not open {url}: {error}");
        }
        while !self.loaded {
            let event = self.next("the page to be loaded")?;
            self.heard(&event);
        }
        Ok(())
    }

    /// What an expression of JavaScript comes to in the page; a promise is waited for.
    ///
    /// # Errors
    /// When it throws.
    pub(super) fn value(&mut self, expression: &str) -> anyhow::Result<Value> {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let mut answer = self.ask("Runtime.evaluate", params)?;
        if let Some(thrown) = answer.get("exceptionDetails") {
            bail!("{expression}: {thrown}");
        }
        Ok(answer["result"]["value"].take())
    }

    /// A key, pressed and let go. Of a letter the name is the letter.
    ///
    /// # Errors
    /// When the browser refuses it.
    pub(super) fn press(&mut self, key: &str) -> anyhow::Result<()> {
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            "Escape" => (27, ""),
            "Tab" => (9, ""),
            letter => (0, letter),
        };
        let event = |kind: &str| json!({"type": kind, "key": key, "windowsVirtualKeyCode": code});
        let mut down = event(if text.is_empty() { "rawKeyDown" } else { "keyDown" });
        if !text.is_empty() {
            down["text"] = text.into();
        }
        self.ask("Input.dispatchKeyEvent", down)?;
        self.ask("Input.dispatchKeyEvent", event("keyUp"))?;
        Ok(())
    }

    /// Text, as if it were typed where the focus is.
    ///
    /// # Errors
    /// When the browser refuses it.
    pub(super) fn write(&mut self, text: &str) -> anyhow::Result<()> {
        self.ask("Input.insertText", json!({"text": text})).map(|_| ())
    }
}
