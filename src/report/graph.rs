//! A stack as a picture: services, what each waits for, and the phases they start in, as Mermaid or Graphviz text, or
//! drawn as SVG.
//!
//! Arrows go from a service to what it waits for. Names come from files, so each is an invented identifier with a
//! quoted label.

mod layout;
pub(super) mod svg;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use strata_components::claims::{Claims, EdgeClaim};
use strata_components::desired::{Desired, Instance, Phase};

use super::clean::clean;
use super::phase_title;

/// Stacks as one, for pictures alone: services are called `stack/service`, and the phases of one stack come after those of
/// the stack before. None where there are none.
#[must_use]
pub fn together(all: &[Desired]) -> Option<Desired> {
    let first = all.first()?.clone();
    let instance = Instance { stack: "all".to_owned(), ..first.instance.clone() };
    let (mut phases, mut claims) = (Vec::new(), Claims::default());
    for one in all {
        let full = |name: &String| match name.contains('/') {
            true => name.clone(),
            false => format!("{}/{name}", one.instance.stack),
        };
        for phase in one.phases.iter().filter(|phase| !phase.services.is_empty()) {
            phases.push(Phase {
                number: u32::try_from(phases.len() + 1).unwrap_or(u32::MAX),
                name: format!("{} {}", one.instance.stack, phase_title(phase.number, &phase.name)),
                services: phase.services.iter().map(full).collect(),
            });
        }
        claims
            .edges
            .extend(one.claims.edges.iter().map(|edge| EdgeClaim { from: full(&edge.from), to: full(&edge.to) }));
    }
    Some(Desired { instance, phases, claims, ..first })
}

/// The picture in Mermaid's language, which Markdown pages show as a diagram.
#[must_use]
pub fn mermaid(desired: &Desired) -> String {
    let picture = Picture::of(desired);
    let mut text = String::from("flowchart LR\n");
    for phase in &picture.phases {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  subgraph phase{}[\"{}\"]", phase.number, mermaid_label(&heading(phase)));
        for service in &phase.services {
            let _ = writeln!(text, "    {}[\"{}\"]", picture.id(service), mermaid_label(service));
        }
        text.push_str("  end\n");
    }
    for service in &picture.elsewhere {
        let _ = writeln!(text, "  {}([\"{}\"])", picture.id(service), mermaid_label(service));
    }
    for (from, to) in &picture.edges {
        let _ = writeln!(text, "  {} --> {}", picture.id(from), picture.id(to));
    }
    text
}

/// The picture in the language of Graphviz: `dot -Tsvg` draws it.
#[must_use]
pub fn dot(desired: &Desired) -> String {
    let picture = Picture::of(desired);
    let mut text = String::new();
    let _ = writeln!(text, "digraph {} {{", dot_label(&desired.instance.name()));
    text.push_str("  rankdir=LR;\n  node [shape=box];\n");
    for phase in &picture.phases {
        let _ = writeln!(text, "  subgraph cluster_{} {{", phase.number);
        let _ = writeln!(text, "    label={};", dot_label(&heading(phase)));
        for service in &phase.services {
            let _ = writeln!(text, "    {} [label={}];", picture.id(service), dot_label(service));
        }
        text.push_str("  }\n");
    }
    for service in &picture.elsewhere {
        let _ = writeln!(text, "  {} [label={}, shape=ellipse];", picture.id(service), dot_label(service));
    }
    for (from, to) in &picture.edges {
        let _ = writeln!(text, "  {} -> {};", picture.id(from), picture.id(to));
    }
    text.push_str("}\n");
    text
}

/// The picture itself, as an SVG file that needs nothing else, for dark and light pages.
#[must_use]
pub fn svg(desired: &Desired) -> String {
    let picture = Picture::of(desired);
    let named = |name: &str, class| svg::Box { name: name.to_owned(), class, ..svg::Box::default() };
    let mut bands = Vec::new();
    if !picture.elsewhere.is_empty() {
        let boxes = picture.elsewhere.iter().map(|service| named(service, "g-elsewhere")).collect();
        bands.push(svg::Band { title: "other stacks".to_owned(), boxes });
    }
    bands.extend(picture.phases.iter().map(|phase| svg::Band {
        title: phase_title(phase.number, &phase.name),
        boxes: phase.services.iter().map(|service| named(service, "g-own")).collect(),
    }));
    let names = bands.iter().flat_map(|band| &band.boxes).map(|one| one.name.clone());
    let places: BTreeMap<String, usize> = names.zip(0..).collect();
    let place = |(from, to): &(&str, &str)| Some((*places.get(*from)?, *places.get(*to)?));
    let lines = picture.edges.iter().filter_map(place).collect();
    svg::file(&svg::Drawing { title: format!("phases of {}", desired.instance.name()), bands, lines })
}

struct Picture<'a> {
    /// Phases that hold services.
    phases: Vec<&'a Phase>,
    /// Services of other stacks that some service waits for.
    elsewhere: Vec<&'a str>,
    edges: Vec<(&'a str, &'a str)>,
    ids: BTreeMap<&'a str, usize>,
}

impl<'a> Picture<'a> {
    fn of(desired: &'a Desired) -> Self {
        let phases: Vec<&Phase> = desired.phases.iter().filter(|phase| !phase.services.is_empty()).collect();
        let own = phases.iter().flat_map(|phase| &phase.services).map(String::as_str);
        let mut ids: BTreeMap<&str, usize> = BTreeMap::new();
        for service in own {
            let next = ids.len();
            ids.insert(service, next);
        }
        let edges: Vec<(&str, &str)> =
            desired.claims.edges.iter().map(|edge| (edge.from.as_str(), edge.to.as_str())).collect();
        let mut elsewhere = Vec::new();
        for (_, to) in &edges {
            if !ids.contains_key(to) {
                let next = ids.len();
                ids.insert(to, next);
                elsewhere.push(*to);
            }
        }
        Self { phases, elsewhere, edges, ids }
    }

    /// An identifier that is safe in both languages, whatever the name.
    fn id(&self, service: &str) -> String {
        self.ids.get(service).map_or_else(|| "unknown".to_owned(), |number| format!("s{number}"))
    }
}

fn heading(phase: &Phase) -> String {
    let unnamed = format!("phase {}", phase.number);
    if phase.name == unnamed { unnamed } else { format!("{unnamed}: {}", phase.name) }
}

/// Mermaid reads `#name;` as an entity inside quotes and has no other escape.
fn mermaid_label(text: &str) -> String {
    clean(text).replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;")
}

/// A quoted string of Graphviz, in which a quote and a backslash are escaped.
fn dot_label(text: &str) -> String {
    format!("\"{}\"", clean(text).replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use strata_components::claims::{Claims, EdgeClaim};
    use strata_components::desired::Instance;

    use super::*;

    fn small() -> Desired {
        let phase = |number, name: &str, services: &[&str]| Phase {
            number,
            name: name.to_owned(),
            services: services.iter().map(|service| (*service).to_owned()).collect(),
        };
        let edge = |from: &str, to: &str| EdgeClaim { from: from.to_owned(), to: to.to_owned() };
        Desired {
            instance: Instance { stack: "shop".into(), environment: "staging".into(), suffix: None },
            namespaces: vec!["shop".into()],
            phases: vec![
                phase(0, "foundation", &[]),
                phase(1, "base \"#1\"", &["cart", "mail"]),
                phase(2, "phase 2", &["web\u{202e}\\"]),
            ],
            resources: Vec::new(),
            claims: Claims {
                edges: vec![edge("web\u{202e}\\", "cart"), edge("web\u{202e}\\", "other/db")],
                ..Claims::default()
            },
            ownership: Default::default(),
            needs: Default::default(),
            outputs: Default::default(),
            blue_green: Default::default(),
            notes: Vec::new(),
        }
    }

    #[test]
    fn mermaid_shows_phases_services_and_edges() {
        assert_eq!(
            mermaid(&small()),
            r#"flowchart LR
  subgraph phase1["phase 1: base #quot;#35;1#quot;"]
    s0["cart"]
    s1["mail"]
  end
  subgraph phase2["phase 2"]
    s2["web\u{202e}\"]
  end
  s3(["other/db"])
  s2 --> s0
  s2 --> s3
"#
        );
    }

    #[test]
    fn svg_shows_the_same() {
        snapbox::assert_data_eq!(svg(&small()), snapbox::file!["../../tests/golden/graph/small.svg"].raw());
    }

    #[test]
    fn dot_shows_the_same() {
        assert_eq!(
            dot(&small()),
            r##"digraph "shop-staging" {
  rankdir=LR;
  node [shape=box];
  subgraph cluster_1 {
    label="phase 1: base \"#1\"";
    s0 [label="cart"];
    s1 [label="mail"];
  }
  subgraph cluster_2 {
    label="phase 2";
    s2 [label="web\\u{202e}\\"];
  }
  s3 [label="other/db", shape=ellipse];
  s2 -> s0;
  s2 -> s3;
}
"##
        );
    }
}
