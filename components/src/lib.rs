//! What a stack can be made of.
//!
//! [`model`] holds the words of the domain (port, tier, service, replicas, phase, environment …); one file a
//! component turns them into Kubernetes objects; `compose` puts a stack and an environment
//! together into [`Desired`](desired::Desired): resources in a stable order, and the claims that proofs read.
//!
//! Nothing here reads a file, the network or a clock: the same input gives the same bytes.

pub mod claims;
pub mod desired;
pub mod model;
pub mod phases;
