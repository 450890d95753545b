//! The numbers of a custom object that its `scale` subresource shows: they must be numbers, whatever its schema says.
//!
//! Source: `ValidateScaleSpec` and `ValidateScaleStatus` of `k8s.io/apiextensions-apiserver/pkg/registry/customresource`.

use serde_json::{Value, json};

use crate::decoding;
use crate::failure::Cause;
use crate::object;
use crate::registry::Resource;

fn scale_of(resource: &Resource) -> Option<&Value> {
    resource.custom.as_ref()?.pointer("/subresources/scale")
}

/// The number of replicas that is wanted.
pub(super) fn check_spec(resource: &Resource, value: &Value, causes: &mut Vec<Cause>) {
    if let Some(scale) = scale_of(resource) {
        number(value, object::text(scale, "/specReplicasPath"), causes);
    }
}

/// The number of replicas that is there, and the selector.
pub(super) fn check_status(resource: &Resource, value: &Value, causes: &mut Vec<Cause>) {
    let Some(scale) = scale_of(resource) else { return };
    number(value, object::text(scale, "/statusReplicasPath"), causes);
    let path = object::text(scale, "/labelSelectorPath");
    if !path.is_empty()
        && let Err(why) = at(value, path, "string", Value::is_string)
    {
        causes.push(Cause::invalid(path, &json!(""), &why));
    }
}

fn number(value: &Value, path: &str, causes: &mut Vec<Cause>) {
    match at(value, path, "int64", Value::is_i64).map(|found| found.and_then(Value::as_i64).unwrap_or(0)) {
        Err(why) => causes.push(Cause::invalid(path, &json!(0), &why)),
        Ok(number) if number < 0 => {
            causes.push(Cause::invalid(path, &json!(number), "should be a non-negative integer"));
        }
        Ok(number) if number > i64::from(i32::MAX) => {
            let why = format!("should be less than or equal to {}", i32::MAX);
            causes.push(Cause::invalid(path, &json!(number), &why));
        }
        Ok(_) => {}
    }
}

/// What stands at a path such as `.spec.count`; none where it ends early. The error names what is in the way.
fn at<'a>(
    value: &'a Value,
    path: &str,
    wanted: &str,
    fits: impl Fn(&Value) -> bool,
) -> Result<Option<&'a Value>, String> {
    let mut found = value;
    let mut so_far = String::new();
    let strange = |place: &str, found: &Value, wanted: &str| {
        let shown = decoding::print(found);
        format!("{place} accessor error: {shown} is of the type {}, expected {wanted}", go_type(found))
    };
    for name in path.trim_start_matches('.').split('.') {
        so_far = format!("{so_far}.{name}");
        match found {
            Value::Object(map) => match map.get(name) {
                Some(inner) => found = inner,
                None => return Ok(None),
            },
            Value::Null => return Ok(None),
            other => return Err(strange(&so_far, other, "map[string]interface{}")),
        }
    }
    if fits(found) { Ok(Some(found)) } else { Err(strange(&so_far, found, wanted)) }
}

/// What Go calls the type of a decoded value.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_i64() => "int64",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}
