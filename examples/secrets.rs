//! A program that brings Secrets: their values come from a file which is in no repository, and stand in no stack.
//!
//! `secrets.json`, in the directory that the program is run in, holds them by name, and for each name values by key:
//!
//! ```json
//! {"secrets": {"ledger-keys": {"DATABASE_PASSWORD": "…"}}}
//! ```
//!
//! The pods of `ledger` get all of them as variables, and are replaced when a value changes. Beside `secrets`, `objects`
//! may list other objects that are applied with the stack. From then on it is the program that `strata` is:
//!
//! ```text
//! cargo run --example secrets -- plan accounts -e testing
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;

use anyhow::Context;
use serde::Deserialize;
use serde_json::{Value, json};
use strata::components::desired::Desired;
use strata::components::model::{BuildError, Stack};

/// Where the values are.
const FILE: &str = "secrets.json";

/// What the file holds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Values {
    /// Secrets, by name and key.
    secrets: BTreeMap<String, BTreeMap<String, String>>,
    /// Other objects, whole.
    #[serde(default)]
    objects: Vec<Value>,
}

fn main() -> Result<ExitCode, BuildError> {
    Ok(strata::run_with(&accounts()?, |desired| Ok(add(desired)?)))
}

/// Two services, one of which keeps what the other writes.
fn accounts() -> Result<Stack, BuildError> {
    Stack::builder("accounts", "accounts")
        .health_port("+100")
        .resources(("100m", "128Mi"), ("200m", "256Mi"))
        .tier("core", "9000-9019", |tier| tier.title("Accounts"))
        .service("store", "core", 9006, |store| store.purpose("Keeps what is written").replicas(1))
        .service("ledger", "core", 9000, |ledger| {
            ledger.purpose("Writes down what is owed").replicas(2).depends_on(["store"])
        })
        .build()
}

/// Adds what the file holds.
fn add(desired: &mut Desired) -> anyhow::Result<()> {
    let text = fs::read_to_string(FILE).with_context(|| format!("reading {FILE}"))?;
    // What a parser says of a file may quote it.
    let values: Values = serde_json::from_str(&text).map_err(|error| {
        anyhow::anyhow!("{FILE} is not as it should be at line {}, column {}", error.line(), error.column())
    })?;
    let namespace = desired.namespaces.first().cloned();
    for (name, data) in &values.secrets {
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": namespace},
            "stringData": data,
        });
        desired.add(Some("ledger"), name, secret)?;
    }
    for (at, object) in values.objects.into_iter().enumerate() {
        desired.add(None, &format!("object-{at}"), object)?;
    }
    let ledger = desired.resources.iter_mut().find(|resource| resource.address == "accounts/ledger/deployment");
    let container = ledger.and_then(|ledger| ledger.manifest.pointer_mut("/spec/template/spec/containers/0"));
    let container = container.context("the service ledger has no container")?;
    let variables = values.secrets.keys().map(|name| json!({"secretRef": {"name": name}}));
    container["envFrom"] = variables.collect();
    Ok(())
}
