//! Who can talk to whom, computed from rendered objects alone: NetworkPolicies, the labels of pods and namespaces,
//! Services, and the policies of a mesh. What a stack meant is not known here.
//!
//! [`Network`] is what is read, [`Reach`] what follows from it, [`explain`] why a single connection is open or closed.

mod addresses;
mod evaluate;
mod explain;
mod index;
mod intervals;
pub mod mesh;
mod network;
mod ports;
mod selector;
pub mod strangers;

pub use addresses::{Addresses, INSIDE};
pub use evaluate::{Pair, Reach, Side, Translation};
pub use explain::{End, Explanation, Half, Opening, Ruling, explain};
pub use intervals::{Intervals, Point};
pub use network::{
    NAMESPACE_NAME, NamedPort, Network, Peer, Pods, Policy, PortRule, Rule, Service, ServicePort, Target,
};
pub use ports::{PortSet, Protocol};
pub use selector::{Condition, Labels, Selector};

#[cfg(test)]
mod tests;
