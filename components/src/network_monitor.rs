//! The network monitor: the project's own program, told by a file which services to ask for their health.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::compose::Building;
use crate::configured::{COMPONENT_PORT, Program, ProgramPort, program, program_files, program_service};
use crate::context::Owner;
use crate::model::NetworkMonitor;
use crate::problem::Problem;
use crate::spec::ServiceSpec;
use crate::targets::Target;

/// Where its file is mounted.
const CONFIG_PATH: &str = "/etc/network-monitor";
/// The name of the file there.
const CONFIG_FILE: &str = "targets.json";
/// The least of its times, in milliseconds.
const LEAST: u128 = 100;

impl Building<'_, '_> {
    /// The objects of a monitor that watches `targets`, beside those that every service has.
    pub(crate) fn network_monitor(&mut self, spec: &ServiceSpec, monitor: &NetworkMonitor, targets: &[Target<'_>]) {
        let (context, owner) = (self.context, Owner::Service(spec));
        let times = [("interval", monitor.interval), ("timeout", monitor.timeout)].into_iter();
        let short = times.filter(|(_, written)| written.as_std().as_millis() < LEAST);
        self.refuse(
            short
                .map(|(field, written)| Problem::TooShort {
                    path: format!("services.{}.component.network_monitor.{field}", spec.name),
                    written,
                    least_milliseconds: LEAST,
                })
                .collect(),
        );
        let own = Program {
            args: vec![format!("{CONFIG_PATH}/{CONFIG_FILE}"), "--listen".to_owned(), format!("0.0.0.0:{}", spec.port)],
            ports: vec![ProgramPort { name: COMPONENT_PORT.to_owned(), port: spec.port, protocol: "http" }],
            config_path: CONFIG_PATH,
            config: BTreeMap::from([(CONFIG_FILE.to_owned(), format!("{:#}\n", settings(monitor, targets)))]),
            health: NetworkMonitor::HEALTH,
        };
        self.add(owner, "service", program_service(context, spec, &own));
        self.add(owner, "config", program_files(spec, &own));
        self.add(owner, "deployment", program(context, spec, &own));
    }
}

/// The settings of the program, as `network-monitor/` reads them.
fn settings(monitor: &NetworkMonitor, targets: &[Target<'_>]) -> Value {
    let target = |target: &Target<'_>| {
        let mut told = json!({"name": target.name, "host": target.host, "port": target.port.get()});
        if let Some(path) = target.health {
            told["path"] = json!(path);
        }
        told
    };
    json!({
        "interval_ms": milliseconds(monitor.interval),
        "timeout_ms": milliseconds(monitor.timeout),
        "targets": targets.iter().map(target).collect::<Vec<_>>(),
    })
}

fn milliseconds(time: crate::model::Duration) -> u64 {
    u64::try_from(time.as_std().as_millis()).unwrap_or(u64::MAX)
}
