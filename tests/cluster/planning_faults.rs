//! A cluster that falters while a plan is made: what comes of it is the very plan that a sound cluster gives, or an error
//! that names what was asked for; never another plan, and never a panic. In this process and in simulated time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::Request;
use axum::middleware::Next;
use http::header;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::PostParams;
use kube_embedded::Webhooks;
use kube_embedded::faults::{Fault, Faults, On, Verb};
use serde_json::json;
use strata::apply::{self, apply};
use strata::cluster::{Cluster, Renew};
use strata::components::desired::Desired;
use strata::observe::{Look, PreviewMode};
use strata::plan::{Action, Plan, Policy, plan};
use strata::provider::Provider;
use tokio::sync::watch;
use tokio::time::Instant;
use tower::Layer;

use super::blue_green::beside;
use super::faults::{cluster_with, desired_of, provider, settings, while_time_stands_still};
use super::support::{STACK, draft_of};

/// Every request may take a minute, and a plan is a few of them one after the other.
const LIMIT: u64 = 300;
const MODES: [PreviewMode; 3] = [PreviewMode::Auto, PreviewMode::DryRun, PreviewMode::Predict];

/// A cluster with three services on it, and a stack in which one has changed, one has come, one has gone, and one is to go
/// from one colour to the other.
struct Ground {
    cluster: kube_embedded::Cluster,
    desired: Desired,
}

/// What came of a plan, and how many seconds that took.
type Told = (Result<Plan, String>, u64);

impl Ground {
    async fn new() -> Self {
        let cluster = cluster_with(Webhooks::default()).await;
        let before = desired_of(&beside(STACK, "1"));
        let sound = provider(&cluster, &Faults::seeded(0), "first");
        let snapshot = sound.observe(&before, &Look::default()).await.unwrap();
        let first = plan(&before, &snapshot, &Policy::default());
        let (_go_on, interrupt) = watch::channel(false);
        let draft = draft_of(&first);
        let outcome =
            apply(&sound, &first, &draft, &apply::Settings::default(), Arc::new(|_| ()), interrupt).await.unwrap();
        assert!(outcome.is_complete(), "{outcome:#?}");
        let text = STACK.replace("    depends_on: [redis_cache]\n", "");
        let (rest, _) = text.split_once("  redis_cache:").unwrap();
        let after = rest.replace("replicas: 2", "replicas: 3") + "  qdrant_admin:\n    tier: core\n    port: 9002\n";
        Self { cluster, desired: desired_of(&beside(&after, "2")) }
    }

    async fn plan(&self, faults: &Faults, preview: PreviewMode) -> Told {
        self.plan_by(&provider(&self.cluster, faults, "one"), preview).await
    }

    async fn plan_by(&self, provider: &Cluster, preview: PreviewMode) -> Told {
        let began = Instant::now();
        let found = provider.observe(&self.desired, &Look { preview }).await;
        let planned = found.map(|snapshot| plan(&self.desired, &snapshot, &Policy::default()));
        (planned.map_err(|error| error.to_string()), began.elapsed().as_secs())
    }

    async fn sound(&self, preview: PreviewMode) -> Plan {
        let sound = self.plan(&Faults::seeded(0), preview).await.0.unwrap();
        assert_eq!((sound.summary.hold, sound.summary.back), (1, 1), "{preview:?}");
        sound
    }
}

fn in_simulated_time(work: impl AsyncFnOnce(&Ground)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async { work(&Ground::new().await).await });
}

#[test]
fn faults_at_random_make_no_other_plan() {
    in_simulated_time(async |ground| {
        let mut same = 0;
        let (mut errors, mut seeds) = (Vec::new(), 0);
        for preview in MODES {
            let sound = ground.sound(preview).await;
            for seed in 0..16 {
                // Some seeds bring a few faults, some many.
                let some = || On::every().chance(0.0004 * (1 + seed % 8) as f64);
                let faults = [
                    Fault::TooManyRequests { retry_after: 2 },
                    Fault::InternalError,
                    Fault::Unavailable,
                    Fault::Unauthorized,
                    Fault::ResetBefore,
                    Fault::ResetAfter,
                    Fault::Stall,
                    Fault::BrokenBody,
                    Fault::ShortBody,
                    Fault::EmptyList,
                    Fault::NullItems,
                    Fault::NoMetadata,
                    Fault::HtmlPage,
                    Fault::WrongContentType,
                    Fault::FailureAsSuccess,
                    Fault::Gone,
                ];
                let faults = faults.into_iter().fold(Faults::seeded(seed), |all, one| all.with(some(), one));
                let (told, seconds) = ground.plan(&faults, preview).await;
                assert!(seconds <= LIMIT, "seed {seed}: {seconds} s");
                seeds += 1;
                match told {
                    Ok(found) if found == sound => same += 1,
                    Ok(found) => panic!("seed {seed}, {preview:?}: {:#?}\n{found:#?}", faults.injected()),
                    Err(error) => errors.push(error),
                }
            }
        }
        assert_eq!(same + errors.len(), seeds);
        assert!(same > 5 && errors.len() > 5, "{same} plans, {errors:#?}");
    });
}

#[test]
fn what_passes_is_outlived() {
    in_simulated_time(async |ground| {
        let passing = [
            Fault::TooManyRequests { retry_after: 5 },
            Fault::InternalError,
            Fault::Unavailable,
            Fault::ResetBefore,
            Fault::ResetAfter,
            Fault::Stall,
            Fault::BrokenBody,
            Fault::ShortBody,
            Fault::FailureAsSuccess,
        ];
        for preview in [PreviewMode::DryRun, PreviewMode::Predict] {
            let sound = ground.sound(preview).await;
            for fault in passing {
                let faults = Faults::seeded(0)
                    .with(On::every().verb(Verb::List).resource("services").nth(1), fault)
                    .with(On::every().verb(Verb::Patch).resource("deployments").nth(1), fault);
                let (told, seconds) = ground.plan(&faults, preview).await;
                assert_eq!(told.as_ref(), Ok(&sound), "{fault:?}, {preview:?}");
                let asked = matches!(fault, Fault::TooManyRequests { .. });
                assert!(seconds <= LIMIT && (!asked || seconds >= 5), "{fault:?}: {seconds} s");
            }
        }
    });
}

#[test]
fn what_stays_is_an_error_that_names_what_was_asked_for() {
    in_simulated_time(async |ground| {
        let check = async |on: On, fault: Fault, expect: &str, limit: u64| {
            let (told, seconds) = ground.plan(&Faults::seeded(0).with(on, fault), PreviewMode::DryRun).await;
            assert_eq!(told, Err(expect.to_owned()), "{fault:?}");
            assert!(seconds <= limit, "{fault:?}: {seconds} s");
        };
        let lists = || On::every().verb(Verb::List).resource("services");
        let listing = "listing Service objects at /api/v1/namespaces/faults/services";
        let senseless = format!("{listing}: the answer makes no sense");
        let foreign = "it is text/html, not JSON: something answers in the place of the API server, such as a proxy or a \
            login page";
        check(lists(), Fault::Stall, &format!("{listing}: no answer"), 60).await;
        check(lists(), Fault::ResetBefore, &format!("{listing}: no answer"), 60).await;
        check(lists(), Fault::InternalError, &format!("{listing}: etcdserver: leader changed (500)"), 60).await;
        check(lists(), Fault::Unauthorized, &format!("{listing}: Unauthorized (401)"), 0).await;
        // A server that asks for more patience than there is gets none.
        let many = format!("{listing}: Too Many Requests, in words that are not an API server's (text/plain) (429)");
        check(lists(), Fault::TooManyRequests { retry_after: 3600 }, &many, 0).await;
        let unknown = "the server rejected our request for an unknown reason";
        check(lists(), Fault::BadRequest, &format!("{listing}: {unknown} (400)"), 0).await;
        let wrong = "the server rejected our request due to an error in our request";
        check(lists(), Fault::Unprocessable, &format!("{listing}: {wrong} (422)"), 0).await;
        check(lists(), Fault::HtmlPage, &format!("{senseless}: {foreign}"), 0).await;
        check(lists(), Fault::WrongContentType, &format!("{senseless}: {foreign}"), 0).await;
        check(lists(), Fault::NullItems, &format!("{senseless}: it is a list without items, not even none"), 0).await;
        check(lists(), Fault::NoMetadata, &format!("{senseless}: it is a list without metadata"), 0).await;
        let tries = || On::every().verb(Verb::Patch).resource("services");
        let (told, seconds) = ground.plan(&Faults::seeded(0).with(tries(), Fault::Stall), PreviewMode::Auto).await;
        let told = told.unwrap_err();
        assert!(
            told.starts_with("asking what applying Service faults/") && told.ends_with("would do: no answer"),
            "{told}"
        );
        assert!(seconds <= 60, "{seconds} s");
    });
}

#[test]
fn no_answer_is_half_believed() {
    in_simulated_time(async |ground| {
        let places =
            ["/version", "/api", "/apis", "namespaces", "configmaps", "deployments", "mutatingwebhookconfigurations"];
        let garbled = [
            Fault::ShortBody,
            Fault::HtmlPage,
            Fault::WrongContentType,
            Fault::FailureAsSuccess,
            Fault::NullItems,
            Fault::NoMetadata,
        ];
        let (auto, predicted) = (ground.sound(PreviewMode::Auto).await, ground.sound(PreviewMode::Predict).await);
        for (place, fault) in places.into_iter().flat_map(|place| garbled.map(|fault| (place, fault))) {
            for preview in [PreviewMode::Auto, PreviewMode::Predict] {
                let faults = Faults::seeded(0).with(On::every().resource(place), fault);
                let (told, seconds) = ground.plan(&faults, preview).await;
                assert!(seconds <= LIMIT, "{fault:?} at {place}: {seconds} s");
                if let Ok(found) = told {
                    let sound = if preview == PreviewMode::Auto { &auto } else { &predicted };
                    assert_eq!(found, *sound, "{fault:?} at {place}, {preview:?}");
                }
            }
        }
    });
}

#[test]
fn an_empty_list_is_held_against_what_is_there() {
    in_simulated_time(async |ground| {
        for preview in MODES {
            let faults = Faults::seeded(0).with(On::every().verb(Verb::List), Fault::EmptyList);
            let told = ground.plan(&faults, preview).await.0.unwrap_err();
            let detail = "it was in no list, and is there: it changed meanwhile, or one of the answers was not whole; run \
                this again";
            assert!(told.starts_with("looking for ") && told.ends_with(detail), "{preview:?}: {told}");
        }
    });
}

#[test]
fn while_discovery_fails_in_part_nothing_is_deleted() {
    in_simulated_time(async |ground| {
        let faults = Faults::seeded(0).with(On::every(), Fault::StaleGroup("apps"));
        let found = ground.plan(&faults, PreviewMode::Auto).await.0.unwrap();
        assert_eq!((found.summary.delete, found.summary.blocked > 0), (0, true), "{:#?}", found.summary);
        let silent = "discovery failed in part: the server of apps/v1 does not answer";
        assert!(found.unlisted.iter().any(|one| one.reason == silent), "{:#?}", found.unlisted);
    });
}

#[test]
fn a_kind_that_may_not_be_listed_keeps_everything_from_being_deleted() {
    in_simulated_time(async |ground| {
        let faults = Faults::seeded(0).with(On::every().verb(Verb::List).resource("services"), Fault::Forbidden);
        let found = ground.plan(&faults, PreviewMode::Auto).await.0.unwrap();
        assert_eq!(faults.injected().len(), 1, "what is refused for good is not asked again");
        assert_eq!((found.summary.delete, found.unlisted.len()), (0, 1), "{:#?}", found.unlisted);
        assert_eq!(found.unlisted[0].reason, "forbidden: not from here");
    });
}

#[test]
fn a_change_that_the_server_refuses_is_named_and_not_asked_for_again() {
    in_simulated_time(async |ground| {
        for fault in [Fault::BadRequest, Fault::Forbidden, Fault::NotFound, Fault::Unprocessable] {
            let on = On::every().verb(Verb::Patch).resource("deployments");
            let faults = Faults::seeded(0).with(on, fault);
            let found = ground.plan(&faults, PreviewMode::Auto).await.0.unwrap();
            let deployments = found.steps().filter(|step| step.id.kind.kind == "Deployment");
            let blocked: Vec<&str> =
                deployments.filter(|step| step.action == Action::Blocked).map(|step| step.id.name.as_str()).collect();
            assert_eq!(blocked, ["ai-memory-mcp", "gong-mcp-blue", "qdrant-admin-mcp"], "{fault:?}");
            assert_eq!(faults.injected().len(), 3, "{fault:?}: {:#?}", faults.injected());
        }
    });
}

#[test]
fn a_token_that_runs_out_is_renewed_once() {
    in_simulated_time(async |ground| {
        for (accepted, renewals) in [(true, 1), (false, 1)] {
            let renewed = Arc::new(AtomicUsize::new(0));
            let layered = |faults: &Faults| {
                let router = ground.cluster.router().layer(axum::middleware::from_fn(while_time_stands_still));
                kube::Client::new(faults.layer(router), "default")
            };
            let expired = Faults::seeded(0).with(On::every().resource("services"), Fault::Unauthorized);
            let fresh = layered(&if accepted { Faults::seeded(0) } else { expired.clone() });
            let count = renewed.clone();
            let renew: Renew = Arc::new(move || {
                count.fetch_add(1, Ordering::SeqCst);
                let fresh = fresh.clone();
                Box::pin(async move { Ok(fresh) })
            });
            let provider = Cluster::new(layered(&expired), settings("one")).renewing(Some(renew));
            let (told, _) = ground.plan_by(&provider, PreviewMode::DryRun).await;
            assert_eq!(told.is_ok(), accepted, "{told:?}");
            assert_eq!(renewed.load(Ordering::SeqCst), renewals);
        }
    });
}

#[test]
fn an_older_server_is_asked_group_by_group() {
    in_simulated_time(async |ground| {
        let older = axum::middleware::from_fn(|mut request: Request, next: Next| {
            request.headers_mut().remove(header::ACCEPT);
            while_time_stands_still(request, next)
        });
        let router = ground.cluster.router().layer(older);
        let provider = Cluster::new(kube::Client::new(router, "default"), settings("one"));
        let (told, _) = ground.plan_by(&provider, PreviewMode::DryRun).await;
        assert_eq!(told, Ok(ground.sound(PreviewMode::DryRun).await));
    });
}

#[test]
fn a_list_whose_next_page_is_gone_is_begun_again() {
    in_simulated_time(async |ground| {
        let maps: Api<ConfigMap> = Api::namespaced(kube::Client::new(ground.cluster.router(), "default"), "faults");
        for number in 0..520 {
            let map = serde_json::from_value(json!({"metadata": {"name": format!("m{number}")}})).unwrap();
            maps.create(&PostParams::default(), &map).await.unwrap();
        }
        let sound = ground.sound(PreviewMode::Predict).await;
        let lists = || On::every().verb(Verb::List).resource("configmaps");
        let once = Faults::seeded(0).with(lists().nth(2), Fault::Gone);
        assert_eq!(ground.plan(&once, PreviewMode::Predict).await.0, Ok(sound));
        let again = [2, 4, 6].into_iter().fold(Faults::seeded(0), |all, nth| all.with(lists().nth(nth), Fault::Gone));
        let told = ground.plan(&again, PreviewMode::Predict).await.0.unwrap_err();
        assert!(told.starts_with("listing ConfigMap objects at") && told.ends_with("(410)"), "{told}");
    });
}
