//! What the controllers, the scheduler and the kubelet make of objects, told as a user sees it: through the API, with
//! whole statuses compared. What is expected was seen on a cluster of Kubernetes 1.36.2 with simulated nodes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod disruption;
mod jobs;
mod lifecycle;
mod load;
mod nodes;
mod scheduling;
mod volumes;
mod workloads;
mod world;
