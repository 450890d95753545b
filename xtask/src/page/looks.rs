//! How the page looks: on a phone nothing is wider than the window, and in dark and in light everything can be told from what
//! it stands on.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::devtools::Browser;
use super::plans::Pages;

/// The narrowest window.
const PHONE: u32 = 360;
/// The contrast that text must have (<https://www.w3.org/TR/WCAG22/#contrast-minimum>).
const CONTRAST: f64 = 4.5;
/// The contrast of text with the nearest ground that is painted, for each kind of text of the page; the lowest of each.
const CONTRASTS: &str = r"(() => {
  const channel = (part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  const light = (colour) => {
    const [red, green, blue] = colour.match(/[\d.]+/g).map(Number).map((part) => channel(part / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const painted = (colour) => !/^rgba\(.*, 0\)$/.test(colour);
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if (painted(colour)) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const found = {};
  const kinds = ['h1', '.where', '.figure:not(.zero) b', '.figure span', '.lead', '.objects a', 'h2', 'h3', 'h4', 'h4 span',
    '.kind', '.name', '.sign', '.gist', '.path code', '.path span', '.old', '.new', 'del', 'ins', '.legend li', 'th', 'td',
    '.chip span', '.tally', 'kbd', 'footer dt', 'footer code', '.nodes .n', '.ends span', '.contents a'];
  for (const kind of kinds) {
    for (const element of document.querySelectorAll(kind)) {
      if (!element.textContent.trim()) continue;
      const [one, other] = [light(getComputedStyle(element).color), light(ground(element))].sort((a, b) => b - a);
      const contrast = (one + 0.05) / (other + 0.05);
      found[kind] = Math.min(found[kind] ?? 21, contrast);
    }
  }
  return found;
})()";

/// Looks at the pages on a phone, and in dark and light.
///
/// # Errors
/// What does not fit, or cannot be read.
pub(super) fn check(browser: &mut Browser, pages: &Pages) -> anyhow::Result<()> {
    for (name, page) in
        [("an ordinary change", &pages.change), ("hostile names", &pages.hostile), ("thousands", &pages.large)]
    {
        browser.open(&page.file, PHONE, "light")?;
        browser.value("document.querySelectorAll('details.step').forEach((step, at) => { step.open = at < 60 })")?;
        let width = browser.value("document.documentElement.scrollWidth")?;
        ensure!(width == PHONE, "the page of {name} is {width} pixels wide on a phone of {PHONE}");
    }
    crate::report(&format!("on a phone of {PHONE} pixels nothing is wider than the window"))?;
    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        browser.open(&pages.change.file, 1280, scheme)?;
        browser.value("document.querySelectorAll('details.step').forEach((step) => { step.open = true })")?;
        let found = browser.value(CONTRASTS)?;
        let found = found.as_object().context("no contrasts were found")?;
        ensure!(found.len() > 20, "only {} kinds of text were found", found.len());
        let weak: Vec<String> = found
            .iter()
            .filter(|(_, contrast)| contrast.as_f64().is_none_or(|contrast| contrast < CONTRAST))
            .map(|(kind, contrast)| format!("{kind} {contrast}"))
            .collect();
        ensure!(weak.is_empty(), "in {scheme} too weak to be read: {}", weak.join(", "));
        let lowest = found.values().filter_map(Value::as_f64).fold(21.0, f64::min);
        crate::report(&format!("in {scheme} the contrast of {} kinds of text is {lowest:.1} and more", found.len()))?;
        grounds.push(browser.value("getComputedStyle(document.body).backgroundColor")?);
    }
    ensure!(grounds.first() != grounds.last(), "dark and light are the same");
    let complaints = browser.complaints();
    ensure!(complaints.is_empty(), "a page complains: {}", complaints.join("; "));
    Ok(())
}

/// Pictures of the pages as a whole, in both colours and both widths.
///
/// # Errors
/// When one cannot be taken or written.
pub(super) fn pictures(browser: &mut Browser, pages: &Pages, out: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(out)?;
    for (name, page) in [("change", &pages.change), ("hostile", &pages.hostile)] {
        for (width, scheme) in [(1280, "light"), (1280, "dark"), (PHONE, "light"), (PHONE, "dark")] {
            browser.open(&page.file, width, scheme)?;
            browser.value("document.querySelectorAll('.service').forEach((one) => { one.className = 'whole' })")?;
            let height = browser.value("Math.min(document.documentElement.scrollHeight, 12000)")?;
            let clip = json!({"x": 0, "y": 0, "width": width, "height": height, "scale": 1});
            let taken = browser.ask("Page.captureScreenshot", json!({"captureBeyondViewport": true, "clip": clip}))?;
            let data = taken["data"].as_str().context("the browser took no picture")?;
            let file = out.join(format!("{name}-{scheme}-{width}.png"));
            fs::write(&file, STANDARD.decode(data).context("reading the picture")?)?;
            crate::report(&format!("{}", file.display()))?;
        }
    }
    Ok(())
}
