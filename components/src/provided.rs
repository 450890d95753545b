//! The kinds that others install, and who: what a stack composes to may need them, and no cluster serves them by itself.

use crate::alerts::PrometheusRuleSpec;
use crate::custom::CustomSpec;
use crate::desired::Kind;
use crate::gateway::{GatewaySpec, HttpRouteSpec};
use crate::mesh::{AuthorizationPolicySpec, DestinationRuleSpec, EnvoyFilterSpec, PeerAuthenticationSpec};
use crate::model::Provided;
use crate::monitoring::ServiceMonitorSpec;
use crate::vertical_autoscaling::VerticalPodAutoscalerSpec;

/// A kind that somebody else installs. Its objects stand in namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definition {
    /// What brings it.
    pub by: Provided,
    /// Its API group.
    pub group: &'static str,
    /// The version in that group that stacks are composed of.
    pub version: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// What its objects are called in a path.
    pub plural: &'static str,
}

const fn brought<S: CustomSpec>(by: Provided) -> Definition {
    Definition { by, group: S::GROUP, version: S::VERSION, kind: S::KIND, plural: S::PLURAL }
}

/// The kinds that stacks are made of and that Kubernetes does not serve by itself.
pub const DEFINITIONS: [Definition; 9] = [
    brought::<GatewaySpec>(Provided::GatewayApi),
    brought::<HttpRouteSpec>(Provided::GatewayApi),
    brought::<DestinationRuleSpec>(Provided::Istio),
    brought::<EnvoyFilterSpec>(Provided::Istio),
    brought::<AuthorizationPolicySpec>(Provided::Istio),
    brought::<PeerAuthenticationSpec>(Provided::Istio),
    brought::<PrometheusRuleSpec>(Provided::PrometheusOperator),
    brought::<ServiceMonitorSpec>(Provided::PrometheusOperator),
    brought::<VerticalPodAutoscalerSpec>(Provided::VerticalPodAutoscaler),
];

/// What brings a kind, if it is one of those that stacks are made of; its version does not matter.
///
/// ```
/// use strata_components::desired::Kind;
/// use strata_components::model::Provided;
/// use strata_components::provided::brought_by;
/// let kind = |group: &str, kind: &str| Kind { group: group.into(), version: "v1".into(), kind: kind.into() };
/// assert_eq!(brought_by(&kind("gateway.networking.k8s.io", "Gateway")), Some(Provided::GatewayApi));
/// assert_eq!(brought_by(&kind("networking.istio.io", "Gateway")), None);
/// ```
#[must_use]
pub fn brought_by(kind: &Kind) -> Option<Provided> {
    DEFINITIONS.iter().find(|one| one.group == kind.group && one.kind == kind.kind).map(|one| one.by)
}
