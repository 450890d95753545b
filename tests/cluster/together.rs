//! What plans of several stacks ask a cluster for: all that each of them would ask for alone, and nothing twice. What they say
//! is what each would say alone.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::story;

const STACKS: [&str; 4] = ["gpu-cluster", "intelligence", "mcp-network", "sophia"];

/// The requests of a plan, and the plan.
fn planned(files: &story::Story, whose: &str) -> (Vec<String>, Value) {
    let words = format!("plan {whose} -e production --cluster embedded -o json -v");
    let (code, out, err) = files.run(&words.split(' ').collect::<Vec<_>>());
    assert_eq!(code, 0, "{err}");
    let asked = err.lines().filter_map(|line| line.split(": ").next());
    let asked = asked.filter(|line| line.starts_with("GET /") || line.starts_with("PATCH /"));
    (asked.map(str::to_owned).collect(), serde_json::from_str(&out).unwrap())
}

/// How many of them are lists of objects that may be a stack's, how many try what is to be written, and how many there are.
fn counted(asked: &[String]) -> (usize, usize, usize) {
    let with = |part: &str| asked.iter().filter(|one| one.contains(part)).count();
    (with("limit=500"), with("dryRun=All"), asked.len())
}

#[test]
fn plans_of_all_stacks_ask_for_nothing_twice() {
    let files = story::Story::shipped();
    let up = "up gpu-cluster -e production --cluster embedded --yes --quiet";
    let (code, _, err) = files.run(&up.split(' ').collect::<Vec<_>>());
    assert_eq!(code, 0, "{err}");
    let alone: Vec<(Vec<String>, Value)> = STACKS.iter().map(|stack| planned(&files, stack)).collect();
    let counts: Vec<(usize, usize, usize)> = alone.iter().map(|(asked, _)| counted(asked)).collect();
    let (asked, plans) = planned(&files, "--all");
    let expect = vec![(7, 1, 16), (18, 4, 35), (30, 5, 48), (18, 4, 36)];
    assert_eq!((counts, counted(&asked)), (expect, (67, 14, 98)), "{STACKS:?}, and all of them");

    let each: BTreeSet<&String> = alone.iter().flat_map(|(asked, _)| asked).collect();
    assert_eq!(asked.iter().collect::<BTreeSet<_>>(), each);
    assert_eq!(asked.len(), each.len(), "each is asked for once");

    let plans = plans["plans"].as_array().unwrap();
    assert_eq!(plans.len(), STACKS.len());
    for (_, own) in &alone {
        let of_all = plans.iter().find(|plan| plan["instance"] == own["instance"]);
        assert_eq!(of_all, Some(own));
    }
}
