//! What plans of several stacks ask a cluster for: all that each of them would ask for alone, and nothing twice. What they say
//! is what each would say alone; and who may plan or deploy all of them may do what it takes for each, and nothing else.

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

/// What the roles that are printed allow: where, of which group, what, which object (all of them where there is none), how.
fn allowed(files: &story::Story, whose: &str, role: &str) -> BTreeSet<[String; 5]> {
    let words = format!("rbac {whose} -e production --role {role} --check-live -o json");
    let (code, out, err) = files.run(&words.split(' ').collect::<Vec<_>>());
    assert_eq!(code, 0, "{err}");
    let list: Value = serde_json::from_str(&out).unwrap();
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut allowed = BTreeSet::new();
    let items = list["items"].as_array().unwrap();
    for (role, rule) in
        items.iter().flat_map(|one| one["rules"].as_array().into_iter().flatten().map(move |rule| (one, rule)))
    {
        let namespace = role["metadata"]["namespace"].as_str().unwrap_or_default();
        let mut names = texts(&rule["resourceNames"]);
        if names.is_empty() {
            names.push(String::new());
        }
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                for name in &names {
                    for verb in texts(&rule["verbs"]) {
                        allowed.insert([namespace.to_owned(), group.clone(), resource.clone(), name.clone(), verb]);
                    }
                }
            }
        }
    }
    allowed
}

#[test]
fn roles_of_all_stacks_allow_what_each_needs_and_nothing_else() {
    let files = story::Story::shipped();
    for role in ["plan", "up"] {
        let all = allowed(&files, "--all", role);
        let each: BTreeSet<_> = STACKS.iter().flat_map(|stack| allowed(&files, stack, role)).collect();
        assert!(!each.is_empty());
        // What may be done to all objects of a kind need not be allowed of one by its name.
        let covered = |one: &[String; 5]| {
            let [namespace, group, resource, _, verb] = one;
            let any = [namespace.clone(), group.clone(), resource.clone(), String::new(), verb.clone()];
            all.contains(one) || all.contains(&any)
        };
        assert!(each.iter().all(covered), "{:#?}", each.iter().filter(|one| !covered(one)).collect::<Vec<_>>());
        assert_eq!(all.difference(&each).collect::<Vec<_>>(), Vec::<&[String; 5]>::new());
    }
}
