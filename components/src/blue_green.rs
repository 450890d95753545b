//! The colours of a service that is rolled out blue-green: what its objects are in the one or the other.
//!
//! What a stack composes to speaks of each service once and knows no colour. Which one is brought up depends on what is
//! live, and is for the planner to say; here stands only what a colour makes of the objects: the Deployment has its name
//! and its label, its pods and its selector too, and what points at the Deployment, or at its pods alone, points at those
//! of this colour. What is about the service as a whole (policies, disruption budget, monitoring) is the same for both.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::desired::{Desired, Resource, ResourceId};

/// The label that tells the pods of one colour from those of the other: on pods, in the selector of their Deployment, and
/// in that of the Service that has its traffic go to them alone.
pub const COLOUR_LABEL: &str = "strata.dev/colour";

/// One of the two forms that a service's workload can have beside the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Colour {
    /// The first.
    Blue,
    /// The second.
    Green,
}

impl Colour {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Blue, Self::Green];

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Blue => Self::Green,
            Self::Green => Self::Blue,
        }
    }

    /// The value of the label, and the end of the Deployment's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blue => "blue",
            Self::Green => "green",
        }
    }

    /// The colour that a selector, or an object's labels, name.
    ///
    /// ```
    /// use serde_json::json;
    /// use strata_components::blue_green::Colour;
    /// assert_eq!(Colour::of(&json!({"strata.dev/colour": "green"})), Some(Colour::Green));
    /// assert_eq!(Colour::of(&json!({"app.kubernetes.io/name": "cart-mcp"})), None);
    /// ```
    #[must_use]
    pub fn of(labels: &Value) -> Option<Self> {
        let name = labels.get(COLOUR_LABEL)?.as_str()?;
        Self::ALL.into_iter().find(|colour| colour.as_str() == name)
    }

    /// The colour that the name of a Deployment ends in. Without a colour it ends in what its service is.
    ///
    /// ```
    /// use strata_components::blue_green::Colour;
    /// assert_eq!(Colour::of_name("cart-mcp-blue"), Some(Colour::Blue));
    /// assert_eq!(Colour::of_name("cart-mcp"), None);
    /// ```
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let (_, end) = name.rsplit_once('-')?;
        Self::ALL.into_iter().find(|colour| colour.as_str() == end)
    }

    /// What a Deployment that is called `name` without a colour is called in this one.
    #[must_use]
    pub fn name_of(self, name: &str) -> String {
        format!("{name}-{}", self.as_str())
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The colours that services are to have, by their names; one that is not in it has none.
pub type Colours = BTreeMap<String, Colour>;

/// The Deployment of a service, in what is desired or in what has a colour already.
#[must_use]
pub fn workload<'a>(desired: &'a Desired, service: &str) -> Option<&'a Resource> {
    desired.resources.iter().find(|one| is_workload(one) && one.service.as_deref() == Some(service))
}

fn is_workload(resource: &Resource) -> bool {
    resource.id.kind.kind == "Deployment" && component(resource) == "deployment"
}

/// The last part of an address: which of a service's objects it is.
fn component(resource: &Resource) -> &str {
    resource.address.rsplit('/').next().unwrap_or_default()
}

/// What a Deployment of one colour is called without it; nothing where its name has none.
#[must_use]
pub fn plain_id(id: &ResourceId) -> Option<ResourceId> {
    let colour = Colour::of_name(&id.name).filter(|_| id.kind.kind == "Deployment")?;
    let name = id.name.strip_suffix(colour.as_str())?.strip_suffix('-')?;
    Some(ResourceId { name: name.to_owned(), ..id.clone() })
}

/// What is desired, with each service that is rolled out blue-green in the colour that `colours` gives it. Nothing else is
/// changed, and no address.
///
/// ```
/// use serde_json::json;
/// use strata_components::blue_green::{Colour, painted};
/// use strata_components::compose::compose;
/// # use strata_components::model::{Environment, Stack};
/// # let stack: Stack = serde_json::from_value(json!({"stack": "shop", "namespace": "shop", "health_port": "+100",
/// #     "tiers": {"all": {"ports": "9000-9009"}},
/// #     "services": {"cart": {"tier": "all", "port": 9000, "rollout": {"blue_green": {}}}}}))?;
/// # let environment: Environment = serde_json::from_value(json!({"environment": "dev",
/// #     "clusters": {"local": {"embedded": {}}}, "default_cluster": "local",
/// #     "image": {"registry": "registry.example/shop", "tag": "1.0.0"}}))?;
/// let desired = compose(&stack, &environment, "local", None)?;
/// let green = painted(&desired, &[("cart".to_owned(), Colour::Green)].into());
/// let named = |kind: &str| green.resources.iter().find(|one| one.id.kind.kind == kind).map(|one| one.id.name.as_str());
/// assert_eq!((named("Deployment"), named("Service")), (Some("cart-mcp-green"), Some("cart-mcp")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn painted(desired: &Desired, colours: &Colours) -> Desired {
    let mut painted = desired.clone();
    for service in desired.blue_green.keys() {
        let (Some(colour), Some(plain)) = (colours.get(service), workload(desired, service)) else { continue };
        let own = |resource: &&mut Resource| resource.service.as_ref() == Some(service);
        for resource in painted.resources.iter_mut().filter(own) {
            paint(resource, &plain.id.name, *colour);
        }
    }
    painted
}

/// Gives an object of a service whose Deployment is called `workload` a colour, as far as it is one's own.
fn paint(resource: &mut Resource, workload: &str, colour: Colour) {
    let name = colour.name_of(workload);
    match (resource.id.kind.kind.as_str(), component(resource)) {
        ("Deployment", "deployment") => {
            let manifest = &mut resource.manifest;
            manifest["metadata"]["name"] = name.as_str().into();
            for pointer in ["/metadata/labels", "/spec/selector/matchLabels", "/spec/template/metadata/labels"] {
                label(manifest.pointer_mut(pointer), colour);
            }
            // Pods of one colour are spread by themselves: those of the other are going, or are the way back.
            let spread = manifest.pointer_mut("/spec/template/spec/topologySpreadConstraints");
            for constraint in spread.and_then(Value::as_array_mut).into_iter().flatten() {
                label(constraint.pointer_mut("/labelSelector/matchLabels"), colour);
            }
            resource.id.name = name;
        }
        ("Service", "service") => label(resource.manifest.pointer_mut("/spec/selector"), colour),
        ("HorizontalPodAutoscaler", _) => point(&mut resource.manifest, "/spec/scaleTargetRef", workload, &name),
        ("VerticalPodAutoscaler", _) => point(&mut resource.manifest, "/spec/targetRef", workload, &name),
        _ => {}
    }
}

/// Whether an object of a service that is rolled out blue-green goes with its traffic from one colour to the other.
#[must_use]
pub fn follows(resource: &Resource) -> bool {
    match resource.id.kind.kind.as_str() {
        "Service" => component(resource) == "service",
        "HorizontalPodAutoscaler" | "VerticalPodAutoscaler" => true,
        _ => false,
    }
}

/// The manifest of an object that [follows] the traffic, with what points at the Deployment called `from`, and at its pods,
/// pointing at the one called `to`, which is of this colour or of none.
#[must_use]
pub fn turned(manifest: &Value, from: &str, to: &str, colour: Option<Colour>) -> Value {
    let mut turned = manifest.clone();
    match manifest["kind"].as_str().unwrap_or_default() {
        "Service" => match (turned.pointer_mut("/spec/selector"), colour) {
            (Some(Value::Object(selector)), None) => drop(selector.remove(COLOUR_LABEL)),
            (selector, Some(colour)) => label(selector, colour),
            (_, None) => {}
        },
        "HorizontalPodAutoscaler" => point(&mut turned, "/spec/scaleTargetRef", from, to),
        "VerticalPodAutoscaler" => point(&mut turned, "/spec/targetRef", from, to),
        _ => {}
    }
    turned
}

fn label(labels: Option<&mut Value>, colour: Colour) {
    if let Some(labels) = labels.and_then(Value::as_object_mut) {
        labels.insert(COLOUR_LABEL.to_owned(), colour.as_str().into());
    }
}

/// Makes a reference to the Deployment `from` one to `to`.
fn point(manifest: &mut Value, reference: &str, from: &str, to: &str) {
    let target = manifest.pointer_mut(reference).and_then(Value::as_object_mut);
    let same = |target: &&mut Map<String, Value>| {
        target.get("kind").is_some_and(|kind| kind == "Deployment")
            && target.get("name").is_some_and(|name| name == from)
    };
    if let Some(target) = target.filter(same) {
        target.insert("name".to_owned(), to.into());
    }
}
