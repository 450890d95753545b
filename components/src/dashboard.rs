//! The Grafana dashboard of a tier, in a ConfigMap that Grafana's sidecar picks up. It is written by a Handlebars
//! template, `templates/dashboard.json.hbs`, and read back as JSON before it goes anywhere.

use std::collections::BTreeMap;

use handlebars::Handlebars;
use k8s_openapi::api::core::v1::ConfigMap;
use serde::Serialize;
use serde_json::Value;

use crate::compose::Problem;
use crate::context::{Context, named};
use crate::model::Monitoring;
use crate::monitoring::{ENDINGS, Watched, names};

const TEMPLATE: &str = include_str!("../templates/dashboard.json.hbs");
const NAME: &str = "dashboard";

/// What the template knows.
#[derive(Debug, Serialize)]
struct View<'a> {
    title: String,
    instance: String,
    tier: &'a str,
    namespace: &'a str,
    /// A regular expression of the names of Deployments and Services.
    names: String,
    /// What the name of a Deployment may have behind that of its service, as a regular expression.
    endings: &'static str,
    /// Whether any service has a GPU.
    gpus: bool,
}

/// Writes dashboards; the template is read once.
pub(crate) struct Dashboards {
    templates: Handlebars<'static>,
}

impl Dashboards {
    /// Reads the template.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn new() -> Result<Self, Problem> {
        let mut templates = Handlebars::new();
        templates.set_strict_mode(true);
        templates.register_escape_fn(escape);
        templates.register_template_string(NAME, TEMPLATE).map_err(|error| unwritable(&error))?;
        Ok(Self { templates })
    }

    /// The dashboard of a tier.
    ///
    /// # Errors
    /// When what the template writes is no JSON.
    pub(crate) fn of(
        &self,
        context: &Context<'_>,
        settings: &Monitoring,
        watched: Watched<'_>,
    ) -> Result<ConfigMap, Problem> {
        let tier = context.stack.tiers.get(watched.tier);
        let title = tier.and_then(|tier| tier.title.clone()).unwrap_or_else(|| watched.tier.to_string());
        let view = View {
            title: format!("{}: {title}", context.instance.name()),
            instance: context.instance.name(),
            tier: watched.tier.as_str(),
            namespace: watched.namespace,
            names: names(watched.services),
            endings: if watched.services.iter().any(|spec| spec.blue_green.is_some()) { ENDINGS } else { "" },
            gpus: watched.services.iter().any(|spec| spec.gpus > 0),
        };
        let written = self.templates.render(NAME, &view).map_err(|error| unwritable(&error))?;
        let read: Value = serde_json::from_str(&written).map_err(|error| unwritable(&error))?;
        let text = serde_json::to_string_pretty(&read).map_err(|error| unwritable(&error))?;
        let mut metadata = named(format!("{}-dashboard", watched.object_name(context)), Some(watched.namespace));
        let found_by = settings.dashboard_labels.iter().map(|(key, value)| (key.to_string(), value.to_string()));
        metadata.labels = Some(found_by.collect());
        let file = format!("{}-{}.json", context.instance.name(), watched.tier);
        Ok(ConfigMap { metadata, data: Some(BTreeMap::from([(file, text)])), ..ConfigMap::default() })
    }
}

/// What may stand in JSON between two quotes.
fn escape(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    let bare = quoted.strip_prefix('"').and_then(|quoted| quoted.strip_suffix('"')).map(str::to_owned);
    bare.unwrap_or(quoted)
}

fn unwritable(error: &dyn std::fmt::Display) -> Problem {
    Problem::Unwritable { object: "the dashboard".to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn what_is_put_in_stays_inside_its_quotes() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("a \"b\"", "a \\\"b\\\""),
            ("\"", "\\\""),
            ("a\\", "a\\\\"),
            ("line\nline", "line\\nline"),
        ] {
            assert_eq!(escape(text), expected);
        }
    }
}
