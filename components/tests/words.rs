//! The words of the domain: what each accepts, how it is written, and that its JSON Schema says the same.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use proptest::prelude::*;
use proptest::string::string_regex;
use regex::Regex;
use serde_json::{Value, json};
use strata_components::model::{
    AddressRange, Cluster, ClusterName, ConfigKey, Cpu, CronSchedule, DefinitionName, Duration, Egress, EnvName,
    Environment, EnvironmentName, HealthPort, HostName, ImageReference, ImageTag, InstanceSuffix, LabelKey, LabelValue,
    Memory, NamespaceName, NodeLabel, ObjectName, OutsideName, PhaseName, Port, PortOffset, PortRange, PostgresName,
    RangeName, Registry, SecretKeyName, ServiceName, ServiceRef, Stack, StackName, TierName, UrlPath, schema,
};

#[track_caller]
fn canonical<T: FromStr<Err: Debug> + Display>(cases: &[(&str, &str)]) {
    for (written, expected) in cases {
        let value: T = written.parse().unwrap_or_else(|error| panic!("{written}: {error:?}"));
        assert_eq!(value.to_string(), *expected, "{written}");
        assert_eq!(value.to_string().parse::<T>().unwrap().to_string(), *expected, "{written}, written and read again");
    }
}

#[track_caller]
fn refused<T: FromStr>(cases: &[&str]) {
    for written in cases {
        assert!(written.parse::<T>().is_err(), "{written} was accepted");
    }
}

#[test]
fn cpu_is_written_as_the_server_writes_it() {
    canonical::<Cpu>(&[
        ("0.5", "500m"),
        ("1000m", "1"),
        ("1", "1"),
        ("1.5", "1500m"),
        ("0.001", "1m"),
        ("1.500", "1500m"),
        ("0", "0"),
        ("0m", "0"),
        ("007", "7"),
        ("999.999", "999999m"),
    ]);
    refused::<Cpu>(&["", "m", ".5", "1.", "0.0001", "-1", "+1", "1e3", "1Gi", "1 ", "1000", "1000000m", "0.5m", "1k"]);
}

#[test]
fn memory_is_written_as_the_server_writes_it() {
    canonical::<Memory>(&[
        ("1024Mi", "1Gi"),
        ("0.5Gi", "512Mi"),
        ("1500Mi", "1500Mi"),
        ("1Ki", "1Ki"),
        ("1024Ki", "1Mi"),
        ("2048Gi", "2Ti"),
        ("1000M", "1G"),
        ("1500M", "1500M"),
        ("1.5G", "1500M"),
        ("0.25Mi", "256Ki"),
    ]);
    // What is no whole Ki or k would be written without a unit.
    refused::<Memory>(&["0Mi", "0.5Ki", "0.3Gi", "1.5k"]);
    refused::<Memory>(&["", "512", "512m", "1gi", "Gi", "1 Gi", "-1Gi", "1.Gi", "1.0001Gi", "9000Pi", "1Ei", "1e3"]);
}

#[test]
fn cpu_can_be_a_number() {
    for (written, expected) in [(json!(2), "2"), (json!(0.5), "500m"), (json!("250m"), "250m"), (json!(1.0), "1")] {
        assert_eq!(serde_json::from_value::<Cpu>(written).unwrap().to_string(), expected);
    }
    for written in [json!(-1), json!(0.0001), json!(1000), json!(null), json!(true)] {
        assert!(serde_json::from_value::<Cpu>(written.clone()).is_err(), "{written} was accepted");
    }
}

#[test]
fn ranges_have_two_ends() {
    canonical::<PortRange>(&[("9000-9019", "9000-9019"), ("1-65535", "1-65535"), ("80-80", "80-80")]);
    refused::<PortRange>(&[
        "9000",
        "9019-9000",
        "0-10",
        "1-65536",
        "a-b",
        "9000-",
        "-9000",
        "9000 - 9019",
        "09-10",
        "+1-2",
    ]);
    let range: PortRange = "9000-9019".parse().unwrap();
    let inside = |port: i64| range.contains(Port::new(port).unwrap());
    assert_eq!([8999, 9000, 9019, 9020].map(inside), [false, true, true, false]);
    for (other, expected) in
        [("8900-8999", false), ("8900-9000", true), ("9005-9006", true), ("9019-9100", true), ("9020-9039", false)]
    {
        assert_eq!(range.overlaps(&other.parse().unwrap()), expected, "{other}");
        assert_eq!(other.parse::<PortRange>().unwrap().overlaps(&range), expected, "{other}");
    }
}

#[test]
fn ways_out() {
    canonical::<Egress>(&[
        ("internet:443", "internet:443"),
        ("kube-api", "kube-api"),
        ("203.0.113.0/24:5432", "203.0.113.0/24:5432"),
        ("10.0.0.0/8:1", "10.0.0.0/8:1"),
        ("0.0.0.0/0:443", "0.0.0.0/0:443"),
        ("192.0.2.7/32:65535", "192.0.2.7/32:65535"),
        ("[2001:db8::/32]:443", "[2001:db8::/32]:443"),
        ("[2001:0db8:0::/32]:443", "[2001:db8::/32]:443"),
    ]);
    refused::<Egress>(&[
        "",
        "internet",
        "internet:0",
        "internet:0443",
        "internet:65536",
        "Internet:443",
        "kube-api:443",
        "203.0.113.1/24:443",
        "203.0.113.0/33:443",
        "203.0.113.0:443",
        "203.0.113.0/24",
        "256.0.0.0/8:443",
        "2001:db8::/32:443",
        "[2001:db8::1/32]:443",
        "[2001:db8::/129]:443",
        "[10.0.0.0/8]:443",
        "169.254.169.254/32:80",
        "127.0.0.0/8:80",
        "[fe80::/10]:80",
        "[::1/128]:80",
    ]);
    refused::<AddressRange>(&["internet:443", "kube-api", "10.0.0.0/8"]);
}

#[test]
fn the_health_port_follows_its_rule() {
    let cases = [
        (json!("+100"), 9000, 0, Some(9100)),
        (json!("+100"), 9000, 200, Some(9300)),
        (json!("same"), 9000, 200, Some(9200)),
        (json!(8080), 9000, 200, Some(8280)),
        (json!("+100"), 65500, 0, None),
        (json!("same"), 65500, 100, None),
        (json!(65535), 9000, 1, None),
    ];
    for (rule, port, offset, expected) in cases {
        let parsed: HealthPort = serde_json::from_value(rule.clone()).unwrap();
        assert_eq!(serde_json::to_value(parsed).unwrap(), rule);
        let found = parsed.of(Port::new(port).unwrap(), PortOffset::new(offset).unwrap());
        assert_eq!(found.map(|port| i64::from(port.get())), expected, "{rule} of {port} with {offset}");
    }
    // 100 is what YAML makes of a bare +100.
    for rule in
        [json!(100), json!(0), json!(65536), json!("100"), json!("+0"), json!("++1"), json!("+99999"), json!("")]
    {
        assert!(serde_json::from_value::<HealthPort>(rule.clone()).is_err(), "{rule} was accepted");
    }
}

#[test]
fn durations_are_written_shortly() {
    canonical::<Duration>(&[
        ("1s", "1s"),
        ("500ms", "500ms"),
        ("1000ms", "1s"),
        ("120s", "2m"),
        ("90s", "90s"),
        ("24h", "24h"),
        ("0s", "0s"),
        ("0h", "0s"),
    ]);
    refused::<Duration>(&["", "s", "1", "1 s", "-1s", "1.5s", "25h", "1d", "123456789ms"]);
}

#[test]
fn a_cluster_is_one_of_two_kinds() {
    let cases = [
        (json!({"embedded": {}}), Ok(())),
        (json!({"context": "kind"}), Ok(())),
        (json!({}), Err("the cluster is neither `embedded` nor a `context`: name one of the two")),
        (
            json!({"embedded": {}, "context": "kind"}),
            Err("the cluster is both `embedded` and a `context`: name one of the two"),
        ),
        (
            json!({"embedded": {}, "guard": {"uid": "00000000-0000-0000-0000-000000000000"}}),
            Err("the embedded cluster has a `guard`: only a `context` can have one"),
        ),
    ];
    for (written, expected) in cases {
        let found = serde_json::from_value::<Cluster>(written).map(drop).map_err(|error| error.to_string());
        assert_eq!(found, expected.map_err(str::to_owned));
    }
}

/// Texts that a pattern matches, texts of the same letters that it hardly ever matches, and anything.
fn texts(pattern: &str) -> impl Strategy<Value = String> + use<> {
    let matching = string_regex(pattern.trim_start_matches('^').trim_end_matches('$')).unwrap();
    let cut = (
        matching.prop_map(|text| text.chars().take(80).collect::<String>()),
        any::<prop::sample::Index>(),
        "[a-zA-Z0-9_./:@-]?",
    )
        .prop_map(|(text, at, put)| {
            let at = at.index(text.len() + 1);
            format!("{}{put}{}", &text[..at], &text[at..])
        });
    prop_oneof![cut, "[a-z0-9_./:@+-]{0,12}", "\\PC{0,6}"]
}

/// A type over text accepts just what its pattern matches, up to its longest length.
macro_rules! agrees_with_its_pattern {
    ($($test:ident: $name:ident),* $(,)?) => {
        proptest! {
            #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
            $(
                #[test]
                fn $test(text in texts($name::PATTERN)) {
                    let matched = Regex::new($name::PATTERN).unwrap().is_match(&text);
                    prop_assert_eq!($name::new(text.clone()).is_ok(), matched && text.len() <= $name::MAX_LENGTH);
                }
            )*
        }
    };
}

agrees_with_its_pattern! {
    stack_names: StackName, environment_names: EnvironmentName, service_names: ServiceName, tier_names: TierName,
    phase_names: PhaseName, namespace_names: NamespaceName, cluster_names: ClusterName, range_names: RangeName,
    instance_suffixes: InstanceSuffix, service_references: ServiceRef, variable_names: EnvName, label_keys: LabelKey,
    configuration_keys: ConfigKey, schedules: CronSchedule, postgres_names: PostgresName, secret_keys: SecretKeyName,
    label_values: LabelValue, node_labels: NodeLabel, outside_names: OutsideName, definition_names: DefinitionName, host_names: HostName, url_paths: UrlPath, object_names: ObjectName, registries: Registry,
    image_tags: ImageTag, image_references: ImageReference,
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Only what its pattern matches is an amount; for CPU, all of that.
    #[test]
    fn amounts_agree_with_their_patterns(text in texts(Cpu::PATTERN), other in texts(Memory::PATTERN)) {
        prop_assert_eq!(text.parse::<Cpu>().is_ok(), Regex::new(Cpu::PATTERN).unwrap().is_match(&text));
        prop_assert!(Regex::new(Memory::PATTERN).unwrap().is_match(&other) || other.parse::<Memory>().is_err());
    }

    /// Only what its pattern matches is a way out.
    #[test]
    fn ways_out_agree_with_their_patterns(text in texts(Egress::PATTERN), other in texts(AddressRange::PATTERN)) {
        prop_assert!(Regex::new(Egress::PATTERN).unwrap().is_match(&text) || text.parse::<Egress>().is_err());
        prop_assert!(Regex::new(AddressRange::PATTERN).unwrap().is_match(&other) || other.parse::<AddressRange>().is_err());
    }

    /// The canonical form is the same amount.
    #[test]
    fn canonical_amounts_are_the_same(millis in 0..1_000_000_u32, mebibytes in 1..u32::MAX, kilobytes in 1..999_999_999_u32) {
        let cpu = Cpu::from_millis(millis);
        prop_assert_eq!(cpu.to_string().parse::<Cpu>().unwrap(), cpu);
        let memory = Memory::from_mebibytes(mebibytes);
        prop_assert_eq!(memory.to_string().parse::<Memory>().unwrap(), memory);
        let memory: Memory = format!("{kilobytes}k").parse().unwrap();
        prop_assert_eq!(memory.bytes(), u64::from(kilobytes) * 1000);
        prop_assert_eq!(memory.to_string().parse::<Memory>().unwrap(), memory);
    }
}

/// Every object schema below `schema`, with the way to it.
fn objects<'a>(schema: &'a Value, at: String, found: &mut Vec<(String, &'a Value)>) {
    match schema {
        Value::Object(fields) => {
            if fields.contains_key("properties") {
                found.push((at.clone(), schema));
            }
            for (name, value) in fields {
                objects(value, format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                objects(value, format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn schemas_say_everything() {
    for schema in [schema::stack(), schema::environment()] {
        let text = schema.to_string();
        assert!(!text.contains("\"null\"") && !text.contains("patternProperties"));
        let mut all = Vec::new();
        objects(&schema, String::new(), &mut all);
        assert!(all.len() >= 6);
        for (at, object) in all {
            assert_eq!(object["additionalProperties"], false, "{at} takes unknown fields");
            for (name, field) in object["properties"].as_object().unwrap() {
                assert!(field["description"].is_string(), "{at}: {name} is not described");
                if let Some(reference) = field["$ref"].as_str() {
                    assert!(schema.pointer(&reference[1..]).is_some(), "{at}: {reference} leads nowhere");
                }
            }
        }
    }
}

#[test]
fn defaults_of_schemas_are_the_defaults_of_types() {
    let least = json!({"stack": "s", "namespace": "n", "tiers": {}, "services": {}});
    let stack: Stack = serde_json::from_value(least).unwrap();
    assert_eq!(stack, Stack::new(stack.stack.clone(), stack.namespace.clone()));
    let written = serde_json::to_value(&stack).unwrap();
    for (name, field) in schema::stack()["properties"].as_object().unwrap() {
        if let (Some(default), Some(written)) = (field.get("default"), written.get(name)) {
            assert_eq!(written, default, "{name}");
        }
    }
    let least = json!({
        "environment": "e", "clusters": {"c": {"embedded": {}}}, "default_cluster": "c",
        "image": {"registry": "r", "tag": "t"},
    });
    let environment: Environment = serde_json::from_value(least).unwrap();
    let cluster = (environment.default_cluster.clone(), Cluster::Embedded(Default::default()));
    assert_eq!(environment, Environment::new(environment.environment.clone(), cluster, environment.image.clone()));
}
