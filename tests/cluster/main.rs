//! Stories that a user would tell, each in a file of its own and told on every kind of cluster there is: the one
//! inside the program and, where its programs are on this machine, a real API server.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]
#![allow(clippy::disallowed_methods, reason = "stories start the program, and the control plane it talks to")]

mod across;
mod admission;
mod applying_faults;
mod autoscaler;
mod balanced;
mod blue_green;
mod chosen;
mod coloured_faults;
mod config_rolls;
mod critical_path;
mod custom;
mod destroy;
mod device_plugin;
mod dictionary;
mod drift;
mod events;
mod failing;
mod faults;
mod history;
mod immutable;
mod interrupted;
mod jobs;
mod killed;
mod kubectl;
mod lock;
mod needs;
mod not_created;
mod order;
mod ownership;
mod permissions;
mod plan_files;
mod plan_schema;
mod planned;
mod planning_faults;
mod policies;
mod predict;
mod provided;
mod read_only;
mod refusals;
mod renamed;
mod replaced;
mod roles;
mod rollback;
mod runtime_class;
mod saved_plans;
mod secret_rolls;
mod secrets;
mod service_leaves;
mod side_by_side;
mod stores;
#[path = "../story/mod.rs"]
mod story;
mod support;
mod together;
mod traffic;
mod turns;
mod up_from_nothing;
mod verbose;
mod whole_fleets;
mod wrong_cluster;

use std::io::Write;

use support::Cluster;

/// Writes past the capture of the test harness, so that a run always says what it was about.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "stories: {text}");
}

#[test]
fn which_clusters_are_used() {
    say(&format!("told on {}", Cluster::Embedded.describe()));
    match Cluster::real() {
        Ok(cluster) => say(&format!("told on {}", cluster.describe())),
        Err(missing) => say(&format!("not told on a real API server: {missing}")),
    }
}

macro_rules! stories {
    ($($story:ident),* $(,)?) => {
        mod embedded {
            use super::*;
            $(
                #[test]
                fn $story() {
                    super::$story::story(Cluster::Embedded);
                }
            )*
        }

        mod real {
            use super::*;
            $(
                #[test]
                fn $story() {
                    match Cluster::real() {
                        Ok(cluster) => super::$story::story(cluster),
                        Err(missing) => say(&format!("{} skipped on a real API server: {missing}", stringify!($story))),
                    }
                }
            )*
        }
    };
}

stories! {
    across,
    autoscaler,
    balanced,
    blue_green,
    chosen,
    custom,
    immutable,
    destroy,
    device_plugin,
    dictionary,
    drift,
    events,
    failing,
    history,
    jobs,
    lock,
    needs,
    not_created,
    ownership,
    permissions,
    policies,
    read_only,
    refusals,
    renamed,
    replaced,
    roles,
    rollback,
    runtime_class,
    saved_plans,
    secrets,
    service_leaves,
    side_by_side,
    stores,
    up_from_nothing,
}

/// Every service there is, in every environment, on the cluster that needs nothing but the program.
mod whole_fleet {
    use super::whole_fleets::story;

    #[test]
    fn production() {
        story("sophia-production", "sophia", "production");
    }

    #[test]
    fn staging() {
        story("sophia-staging", "sophia", "staging");
    }

    #[test]
    fn development() {
        story("sophia-development", "sophia", "development");
    }

    #[test]
    fn testing() {
        story("sophia-testing", "sophia", "testing");
    }

    #[test]
    fn intelligence() {
        story("intelligence-production", "intelligence", "production");
    }
}

/// The same of the network for MCP servers.
mod whole_network {
    use super::whole_fleets::story;

    #[test]
    fn production() {
        story("mcp-network-production", "mcp-network", "production");
    }

    #[test]
    fn staging() {
        story("mcp-network-staging", "mcp-network", "staging");
    }

    #[test]
    fn development() {
        story("mcp-network-development", "mcp-network", "development");
    }

    #[test]
    fn testing() {
        story("mcp-network-testing", "mcp-network", "testing");
    }
}

/// Whole stacks on a real API server, by its own defaults and validation.
mod whole_on_a_real_server {
    use super::whole_fleets::{Claims, INTELLIGENCE, NETWORK, story_on};
    use super::{Cluster, say};

    #[track_caller]
    fn check(of: (&'static str, &'static str, &'static str), claims: Claims) {
        match Cluster::real() {
            Ok(cluster) => story_on(cluster, of, claims),
            Err(missing) => say(&format!("{} skipped on a real API server: {missing}", of.0)),
        }
    }

    #[test]
    fn intelligence() {
        check(("intelligence-production", "intelligence", "production"), INTELLIGENCE);
    }

    #[test]
    fn network() {
        check(("mcp-network-staging", "mcp-network", "staging"), NETWORK);
    }
}

#[test]
fn what_is_installed_beside_kubernetes() {
    provided::story();
}

#[test]
fn plans_are_as_their_schema_says() {
    plan_schema::story();
}

#[test]
fn kubectl_sees_the_embedded_cluster() {
    if !kubectl::story() {
        say("kubectl is not on this machine, so its story is not told");
    }
}
