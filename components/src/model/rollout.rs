//! How the pods of a service are exchanged for those of a new template: a few at a time, or all at once from one colour to
//! the other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::duration::Duration;

/// How long the old colour is kept where nobody says.
const USUAL_HOLD: Duration = Duration::from_secs(300);

/// A few pods at a time, within one Deployment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rolling {}

/// For how long pods of the new colour may be missing where nobody says: time for another node to start one.
const USUAL_PATIENCE: Duration = Duration::from_secs(60);

/// All at once: the new colour is brought up beside the old one, and gets all traffic when it is ready. The old one stays
/// for as long as the new one is held, as the way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BlueGreen {
    /// How long the new colour has to stay ready with all the traffic before the old one goes; five minutes unless given.
    #[serde(default = "usual_hold")]
    pub hold: Duration,
    /// For how much of that time, all in all, fewer of its pods may be available than it is to have: a node that is drained
    /// takes some away, and others come for them. One minute unless given. Where none is available, or a container ends by
    /// itself, nothing is waited for.
    #[serde(default = "usual_patience")]
    pub patience: Duration,
}

fn usual_patience() -> Duration {
    USUAL_PATIENCE
}

fn usual_hold() -> Duration {
    USUAL_HOLD
}

impl Default for BlueGreen {
    /// A hold of five minutes, of which one may pass with pods missing.
    fn default() -> Self {
        Self { hold: USUAL_HOLD, patience: USUAL_PATIENCE }
    }
}

/// How the pods of a service are exchanged for those of a new template.
///
/// In a file exactly one of its kinds: `rollout: {blue_green: {hold: 5m}}`.
///
/// ```
/// use strata_components::model::{BlueGreen, Rollout};
/// let rollout: Rollout = serde_json::from_value(serde_json::json!({"blue_green": {}}))?;
/// assert_eq!(rollout, Rollout::BlueGreen(BlueGreen::default()));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RolloutFields", into = "RolloutFields")]
pub enum Rollout {
    /// A few at a time.
    Rolling(Rolling),
    /// From one colour to the other.
    BlueGreen(BlueGreen),
}

impl Rollout {
    /// How it goes from one colour to the other, where it does.
    #[must_use]
    pub const fn blue_green(self) -> Option<BlueGreen> {
        match self {
            Self::BlueGreen(blue_green) => Some(blue_green),
            Self::Rolling(_) => None,
        }
    }
}

/// How pods are exchanged: exactly one of these.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "Rollout")]
#[schemars(extend("oneOf" = [{"required": ["rolling"]}, {"required": ["blue_green"]}]))]
struct RolloutFields {
    /// A few pods at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rolling: Option<Rolling>,
    /// All pods at once, from one colour to the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blue_green: Option<BlueGreen>,
}

/// A rollout of no kind, or of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a rollout is exactly one of `rolling` and `blue_green`: name one")]
pub struct RolloutError;

impl TryFrom<RolloutFields> for Rollout {
    type Error = RolloutError;

    fn try_from(fields: RolloutFields) -> Result<Self, Self::Error> {
        match (fields.rolling, fields.blue_green) {
            (Some(rolling), None) => Ok(Self::Rolling(rolling)),
            (None, Some(blue_green)) => Ok(Self::BlueGreen(blue_green)),
            _ => Err(RolloutError),
        }
    }
}

impl From<Rollout> for RolloutFields {
    fn from(rollout: Rollout) -> Self {
        match rollout {
            Rollout::Rolling(rolling) => Self { rolling: Some(rolling), ..Self::default() },
            Rollout::BlueGreen(blue_green) => Self { blue_green: Some(blue_green), ..Self::default() },
        }
    }
}

impl JsonSchema for Rollout {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Rollout".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        RolloutFields::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    fn check(text: Value, expect: Result<Rollout, &str>) {
        let read = serde_json::from_value::<Rollout>(text.clone()).map_err(|error| error.to_string());
        if let Ok(rollout) = read {
            assert_eq!(serde_json::from_value::<Rollout>(serde_json::to_value(rollout).unwrap()).unwrap(), rollout);
        }
        assert_eq!(read, expect.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn a_rollout_is_of_one_kind() {
        let form = |hold: &str, patience: &str| {
            Ok(Rollout::BlueGreen(BlueGreen { hold: hold.parse().unwrap(), patience: patience.parse().unwrap() }))
        };
        let one = "a rollout is exactly one of `rolling` and `blue_green`: name one";
        check(json!({"rolling": {}}), Ok(Rollout::Rolling(Rolling {})));
        check(json!({"blue_green": {}}), form("5m", "1m"));
        check(json!({"blue_green": {"hold": "90s"}}), form("90s", "1m"));
        check(json!({"blue_green": {"patience": "0s"}}), form("5m", "0s"));
        check(json!({}), Err(one));
        check(json!({"rolling": {}, "blue_green": {}}), Err(one));
    }
}
