//! What the page does: filters, search, keys and links; that no name is ever run; and how quick it is.

use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::devtools::Browser;
use super::plans::{Page, Pages};

/// The most that a filter may take of the time that the page took to load, in hundredths.
const FILTER_SHARE: f64 = 40.0;
/// What the page shows of its steps.
const SHOWN: &str = "[...document.querySelectorAll('.step')].filter((step) => step.checkVisibility()).length";
/// Settles what a filter has changed: styles and layout are computed when somebody asks for a measure.
const SETTLED: &str = "document.documentElement.scrollHeight";

/// Tries out the ordinary page, and then the hostile one.
///
/// # Errors
/// The first thing that the page does not do.
pub(super) fn check(browser: &mut Browser, pages: &Pages) -> anyhow::Result<()> {
    for (name, page) in [("an ordinary change", &pages.change), ("hostile names", &pages.hostile)] {
        browser.open(&page.file, 1280, "light")?;
        let all = filters(browser, page).and_then(|()| search(browser)).and_then(|()| keys(browser));
        all.and_then(|()| links(browser)).with_context(|| format!("the page of {name}"))?;
        quiet(browser).with_context(|| format!("the page of {name}"))?;
        crate::report(&format!("{name}: filters, search, keys and links do what they say, and nothing complains"))?;
    }
    untouched(browser, &pages.hostile)?;
    crate::report("hostile names: none is run, and each can be read")?;
    policy(browser, &pages.change)?;
    crate::report("the policy: neither a script nor a style nor a request that somebody slips in is let through")?;
    without_scripts(browser, &pages.change)?;
    crate::report("without scripts: every object can be read")
}

/// What an expression comes to is as expected.
fn expect(browser: &mut Browser, expression: &str, expected: &Value) -> anyhow::Result<()> {
    let found = browser.value(expression)?;
    // Numbers of JavaScript are all alike.
    let alike = found == *expected || (found.is_number() && found.as_f64() == expected.as_f64());
    ensure!(alike, "{expression} is {found}, not {expected}");
    Ok(())
}

fn number(browser: &mut Browser, expression: &str) -> anyhow::Result<f64> {
    browser.value(expression)?.as_f64().with_context(|| format!("{expression} is no number"))
}

/// Nothing was said on the console, thrown, asked of the user or requested, and no policy was broken.
fn quiet(browser: &mut Browser) -> anyhow::Result<()> {
    let complaints = browser.complaints();
    ensure!(complaints.is_empty(), "the page complains: {}", complaints.join("; "));
    Ok(())
}

fn filters(browser: &mut Browser, page: &Page) -> anyhow::Result<()> {
    let Page { objects, unchanged, updated, .. } = *page;
    let changed = objects - unchanged;
    ensure!(unchanged > 0 && updated > 0 && changed >= updated, "there is nothing to choose from");
    let tally = |shown: u64| json!(format!("{shown} of {objects} objects"));
    expect(browser, SHOWN, &json!(changed))?;
    expect(browser, "document.getElementById('shown').textContent", &tally(changed))?;
    click(browser, "input[value=unchanged]")?;
    expect(browser, SHOWN, &json!(objects))?;
    expect(browser, "document.getElementById('shown').textContent", &tally(objects))?;
    click(browser, "input[value=update]")?;
    expect(browser, SHOWN, &json!(objects - updated))?;
    click(browser, "#afresh")?;
    expect(browser, SHOWN, &json!(changed))?;
    // Every tier and every kind by itself, and together they are everything.
    click(browser, "input[value=unchanged]")?;
    for (choice, of) in [("tier", "step.closest('.tier').dataset.tier"), ("kind", "step.dataset.kind")] {
        let choose = |value: &str| {
            format!(
                "(() => {{ const one = document.getElementById('{choice}'); one.value = {value}; \
                 one.dispatchEvent(new Event('change', {{bubbles: true}})); return {SHOWN} }})()"
            )
        };
        let many = number(browser, &format!("document.getElementById('{choice}').options.length"))?;
        ensure!(many > 2.0, "there is nothing to choose from among {choice}s");
        let mut sum = 0.0;
        let mut value = 0;
        while f64::from(value) < many - 1.0 {
            sum += number(browser, &choose(&format!("'{value}'")))?;
            let alike = format!(
                "[...document.querySelectorAll('.step')].filter((step) => step.checkVisibility()).every((step) => {of} === '{value}')"
            );
            expect(browser, &alike, &json!(true))?;
            value += 1;
        }
        ensure!((sum - number(browser, &choose("''"))?).abs() < 0.5, "the {choice}s are not everything");
    }
    click(browser, "#afresh")
}

fn click(browser: &mut Browser, selector: &str) -> anyhow::Result<()> {
    let script = format!("(() => {{ document.querySelector({}).click() }})()", json!(selector));
    browser.value(&script).map(|_| ())
}

fn search(browser: &mut Browser) -> anyhow::Result<()> {
    let before = browser.value(SHOWN)?;
    browser.press("/")?;
    expect(browser, "document.activeElement.id", &json!("search"))?;
    browser.write("redis DEPLOYMENT")?;
    let found = number(browser, SHOWN)?;
    ensure!(found >= 1.0 && found < before.as_f64().unwrap_or(0.0), "a search finds {found} of {before}");
    let all = "[...document.querySelectorAll('.step')].filter((step) => step.checkVisibility()).every((step) => \
               /redis/i.test(step.closest('.service').textContent) && /deployment/i.test(step.textContent))";
    expect(browser, all, &json!(true))?;
    browser.write(" and nothing like it")?;
    expect(browser, SHOWN, &json!(0))?;
    expect(browser, "document.getElementById('nothing').checkVisibility()", &json!(true))?;
    // Out of the field of search `/` is a letter, and Esc empties it before it is left.
    browser.press("/")?;
    expect(browser, "document.getElementById('search').value.endsWith('/')", &json!(true))?;
    browser.press("Escape")?;
    expect(browser, SHOWN, &before)?;
    expect(browser, "[document.activeElement.id, document.getElementById('search').value]", &json!(["search", ""]))?;
    browser.press("Escape")?;
    expect(browser, "document.activeElement.id", &json!(""))
}

/// Objects can be gone through, folded and unfolded by keys alone, and what has the focus shows it.
fn keys(browser: &mut Browser) -> anyhow::Result<()> {
    let focused = "document.activeElement.closest('.step')?.id ?? ''";
    browser.press("j")?;
    let first = browser.value(focused)?;
    browser.press("j")?;
    let second = browser.value(focused)?;
    ensure!(first != second && first != json!(""), "j goes from {first} to {second}");
    browser.press("k")?;
    expect(browser, focused, &first)?;
    let opened = "document.activeElement.parentElement.open";
    let before = browser.value(opened)?.as_bool().context("what has the focus does not fold")?;
    for open in [!before, before] {
        browser.press("Enter")?;
        expect(browser, opened, &json!(open))?;
    }
    let outline = "getComputedStyle(document.activeElement).outlineStyle";
    expect(browser, &format!("{outline} !== 'none'"), &json!(true))?;
    browser.value("document.activeElement.blur(), scrollTo(0, 0)")?;
    click(browser, "#fold")?;
    let open =
        "[...document.querySelectorAll('details.step')].filter((step) => step.checkVisibility() && step.open).length";
    let folds = "[...document.querySelectorAll('details.step')].filter((step) => step.checkVisibility()).length";
    let folds = browser.value(folds)?;
    expect(browser, open, &folds)?;
    click(browser, "#fold")?;
    expect(browser, open, &json!(0))?;
    // What Tab reaches from the top, in order: past the contents nothing is left out that can be used.
    browser.value("document.body.tabIndex = -1, document.body.focus(), document.body.removeAttribute('tabindex')")?;
    browser.press("Tab")?;
    expect(browser, "document.activeElement.className", &json!("skip"))?;
    expect(browser, "document.activeElement.getBoundingClientRect().top >= 0", &json!(true))?;
    browser.press("Enter")?;
    expect(browser, "document.activeElement.closest('section')?.id", &json!("changes"))
}

/// A link shows what it leads to, even where that is filtered out.
fn links(browser: &mut Browser) -> anyhow::Result<()> {
    let link = browser.value("document.querySelector('.matter .objects a').hash.slice(1)")?;
    browser.value("document.getElementById('search').value = 'nothing like it', document.getElementById('search').dispatchEvent(new Event('input'))")?;
    expect(browser, SHOWN, &json!(0))?;
    let followed = "new Promise((done) => { addEventListener('hashchange', () => done(true), {once: true}); \
                    document.querySelector('.matter .objects a').click() })";
    expect(browser, followed, &json!(true))?;
    let shown = "(() => { const step = document.activeElement.closest('.step'); return [step.id, step.open, step.checkVisibility()] })()";
    expect(browser, shown, &json!([link, true, true]))
}

/// No name has become anything but text, and each can be read.
fn untouched(browser: &mut Browser, page: &Page) -> anyhow::Result<()> {
    browser.open(&page.file, 1280, "light")?;
    expect(browser, "typeof window.owned", &json!("undefined"))?;
    let elements = "['script', 'style', 'img', 'iframe', 'object', 'link', 'base'].map((name) => document.querySelectorAll(name).length)";
    expect(browser, elements, &json!([1, 1, 0, 0, 0, 0, 0]))?;
    let handlers = "[...document.querySelectorAll('*')].some((one) => one.getAttributeNames().some((name) => name.startsWith('on')))";
    expect(browser, handlers, &json!(false))?;
    for part in ["<script>window.owned=1</script>", "'><img src=x onerror=window.owned=3>"] {
        expect(
            browser,
            &format!("document.querySelector('main').textContent.includes({})", json!(part)),
            &json!(true),
        )?;
    }
    quiet(browser)
}

/// What somebody slips in is stopped by the policy.
fn policy(browser: &mut Browser, page: &Page) -> anyhow::Result<()> {
    browser.open(&page.file, 1280, "light")?;
    let slipped = "new Promise((done) => { \
        const breaches = []; \
        addEventListener('securitypolicyviolation', (event) => { breaches.push(event.effectiveDirective); if (breaches.length === 3) done(breaches.sort()) }); \
        const script = document.createElement('script'); script.textContent = 'window.owned = 1'; document.body.append(script); \
        const style = document.createElement('style'); style.textContent = 'body { display: none }'; document.body.append(style); \
        const image = new Image(); image.src = 'https://registry.example/pixel.png'; document.body.append(image); })";
    expect(browser, slipped, &json!(["img-src", "script-src-elem", "style-src-elem"]))?;
    expect(browser, "[typeof window.owned, getComputedStyle(document.body).display]", &json!(["undefined", "block"]))?;
    // These breaches were meant.
    browser.complaints();
    Ok(())
}

/// Everything is there where scripts are off, and nothing that would do nothing.
fn without_scripts(browser: &mut Browser, page: &Page) -> anyhow::Result<()> {
    browser.ask("Emulation.setScriptExecutionDisabled", json!({"value": true}))?;
    browser.open(&page.file, 1280, "light")?;
    let document = browser.ask("DOM.getDocument", json!({"depth": 0}))?;
    let root = &document["root"]["nodeId"];
    let hidden =
        browser.ask("DOM.querySelectorAll", json!({"nodeId": root, "selector": ".step[hidden], .service[hidden]"}))?;
    let form = browser.ask("DOM.querySelectorAll", json!({"nodeId": root, "selector": "form[hidden]"}))?;
    let many = |found: &Value| found["nodeIds"].as_array().map_or(0, Vec::len);
    ensure!((many(&hidden), many(&form)) == (0, 1), "without scripts steps are hidden, or a filter is shown");
    browser.ask("Emulation.setScriptExecutionDisabled", json!({"value": false}))?;
    quiet(browser)
}

/// How long filters take with thousands of objects, as a share of how long the same page took to load in the same run.
///
/// # Errors
/// When one takes too large a share.
pub(super) fn quickness(browser: &mut Browser, pages: &Pages) -> anyhow::Result<()> {
    let file: &Path = &pages.large.file;
    browser.open(file, 1280, "light")?;
    let load = number(browser, "performance.getEntriesByType('navigation')[0].loadEventEnd")?;
    let bytes = std::fs::metadata(file)?.len();
    crate::report(&format!(
        "{} objects in {:.1} MB: loaded in {load:.0} ms",
        pages.large.objects,
        bytes as f64 / 1_000_000.0
    ))?;
    let timed = |act: &str| {
        format!(
            "(() => {{ const from = performance.now(); {act}; void {SETTLED}; return performance.now() - from }})()"
        )
    };
    let typed = |text: &str| {
        format!(
            "const one = document.getElementById('search'); one.value = '{text}'; one.dispatchEvent(new Event('input'))"
        )
    };
    let kind = "const one = document.getElementById('kind'); one.value = '1'; one.dispatchEvent(new Event('change', {bubbles: true}))";
    for (what, act) in [
        ("a kind", kind.to_owned()),
        ("every kind again", "document.getElementById('afresh').click()".to_owned()),
        ("the first search, which reads every object", typed("service_123")),
        ("a search", typed("service_2")),
        ("everything again", typed("")),
    ] {
        let took = number(browser, &timed(&act))?;
        let share = took * 100.0 / load;
        crate::report(&format!("{what}: {took:.1} ms, {share:.1} % of the load"))?;
        ensure!(
            share <= FILTER_SHARE,
            "{what} takes {share:.1} % of the time that the page took to load; at most {FILTER_SHARE} % is quick"
        );
    }
    quiet(browser)
}
