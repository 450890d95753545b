//! Turns from colour to colour on a cluster that falters: whatever a run meets, is killed at or finds half done, as many
//! pods as the service is to have stay ready behind its Service, and once the faults are over one run leaves one colour and
//! nothing to do. In this process and in simulated time.

use std::sync::Arc;

use kube_embedded::faults::{Fault, Faults, On, Verb};
use strata::apply::{self, Event, apply};
use strata::observe::{Look, PreviewMode};
use strata::plan::{Policy, plan};
use strata::provider::{Provider, ProviderError};
use tokio::sync::watch;

use super::blue_green::{World, coloured};
use super::faults::{desired_of, provider};
use super::killed::in_simulated_time;
use super::support::draft_of;

const SEEDS: u64 = 16;
const MODES: [PreviewMode; 3] = [PreviewMode::Auto, PreviewMode::DryRun, PreviewMode::Predict];

/// Everything that can go wrong with a request, each seldom or less so, as the seed has it.
fn faults(seed: u64) -> Faults {
    let some = || On::every().chance(0.0008 * (1 + seed % 6) as f64);
    let watches = || some().verb(Verb::Watch);
    [
        Fault::TooManyRequests { retry_after: 1 },
        Fault::InternalError,
        Fault::Unavailable,
        Fault::Forbidden,
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::Stall,
        Fault::BrokenBody,
        Fault::ShortBody,
        Fault::EmptyList,
        Fault::FailureAsSuccess,
    ]
    .into_iter()
    .fold(Faults::seeded(seed), |all, one| all.with(some(), one))
    .with(watches(), Fault::Gone)
    .with(watches(), Fault::WatchEnds { after: 1 })
}

/// How a run went.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    whole: usize,
    failed: usize,
    killed: usize,
}

/// One run through faults, which is killed at the event of this number if it comes to it.
async fn run(world: &World, stack: &str, faults: &Faults, preview: PreviewMode, killed_at: usize, told: &mut Told) {
    let desired = desired_of(stack);
    let (heard, mut count) = watch::channel(0);
    let tell = Arc::new(move |_: Event| heard.send_modify(|heard| *heard += 1));
    let through = provider(&world.cluster, faults, "one");
    let run = async {
        let snapshot = through.observe(&desired, &Look { preview }).await?;
        let plan = plan(&desired, &snapshot, &Policy::default());
        let (_go_on, interrupt) = watch::channel(false);
        apply(&through, &plan, &draft_of(&plan), &apply::Settings::default(), tell, interrupt).await
    };
    let ended: Option<Result<_, ProviderError>> = tokio::select! {
        biased;
        stop = count.wait_for(|heard| *heard == killed_at) => { drop(stop); None }
        ended = run => Some(ended),
    };
    match ended {
        None => told.killed += 1,
        Some(Ok(outcome)) if outcome.is_complete() => told.whole += 1,
        Some(_) => told.failed += 1,
    }
}

#[test]
fn turns_through_faults_leave_no_gap_and_no_second_colour() {
    let mut told = Told::default();
    for seed in 0..SEEDS {
        in_simulated_time(async {
            let world = World::new().await;
            world.up(&coloured("1")).await;
            let preview = MODES[(seed % 3) as usize];
            let faults = faults(seed);
            let ((), seen) = world
                .while_followed(async {
                    // Forms of the service one after the other, some of them again: a turn is gone on with, overtaken by
                    // another, or taken back.
                    for (number, image) in [2, 2, 3, 1, 1 + seed % 4].into_iter().enumerate() {
                        let killed_at =
                            if number % 2 == 0 { 3 + (seed as usize * 7 + number * 5) % 24 } else { usize::MAX };
                        run(&world, &coloured(&image.to_string()), &faults, preview, killed_at, &mut told).await;
                    }
                    faults.stop();
                    let last = coloured(&(2 + seed % 3).to_string());
                    world.up(&last).await;
                })
                .await;
            let least = seen.iter().map(|one| one.ready.len()).min();
            assert!(least >= Some(2), "seed {seed}, {preview:?}: {:#?}\n{seen:#?}", faults.injected());
            let workloads = world.workloads().await;
            let now = world.points_at().await.unwrap();
            assert_eq!(workloads, [format!("ai-memory-mcp-{now}"), "redis-cache-mcp".to_owned()], "seed {seed}");
        });
    }
    // Chance decides; that each of them happens is what this is about.
    assert!(told.whole > 10 && told.failed > 10 && told.killed > 10, "{told:?}");
}
