//! How long it takes to prove that Deployments are unchanged, to predict changes, and to read the schema.
//!
//! Run with `cargo bench -p structured-merge`.

mod fleet;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fleet::{MANAGER, config, live};
use serde_json::{Value, json};
use structured_merge::{Schema, diff, predict};

fn benchmarks(criterion: &mut Criterion) {
    criterion.bench_function("read the schema", |bencher| bencher.iter(|| Schema::of_kubernetes("1.37")));
    let ty = Schema::kubernetes().kind("apps", "v1", "Deployment").expect("Deployments are a kind");
    for count in [100_usize, 1_000, 10_000] {
        let configs: Vec<Value> = (0..count).map(config).collect();
        let lives: Vec<Value> = configs.iter().map(|config| live(&ty, config)).collect();
        let changed: Vec<Value> = configs
            .iter()
            .cloned()
            .map(|mut config| {
                config["spec"]["replicas"] = json!(4);
                config
            })
            .collect();
        let mut group = criterion.benchmark_group("deployments");
        group.throughput(Throughput::Elements(count as u64)).sample_size(10);
        group.bench_function(BenchmarkId::new("prove unchanged", count), |bencher| {
            bencher.iter(|| configs.iter().zip(&lives).map(|(c, l)| predict(&ty, l, c, MANAGER)).collect::<Vec<_>>())
        });
        group.bench_function(BenchmarkId::new("predict a change", count), |bencher| {
            let predictions = || changed.iter().zip(&lives).map(|(c, l)| predict(&ty, l, c, MANAGER));
            bencher.iter(|| predictions().collect::<Vec<_>>())
        });
        group.bench_function(BenchmarkId::new("diff", count), |bencher| {
            bencher.iter(|| changed.iter().zip(&lives).map(|(c, l)| diff(&ty, l, c)).collect::<Vec<_>>())
        });
    }
}

criterion_group!(benches, benchmarks);
criterion_main!(benches);
