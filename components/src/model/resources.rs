//! CPU and memory: what a container is promised, and what it may use at most.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::quantity::{Cpu, Memory};

/// An amount of CPU and an amount of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Amounts {
    /// CPU, in cores.
    pub cpu: Cpu,
    /// Memory, in bytes.
    pub memory: Memory,
}

/// What a container of a service is promised, and what it may use at most. A GPU is not named here: it is the
/// service's `gpu`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// What the scheduler sets aside for each pod.
    pub requests: Amounts,
    /// What each pod may use at most.
    pub limits: Amounts,
}

impl Resources {
    /// `requests` and `limits`, each CPU and memory.
    #[must_use]
    pub const fn new(requests: Amounts, limits: Amounts) -> Self {
        Self { requests, limits }
    }

    /// The figures for a server that uses a GPU, unless the stack says otherwise: 1 core and 2 GiB promised, 2
    /// cores and 4 GiB at most.
    #[must_use]
    pub const fn gpu_server() -> Self {
        Self::new(
            Amounts { cpu: Cpu::from_millis(1000), memory: Memory::from_mebibytes(2048) },
            Amounts { cpu: Cpu::from_millis(2000), memory: Memory::from_mebibytes(4096) },
        )
    }

    /// The figures of a proxy in a pod that Istio's own profile has.
    #[must_use]
    pub(crate) const fn mesh_proxy() -> Self {
        Self::new(
            Amounts { cpu: Cpu::from_millis(100), memory: Memory::from_mebibytes(128) },
            Amounts { cpu: Cpu::from_millis(2000), memory: Memory::from_mebibytes(1024) },
        )
    }
}

impl Default for Resources {
    /// The figures for a small server: a quarter of a core and 256 MiB promised, twice that at most.
    fn default() -> Self {
        Self::new(
            Amounts { cpu: Cpu::from_millis(250), memory: Memory::from_mebibytes(256) },
            Amounts { cpu: Cpu::from_millis(500), memory: Memory::from_mebibytes(512) },
        )
    }
}
