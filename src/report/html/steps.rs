//! The steps of a plan as the page shows them: by tier and service, each with its fields.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::diff::{Row, rows};
use super::told;
use crate::observe::FieldChange;
use crate::plan::{Action, Cause, Plan, Step};
use crate::report::graph::svg;
use crate::report::manifests::yaml;
use crate::report::phase_title;
use crate::report::plan::{brief, remarks, sign, texts, why};

/// As many steps as are shown unfolded where there are no more.
const UNFOLDED: usize = 12;
/// What stands for a tier and a service where a step has none.
const GROUND: &str = "Ground";
const GROUND_SERVICE: &str = "belongs to no service";

/// The services of a tier.
#[derive(Serialize)]
pub(super) struct TierView {
    pub(super) place: usize,
    pub(super) name: String,
    title: Option<String>,
    services: Vec<ServiceView>,
}

#[derive(Serialize)]
struct ServiceView {
    anchor: String,
    name: String,
    /// Its phase, and how many objects of it there are.
    gist: String,
    steps: Vec<StepView>,
}

#[derive(Serialize)]
struct StepView {
    anchor: String,
    action: &'static str,
    sign: char,
    kind_place: usize,
    kind: String,
    name: String,
    gist: String,
    /// Whether there is nothing to unfold.
    flat: bool,
    open: bool,
    remarks: Vec<String>,
    fields: Vec<FieldView>,
    manifest: Option<String>,
}

#[derive(Serialize)]
struct FieldView {
    path: String,
    why: String,
    rows: Vec<Row>,
}

/// Where everything stands on the page. Anchors are numbers, so that no name of a file or a cluster is one.
pub(super) struct Places<'a> {
    /// Kinds in order, with what stands for each in the page.
    pub(super) kinds: BTreeMap<&'a str, usize>,
    /// Services, with what becomes of each.
    services: BTreeMap<&'a str, (usize, Vec<Action>)>,
    /// The first step of each object, by what it is called.
    steps: BTreeMap<String, usize>,
}

impl<'a> Places<'a> {
    pub(super) fn of(plan: &'a Plan) -> Self {
        let mut places = Self { kinds: BTreeMap::new(), services: BTreeMap::new(), steps: BTreeMap::new() };
        for (at, step) in plan.steps().enumerate() {
            places.kinds.insert(step.id.kind.kind.as_str(), 0);
            places.steps.entry(step.id.to_string()).or_insert(at);
            if let Some(service) = step.service.as_deref() {
                places.services.entry(service).or_default().1.push(step.action);
            }
        }
        places.kinds.values_mut().enumerate().for_each(|(at, place)| *place = at);
        places.services.values_mut().enumerate().for_each(|(at, service)| service.0 = at);
        places
    }

    /// The anchor of the step about an object.
    pub(super) fn anchor_of(&self, id: &str) -> Option<String> {
        self.steps.get(id).map(|at| format!("o-{at}"))
    }

    fn service_anchor(&self, service: Option<&str>) -> String {
        let place = service.and_then(|service| self.services.get(service)).map(|service| service.0);
        place.map_or_else(|| "ground".to_owned(), |place| format!("s-{place}"))
    }

    /// A service in the picture of phases: the gravest of what happens to its objects decides how it looks.
    pub(super) fn graph_box(&self, service: &str) -> svg::Box {
        let actions = self.services.get(service).map(|one| one.1.as_slice()).unwrap_or_default();
        let has = |wanted: &[Action]| actions.iter().any(|action| wanted.contains(action));
        let class = if has(&[Action::Blocked, Action::Delete, Action::Replace, Action::Forget]) {
            "g-delete"
        } else if has(&[Action::Update, Action::Adopt, Action::Move, Action::Hold, Action::Return]) {
            "g-update"
        } else if has(&[Action::Create]) {
            "g-create"
        } else {
            "g-same"
        };
        let note = gist(actions);
        svg::Box { name: service.to_owned(), note, class, link: Some(self.service_anchor(Some(service))) }
    }
}

/// `1 update, 3 unchanged`.
fn gist(actions: &[Action]) -> String {
    let mut counts: BTreeMap<Action, usize> = BTreeMap::new();
    for action in actions {
        *counts.entry(*action).or_default() += 1;
    }
    let told = |(action, count): (&Action, &usize)| format!("{count} {}", told(*action).0);
    counts.iter().map(told).collect::<Vec<_>>().join(", ")
}

/// All steps by tier and service: what belongs to none first, tiers by their ports where these are known.
pub(super) fn tiers(plan: &Plan, places: &Places<'_>) -> Vec<TierView> {
    let known = plan.overview.as_ref().map(|overview| overview.ports.as_slice()).unwrap_or_default();
    let order = |tier: &str| known.iter().position(|one| one.tier == tier).unwrap_or(usize::MAX);
    let unfolded = plan.summary.changes() <= UNFOLDED;
    let mut tiers: BTreeMap<(Option<usize>, &str), BTreeMap<&str, Services<'_>>> = BTreeMap::new();
    let numbered = plan.phases.iter().flat_map(|phase| phase.steps.iter().map(move |step| (phase, step)));
    for (at, (phase, step)) in numbered.enumerate() {
        let tier = step.tier.as_deref().unwrap_or_default();
        let place = (step.tier.as_ref().map(|_| order(tier)), tier);
        let service = tiers.entry(place).or_default().entry(step.service.as_deref().unwrap_or_default()).or_default();
        if service.phase.is_none() && step.service.is_some() {
            service.phase = Some(phase_title(phase.number, &phase.name));
        }
        service.steps.push((at, step));
    }
    let mut views = Vec::new();
    for (place, ((_, tier), services)) in tiers.into_iter().enumerate() {
        let title = known.iter().find(|one| one.tier == tier).and_then(|one| one.title.clone());
        let services = services.into_iter().map(|(name, service)| service.view(name, places, unfolded)).collect();
        let name = if tier.is_empty() { GROUND.to_owned() } else { tier.to_owned() };
        views.push(TierView { place, name, title, services });
    }
    views
}

/// A service while its steps are gathered.
#[derive(Default)]
struct Services<'a> {
    phase: Option<String>,
    steps: Vec<(usize, &'a Step)>,
}

impl Services<'_> {
    fn view(self, name: &str, places: &Places<'_>, unfolded: bool) -> ServiceView {
        let actions: Vec<Action> = self.steps.iter().map(|(_, step)| step.action).collect();
        let phase = self.phase.map(|phase| format!("phase {phase}: ")).unwrap_or_default();
        ServiceView {
            anchor: places.service_anchor(Some(name).filter(|name| !name.is_empty())),
            name: if name.is_empty() { GROUND_SERVICE.to_owned() } else { name.to_owned() },
            gist: format!("{phase}{}", gist(&actions)),
            steps: self.steps.iter().map(|(at, step)| step_view(*at, step, places, unfolded)).collect(),
        }
    }
}

fn step_view(at: usize, step: &Step, places: &Places<'_>, unfolded: bool) -> StepView {
    let (action, _) = told(step.action);
    let (mut fields, mut remarks) = (Vec::new(), remarks(step));
    for cause in &step.causes {
        let why = why(cause);
        match cause {
            Cause::Stack { path, before, after, .. } | Cause::Drift { path, before, after, .. } => {
                fields.push(field(path, before.as_ref(), after.as_ref(), why.unwrap_or_default()));
            }
            _ => remarks.extend(why),
        }
    }
    for FieldChange { path, before, after, owner: _ } in &step.altered {
        fields.push(field(path, before.as_ref(), after.as_ref(), "the server makes this of it".to_owned()));
    }
    let anew = matches!(step.action, Action::Create | Action::Move | Action::Replace);
    let manifest = step.manifest.as_ref().filter(|_| anew);
    let gist = match fields.len() {
        0 => manifest.map(brief).unwrap_or_default(),
        1 => "1 field".to_owned(),
        many => format!("{many} fields"),
    };
    let manifest = manifest.map(|manifest| yaml(manifest, "it").unwrap_or_else(|_| manifest.to_string()));
    StepView {
        anchor: format!("o-{at}"),
        action,
        sign: sign(step.action).0,
        kind_place: places.kinds.get(step.id.kind.kind.as_str()).copied().unwrap_or(0),
        kind: step.id.kind.kind.clone(),
        name: step
            .id
            .namespace
            .as_ref()
            .map_or_else(|| step.id.name.clone(), |space| format!("{space}/{}", step.id.name)),
        gist,
        flat: remarks.is_empty() && fields.is_empty() && manifest.is_none(),
        open: unfolded && !(fields.is_empty() && remarks.is_empty()),
        remarks,
        fields,
        manifest,
    }
}

fn field(path: &str, before: Option<&Value>, after: Option<&Value>, why: String) -> FieldView {
    let (old, new) = texts(before, after);
    FieldView { path: path.to_owned(), why, rows: rows(old.as_deref(), new.as_deref()) }
}
