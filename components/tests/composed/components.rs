//! What is no MCP server: a store with its volume, something outside of the cluster, and what neither can follow.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use strata_components::claims::PortUse;
use strata_components::compose::compose;
use strata_components::desired::Desired;
use strata_components::model::{CronSchedule, Environment, Stack};

fn redis() -> Value {
    json!({"redis": {
        "storage": {"size": "2Gi", "class": "fast"}, "password": {"secret": "keys", "key": "redis"},
        "eviction": "allkeys-lru",
    }})
}

/// A server that calls a store and something outside, with `more` about each, in an environment with `here`.
fn try_composed(store: &Value, outside: &Value, here: &Value) -> Result<Desired, Vec<(Option<String>, String)>> {
    let whole = |mut least: Value, more: &Value| {
        least.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        least
    };
    let vectors = json!({"tier": "data", "port": 443, "component": {"external": {"host": "vectors.example.com"}}});
    let stack: Stack = serde_json::from_value(json!({
        "stack": "shop", "namespace": "shop", "health_port": "+100",
        "tiers": {"data": {"ports": "8990-8999", "critical": true}, "front": {"ports": "9000-9009"}},
        "services": {
            "cart": {"tier": "front", "port": 9000, "depends_on": ["cache", "vectors"]},
            "cache": whole(json!({"tier": "data", "port": 6379, "component": redis()}), store),
            "vectors": whole(vectors, outside),
        },
    }))
    .unwrap();
    let environment = json!({
        "environment": "dev", "clusters": {"local": {"embedded": {}}}, "default_cluster": "local",
        "port_offset": 200, "replicas": {"critical_min": 2},
        "image": {"registry": "registry.example/shop", "tag": "1.0.0"},
    });
    let environment: Environment = serde_json::from_value(whole(environment, here)).unwrap();
    let problems = |problem: &strata_components::compose::Problem| (problem.path(), problem.to_string());
    compose(&stack, &environment, "local", None).map_err(|error| error.problems.iter().map(problems).collect())
}

fn composed() -> Desired {
    try_composed(&json!({}), &json!({}), &json!({})).unwrap()
}

fn manifest<'a>(desired: &'a Desired, address: &str) -> &'a Value {
    &desired.resources.iter().find(|resource| resource.address == address).unwrap().manifest
}

#[test]
fn a_store_is_one_pod_that_keeps_its_data() {
    let desired = composed();
    let own = desired.resources.iter().filter(|resource| resource.service.as_deref() == Some("cache"));
    let own: Vec<String> = own.map(|resource| resource.id.to_string()).collect();
    assert_eq!(
        own,
        [
            "ConfigMap shop/cache-config",
            "PodDisruptionBudget shop/cache",
            "NetworkPolicy shop/cache",
            "Service shop/cache",
            "ServiceAccount shop/cache",
            "StatefulSet shop/cache",
        ]
    );
    let spec = &manifest(&desired, "shop/cache/stateful-set")["spec"];
    // Two pods of what is critical are for servers.
    assert_eq!((&spec["replicas"], &spec["serviceName"]), (&json!(1), &json!("cache")));
    let claim = json!([{
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
            "resources": {"requests": {"storage": "2Gi"}},
        },
    }]);
    assert_eq!(spec["volumeClaimTemplates"], claim);
    // A drain may take it when it is ready, and waits for it otherwise.
    let budget = &manifest(&desired, "shop/cache/disruption-budget")["spec"];
    let expect = (&json!(1), &json!("IfHealthyBudget"));
    assert_eq!((&budget["maxUnavailable"], &budget["unhealthyPodEvictionPolicy"]), expect);
    let pod = &spec["template"]["spec"];
    let security = json!({
        "fsGroup": 999, "fsGroupChangePolicy": "OnRootMismatch", "runAsGroup": 999, "runAsNonRoot": true,
        "runAsUser": 999, "seccompProfile": {"type": "RuntimeDefault"},
    });
    assert_eq!(pod["securityContext"], security);
    let container = &pod["containers"][0];
    assert_eq!(pod["volumes"][2], secret_file("redis", "password"));
    let mount = json!({
        "name": "secret", "mountPath": "/etc/secret/password", "subPath": "password", "readOnly": true,
    });
    assert_eq!((&container["volumeMounts"][3], container.get("env")), (&mount, None));
    let words = (json!(["sh", "/etc/redis/start.sh"]), json!(["/etc/redis/redis.conf", "/etc/secret/password"]));
    assert_eq!((&container["command"], &container["args"]), (&words.0, &words.1));
    assert_eq!(container["ports"], json!([{"name": "redis", "containerPort": 6579}]));
    let file = &manifest(&desired, "shop/cache/config")["data"]["redis.conf"];
    let limit = 512 * 1024 * 1024 / 4 * 3;
    assert_eq!(
        file.as_str().unwrap(),
        format!("port 6579\ndir /data\nappendonly yes\nmaxmemory {limit}\nmaxmemory-policy allkeys-lru\n")
    );
}

/// The StatefulSet's pod of a store that is this component, and its Service's ports.
fn store(component: &Value) -> (Value, Value) {
    let desired = try_composed(&json!({"component": component}), &json!({}), &json!({})).unwrap();
    let pod = manifest(&desired, "shop/cache/stateful-set")["spec"]["template"]["spec"].clone();
    (pod, manifest(&desired, "shop/cache/service")["spec"]["ports"].clone())
}

/// A component that keeps its data on a volume and has one secret.
fn keeping(kind: &str, secret: &str) -> Value {
    json!({kind: {"storage": {"size": "2Gi"}, secret: {"secret": "keys", "key": kind}}})
}

/// The volume with the value at a key of the Secret `keys`, as a file.
fn secret_file(key: &str, file: &str) -> Value {
    let items = json!([{"key": key, "path": file}]);
    json!({"name": "secret", "secret": {"secretName": "keys", "items": items, "defaultMode": 0o440}})
}

#[test]
fn a_postgresql_sets_itself_up_and_is_left_to_recover() {
    let mut component = keeping("postgresql", "password");
    component["postgresql"]["database"] = json!("orders");
    let (pod, ports) = store(&component);
    assert_eq!(ports, json!([{"name": "postgresql", "port": 6579, "targetPort": "postgresql"}]));
    let volumes = json!([
        {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}},
        secret_file("postgresql", "password"),
        {"name": "sockets", "emptyDir": {}},
        {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": "131072Ki"}},
    ]);
    assert_eq!(pod["volumes"], volumes);
    assert_eq!((&pod["securityContext"]["runAsUser"], &pod["securityContext"]["fsGroup"]), (&json!(999), &json!(999)));
    let container = &pod["containers"][0];
    assert_eq!(container["image"], "docker.io/library/postgres:17.11-trixie");
    assert_eq!(container["args"], json!(["postgres", "-c", "shared_buffers=131072kB", "-c", "max_connections=100"]));
    let env = json!([
        {"name": "PGDATA", "value": "/var/lib/postgresql/data/pgdata"},
        {"name": "PGPORT", "value": "6579"},
        {"name": "POSTGRES_DB", "value": "orders"},
        {"name": "POSTGRES_USER", "value": "postgres"},
        {"name": "POSTGRES_PASSWORD_FILE", "value": "/etc/secret/password"},
    ]);
    assert_eq!(container["env"], env);
    let mounts = json!([
        {"name": "tmp", "mountPath": "/tmp"},
        {"name": "data", "mountPath": "/var/lib/postgresql/data"},
        {"name": "secret", "mountPath": "/etc/secret/password", "subPath": "password", "readOnly": true},
        {"name": "sockets", "mountPath": "/var/run/postgresql"},
        {"name": "shared-memory", "mountPath": "/dev/shm"},
    ]);
    assert_eq!(container["volumeMounts"], mounts);
    let ask = "pg_isready --quiet --host=127.0.0.1 --username=postgres --dbname=orders";
    let command = |probe: &str| container[probe]["exec"]["command"][2].as_str().unwrap().to_owned();
    assert_eq!(command("readinessProbe"), ask);
    // One that recovers from a crash answers, and says no.
    assert_eq!(command("livenessProbe"), format!("{ask}; [ $? -le 1 ]"));
    assert_eq!(command("startupProbe"), format!("{ask}; [ $? -le 1 ]"));
}

#[test]
fn a_weaviate_answers_on_two_ports_and_admits_nobody_without_a_key() {
    let desired = try_composed(&json!({"component": keeping("weaviate", "api_key")}), &json!({}), &json!({})).unwrap();
    let (pod, ports) = store(&keeping("weaviate", "api_key"));
    let expect = json!([
        {"name": "http", "port": 6579, "targetPort": "http"},
        {"name": "grpc", "port": 50251, "targetPort": "grpc"},
    ]);
    assert_eq!(ports, expect);
    let container = &pod["containers"][0];
    let expect = json!([{"name": "http", "containerPort": 6579}, {"name": "grpc", "containerPort": 50251}]);
    assert_eq!(container["ports"], expect);
    assert_eq!(container["args"], json!(["--host", "0.0.0.0", "--port", "6579", "--scheme", "http"]));
    let value = |name: &str| {
        let mut all = container["env"].as_array().unwrap().iter();
        let one = all.find(|variable| variable["name"] == name).unwrap();
        one["value"].clone()
    };
    assert_eq!((value("GRPC_PORT"), value("CLUSTER_HOSTNAME")), (json!("50251"), json!("cache-0")));
    assert_eq!(value("AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED"), json!("false"));
    assert_eq!(pod["volumes"][1], secret_file("weaviate", "api-key"));
    let start = "set -eu; AUTHENTICATION_APIKEY_ALLOWED_KEYS=\"$(cat /etc/secret/api-key)\"; \
                 export AUTHENTICATION_APIKEY_ALLOWED_KEYS; exec /bin/weaviate \"$@\"";
    assert_eq!(container["command"], json!(["sh", "-c", start, "/bin/weaviate"]));
    let path = |probe: &str| container[probe]["httpGet"]["path"].clone();
    assert_eq!(
        (path("readinessProbe"), path("livenessProbe")),
        (json!("/v1/.well-known/ready"), json!("/v1/.well-known/live"))
    );

    // Those that depend on it get to both ports, and nobody else does.
    let ports = json!([{"protocol": "TCP", "port": 6579}, {"protocol": "TCP", "port": 50251}]);
    assert_eq!(manifest(&desired, "shop/cache/network-policy")["spec"]["ingress"][0]["ports"], ports);
    assert_eq!(manifest(&desired, "shop/cart/network-policy")["spec"]["egress"][0]["ports"], ports);
    let claimed: Vec<_> = desired.claims.ports.iter().filter(|claim| claim.service == "cache").collect();
    let claimed: Vec<_> = claimed.into_iter().map(|claim| (claim.port, claim.purpose)).collect();
    assert_eq!(claimed, [(6579, PortUse::Protocol), (50251, PortUse::Further)]);
    let too_high = try_composed(
        &json!({"component": {"weaviate": {
            "storage": {"size": "2Gi"}, "api_key": {"secret": "keys", "key": "weaviate"}, "grpc_port": 65400,
        }}}),
        &json!({}),
        &json!({}),
    );
    let message =
        "service cache has port 65400, which with the offset 200 or the distance of its health port passes 65535";
    assert_eq!(too_high.unwrap_err(), [(Some("services.cache.port".to_owned()), message.to_owned())]);
}

#[test]
fn copies_are_made_by_pods_that_reach_their_store_and_nothing_else() {
    let mut component = keeping("postgresql", "password");
    component["postgresql"]["backup"] = json!({
        "schedule": "30 2 * * *", "keep": 3, "storage": {"size": "5Gi", "class": "slow"}, "limit": "20m",
    });
    let desired = try_composed(&json!({"component": component}), &json!({}), &json!({})).unwrap();
    let own = desired.resources.iter().filter(|resource| resource.service.as_deref() == Some("cache"));
    let own: Vec<String> = own.map(|resource| resource.id.to_string()).collect();
    assert_eq!(
        own,
        [
            "CronJob shop/cache-backup",
            "ServiceAccount shop/cache-backup",
            "NetworkPolicy shop/cache-backup",
            "ConfigMap shop/cache-backup",
            "PersistentVolumeClaim shop/cache-backup",
            "PodDisruptionBudget shop/cache",
            "NetworkPolicy shop/cache",
            "CronJob shop/cache-restore",
            "Service shop/cache",
            "ServiceAccount shop/cache",
            "StatefulSet shop/cache",
        ]
    );
    let volume = json!({
        "accessModes": ["ReadWriteOnce"], "storageClassName": "slow", "resources": {"requests": {"storage": "5Gi"}},
    });
    assert_eq!(manifest(&desired, "shop/cache/backup-volume")["spec"], volume);

    let backup = &manifest(&desired, "shop/cache/backup")["spec"];
    let timing = json!([
        backup["schedule"],
        backup["timeZone"],
        backup["concurrencyPolicy"],
        backup["startingDeadlineSeconds"],
        backup["successfulJobsHistoryLimit"],
        backup["failedJobsHistoryLimit"],
        backup.get("suspend"),
    ]);
    assert_eq!(timing, json!(["30 2 * * *", "Etc/UTC", "Forbid", 1800, 3, 3, null]));
    let job = &backup["jobTemplate"]["spec"];
    assert_eq!((&job["activeDeadlineSeconds"], &job["backoffLimit"]), (&json!(1200), &json!(1)));
    let pod = &job["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(container["command"], json!(["sh", "/etc/backup/backup.sh"]));
    let store = &manifest(&desired, "shop/cache/stateful-set")["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], store["image"]);
    assert_eq!(container["securityContext"], store["securityContext"]);
    let env = json!([
        {"name": "COPIES", "value": "/var/lib/backups"},
        {"name": "KEEP", "value": "3"},
        {"name": "PGHOST", "value": "cache"},
        {"name": "PGPORT", "value": "6579"},
        {"name": "PGUSER", "value": "postgres"},
        {"name": "PGDATABASE", "value": "postgres"},
        {"name": "SECRET_FILE", "value": "/etc/secret/password"},
    ]);
    assert_eq!(container["env"], env);
    assert_eq!(pod["volumes"][3], secret_file("postgresql", "password"));
    let mount = json!({
        "name": "secret", "mountPath": "/etc/secret/password", "subPath": "password", "readOnly": true,
    });
    assert_eq!(container["volumeMounts"][3], mount);
    let security = json!({
        "fsGroup": 999, "fsGroupChangePolicy": "OnRootMismatch", "runAsGroup": 999, "runAsNonRoot": true,
        "runAsUser": 999, "seccompProfile": {"type": "RuntimeDefault"},
    });
    assert_eq!((&pod["securityContext"], &pod["restartPolicy"]), (&security, &json!("Never")));

    // What a restore is made of differs from that in what is run, and is never due.
    let restore = &manifest(&desired, "shop/cache/restore")["spec"];
    assert_eq!((&restore["schedule"], &restore["suspend"]), (&json!("0 0 31 2 *"), &json!(true)));
    let mut expect = job.clone();
    expect["backoffLimit"] = json!(0);
    expect["template"]["spec"]["containers"][0]["command"] = json!(["sh", "/etc/backup/restore.sh"]);
    expect["template"]["spec"]["containers"][0]["env"].as_array_mut().unwrap().remove(1);
    assert_eq!(restore["jobTemplate"]["spec"], expect);

    let labels = json!({"app.kubernetes.io/name": "cache.backup", "app.kubernetes.io/instance": "shop-dev"});
    let port = json!([{"protocol": "TCP", "port": 6579}]);
    let into = &manifest(&desired, "shop/cache/network-policy")["spec"]["ingress"][1];
    assert_eq!(*into, json!({"from": [{"podSelector": {"matchLabels": labels}}], "ports": port}));
    let out = &manifest(&desired, "shop/cache/backup-network-policy")["spec"];
    let expect = json!({
        "podSelector": {"matchLabels": labels}, "policyTypes": ["Ingress", "Egress"],
        "egress": [{
            "to": [{"podSelector": {"matchLabels": {
                "app.kubernetes.io/name": "cache", "app.kubernetes.io/instance": "shop-dev",
            }}}],
            "ports": port,
        }],
    });
    assert_eq!(*out, expect);
}

#[test]
fn a_store_that_writes_its_own_copies_shares_the_volume() {
    let mut component = keeping("weaviate", "api_key");
    component["weaviate"]["backup"] = json!({"schedule": "0 */6 * * *", "storage": {"size": "5Gi"}});
    let desired = try_composed(&json!({"component": component}), &json!({}), &json!({})).unwrap();
    let pod = &manifest(&desired, "shop/cache/stateful-set")["spec"]["template"]["spec"];
    let volume = json!({"name": "copies", "persistentVolumeClaim": {"claimName": "cache-backup"}});
    assert_eq!(pod["volumes"].as_array().unwrap().last(), Some(&volume));
    let mount = json!({"name": "copies", "mountPath": "/var/lib/backups"});
    assert_eq!(pod["containers"][0]["volumeMounts"].as_array().unwrap().last(), Some(&mount));
    let env = pod["containers"][0]["env"].as_array().unwrap();
    assert!(env.contains(&json!({"name": "BACKUP_FILESYSTEM_PATH", "value": "/var/lib/backups"})));
    let copying = &manifest(&desired, "shop/cache/backup")["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    let affinity = json!({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{
        "labelSelector": {"matchLabels": {
            "app.kubernetes.io/name": "cache", "app.kubernetes.io/instance": "shop-dev",
        }},
        "topologyKey": "kubernetes.io/hostname",
    }]}});
    assert_eq!(copying["affinity"], affinity);
}

#[test]
fn schedules_are_such_as_cron_reads() {
    for good in ["* * * * *", "0 0 1 1 0", "59 23 31 12 6", "*/15 */2 * * *", "0,30 2,14 1,15 6 1,4", "5 10 * * *"] {
        CronSchedule::new(good).unwrap();
    }
    for bad in [
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 0 *",
        "* * * 13 *",
        "* * * * 7",
        "*/0 * * * *",
        "*/100 * * * *",
        "1-5 * * * *",
        "05 * * * *",
        "1, * * * *",
        "@daily",
        "* *  * * *",
        "+5 * * * *",
        "a * * * *",
        "*/ * * * *",
        "1/2 * * * *",
    ] {
        assert!(CronSchedule::new(bad).is_err(), "{bad}");
    }
}

#[test]
fn what_lies_outside_has_a_name_and_its_callers_have_the_way_there() {
    let desired = composed();
    let own = desired.resources.iter().filter(|resource| resource.service.as_deref() == Some("vectors"));
    assert_eq!(own.count(), 1);
    let spec = &manifest(&desired, "shop/vectors/service")["spec"];
    // Its port is not ours to move.
    let expect = json!({"type": "ExternalName", "externalName": "vectors.example.com", "ports": [{"port": 443}]});
    assert_eq!(*spec, expect);
    let ways: Vec<_> = desired.claims.egress.iter().map(|way| (way.service.as_str(), way.to.as_str())).collect();
    assert_eq!(ways, [("cart", "internet:443")]);
    let edges: Vec<_> = desired.claims.edges.iter().map(|edge| (edge.from.as_str(), edge.to.as_str())).collect();
    assert_eq!(edges, [("cart", "cache")]);
    let counted: Vec<_> = desired.claims.compute.iter().map(|claim| claim.service.as_str()).collect();
    assert_eq!(counted, ["cache", "cart"]);

    let known = json!({"component": {"external": {
        "host": "vectors.example.com", "addresses": ["203.0.113.0/28:443"],
    }}});
    let desired = try_composed(&json!({}), &known, &json!({})).unwrap();
    assert_eq!(desired.claims.egress[0].to, "203.0.113.0/28:443");
    let out = &manifest(&desired, "shop/cart/network-policy")["spec"]["egress"];
    assert_eq!(out[1]["to"], json!([{"ipBlock": {"cidr": "203.0.113.0/28"}}]));
}

#[track_caller]
fn check(store: Value, outside: Value, here: Value, expect: &[(Option<&str>, &str)]) {
    let found = try_composed(&store, &outside, &here).unwrap_err();
    let end = |field: &str, component: &str| {
        format!("has `{field}`, which has no meaning for the component {component}: take it out")
    };
    let expect: Vec<_> = expect
        .iter()
        .map(|(path, text)| {
            let (service, field) = text.split_once('.').unwrap();
            let component = if service == "cache" { "redis" } else { "external" };
            (path.map(str::to_owned), format!("{service} {}", end(field, component)))
        })
        .collect();
    assert_eq!(found, expect);
}

#[test]
fn fields_without_a_meaning_are_refused() {
    let nothing = || json!({});
    let one = |path, text| [(Some(path), text)];
    check(json!({"replicas": 2}), nothing(), nothing(), &one("services.cache.replicas", "cache.replicas"));
    check(json!({"gpu": 1}), nothing(), nothing(), &one("services.cache.gpu", "cache.gpu"));
    check(json!({"sessions": true}), nothing(), nothing(), &one("services.cache.sessions", "cache.sessions"));
    let growing = json!({"autoscale": {"min": 1, "max": 1, "cpu": 70}});
    check(growing, nothing(), nothing(), &one("services.cache.autoscale", "cache.autoscale"));
    let image = json!({"image": "registry.example/vectors:1"});
    check(nothing(), image, nothing(), &one("services.vectors.image", "vectors.image"));
    check(nothing(), json!({"env": {"A": "b"}}), nothing(), &one("services.vectors.env", "vectors.env"));
    let here = json!({"services": {"cache": {"replicas": 3}, "vectors": {"env": {"A": "b"}}}});
    check(nothing(), nothing(), here, &[(None, "cache.replicas"), (None, "vectors.env")]);
    try_composed(
        &json!({"image": "registry.example/redis:8", "env": {"A": "b"}, "run_as_user": 70}),
        &nothing(),
        &nothing(),
    )
    .unwrap();
}

#[test]
fn a_component_is_of_one_kind() {
    let of = |component: Value| {
        let component: Result<strata_components::model::Component, _> = serde_json::from_value(component);
        component.map_err(|error| error.to_string())
    };
    let kinds = "`redis`, `postgresql`, `weaviate`, `external`, `haproxy`, `consul` and `network_monitor`";
    let said = Err(format!("a component is exactly one of {kinds}: name one"));
    assert_eq!(of(json!({})), said);
    let mut both = redis();
    both["external"] = json!({"host": "example.com"});
    assert_eq!(of(both), said);
    let written = serde_json::to_value(of(redis()).unwrap()).unwrap();
    assert_eq!(written, redis());
}

/// Every variable that a component with all its settings is given, set by a stack.
#[track_caller]
fn sets_for_itself(component: Value, expect: &[&str]) {
    let composed = |env: &Value| {
        let stack: Stack = serde_json::from_value(json!({
            "stack": "shop", "namespace": "shop", "tiers": {"data": {"ports": "8080-8089"}},
            "services": {"own": {"tier": "data", "port": 8080, "component": component, "env": env}},
        }))
        .unwrap();
        let environment = serde_json::from_value(json!({
            "environment": "dev", "clusters": {"local": {"embedded": {}}}, "default_cluster": "local",
            "image": {"registry": "registry.example/shop", "tag": "1.0.0"},
        }))
        .unwrap();
        compose(&stack, &environment, "local", None)
    };
    let desired = composed(&json!({"LANG": "C.UTF-8"})).unwrap();
    let container = &manifest(&desired, "shop/own/stateful-set")["spec"]["template"]["spec"]["containers"][0];
    let given = container["env"].as_array().unwrap().iter().filter_map(|one| one["name"].as_str());
    let given: BTreeSet<&str> = given.filter(|name| *name != "LANG").chain(expect.iter().copied()).collect();
    for name in given {
        let problems = composed(&json!({name: "x"})).unwrap_err().problems;
        let found: Vec<_> = problems.iter().map(|problem| (problem.path(), problem.to_string())).collect();
        let kind = component.as_object().unwrap().keys().next().unwrap();
        let path = format!("services.own.env.{name}");
        assert_eq!(found, [(Some(path), format!("service own sets {name}, which the component {kind} sets itself"))]);
    }
}

#[test]
fn nobody_else_sets_the_variables_of_a_component() {
    let (storage, secret) = (json!({"size": "1Gi"}), json!({"secret": "own", "key": "own"}));
    let backup = json!({"schedule": "0 3 * * *", "storage": storage});
    let whole =
        |kind: &str, secret_field: &str| json!({kind: {"storage": storage, secret_field: secret, "backup": backup}});
    sets_for_itself(whole("postgresql", "password"), &["PGDATA", "POSTGRES_INITDB_ARGS"]);
    sets_for_itself(whole("redis", "password"), &["REDISCLI_AUTH"]);
    sets_for_itself(whole("weaviate", "api_key"), &["ENABLE_MODULES"]);
    sets_for_itself(json!({"consul": {"storage": storage}}), &["CONSUL_LOCAL_CONFIG"]);
}
