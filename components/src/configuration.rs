//! The configuration of servers: one ConfigMap a namespace with a JSON document for each server that has one, and the
//! file that its pods read.
//!
//! A pod sees its own document and no other, and is replaced when that changes.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ConfigMap, ConfigMapVolumeSource, EnvVar, KeyToPath, Volume, VolumeMount};
use serde_json::{Map, Value};

use crate::compose::Problem;
use crate::context::{Context, named};
use crate::model::{ConfigKey, ConfigValue, Service, ServiceName, ServiceRef};
use crate::outputs::{of_service, told};
use crate::spec::ServiceSpec;
use crate::stateful::variable;

/// What the ConfigMap is called, where the stack does not say.
const USUAL_NAME: &str = "mcp-config";
/// The name of the volume.
const VOLUME: &str = "configuration";
/// Where it is.
const PATH: &str = "/etc/mcp";
/// The name of the file there.
const FILE: &str = "config.json";
/// The variable that names the file.
pub(crate) const VARIABLE: &str = "MCP_CONFIG";

/// The configuration of a server, as it is in an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Configuration {
    /// The name of the ConfigMap.
    map: String,
    /// The key of the document there.
    key: String,
    /// The document.
    document: Value,
}

impl Configuration {
    /// What a service's configuration comes to; nothing where it has none. What has no value is a problem.
    pub(crate) fn of(
        context: &Context<'_>,
        (name, service): (&ServiceName, &Service),
        depends_on: &BTreeSet<ServiceRef>,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let mut reading = Reading { context, service: name, depends_on, problems };
        let here = context.environment.override_of(&context.stack.stack, name).map(|changed| &changed.config);
        let fields = match here {
            Some(changes) => reading.changed("", &service.config, changes),
            None => service.config.clone(),
        };
        if fields.is_empty() {
            return None;
        }
        let document = reading.document("", &fields);
        let map = context.stack.config_map.as_ref().map_or(USUAL_NAME, |name| name.as_str()).to_owned();
        Some(Self { map, key: format!("{name}_config.json"), document: document.into() })
    }

    /// The volume with the document.
    pub(crate) fn volume(&self) -> Volume {
        let item = KeyToPath { key: self.key.clone(), path: FILE.to_owned(), mode: None };
        Volume {
            name: VOLUME.to_owned(),
            config_map: Some(ConfigMapVolumeSource {
                name: self.map.clone(),
                items: Some(vec![item]),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        }
    }

    /// Where a container has it.
    pub(crate) fn mount(&self) -> VolumeMount {
        let (name, mount_path) = (VOLUME.to_owned(), PATH.to_owned());
        VolumeMount { name, mount_path, read_only: Some(true), ..VolumeMount::default() }
    }

    /// What tells a container where it is.
    pub(crate) fn variable(&self) -> EnvVar {
        variable(VARIABLE, &format!("{PATH}/{FILE}"))
    }
}

/// Reads the values of one service's configuration.
struct Reading<'a, 'p> {
    context: &'a Context<'a>,
    service: &'a ServiceName,
    /// What it depends on.
    depends_on: &'a BTreeSet<ServiceRef>,
    problems: &'p mut Vec<Problem>,
}

impl Reading<'_, '_> {
    /// Whether a way to a service of the stack is open.
    fn gets_to(&self, service: &ServiceName) -> bool {
        self.depends_on.iter().any(|open| open.within(&self.context.stack.stack) == Some(service.as_str()))
    }

    /// A document of the stack with what the environment changes: documents are merged key by key, and any other value
    /// takes the place of one that a server reads in the same way.
    fn changed(
        &mut self,
        at: &str,
        fields: &BTreeMap<ConfigKey, ConfigValue>,
        changes: &BTreeMap<ConfigKey, ConfigValue>,
    ) -> BTreeMap<ConfigKey, ConfigValue> {
        let mut merged = fields.clone();
        for (key, change) in changes {
            let at = below(at, key.as_str());
            let value = match (fields.get(key), change) {
                (Some(ConfigValue::Document(own)), ConfigValue::Document(changes)) => {
                    ConfigValue::Document(self.changed(&at, own, changes))
                }
                (Some(own), change) if !own.is_like(change) => {
                    self.problems.push(Problem::ConfigurationType {
                        path: format!("services.{}.config{at}", self.service),
                        in_stack: own.whole_type_name(),
                        here: change.whole_type_name(),
                    });
                    continue;
                }
                (_, change) => change.clone(),
            };
            merged.insert(key.clone(), value);
        }
        merged
    }

    fn document(&mut self, at: &str, fields: &BTreeMap<ConfigKey, ConfigValue>) -> Map<String, Value> {
        let fields = fields.iter();
        fields.map(|(key, value)| (key.to_string(), self.value(&below(at, key.as_str()), value))).collect()
    }

    fn value(&mut self, at: &str, value: &ConfigValue) -> Value {
        let found = match value {
            ConfigValue::Truth(truth) => return (*truth).into(),
            ConfigValue::Number(number) => return number.clone().into(),
            ConfigValue::Text(text) => return text.clone().into(),
            ConfigValue::List(items) => {
                let items = items.iter().enumerate();
                return items.map(|(index, item)| self.value(&format!("{at}[{index}]"), item)).collect();
            }
            ConfigValue::Document(fields) => return self.document(at, fields).into(),
            ConfigValue::OfService { service, value } if value.leads_there() && !self.gets_to(service) => Err(format!(
                "{} is told where {service} is, and does not depend on it, so that no way is open",
                self.service
            )),
            ConfigValue::OfService { service, value } => of_service(self.context, service, *value)
                .ok_or_else(|| format!("{service} has no {} to tell, or is not in the stack", value.as_str())),
            ConfigValue::OfOutput(output) => told(self.context, output)
                .map(Value::String)
                .ok_or_else(|| format!("the output {output} has no value here")),
        };
        found.unwrap_or_else(|reason| {
            let path = format!("services.{}.config{at}", self.service);
            self.problems.push(Problem::Configuration { path, reason });
            Value::Null
        })
    }
}

/// The model path of a key below another path.
fn below(at: &str, key: &str) -> String {
    if key.contains('.') { format!("{at}[{key:?}]") } else { format!("{at}.{key}") }
}

/// The ConfigMap of a namespace, where a server there has a configuration.
pub(crate) fn config_map(namespace: &str, specs: &[ServiceSpec]) -> Option<ConfigMap> {
    let here = specs.iter().filter(|spec| spec.namespace == namespace).filter_map(|spec| spec.configuration.as_ref());
    let mut name = None;
    let mut data = BTreeMap::new();
    for configuration in here {
        name = Some(configuration.map.clone());
        data.insert(configuration.key.clone(), format!("{:#}\n", configuration.document));
    }
    Some(ConfigMap { metadata: named(name?, Some(namespace)), data: Some(data), ..ConfigMap::default() })
}
