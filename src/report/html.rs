//! A plan as one page that opens from disk: what to look at first, phases as a picture, services by tier with each field
//! before and after, who can talk to whom, ports, and what nodes carry.
//!
//! The page needs nothing from anywhere, and may fetch nothing: its policy admits its own style and its own script by their
//! digests and nothing else. Names and values are text, escaped where they enter the page; the script is the same for every
//! plan and reads none of them but as text. Everything can be read where scripts are off.

mod diff;
mod notes;
mod pictures;
mod steps;

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use handlebars::{Handlebars, RenderError};
use serde::Serialize;
use sha2::{Digest, Sha256};
use thiserror::Error;

use self::notes::notes;
use self::steps::{Places, TierView};
use super::clean::clean_lines;
use super::facts::{Facts, details, facts};
use super::graph::svg;
use super::phase_title;
use crate::finding::{Finding, Level};
use crate::plan::overview::{Connection, Overview, ResourceLoad, TierPorts};
use crate::plan::{Action, Order, Plan, PlanPhase};

const PAGE: &str = include_str!("html/page.hbs");
const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");
/// Objects of one matter that are named at once; the others unfold.
const NAMED: usize = 12;

/// Why there is no page: a mistake in the template, whatever the plan.
#[derive(Debug, Error)]
#[error("could not write the page of the plan")]
pub struct PageError(#[from] Box<RenderError>);

/// The plan as a page. The same plan gives the same bytes.
///
/// # Errors
///
/// When the template is broken, which no plan is the reason of.
pub fn html(plan: &Plan) -> Result<String, PageError> {
    let mut templates = Handlebars::new();
    templates.set_strict_mode(true);
    templates.register_escape_fn(escape);
    templates.render_template(PAGE, &View::of(plan)).map_err(|error| PageError(Box::new(error)))
}

/// Text within HTML: what is deceptive is shown as an escape, and nothing is markup.
fn escape(text: &str) -> String {
    svg::markup(&clean_lines(text))
}

/// `'sha256-…'` of what stands between two tags.
fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

/// What the template shows.
#[derive(Serialize)]
struct View<'a> {
    title: String,
    policy: String,
    style: &'static str,
    script: &'static str,
    stack: &'a str,
    environment: &'a str,
    suffix: Option<&'a str>,
    cluster: &'a str,
    kubernetes: &'a str,
    empty: bool,
    figures: Vec<Figure>,
    matters: Vec<MatterView>,
    findings: Vec<FindingView>,
    notes: Vec<String>,
    graph: Option<String>,
    columns: Vec<&'static str>,
    phases: Vec<PhaseRow>,
    tiers: Vec<TierView>,
    tier_choices: Vec<Choice>,
    kind_choices: Vec<Choice>,
    action_choices: Vec<ActionChoice>,
    reach: Option<Reach<'a>>,
    ports: Vec<Ports<'a>>,
    capacity: Option<Capacity>,
    digest: &'a str,
    inputs: &'a str,
}

/// A number of the headline.
#[derive(Serialize)]
struct Figure {
    class: &'static str,
    count: String,
    label: &'static str,
    zero: bool,
}

/// Something to look at first.
#[derive(Serialize)]
struct MatterView {
    grave: bool,
    count: usize,
    words: &'static str,
    objects: Vec<Linked>,
    /// Those that are too many to stand there at once, and how many these are.
    rest: Vec<Linked>,
    more: String,
}

/// What a policy has to say.
#[derive(Serialize)]
struct FindingView {
    grave: bool,
    level: String,
    rule: String,
    message: String,
    details: Vec<String>,
}

/// An object with the anchor of its step, where it has one.
#[derive(Serialize)]
struct Linked {
    text: String,
    link: Option<String>,
}

#[derive(Serialize)]
struct PhaseRow {
    title: String,
    counts: Vec<String>,
}

#[derive(Serialize)]
struct Choice {
    value: usize,
    label: String,
}

#[derive(Serialize)]
struct ActionChoice {
    value: &'static str,
    label: &'static str,
    sign: char,
    count: usize,
    on: bool,
}

/// The reachability matrix, and the same as rows.
#[derive(Serialize)]
struct Reach<'a> {
    picture: String,
    told: String,
    perhaps: bool,
    refused: bool,
    rows: Vec<ReachRow<'a>>,
}

#[derive(Serialize)]
struct ReachRow<'a> {
    from: &'a str,
    to: &'a str,
    open: &'a str,
    refused: &'a str,
    perhaps: &'a str,
}

/// The ports of a tier.
#[derive(Serialize)]
struct Ports<'a> {
    tier: &'a str,
    title: Option<&'a str>,
    first: u16,
    last: u16,
    taken: usize,
    of: usize,
    picture: String,
    summary: String,
    rows: Vec<PortRow<'a>>,
}

#[derive(Serialize)]
struct PortRow<'a> {
    port: u16,
    health: u16,
    service: &'a str,
    purpose: &'a str,
}

/// What nodes carry.
#[derive(Serialize)]
struct Capacity {
    unknown: Option<String>,
    without: Option<String>,
    resources: Vec<String>,
    rows: Vec<NodeRow>,
}

#[derive(Serialize)]
struct NodeRow {
    node: String,
    all: bool,
    loads: Vec<LoadView>,
}

#[derive(Serialize)]
struct LoadView {
    picture: String,
    told: String,
}

impl<'a> View<'a> {
    fn of(plan: &'a Plan) -> Self {
        let (facts, places) = (facts(plan), Places::of(plan));
        let tiers = steps::tiers(plan, &places);
        let tier_choices = tiers.iter().map(|tier| Choice { value: tier.place, label: tier.name.clone() }).collect();
        let kind_choices = places.kinds.iter().map(|(kind, value)| Choice { value: *value, label: (*kind).to_owned() });
        let (columns, phases) = phases(plan);
        let overview = plan.overview.as_ref();
        Self {
            title: format!("Plan: {}", super::plan::headline(plan)),
            policy: format!(
                "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
                hash(STYLE),
                hash(SCRIPT)
            ),
            style: STYLE,
            script: SCRIPT,
            stack: &plan.instance.stack,
            environment: &plan.instance.environment,
            suffix: plan.instance.suffix.as_deref(),
            cluster: &plan.target.name,
            kubernetes: &plan.target.version,
            empty: plan.is_empty(),
            figures: figures(plan, &facts),
            matters: matters(&facts, &places),
            findings: facts.findings.iter().map(finding).collect(),
            notes: notes(plan),
            graph: graph(plan, &places),
            columns,
            phases,
            tiers,
            tier_choices,
            kind_choices: kind_choices.collect(),
            action_choices: action_choices(plan),
            reach: overview.filter(|overview| !overview.connections.is_empty()).map(reach),
            ports: overview.map(ports).unwrap_or_default(),
            capacity: overview.map(capacity),
            digest: &plan.digest,
            inputs: &plan.inputs,
        }
    }
}

/// The headline: what is always told, even where it is nothing, and what is told where there is any.
fn figures(plan: &Plan, facts: &Facts) -> Vec<Figure> {
    let summary = &plan.summary;
    let figure = |class, count: usize, label| Figure { class, count: count.to_string(), label, zero: count == 0 };
    let mut figures = vec![
        figure("create", summary.create, "to create"),
        figure("update", summary.update, "to update"),
        figure("replace", summary.replace, "to replace"),
        figure("delete", summary.delete, "to delete"),
        figure("restart", facts.restarts.len(), "workloads restart"),
        gpus(facts.gpus),
    ];
    let rare = [
        figure("blocked", summary.blocked, "blocked"),
        figure("adopt", summary.adopt, "to adopt"),
        figure("move", summary.moved, "to move"),
        figure("forget", summary.forget, "to forget"),
        figure("hold", summary.hold, "to hold"),
    ];
    figures.extend(rare.into_iter().filter(|figure| !figure.zero));
    figures.push(figure("unchanged", summary.unchanged, "unchanged"));
    figures
}

fn gpus(more: i64) -> Figure {
    let count = if more == 0 { "0".to_owned() } else { format!("{more:+}") };
    Figure { class: "gpu", count, label: "GPUs asked for", zero: more == 0 }
}

fn matters(facts: &Facts, places: &Places<'_>) -> Vec<MatterView> {
    let view = |matter: super::facts::Matter| {
        let count = matter.objects.len();
        let linked = |text: &String| {
            let id = text.split_once(", because ").map_or(text.as_str(), |(id, _)| id);
            Linked { text: text.clone(), link: places.anchor_of(id) }
        };
        MatterView {
            grave: matter.is_grave,
            count,
            words: matter.words,
            objects: matter.objects.iter().take(NAMED).map(linked).collect(),
            rest: matter.objects.iter().skip(NAMED).map(linked).collect(),
            more: format!("and {} more", count.saturating_sub(NAMED)),
        }
    };
    facts.matters().into_iter().map(view).collect()
}

fn finding(finding: &Finding) -> FindingView {
    FindingView {
        grave: finding.level == Level::Error,
        level: finding.level.to_string(),
        rule: finding.rule.to_string(),
        message: finding.message.clone(),
        details: details(finding),
    }
}

/// The phases in which something happens, with a column for each action that there is.
fn phases(plan: &Plan) -> (Vec<&'static str>, Vec<PhaseRow>) {
    let there: Vec<Action> = ACTIONS.iter().map(|(action, ..)| *action).collect();
    let there: Vec<Action> =
        there.into_iter().filter(|action| plan.steps().any(|step| step.action == *action)).collect();
    let columns = there.iter().map(|action| told(*action).1).collect();
    let row = |phase: &PlanPhase| {
        let count = |action: &Action| phase.steps.iter().filter(|step| step.action == *action).count();
        let shown = |many: usize| if many == 0 { String::new() } else { many.to_string() };
        let title = format!("{}{}", phase_title(phase.number, &phase.name), super::plan::doing(phase.order));
        PhaseRow { title, counts: there.iter().map(|action| shown(count(action))).collect() }
    };
    (columns, plan.phases.iter().map(row).collect())
}

/// Services in their phases and what they wait for, each as what happens to it.
fn graph(plan: &Plan, places: &Places<'_>) -> Option<String> {
    let mut bands: BTreeMap<u32, (String, Vec<&str>)> = BTreeMap::new();
    let mut lines: Vec<(&str, &str)> = Vec::new();
    let mut seen = BTreeSet::new();
    for phase in plan.phases.iter().filter(|phase| phase.order == Order::Apply) {
        for step in &phase.steps {
            let Some(service) = step.service.as_deref() else { continue };
            if seen.insert(service) {
                let band =
                    bands.entry(phase.number).or_insert_with(|| (phase_title(phase.number, &phase.name), Vec::new()));
                band.1.push(service);
                lines.extend(step.waits_for.iter().map(|other| (service, other.as_str())));
            }
        }
    }
    if bands.is_empty() {
        return None;
    }
    let mut elsewhere: Vec<&str> = lines.iter().map(|(_, to)| *to).filter(|to| !seen.contains(to)).collect();
    elsewhere.sort_unstable();
    elsewhere.dedup();
    let mut drawn = Vec::new();
    if !elsewhere.is_empty() {
        let boxes = elsewhere.iter().map(|name| svg::Box {
            name: (*name).to_owned(),
            class: "g-elsewhere",
            ..svg::Box::default()
        });
        drawn.push(svg::Band { title: "elsewhere".to_owned(), boxes: boxes.collect() });
    }
    drawn.extend(bands.into_values().map(|(title, mut services)| {
        services.sort_unstable();
        svg::Band { title, boxes: services.into_iter().map(|service| places.graph_box(service)).collect() }
    }));
    let names = drawn.iter().flat_map(|band| &band.boxes).map(|one| one.name.clone());
    let at: BTreeMap<String, usize> = names.zip(0..).collect();
    let lines = lines.iter().filter_map(|(from, to)| Some((*at.get(*from)?, *at.get(*to)?))).collect();
    Some(svg::within_page(&svg::Drawing { title: format!("phases of {}", plan.instance.name()), bands: drawn, lines }))
}

/// Actions in the order they are told, with their class and their words.
const ACTIONS: [(Action, &str, &str); 11] = [
    (Action::Blocked, "blocked", "Blocked"),
    (Action::Create, "create", "Create"),
    (Action::Update, "update", "Update"),
    (Action::Replace, "replace", "Replace"),
    (Action::Move, "move", "Move"),
    (Action::Adopt, "adopt", "Adopt"),
    (Action::Hold, "hold", "Hold"),
    (Action::Return, "return", "Way back"),
    (Action::Delete, "delete", "Delete"),
    (Action::Forget, "forget", "Forget"),
    (Action::Unchanged, "unchanged", "Unchanged"),
];

/// The class of an action, and its words.
fn told(action: Action) -> (&'static str, &'static str) {
    let found = ACTIONS.iter().find(|(one, ..)| *one == action);
    found.map_or(("unchanged", "Unchanged"), |(_, class, words)| (class, words))
}

fn action_choices(plan: &Plan) -> Vec<ActionChoice> {
    let choice = |(action, value, label): &(Action, &'static str, &'static str)| {
        let count = plan.steps().filter(|step| step.action == *action).count();
        let on = *action != Action::Unchanged || plan.is_empty();
        (count > 0).then_some(ActionChoice { value, label, sign: super::plan::sign(*action).0, count, on })
    };
    ACTIONS.iter().filter_map(choice).collect()
}

fn reach(overview: &Overview) -> Reach<'_> {
    let name = |peer: usize| overview.peers.get(peer).map_or("", |peer| peer.name.as_str());
    let between = overview.connections.iter().map(|one| {
        let Connection { from, to, open, refused, perhaps } = one;
        ReachRow { from: name(*from), to: name(*to), open, refused, perhaps }
    });
    let outside = overview.addresses.iter().map(|one| {
        let (peer, addresses) = (name(one.peer), one.addresses.as_str());
        let (from, to) = if one.out { (peer, addresses) } else { (addresses, peer) };
        ReachRow { from, to, open: &one.ports, refused: "", perhaps: "" }
    });
    let rows: Vec<ReachRow<'_>> = between.chain(outside).collect();
    Reach {
        picture: pictures::matrix(overview),
        told: format!("All {} connections as a list, with those to and from addresses", rows.len()),
        perhaps: overview.connections.iter().any(|one| !one.perhaps.is_empty()),
        refused: overview.connections.iter().any(|one| !one.refused.is_empty()),
        rows,
    }
}

fn ports(overview: &Overview) -> Vec<Ports<'_>> {
    fn view(one: &TierPorts) -> Ports<'_> {
        let TierPorts { tier, title, first, last, taken } = one;
        let rows = taken.iter().map(|taken| PortRow {
            port: taken.port,
            health: taken.health_port,
            service: &taken.service,
            purpose: taken.purpose.as_deref().unwrap_or_default(),
        });
        Ports {
            tier,
            title: title.as_deref(),
            first: *first,
            last: *last,
            taken: taken.len(),
            of: usize::from(last.saturating_sub(*first)) + 1,
            picture: pictures::rail(one),
            summary: if taken.len() == 1 { "Its port".to_owned() } else { format!("Its {} ports", taken.len()) },
            rows: rows.collect(),
        }
    }
    overview.ports.iter().map(view).collect()
}

fn capacity(overview: &Overview) -> Capacity {
    let first = overview.nodes.first().map(|node| node.resources.as_slice()).unwrap_or_default();
    let told = |load: &ResourceLoad| {
        let short = |amount| pictures::amount(&load.resource, amount);
        let (before, after, whole) = (short(load.before), short(load.after), short(load.whole));
        let told =
            if before == after { format!("{after} of {whole}") } else { format!("{before} → {after} of {whole}") };
        LoadView { picture: pictures::bar(load), told }
    };
    let sum = |at: usize| {
        let loads = overview.nodes.iter().filter_map(|node| node.resources.get(at));
        loads.fold(None, |sum: Option<ResourceLoad>, load| {
            let mut sum = sum.unwrap_or_else(|| ResourceLoad { whole: 0, before: 0, after: 0, ..load.clone() });
            sum.whole = sum.whole.saturating_add(load.whole);
            sum.before = sum.before.saturating_add(load.before);
            sum.after = sum.after.saturating_add(load.after);
            Some(sum)
        })
    };
    let all = NodeRow {
        node: format!("all {}", overview.nodes.len()),
        all: true,
        loads: (0..first.len()).filter_map(sum).map(|load| told(&load)).collect(),
    };
    let each = overview.nodes.iter().map(|node| NodeRow {
        node: node.node.clone(),
        all: false,
        loads: node.resources.iter().map(told).collect(),
    });
    Capacity {
        unknown: overview.nodes_unknown.clone(),
        without: Some(overview.nodes_without.join(", ")).filter(|without| !without.is_empty()),
        resources: first.iter().map(|load| pictures::resource(&load.resource)).collect(),
        rows: std::iter::once(all).chain(each).collect(),
    }
}

#[cfg(test)]
mod tests;
