//! `cargo xtask openapi`: distils the API's OpenAPI v3 documents into the file that `kube-embedded` ships.
//!
//! Kept are the schemas of the stable versions, whole, each once; paths are made by the server from what it serves.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail};
use serde_json::Value;

/// Distil the API's OpenAPI documents into embedded/kubernetes.openapi
///
/// The directory holds one document for each group version, as `api/openapi-spec/v3` of the Kubernetes sources does
/// (`apis__apps__v1_openapi.json`), or as a server answers at /openapi/v3 (whose documents name enumerations, too).
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The directory of documents
    #[arg(long, value_name = "DIR")]
    documents: PathBuf,
    /// Where to write
    #[arg(long, value_name = "FILE", default_value = "embedded/kubernetes.openapi")]
    out: PathBuf,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let mut schemas: BTreeMap<String, Value> = BTreeMap::new();
    let listing = || format!("listing {}", args.documents.display());
    for entry in fs::read_dir(&args.documents).with_context(listing)? {
        let file = entry.with_context(listing)?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !is_stable(&name) {
            continue;
        }
        let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        let document: Value = serde_json::from_str(&text).with_context(|| format!("parsing {}", file.display()))?;
        let found = document.pointer("/components/schemas").and_then(Value::as_object);
        for (name, schema) in found.with_context(|| format!("{} has no schemas", file.display()))? {
            schemas.insert(name.clone(), schema.clone());
        }
    }
    if schemas.is_empty() {
        bail!("no document of a stable version in {}", args.documents.display());
    }
    // The options of requests name every kind's group; the server names the one it is asked for.
    for schema in schemas.values_mut() {
        let groups = schema.get("x-kubernetes-group-version-kind").and_then(Value::as_array).map_or(0, Vec::len);
        if groups > 1
            && let Some(map) = schema.as_object_mut()
        {
            map.remove("x-kubernetes-group-version-kind");
        }
    }
    let text = serde_json::to_string(&schemas).context("writing the schemas")?;
    let packed = miniz_oxide::deflate::compress_to_vec(text.as_bytes(), 10);
    fs::write(&args.out, &packed).with_context(|| format!("writing {}", args.out.display()))?;
    crate::report(&format!("wrote {}: {} bytes, {} schemas", args.out.display(), packed.len(), schemas.len()))
}

/// Is it the document of a stable version: `api__v1_openapi.json`, `apis__apps__v1_openapi.json`?
fn is_stable(file: &str) -> bool {
    let Some(path) = file.strip_suffix("_openapi.json") else { return false };
    let version = path.rsplit("__").next().unwrap_or_default();
    version.strip_prefix('v').is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::is_stable;

    #[track_caller]
    fn check(file: &str, expected: bool) {
        assert_eq!(is_stable(file), expected, "{file}");
    }

    #[test]
    fn stable_documents_by_name() {
        check("api__v1_openapi.json", true);
        check("apis__autoscaling__v2_openapi.json", true);
        check("apis__resource.k8s.io__v1beta2_openapi.json", false);
        check("apis__apps_openapi.json", false);
        check("README.md", false);
    }
}
