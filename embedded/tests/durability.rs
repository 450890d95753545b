//! What a store is good for: an acknowledged write outlives the process, damage is found and named, and a second process
//! is told who holds it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use kube_embedded::{Cluster, OpenError, Options, Storage, TestClock};

use proptest::prelude::*;
use serde_json::json;

fn options() -> Options {
    let clock = TestClock::leaping("2026-01-01T00:00:00Z".parse().unwrap());
    Options { clock: Arc::new(clock), ..Options::default() }
}

fn map(name: &str, data: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}, "data": {"k": data}})).unwrap()
}

fn maps(cluster: &Cluster) -> Api<ConfigMap> {
    Api::default_namespaced(Client::new(cluster.router(), "default"))
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// A store that was written to, changed and deleted from, and closed; and what it lists.
fn written(path: &Path) -> (Vec<u8>, Vec<ConfigMap>) {
    block_on(async {
        let cluster = Cluster::open(Storage::File(path.to_owned()), options()).await.unwrap();
        let maps = maps(&cluster);
        for number in 0..12 {
            maps.create(&PostParams::default(), &map(&format!("m{number}"), &"x".repeat(300))).await.unwrap();
        }
        let change = json!({"data": {"k": "changed"}});
        maps.patch("m3", &PatchParams::default(), &Patch::Merge(change)).await.unwrap();
        maps.delete("m7", &DeleteParams::default()).await.unwrap();
        let listed = maps.list(&ListParams::default()).await.unwrap().items;
        drop(maps);
        cluster.close().await;
        (fs::read(path).unwrap(), listed)
    })
}

fn names(maps: &[ConfigMap]) -> Vec<String> {
    maps.iter().map(|map| map.metadata.name.clone().unwrap()).collect()
}

/// Opens what is left of a store: it is as it was (`true`), or said to be damaged.
#[track_caller]
fn check(path: &Path, left: &[u8], expect: &[ConfigMap]) -> bool {
    fs::write(path, left).unwrap();
    let opened = block_on(async {
        let cluster = Cluster::open(Storage::File(path.to_owned()), options()).await?;
        let found = maps(&cluster).list(&ListParams::default()).await.unwrap().items;
        cluster.close().await;
        Ok(found)
    });
    match opened {
        Ok(found) => {
            assert!(found == expect, "{:?}", names(&found));
            true
        }
        Err(error @ OpenError::Torn { .. }) => {
            let text = error.to_string();
            let start = format!("the cluster's store {} cannot be read: ", path.display());
            assert!(text.starts_with(&start) && text.ends_with("; remove it to begin anew"), "{text}");
            false
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_store_that_was_cut_off_is_said_to_be_damaged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cluster.redb");
    let (whole, expect) = sound();
    assert!(check(&path, whole, expect));
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
    for length in [0, 1, 64, 320, 4095, 4096, 8192, used / 2, used] {
        assert!(!check(&path, &whole[..length], expect), "the first {length} bytes");
    }
    for length in [whole.len() / 2, whole.len() - 4096, whole.len() - 1] {
        check(&path, &whole[..length], expect);
    }
    assert!(!check(&path, &[7; 8192], expect));
    assert!(!check(&path, b"kind: List", expect));
}

#[test]
fn a_bit_that_has_flipped_loses_nothing_in_silence() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cluster.redb");
    let (whole, expect) = sound();
    let flipped = |bit: usize| {
        let mut left = whole.clone();
        left[bit / 8] ^= 1 << (bit % 8);
        check(&path, &left, expect)
    };
    // The head of the file, where it says which of its two last commits is the newer, and the objects themselves.
    let head: Vec<bool> = (0..400).step_by(11).map(|byte| flipped(byte * 8 + byte % 8)).collect();
    let pages = whole.chunks(4096).enumerate().filter(|(_, page)| page.iter().any(|byte| *byte != 0)).skip(1);
    let objects: Vec<bool> = pages.map(|(number, _)| flipped((number * 4096 + number % 97) * 8)).collect();
    assert!(head.contains(&true) && head.contains(&false), "{head:?}");
    assert!(objects.contains(&false), "{objects:?}");
}

/// A store as [`written`] leaves it, made once.
fn sound() -> &'static (Vec<u8>, Vec<ConfigMap>) {
    static SOUND: OnceLock<(Vec<u8>, Vec<ConfigMap>)> = OnceLock::new();
    SOUND.get_or_init(|| written(&tempfile::tempdir().unwrap().path().join("cluster.redb")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written_over_a_store_is_found_or_harmless(at: prop::sample::Index, noise: [u8; 16]) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cluster.redb");
        let (mut whole, expect) = sound().clone();
        let at = at.index(whole.len() - noise.len());
        whole[at..at + noise.len()].copy_from_slice(&noise);
        check(&path, &whole, &expect);
    }
}

#[test]
fn a_watch_goes_on_where_it_was_when_the_store_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cluster.redb");
    let reopened = |window: usize| {
        let options = Options { watch_window: window, ..options() };
        Cluster::open(Storage::File(path.clone()), options)
    };
    block_on(async {
        let cluster = reopened(100).await.unwrap();
        let maps_before = maps(&cluster);
        let first = maps_before.create(&PostParams::default(), &map("a", "1")).await.unwrap();
        maps_before.create(&PostParams::default(), &map("b", "1")).await.unwrap();
        let change = json!({"data": {"k": "2"}});
        maps_before.patch("a", &PatchParams::default(), &Patch::Merge(change)).await.unwrap();
        maps_before.delete("b", &DeleteParams::default()).await.unwrap();
        drop(maps_before);
        cluster.close().await;

        let from = first.metadata.resource_version.unwrap();
        let events = async |cluster: &Cluster, count: usize| {
            let stream = maps(cluster).watch(&WatchParams::default(), &from).await.unwrap();
            let told = stream.take(count).map(|event| match event.unwrap() {
                WatchEvent::Added(map) => format!("added {}", map.metadata.name.unwrap()),
                WatchEvent::Modified(map) => {
                    format!("modified {} {}", map.metadata.name.unwrap(), map.data.unwrap()["k"])
                }
                WatchEvent::Deleted(map) => {
                    format!("deleted {} {}", map.metadata.name.unwrap(), map.data.unwrap()["k"])
                }
                other => format!("{other:?}"),
            });
            told.collect::<Vec<_>>().await
        };
        let cluster = reopened(100).await.unwrap();
        assert_eq!(events(&cluster, 3).await, ["added b", "modified a 2", "deleted b 1"]);
        cluster.close().await;
        // With a narrower window the version has been forgotten, as after any number of changes.
        let cluster = reopened(2).await.unwrap();
        let told = events(&cluster, 1).await;
        assert!(told[0].contains("too old resource version"), "{told:?}");
        assert_eq!(names(&maps(&cluster).list(&ListParams::default()).await.unwrap().items), ["a", "kube-root-ca.crt"]);
        cluster.close().await;
    });
}
