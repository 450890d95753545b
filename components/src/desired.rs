//! What should exist: the result of composing a stack with an environment.
//!
//! A [`Resource`] is one object of one provider, complete but for what only the cluster adds. This file knows
//! nothing of how a resource is applied, nor of what is live.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::claims::Claims;
use crate::model::{BlueGreen, Duration, Ownership};
use crate::needs::Need;
use crate::outputs::OutputHere;

/// Annotation that carries a resource's [address](Resource::address), so that what has left the stack can still be named.
pub const ADDRESS_ANNOTATION: &str = "strata.dev/address";
/// Annotation that carries a resource's phase number, so that what has left the stack can still be ordered.
pub const PHASE_ANNOTATION: &str = "strata.dev/phase";
/// Annotation that carries the tier of the service a resource belongs to; absent on what belongs to no service.
pub const TIER_ANNOTATION: &str = "strata.dev/tier";
/// Annotation that carries the services a resource's service depends on, comma-separated; absent when there are none.
pub const DEPENDS_ON_ANNOTATION: &str = "strata.dev/depends-on";
/// The recommended label that carries the instance a resource belongs to.
pub const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";

/// One deployment of a stack into an environment.
///
/// ```
/// use strata_components::desired::Instance;
/// let instance = Instance { stack: "sophia".into(), environment: "development".into(), suffix: Some("pr-7".into()) };
/// assert_eq!(instance.name(), "sophia-development-pr-7");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Instance {
    /// The stack's name.
    pub stack: String,
    /// The environment's name.
    pub environment: String,
    /// What `--instance` named, where one stack stands several times in one environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
}

impl Instance {
    /// The name that labels, the inventory, the lock and cluster-scoped objects carry.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.suffix {
            Some(suffix) => format!("{}-{}-{suffix}", self.stack, self.environment),
            None => format!("{}-{}", self.stack, self.environment),
        }
    }
}

/// The type of an object in its provider's own words; for Kubernetes group, version and kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Kind {
    /// API group, empty for the core group.
    pub group: String,
    /// API version, such as `v1`.
    pub version: String,
    /// Kind, such as `Deployment`.
    pub kind: String,
}

impl Kind {
    /// `group/version`, or `version` alone for the core group: the `apiVersion` of a manifest.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

/// Which object: unique within one plan, and the same from run to run.
///
/// Shown as `Deployment mcp-servers/ai-memory-mcp`, or `Namespace mcp-servers` for an object without a namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ResourceId {
    /// Who keeps it; [`KUBERNETES`] today.
    pub provider: String,
    /// Where: the name of the cluster in the environment file.
    pub target: String,
    /// Its type.
    #[serde(flatten)]
    pub kind: Kind,
    /// Its namespace; absent for an object that has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// The provider of every Kubernetes object.
pub const KUBERNETES: &str = "kubernetes";

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind.kind, self.name),
            None => write!(f, "{} {}", self.kind.kind, self.name),
        }
    }
}

/// One object that should exist.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// Which object it is.
    pub id: ResourceId,
    /// Its stable address, `stack/service/component` (`sophia/ai_memory/deployment`), or `stack/component` for
    /// what belongs to no service. It stays when a name changes.
    pub address: String,
    /// The address it had before its service was renamed, where the stack says what that was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// The phase it is applied in; 0 is the ground everything stands on (namespace, priority classes, registry).
    pub phase: u32,
    /// The service it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The tier of that service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// The services that its service waits for, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// How long it is waited for until it is ready, where the stack says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_within: Option<Duration>,
    /// The object as it is to be applied: `apiVersion`, `kind`, `metadata` with labels and annotations, and the
    /// rest. Quantities are written in their canonical form, so that a server has nothing to rewrite.
    pub manifest: Value,
    /// What is applied in the manifest's place for as long as a renamed service runs under both names: it lets through
    /// to the old one what it lets through to the new. Absent where that makes no difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meanwhile: Option<Value>,
}

/// A phase: what is applied together, after everything before it is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// Its number, from 0.
    pub number: u32,
    /// Its name (`foundation`, `orchestration`), or `phase 6` where the stack names none.
    pub name: String,
    /// The services in it, sorted.
    pub services: Vec<String>,
}

/// Everything that should exist, and what proofs need to know of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Desired {
    /// What is deployed.
    pub instance: Instance,
    /// The namespaces that belong to the instance, sorted: where its objects live.
    pub namespaces: Vec<String>,
    /// Phases in order, without gaps; phase 0 first.
    pub phases: Vec<Phase>,
    /// Resources, ordered by phase, then address.
    pub resources: Vec<Resource>,
    /// What the resources claim: ports, edges, GPUs, nodes.
    pub claims: Claims,
    /// Who may hold what on live objects, and which existing objects become the instance's.
    #[serde(default, skip_serializing_if = "Ownership::is_empty")]
    pub ownership: Ownership,
    /// What services wait for outside the stack before anything of them is applied, by the services' names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub needs: BTreeMap<String, Vec<Need>>,
    /// What the stack tells other stacks and people, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, OutputHere>,
    /// The services that go from one colour to the other when their pods are exchanged, with how.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub blue_green: BTreeMap<String, BlueGreen>,
    /// Where what was written gave way to something else, sorted: a cap, a higher floor. Shown by `check`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

/// A decision of composing that a reader of the files would not expect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Note {
    /// The value in the stack that gave way, as a path in its model: `services.ai_memory.autoscale.min`.
    pub path: String,
    /// What was decided, and why.
    pub message: String,
}

/// Why an object cannot be added to what is desired.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddError {
    /// It does not say what it is.
    #[error("{component}: the manifest has no text at {member}")]
    Nameless {
        /// The last part of its address.
        component: String,
        /// What is missing: `apiVersion`, `kind` or `metadata.name`.
        member: &'static str,
    },
    /// There is no such service.
    #[error("{component}: there is no service {service} in the stack")]
    NoService {
        /// The last part of its address.
        component: String,
        /// The service that was named.
        service: String,
    },
    /// The object, or another at the same address, is there already.
    #[error("{0} is there already")]
    Taken(String),
}

impl Desired {
    /// Adds an object that a program brings beside what its stack composes to: to `service`, in whose phase it is
    /// applied, or to the ground that everything stands on. `component` is the last part of its address.
    ///
    /// The object gets the labels and annotations by which what is composed is known; everything else is as
    /// `manifest` has it.
    ///
    /// ```
    /// use serde_json::json;
    /// # use strata_components::compose::compose;
    /// # use strata_components::model::{Environment, Stack};
    /// # let stack: Stack = serde_json::from_value(json!({"stack": "shop", "namespace": "shop", "health_port": "+100",
    /// #     "tiers": {"all": {"ports": "9000-9009"}}, "services": {"cart": {"tier": "all", "port": 9000}}}))?;
    /// # let environment: Environment = serde_json::from_value(json!({"environment": "dev",
    /// #     "clusters": {"local": {"embedded": {}}}, "default_cluster": "local",
    /// #     "image": {"registry": "registry.example/shop", "tag": "1.0.0"}}))?;
    /// let mut desired = compose(&stack, &environment, "local", None)?;
    /// let settings = json!({"apiVersion": "v1", "kind": "ConfigMap",
    ///     "metadata": {"name": "cart-settings", "namespace": "shop"}, "data": {"currency": "EUR"}});
    /// desired.add(Some("cart"), "settings", settings)?;
    /// assert!(desired.resources.iter().any(|resource| resource.address == "shop/cart/settings"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Where the manifest does not say what it is, the service is not there, or the object or its address is taken.
    pub fn add(&mut self, service: Option<&str>, component: &str, mut manifest: Value) -> Result<(), AddError> {
        let text = |member: &'static str| {
            let pointer = format!("/{}", member.replace('.', "/"));
            let found = manifest.pointer(&pointer).and_then(Value::as_str).map(str::to_owned);
            found.ok_or_else(|| AddError::Nameless { component: component.to_owned(), member })
        };
        let (version, kind, name) = (text("apiVersion")?, text("kind")?, text("metadata.name")?);
        let (group, version) = match version.split_once('/') {
            Some((group, version)) => (group.to_owned(), version.to_owned()),
            None => (String::new(), version),
        };
        let stack = &self.instance.stack;
        let (place, address) = match service {
            None => (None, format!("{stack}/{component}")),
            Some(service) => {
                let of_service = |resource: &&Resource| resource.service.as_deref() == Some(service);
                let missing = || AddError::NoService { component: component.to_owned(), service: service.to_owned() };
                let place = self.resources.iter().find(of_service).ok_or_else(missing)?;
                (Some(place), format!("{stack}/{service}/{component}"))
            }
        };
        let id = ResourceId {
            provider: KUBERNETES.to_owned(),
            target: self.resources.first().map(|resource| resource.id.target.clone()).unwrap_or_default(),
            kind: Kind { group, version, kind },
            namespace: manifest.pointer("/metadata/namespace").and_then(Value::as_str).map(str::to_owned),
            name,
        };
        if let Some(taken) = self.resources.iter().find(|other| other.id == id || other.address == address) {
            return Err(AddError::Taken(format!("{} ({})", taken.id, taken.address)));
        }
        let resource = Resource {
            id,
            address,
            was: None,
            phase: place.map_or(0, |place| place.phase),
            service: service.map(str::to_owned),
            tier: place.and_then(|place| place.tier.clone()),
            depends_on: place.map(|place| place.depends_on.clone()).unwrap_or_default(),
            ready_within: place.and_then(|place| place.ready_within),
            manifest: Value::Null,
            meanwhile: None,
        };
        if let Some(metadata) = manifest.get_mut("metadata").and_then(Value::as_object_mut) {
            mark(metadata, "labels", INSTANCE_LABEL, self.instance.name());
            mark(metadata, "annotations", ADDRESS_ANNOTATION, resource.address.clone());
            mark(metadata, "annotations", PHASE_ANNOTATION, resource.phase.to_string());
            if let Some(tier) = &resource.tier {
                mark(metadata, "annotations", TIER_ANNOTATION, tier.clone());
            }
            if !resource.depends_on.is_empty() {
                mark(metadata, "annotations", DEPENDS_ON_ANNOTATION, resource.depends_on.join(","));
            }
        }
        self.resources.push(Resource { manifest, ..resource });
        self.resources.sort_by(|one, other| (one.phase, &one.address).cmp(&(other.phase, &other.address)));
        Ok(())
    }
}

/// Sets an entry of a map of metadata.
fn mark(metadata: &mut Map<String, Value>, section: &str, key: &str, value: String) {
    if let Value::Object(marks) = metadata.entry(section).or_insert_with(|| Map::new().into()) {
        marks.insert(key.to_owned(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(service: Option<&str>, component: &str, manifest: Value) -> Result<Resource, AddError> {
        let mut desired = Desired {
            instance: Instance { stack: "shop".into(), environment: "dev".into(), suffix: None },
            namespaces: vec!["shop".into()],
            phases: Vec::new(),
            resources: vec![Resource {
                id: ResourceId {
                    provider: KUBERNETES.into(),
                    target: "local".into(),
                    kind: Kind { group: "apps".into(), version: "v1".into(), kind: "Deployment".into() },
                    namespace: Some("shop".into()),
                    name: "cart".into(),
                },
                address: "shop/cart/deployment".into(),
                was: None,
                phase: 3,
                service: Some("cart".into()),
                tier: Some("core".into()),
                depends_on: vec!["store".into()],
                ready_within: None,
                manifest: Value::Null,
                meanwhile: None,
            }],
            claims: Claims::default(),
            ownership: Ownership::default(),
            needs: BTreeMap::new(),
            outputs: Default::default(),
            blue_green: BTreeMap::new(),
            notes: Vec::new(),
        };
        desired.add(service, component, manifest)?;
        Ok(desired.resources.remove(0))
    }

    fn map(name: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}})
    }

    #[test]
    fn what_is_added_stands_where_its_service_does() {
        let ground = of(None, "settings", map("a")).map(|added| (added.address, added.phase, added.id.to_string()));
        assert_eq!(ground, Ok(("shop/settings".to_owned(), 0, "ConfigMap shop/a".to_owned())));
        let added = of(Some("cart"), "a-settings", map("a"));
        let metadata = json!({
            "name": "a", "namespace": "shop",
            "labels": {"app.kubernetes.io/instance": "shop-dev"},
            "annotations": {
                "strata.dev/address": "shop/cart/a-settings", "strata.dev/phase": "3", "strata.dev/tier": "core",
                "strata.dev/depends-on": "store",
            },
        });
        assert_eq!(added.map(|added| added.manifest["metadata"].clone()), Ok(metadata));
    }

    #[test]
    fn what_cannot_be_placed_is_refused() {
        let told = |service, component, manifest| of(service, component, manifest).err().map(|error| error.to_string());
        let nameless = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}});
        let taken =
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "cart", "namespace": "shop"}});
        for (service, component, manifest, expect) in [
            (None, "a", nameless, "a: the manifest has no text at metadata.name"),
            (None, "a", json!({"kind": "ConfigMap"}), "a: the manifest has no text at apiVersion"),
            (Some("web"), "a", map("a"), "a: there is no service web in the stack"),
            (None, "a", taken, "Deployment shop/cart (shop/cart/deployment) is there already"),
            (Some("cart"), "deployment", map("a"), "Deployment shop/cart (shop/cart/deployment) is there already"),
        ] {
            assert_eq!(told(service, component, manifest).as_deref(), Some(expect));
        }
    }
}
