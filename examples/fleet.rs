//! The Sophia fleet as a Rust program: what stacks/sophia.yaml says, with constants and functions in place of
//! repetition, and with every command of `strata`.
//!
//! ```text
//! cargo run --example fleet -- up sophia --env development
//! cargo run --example fleet -- plan sophia --env production
//! ```
//!
//! A misspelt constant does not compile, what the figures allow stands in their types, and everything that does not
//! fit is named at once before anything is composed. Environments stay files: they say where, not what.

use std::process::ExitCode;

use strata::components::model::{
    BreakerFigures, BuildError, Priority, Rolling, Rollout, ServiceBuilder, ServiceValue, Stack, StackBuilder,
};

fn main() -> anyhow::Result<ExitCode> {
    Ok(strata::run(&sophia()?))
}

// The tiers, each with its 20 ports. What no server has taken stays reserved for servers to come.
const CORE: &str = "core";
const BUSINESS: &str = "business";
const DEVELOPMENT: &str = "development";
const INFRASTRUCTURE: &str = "infrastructure";
const EXPERIMENTAL: &str = "experimental";

// The servers that others wait for.
const MEMORY: &str = "ai_memory";
const ORCHESTRATOR: &str = "mcp_orchestrator";
const REDIS: &str = "redis_cache";
const POSTGRES: &str = "postgres_manager";
const QDRANT: &str = "qdrant_admin";

/// The startup phases 1 to 5. They are computed from the dependencies; these are their names.
const PHASES: [&str; 5] = ["infrastructure", "core-ai", "orchestration", "business", "development"];

/// The environments: each has its ports 100 above those of the one before it.
const ENVIRONMENTS: [&str; 4] = ["production", "staging", "development", "testing"];

/// The servers that exist to call what others offer on the internet.
const OUTWARD: [&str; 18] = [
    "portkey_gateway",
    "hubspot",
    "gong",
    "slack",
    "linear",
    "asana",
    "notion",
    "competitor_analysis",
    "github",
    "codacy",
    "figma",
    "v0dev",
    "openrouter_search",
    "lambda_labs_cli",
    "estuary_flow",
    "pulumi",
    "docker_manager",
    "security_scanner",
];

/// The whole fleet: 35 MCP servers in five tiers.
pub(crate) fn sophia() -> Result<Stack, BuildError> {
    let stack = Stack::builder("sophia", "mcp-servers")
        .description("MCP servers for memory, business intelligence, development tools and infrastructure.")
        .health_port("+100")
        .phases(PHASES)
        .resources(("250m", "256Mi"), ("500m", "512Mi"))
        .gpu_resources(("1", "2Gi"), ("2", "4Gi"))
        .circuit_breaker(BreakerFigures { connections: 200, pending: 100, failures: 5, ejection: "30s" });
    let stack =
        (0..).step_by(100).zip(ENVIRONMENTS).fold(stack, |stack, (offset, name)| stack.port_offset(name, offset));
    [core, business, development, infrastructure, experimental]
        .into_iter()
        .fold(stack, |stack, tier| tier(stack))
        .output_of("orchestrator_url", "mcp_orchestrator", ServiceValue::Url)
        .output_of("memory_url", "ai_memory", ServiceValue::Url)
        .build()
}

fn core(stack: StackBuilder) -> StackBuilder {
    let stack = stack.tier(CORE, "9000-9019", |tier| {
        tier.title("Core AI services")
            .range_name("core_ai")
            .accepts([CORE, BUSINESS, DEVELOPMENT, INFRASTRUCTURE])
            .priority(Priority::High)
            .critical()
            .resources(("500m", "512Mi"), ("1", "1Gi"))
    });
    let stores = [
        (9006, REDIS, "Fast caching layer"),
        (9007, POSTGRES, "Database operations"),
        (9002, QDRANT, "Vector database management"),
    ];
    servers(stack, CORE, stores, two_pods)
        .service(MEMORY, CORE, 9000, |memory| {
            memory
                .purpose("Core AI memory and vector storage")
                .replicas(3)
                .gpu(1)
                .depends_on(stores.map(|(_, store, _)| store))
                .autoscale(2..=5, Some(70), Some(80))
                // Elsewhere production goes from one colour to the other; for two of these there are not enough GPUs.
                .rollout(Rollout::Rolling(Rolling {}))
        })
        .service(ORCHESTRATOR, CORE, 9001, |orchestrator| {
            // The only server that takes traffic from outside.
            two_pods(orchestrator)
                .purpose("Central MCP routing and load balancing")
                .depends_on([MEMORY])
                .gateway("/")
                .sessions()
                .rate_limit(100, "1s")
        })
        .service("lambda_inference", CORE, 9003, |inference| {
            two_pods(on_gpu(inference)).purpose("Inference on GPUs").phase("core-ai")
        })
        .service("unified_chat", CORE, 9004, |chat| chat.purpose("Primary chat interface").replicas(3).sessions())
        .service("portkey_gateway", CORE, 9005, |gateway| {
            outward("portkey_gateway", two_pods(gateway))
                .purpose("Routing to language models, and its optimisation")
                .phase("orchestration")
        })
}

fn business(stack: StackBuilder) -> StackBuilder {
    let stack = stack.tier(BUSINESS, "9020-9039", |tier| {
        tier.title("Business intelligence")
            .range_name("business_intel")
            .accepts([BUSINESS])
            .priority(Priority::Medium)
            .depends_on([ORCHESTRATOR])
    });
    let of_customers =
        [(9020, "hubspot", "Customer data and insights"), (9022, "slack", "Insight into team communication")];
    let of_work = [
        (9023, "linear", "Project management and tracking"),
        (9024, "asana", "Tasks and workflows"),
        (9025, "notion", "Knowledge base and documentation"),
    ];
    let of_models = [
        (9021, "gong", "Analysis of sales calls, and coaching"),
        (9026, "payready_intel", "Intelligence of the company's own"),
    ];
    let of_markets = [(9027, "competitor_analysis", "Market intelligence and monitoring")];

    let stack = servers(stack, BUSINESS, of_customers, two_pods);
    let stack = servers(stack, BUSINESS, of_work, one_pod);
    let stack = servers(stack, BUSINESS, of_models, |server| two_pods(on_gpu(server)).priority(Priority::High));
    servers(stack, BUSINESS, of_markets, |server| on_gpu(server).priority(Priority::Medium))
}

fn development(stack: StackBuilder) -> StackBuilder {
    let stack = stack.tier(DEVELOPMENT, "9040-9059", |tier| {
        tier.title("Development tools")
            .range_name("development_tools")
            .accepts([DEVELOPMENT])
            .priority(Priority::Low)
            .depends_on([ORCHESTRATOR])
            // By its dependencies it could start together with the business tier.
            .phase("development")
    });
    let tools = [
        (9040, "github", "Management of code repositories"),
        (9041, "codacy", "Analysis of code quality and security"),
        (9042, "figma", "Integration of the design system"),
        (9045, "prisma", "Management of database schemas"),
        (9046, "openrouter_search", "Discovery and comparison of AI models"),
    ];
    let generators = [
        (9043, "ui_ux_agent", "Assistance with interface design"),
        (9044, "v0dev", "Generation of interface components"),
    ];
    let stack = servers(stack, DEVELOPMENT, tools, one_pod);
    servers(stack, DEVELOPMENT, generators, |server| on_gpu(server).priority(Priority::Medium))
}

fn infrastructure(stack: StackBuilder) -> StackBuilder {
    let stack = stack.tier(INFRASTRUCTURE, "9060-9079", |tier| {
        tier.title("Cloud and infrastructure")
            .range_name("infrastructure")
            .accepts([INFRASTRUCTURE])
            .priority(Priority::Medium)
            .depends_on([ORCHESTRATOR])
    });
    let tools = [
        (9060, "lambda_labs_cli", "Management of GPU instances"),
        (9061, "estuary_flow", "Orchestration of data pipelines"),
        (9062, "pulumi", "Infrastructure as code"),
        (9063, "docker_manager", "Orchestration of containers"),
        (9064, "kubernetes_ops", "Operation of Kubernetes clusters"),
        (9065, "monitoring", "Health and metrics of the system"),
        (9066, "security_scanner", "Scanning for vulnerabilities"),
    ];
    servers(stack, INFRASTRUCTURE, tools, one_pod)
}

fn experimental(stack: StackBuilder) -> StackBuilder {
    let stack = stack.tier(EXPERIMENTAL, "9080-9099", |tier| {
        tier.title("Experiments and tests").range_name("experimental").accepts([EXPERIMENTAL]).priority(Priority::Low)
    });
    let models = [
        (9080, "experimental_ai", "Test and validation of AI models"),
        (9081, "data_science", "Analytics and exploration of data"),
    ];
    let tests = [
        (9082, "integration_testing", "Integration tests of MCP servers"),
        (9083, "performance_testing", "Load tests and benchmarks"),
        (9084, "prototype_server", "Prototypes of features"),
    ];
    let stack = servers(stack, EXPERIMENTAL, models, on_gpu);
    servers(stack, EXPERIMENTAL, tests, one_pod)
}

/// Adds servers of one shape, which differ in no more than port, name and purpose.
fn servers<const N: usize>(
    stack: StackBuilder,
    tier: &str,
    list: [(u16, &str, &str); N],
    shape: fn(ServiceBuilder) -> ServiceBuilder,
) -> StackBuilder {
    list.into_iter().fold(stack, |stack, (port, name, purpose)| {
        stack.service(name, tier, port, |server| outward(name, shape(server.purpose(purpose))))
    })
}

/// The ways out of the fleet that a server has. Without one, it reaches what it depends on and nothing else.
fn outward(name: &str, server: ServiceBuilder) -> ServiceBuilder {
    match name {
        "kubernetes_ops" => server.egress(["kube-api"]),
        _ if OUTWARD.contains(&name) => server.egress(["internet:443"]),
        _ => server,
    }
}

/// One pod, with everything else as its tier says.
fn one_pod(server: ServiceBuilder) -> ServiceBuilder {
    server.replicas(1)
}

/// Two pods, so that one can fail.
fn two_pods(server: ServiceBuilder) -> ServiceBuilder {
    server.replicas(2)
}

/// A GPU for every pod.
fn on_gpu(server: ServiceBuilder) -> ServiceBuilder {
    server.gpu(1)
}
