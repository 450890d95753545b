//! How much memory comparing takes: `cargo bench -p structured-merge --bench memory`. Prints how far the process grew
//! beyond what its inputs take, by the thousand objects. Known on Linux alone, where the kernel tells.
#![allow(clippy::unwrap_used, reason = "a measurement that cannot begin measures nothing")]
#![allow(clippy::print_stdout, reason = "what was measured is printed")]

mod fleet;

use structured_merge::{Schema, predict};

fn main() {
    let ty = Schema::kubernetes().kind("apps", "v1", "Deployment").unwrap();
    // What the first comparison makes and keeps (the schema, unpacked) belongs to none of the figures.
    let config = fleet::config(0);
    let live = fleet::live(&ty, &config);
    drop(predict(&ty, &live, &config, fleet::MANAGER));
    println!(
        "Deployments | inputs, KiB per 1,000 | comparing one after the other, KiB in all | all answers kept, KiB per 1,000"
    );
    for count in [1_000, 2_000, 5_000, 10_000] {
        let Some(before) = resident("VmRSS:") else {
            println!("the kernel does not tell how much memory a process has");
            return;
        };
        let pairs: Vec<_> = (0..count).map(fleet::config).map(|config| (fleet::live(&ty, &config), config)).collect();
        let inputs = resident("VmRSS:").unwrap();
        begin_peak();
        for (live, config) in &pairs {
            drop(predict(&ty, live, config, fleet::MANAGER));
        }
        let peak = resident("VmHWM:").unwrap();
        let kept: Vec<_> = pairs.iter().map(|(live, config)| predict(&ty, live, config, fleet::MANAGER)).collect();
        let all = resident("VmRSS:").unwrap();
        let per_thousand = |kib: u64| kib * 1_000 / count as u64;
        println!(
            "{count} | {} | {} | {}",
            per_thousand(inputs.saturating_sub(before)),
            peak.saturating_sub(inputs),
            per_thousand(all.saturating_sub(inputs))
        );
        drop((pairs, kept));
    }
}

/// A line of what the kernel says about this process, in KiB.
fn resident(line: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let found = status.lines().find_map(|text| text.strip_prefix(line))?;
    found.trim().trim_end_matches("kB").trim().parse().ok()
}

/// The peak counts from now on.
fn begin_peak() {
    // Without it the peak is the one of the whole run, which is no less.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}
