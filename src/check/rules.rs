//! The rules that `check` proves: what a stack that can be read must also be. An error stops every command that
//! would go on, with exit code 4.
//!
//! The rules about files, types and references are [`crate::load::rules`]; [`all`] lists both.

use crate::finding::{Level, Rule};

macro_rules! rules {
    ($($name:ident = $id:literal $level:ident, $title:literal, $meaning:literal, $remedy:literal;)*) => {
        $(
            #[doc = $title]
            pub const $name: Rule =
                Rule { id: $id, level: Level::$level, title: $title, meaning: $meaning, remedy: $remedy };
        )*
        /// Every rule of `check`, by id.
        pub const ALL: &[Rule] = &[$($name),*];
    };
}

rules! {
    NO_SUCH_ARCHITECTURE = "S-arch-001" Error, "an image is not built for the processors of its nodes",
        "A pod whose image knows no version for the node's processor fails with `exec format error`, and the scheduler \
         does not look at images.",
        "Build the image for that processor, or keep the pods on other nodes.";
    LARGE_PAGES = "S-arch-002" Error, "a program does not run on nodes with large pages",
        "Kernels for GH200 nodes deal memory out in pages of 64 KiB; programs whose allocator was built for pages of \
         4 KiB stop when they start there.",
        "Use a version that is built for large pages, or keep the pods on nodes with small ones.";
    ONE_POD = "S-availability-001" Error, "a promise of availability rests on one pod",
        "A single pod is away whenever its node fails, is drained, or the server starts anew: minutes each time, of the 43 \
         that 99.9% leaves in a month.",
        "Run two pods or more (`replicas`, or `replicas.critical_min` of the environment), or promise nothing.";
    NONE_KEPT = "S-availability-002" Error, "no disruption budget keeps a pod of a promised service",
        "Draining nodes may then evict all of its pods at once.",
        "Add a PodDisruptionBudget that leaves at least one pod.";
    ROLLOUT_TAKES_ALL = "S-availability-003" Error, "a rollout may stop every pod of a promised service",
        "Between the last old pod and the first new one nothing answers.",
        "Let a rollout stop fewer pods than there are, or start new ones first.";
    ONE_HOST = "S-availability-004" Error, "the pods of a promised service may share one node",
        "The node that fails then takes all of them; a spread that is merely preferred does not rule that out.",
        "Insist on a spread over `kubernetes.io/hostname`, and have two nodes that take the pods.";
    UNPROBED = "S-availability-005" Error, "nothing finds out whether a promised service answers",
        "Without a readiness probe requests go to pods that do not answer; without a liveness probe a server that hangs \
         stays as it is.",
        "Give each container both probes.";
    TOO_MUCH = "S-capacity-001" Error, "a service does not fit its nodes",
        "Its pods, beside those that the scheduler places first and what others run there, find no room: they would wait \
         for ever.",
        "Add a node, ask for less, or run fewer pods; the help names what would do.";
    STUCK_ROLLOUT = "S-capacity-002" Error, "a rollout would stand still",
        "A rollout that starts a pod before it stops one needs room for one pod more, and there is none.",
        "Give up a pod first (a surge of 0, one pod unavailable), or add a node.";
    SLOW_ROLLOUT = "S-capacity-003" Warning, "a rollout has room for fewer pods than it starts",
        "The rest of the pods that it starts in addition wait until others have stopped: it goes on, but slowly.",
        "Choose the smaller surge that the help names, or add a node.";
    NO_ROOM_TO_GROW = "S-capacity-004" Warning, "an autoscaler's maximum does not fit",
        "What runs at first fits, but under load the autoscaler would start pods that find no room.",
        "Add nodes, or lower the autoscaler's `max`.";
    UNDECIDED = "S-capacity-005" Note, "whether pods fit was not found out",
        "Placing pods of many sizes on nodes of many sizes is searched up to a limit; no placement was found, and none \
         was ruled out.",
        "Leave more room, or use fewer sizes.";
    NO_OTHER_COLOUR = "S-capacity-006" Error, "there is no room for both colours of a service",
        "A service that is rolled out blue-green has the pods of both colours for a while: those of the new one are all \
         ready before any of the old one goes. Without room for both, every rollout of it would wait in vain.",
        "Add a node, ask for less, run fewer pods, or roll the service out a few pods at a time.";
    IDLE_FIELD = "S-components-001" Error, "a field that a component has no use for",
        "A store has one pod and does not speak HTTP, and what lies outside of the cluster has no pods: a field about \
         more than that would change nothing.",
        "Take the field out, or make the service an MCP server by taking out `component`.";
    NOT_BEHIND = "S-components-002" Error, "a component names a service that it does not depend on",
        "A component works on the services that it depends on, and on no other: what is said of another would change \
         nothing.",
        "Add the service to `depends_on` of the component, or take out what is said of it.";
    AT_ODDS = "S-components-003" Error, "settings of a component are at odds with each other",
        "Each of them means something only with the other, or rules it out.",
        "Change one of them as the message says.";
    NO_CONFIG_VALUE = "S-config-001" Error, "a value of a server's configuration comes to nothing",
        "A server would read an empty value where it expects to be told of a service or an output.",
        "Name a service of the stack and a value that it has, or an output that stands in the environment.";
    OTHER_TYPE = "S-config-002" Error, "an environment changes the type of a configuration's value",
        "A server that reads a number under a key cannot read a text there: what an environment says takes the place of what \
         the stack says, and is of the same type.",
        "Write a value of the type that the stack has, or change both.";
    CYCLE = "S-deps-001" Error, "services wait for each other",
        "Each service of a cycle starts only when the next one is ready, so none of them ever starts.",
        "Remove one of the dependencies on the path that is shown.";
    STACK_CYCLE = "S-deps-002" Error, "stacks wait for each other",
        "A stack is brought up when those that its services depend on are there; of stacks in a cycle none could be the \
         first.",
        "Remove one of the dependencies that are shown, or move a service into the other stack.";
    PLATFORM_VARIABLE = "S-env-001" Error, "a service sets a variable of the platform",
        "The platform tells each server its port, tier and priority in these variables.",
        "Remove the variable, or give it another name.";
    VARIABLE_TWICE = "S-env-002" Error, "a variable is set twice",
        "A variable of a service is a text in `env` or an output in `env_from`, and has one value.",
        "Keep one of the two; an environment that wants another value sets it in its own `env`.";
    COMPONENT_VARIABLE = "S-env-003" Error, "a service sets a variable of its component",
        "The image of a component reads its settings from these variables, and they follow from the fields of the component: \
         another value would contradict them, or change nothing.",
        "Remove the variable, and write the field that the help names.";
    TWO_GATEWAYS = "S-gateway-001" Error, "several services take traffic from outside",
        "One service alone is the gateway, so that there is one way in to watch and to protect.",
        "Keep `gateway` on one service, and let the others be reached through it.";
    EXPOSED_SERVICE = "S-gateway-002" Error, "a Service is reachable from outside the cluster",
        "Services are ClusterIP: a LoadBalancer, a NodePort or an external address would go round the gateway.",
        "Make it a ClusterIP Service, and let traffic in through the gateway.";
    FOREIGN_INGRESS = "S-gateway-003" Error, "outside traffic is led to a service that is not the gateway",
        "The service marked as gateway takes all traffic from outside the cluster.",
        "Remove the route, or mark the service as the gateway.";
    NO_WAY_IN = "S-gateway-004" Note, "the gateway is not reachable in this environment",
        "The stack marks a gateway, but the environment does not say how traffic comes in.",
        "Add `gateway` with host and ingress class to the environment, if it should be reachable.";
    UNKNOWN_GROUP = "S-gpu-001" Error, "a node is of no group of the device plugin",
        "The plugin does not run on such a node, whose GPUs nobody can then ask for.",
        "Give the node the label of a group, or add the group; a default group takes nodes without the label.";
    GIVEN_OTHERWISE = "S-gpu-002" Error, "GPUs are given out otherwise than they are asked for",
        "Whole GPUs and shares of them are two resources: pods that ask for one are never placed on nodes that give out the \
         other.",
        "Choose the policy of the environment and the groups of the nodes to fit each other.";
    BESIDE_PLUGIN = "S-gpu-003" Error, "a service lives in the namespace of the device plugin",
        "That namespace admits pods that reach into their node, as the plugin does; servers must not be able to.",
        "Put the device plugin into a stack of its own.";
    NOT_RESTRICTED = "S-hardening-001" Error, "a pod falls short of the restricted Pod Security Standard",
        "A namespace that enforces the standard refuses such a pod, and one that does not gives it more than it needs.",
        "Change the field that is named.";
    NO_NUMERIC_USER = "S-hardening-002" Error, "a container has no numeric user",
        "The kubelet cannot tell whether a user that an image names in letters is root, and refuses to start it.",
        "Set `run_as_user` to a number other than 0.";
    FLOATING_TAG = "S-hardening-003" Error, "an image has no tag that stays",
        "What `latest`, or no tag, stands for changes without a word: two pods of one service may run different programs, \
         and nothing can be rolled back.",
        "Write a tag other than `latest`, or a digest; `image.pin: none` in the environment asks for less.";
    NO_DIGEST = "S-hardening-004" Error, "an image has no digest",
        "The environment demands digests, because a tag can be moved to other bytes.",
        "Write the image with `@sha256:` and its digest.";
    NO_LIMITS = "S-hardening-005" Error, "a container has no requests or limits",
        "Without requests the scheduler does not know what fits, without limits one server can take what others need.",
        "Give it `resources` with requests and limits for CPU and memory.";
    NO_PROBE = "S-hardening-006" Error, "a container has no probe",
        "Without a readiness probe a rollout goes on before a server answers; without a liveness probe one that hangs \
         is never restarted.",
        "Probe the health port for both.";
    STUCK_BUDGET = "S-hardening-007" Error, "a disruption budget lets no pod go",
        "A node can then not be drained, for an update of its kernel or of Kubernetes, without breaking the budget.",
        "Let at least one pod be unavailable, or run more pods; an autoscaler's minimum counts.";
    NO_BUDGET = "S-hardening-008" Warning, "several pods have no disruption budget",
        "A drain may then take all of them at once, though there are several so that one can fail.",
        "Add a PodDisruptionBudget that lets one pod go at a time.";
    PLAIN_SECRET = "S-hardening-009" Error, "a secret stands in plain text",
        "A stack and its history are read by many, and a variable of a container by all who may see the pod.",
        "Keep it in a Secret of the cluster, and change it: what has been in a file is known.";
    WRITABLE_ROOT = "S-hardening-010" Warning, "a container can write to its root file system",
        "An intruder could change the program that runs.",
        "Set `readOnlyRootFilesystem`, and mount a volume where the program has to write.";
    UNENFORCEABLE = "S-mesh-001" Error, "the mesh cannot enforce what is asked for",
        "Circuit breakers, rate limits and sessions are the work of proxies that look at requests. An ambient mesh looks \
        at connections, so the objects would be there and do nothing.",
        "Use a mesh of sidecars, or set `mesh.limits: false` in the environment to do without.";
    SIDECAR_NEEDS_CNI = "S-mesh-002" Error, "a mesh of sidecars needs istio-cni",
        "Without it every pod gets an init container that may change the network, which the restricted Pod Security \
        Standard of the fleet's namespaces refuses.",
        "Install istio-cni and set `mesh.cni: true`, or use the mode `ambient`.";
    NOT_ENFORCED = "S-mesh-003" Note, "limits on calls are not enforced in this environment",
        "The stack asks for circuit breakers or rate limits, and the environment has no mesh, or one that is told to do \
        without them.",
        "Nothing, if that is meant; otherwise give the environment a mesh of sidecars.";
    TOO_SHORT = "S-mesh-004" Error, "a time is too short for the mesh",
        "Proxies fill a bucket of requests every 50ms at the most, and leave a pod out for a millisecond at the least.",
        "Write a longer time; a rate limit can name more requests in exchange.";
    PORT_OF_MESH = "S-mesh-005" Error, "a port belongs to the mesh",
        "The proxies of a mesh listen inside each pod, in the network of the server: what answers on a port of theirs \
         cannot start, or is never reached.",
        "Choose another port for the service or its health; those from 15000 to 15099 are the mesh's.";
    USER_OF_MESH = "S-mesh-006" Error, "pods run as the user of their sidecars",
        "What that user sends is taken for traffic of the sidecar itself and not led through it: it goes out in the \
         clear, without identity, and what the mesh forbids does not hold for it.",
        "Set `run_as_user` to a number other than 1337.";
    NAME_TOO_LONG = "S-names-001" Error, "a name is too long",
        "Names that are joined of others (stack, environment, instance) become labels and object names, which have at \
        most 63 characters.",
        "Shorten one of the names.";
    CONTROL_NAMESPACE = "S-names-002" Error, "a namespace of the stack is the control namespace",
        "Inventory, lock and history must outlive the stack, so they have a namespace of their own.",
        "Map the stack's namespace to another name, or choose another control namespace.";
    SAME_NAMESPACE = "S-names-003" Error, "two namespaces of the stack become one",
        "The environment gives two namespaces of the stack one name, so that their objects would mix.",
        "Map one of them to another name.";
    SAME_ENTRY = "S-names-004" Error, "two ranges have one name in the port registry",
        "Pods look ranges up by name, so each name can stand for one range only.",
        "Give one of the tiers a `range_name`.";
    SAME_OBJECT = "S-names-005" Error, "two stacks have one object",
        "An object belongs to one instance of one stack. What another stack of the environment makes by the same name in \
         the same namespace could never be applied beside it.",
        "Give one of the two stacks another namespace, or rename the service.";
    JOB_NAME = "S-names-006" Error, "the pods of a job would be taken for others",
        "Pods are told apart by their name label. A job whose pods had that of a service would get its traffic, and could \
         call what that may call.",
        "Give the job another name.";
    NEEDS_ITS_OWN = "S-needs-001" Error, "a service waits for what its own stack brings",
        "A need is waited for before anything of the service is applied. What the stack brings in the same phase, or in a \
         later one, never comes before that; what it brings earlier is ready by then anyway.",
        "Say which service it is under `depends_on`, or leave it out.";
    NO_KUBE_API = "S-network-001" Error, "nobody says where the API server is reached",
        "A service declares the way out `kube-api`. A policy opens addresses, and those of the API server differ from \
        cluster to cluster.",
        "Add the addresses of the control plane's nodes, and its port there, to `network.kube_api` of the environment.";
    UNKNOWN_NEIGHBOUR = "S-network-002" Error, "a service of another stack cannot be reached",
        "Connections are opened by the labels and the port of the other side, so the other stack must be known, and \
        stand in the same environment.",
        "Mend the other stack, admit it to the environment, or remove the dependency.";
    OUTPUT_ELSEWHERE = "S-outputs-001" Error, "an output of a stack that does not stand in the environment",
        "What an output comes to follows from its stack and the environment together; of a stack that is not deployed \
         here there is none.",
        "Admit the other stack to the environment, mend it, or take the variable out.";
    NO_SUCH_VALUE = "S-outputs-002" Error, "an output has no value",
        "A URL needs a scheme, which is known of servers and stores and not of what lies outside of the cluster; and no \
         port passes 65535.",
        "Tell another value of the service, such as its `address`.";
    NO_WAY_THERE = "S-outputs-003" Warning, "an address is told to a service that cannot get there",
        "Only what is declared is open: knowing an address opens no way to it.",
        "Add the service that the output is of to `depends_on`, or take the variable out.";
    UNKNOWN_ADOPTION = "S-ownership-001" Error, "an object to adopt is not in the stack",
        "Only an object that the stack has can become its own.",
        "Write `Kind/name` of an object that `strata render` lists.";
    UNUSED_FIELD_RULE = "S-ownership-002" Note, "a rule about fields fits no object",
        "The stack has no object of the rule's kind and service, so the rule does nothing in this environment.",
        "Correct its kind or service, or remove it if no other environment needs it.";
    PIN_TOO_EARLY = "S-phases-001" Error, "a phase is pinned against the dependencies",
        "A service can start only after what it depends on; the pin names a phase before that.",
        "Pin a later phase, remove the pin, or remove the dependency on the path that is shown.";
    SAME_PHASE_NAME = "S-phases-002" Error, "two phases have one name",
        "Pins name phases, so each name can stand for one phase only.",
        "Rename one of the two.";
    BAD_EXPRESSION = "S-policies-001" Error, "an expression of a policy cannot be used",
        "A policy that cannot be asked forbids nothing, so no command goes on without it.",
        "Mend the expression; docs/policies.md lists the names and functions that there are.";
    POLICY_TWICE = "S-policies-002" Error, "two policies have one rule id",
        "Findings name the id of the policy, and waivers refer to it, so it must be that of one alone.",
        "Give one of them another id.";
    OUTSIDE_TIER = "S-ports-001" Error, "a port lies outside the range of its tier",
        "Each tier owns a range, so that a port tells the tier and nobody takes another tier's.",
        "Choose a free port of the tier's range, or put the service into the tier that owns the port.";
    DUPLICATE_PORT = "S-ports-002" Error, "two services have one port",
        "The port registry gives each port to one service, over all stacks of the root.",
        "Give one of the two a free port of its tier.";
    TIERS_OVERLAP = "S-ports-003" Error, "the ranges of two tiers overlap",
        "What no service has taken of a range stays reserved for its tier, over all stacks of the root.",
        "Move one of the ranges.";
    PORT_TOO_HIGH = "S-ports-004" Error, "a port passes 65535 in this environment",
        "The environment's offset, or the distance of the health port, leads past the highest port there is.",
        "Lower the port, the offset or the distance.";
    SHARED_ADDRESS = "S-ports-005" Error, "two services share a port of one address",
        "On one address a port can have one owner.",
        "Give one of the two another port.";
    HEALTH_OVERLAP = "S-ports-006" Note, "health ports are service ports elsewhere",
        "Inside a cluster each Service has an address of its own, so nothing collides; on one shared address (host \
         network, a local run, a port-forward) it would.",
        "Nothing, inside a cluster; elsewhere choose other offsets, or `health_port: same`.";
    OFFSETS_DIFFER = "S-ports-007" Error, "stack and environment disagree about the offset",
        "Pods look ports up in the registry, which is made of the stack's offsets; the ports themselves follow the \
         environment's.",
        "Write the same offset in both files.";
    OFFSET_UNKNOWN = "S-ports-008" Warning, "the port registry does not know this environment",
        "The stack lists the offsets of environments for the registry, but not of this one.",
        "Add the environment to `port_offsets` of the stack.";
    LOCAL_RANGE = "S-ports-009" Note, "processes beside the cluster look for the same ports",
        "Processes that run on a machine by themselves look for a free port in ranges of their own. Inside a cluster \
         each Service has an address of its own, so nothing collides; on one host it would.",
        "Nothing, inside a cluster; on one host choose other ports, or other ranges for those processes.";
    NOT_PROVIDED = "S-provided-001" Warning, "the embedded cluster does not have what the stack needs",
        "Objects of kinds that others install are applied only where those kinds are served, and the environment does \
         not say that its embedded cluster serves these: a plan would stop there.",
        "List what brings the kinds under `provides` of the embedded cluster, or do without what asks for them.";
    NOT_ISOLATED = "S-reach-001" Error, "no policy closes a service",
        "Pods that no NetworkPolicy selects for a direction are open to everybody in that direction, and pods that only \
         the policy of their whole namespace selects are open as soon as somebody changes that one; pods on the \
         network of their node are beyond policies.",
        "Select its pods by a policy that names them, and keep them off the node's network.";
    EDGE_CLOSED = "S-reach-002" Error, "a declared dependency is closed",
        "The service waits for another and could not talk to it: some policy does not let it out, or does not let it in.",
        "Let a policy of each of the two name the other, and the port of its pods.";
    UNDECLARED_OPEN = "S-reach-003" Error, "services can talk to each other that do not declare it",
        "What is open beyond the declared dependencies helps an intruder to get from one server to the next.",
        "Declare the dependency, or narrow the policy that is named.";
    OUTSIDE_REACHES = "S-reach-004" Error, "something outside the fleet reaches a service",
        "Pods of other namespaces and addresses outside the cluster get in through the gateway alone.",
        "Narrow the policy that is named.";
    WAY_OUT_OPEN = "S-reach-005" Error, "a service reaches what it does not declare",
        "A server that is taken over can then carry data away, or ask the metadata service of the cloud for credentials.",
        "Declare the way out in `egress`, or narrow the policy that is named.";
    WAY_OUT_CLOSED = "S-reach-006" Error, "a declared way out is closed",
        "The service could not call what it exists to call.",
        "Let a policy of its pods name the addresses and the port.";
    DNS_CLOSED = "S-reach-007" Error, "a service cannot ask for names",
        "Without the cluster's DNS, over UDP and over TCP for long answers, no other service is found.",
        "Let every pod reach the pods that `network.dns` of the environment names.";
    GATEWAY_CLOSED = "S-reach-008" Error, "the gateway gets no traffic",
        "The pods of the ingress controller cannot reach the service that takes traffic from outside.",
        "Let the pods in that `gateway.controller` of the environment names.";
    WIDER_THAN_DECLARED = "S-reach-009" Error, "a policy is wider than what is declared",
        "A connection needs the policies of both ends; here one end would let more through than is declared, and only \
         the other still stops it.",
        "Narrow the policy that is named to what is declared.";
    OPEN_BY_DEFAULT = "S-reach-010" Error, "a namespace does not deny by default",
        "A pod that is put into the namespace later, by whomever, would be open to everybody and could reach everything.",
        "Add a policy that selects every pod of the namespace and opens nothing.";
    SCRAPE_CLOSED = "S-reach-011" Error, "a service cannot be scraped",
        "Prometheus cannot reach its health port, or the mesh refuses it there: no figures, and alerts about its absence.",
        "Let the pods in that `monitoring.prometheus` of the environment names, in the clear where there is a mesh.";
    MESH_CLOSED = "S-reach-012" Error, "a policy cuts pods off from their mesh",
        "Sidecars get certificates from the control plane; in an ambient mesh the kubelet's probes have an address of \
         their own. Without either no pod becomes ready.",
        "Let its pods reach the control plane, and let the probes in.";
    MESH_WIDER = "S-reach-013" Error, "the mesh lets more through than is declared",
        "Who may call whom is said twice where there is a mesh: by addresses, and by identities. Here the mesh's own \
         policies would let more through, and only NetworkPolicies still stop it.",
        "Narrow the policy that is named to what is declared, or give the pods one.";
    NOT_IN_MESH = "S-reach-014" Error, "pods take no part in the mesh",
        "The environment has a mesh, and these pods are outside it: they call and are called in the clear, without \
         identity, and none of the mesh's policies holds for them.",
        "Label pods or namespace as the mode of the mesh asks.";
    UNREAD = "S-reach-015" Warning, "policies of others could not be read",
        "The cluster refuses to list them, so that what they open or close is no part of the proof.",
        "Ask for the right to list them, or look at them by other means.";
    AUTOSCALE_RANGE = "S-replicas-001" Error, "an autoscaler's minimum lies above its maximum",
        "The range of replicas is empty.",
        "Lower `min` or raise `max`.";
    FLOOR = "S-replicas-002" Note, "replicas and the autoscaler's minimum differ",
        "Where an autoscaler works, it owns the number of pods; the floor is the higher of the two figures.",
        "Write the same figure twice to make the note go away.";
    POLICY_RANGE = "S-replicas-003" Error, "the replica policy contradicts itself",
        "Critical services must have more pods than any service may have.",
        "Lower `critical_min` or raise `max`.";
    NO_EFFECT = "S-replicas-004" Warning, "an override has no effect",
        "The environment's replica policy, or the lack of an autoscaler, undoes what the override says.",
        "Change the policy or remove the override.";
    NO_AUTOSCALER = "S-replicas-005" Error, "an override changes an autoscaler that is not there",
        "An environment can change figures of an autoscaler, but the service has none in the stack.",
        "Add `autoscale` to the service in the stack, or remove the override.";
    CAPPED = "S-replicas-006" Note, "the environment caps an autoscaler",
        "The environment's replica policy allows fewer pods than the autoscaler could start.",
        "Nothing, if the cap is meant; otherwise raise `replicas.max`.";
    REQUEST_ABOVE_LIMIT = "S-resources-001" Error, "a request lies above its limit",
        "A pod cannot be promised more than it may use; a cluster refuses such a pod.",
        "Lower the request or raise the limit.";
    EMPTY_STACK = "S-stack-001" Error, "the stack has no services",
        "Deploying it would delete everything that an earlier version deployed.",
        "Add services; to remove a deployment use `strata destroy`.";
    NOT_COMPOSED = "S-stack-002" Error, "the stack cannot be composed",
        "The components that make objects of the stack refuse it; the message says why.",
        "Change the value as the message says.";
    TIER_REFUSES = "S-tiers-001" Error, "a tier does not accept the dependency",
        "A tier may name the tiers whose services may depend on its own; what is declared beyond that is a mistake, or \
         a change of the design that the list should show.",
        "Remove the dependency, or add the tier to the list of the one it leads to.";
    NOT_WAIVABLE = "S-waivers-001" Error, "a waiver names a rule that cannot be waived",
        "Only rules about how pods are hardened, what nodes they fit and how they run can be broken on purpose.",
        "Remove the waiver, and mend what the rule finds.";
    UNUSED_WAIVER = "S-waivers-002" Note, "a waiver is for nothing",
        "Nothing breaks the rule in this environment; a waiver that stays would hide what comes later.",
        "Remove the waiver, if no other environment needs it.";
}

/// Every rule there is, by id.
#[must_use]
pub fn all() -> Vec<Rule> {
    let mut rules = [ALL, crate::load::rules::ALL].concat();
    rules.sort_by_key(|rule| rule.id);
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_in_order_and_well_formed() {
        let ids: Vec<&str> = ALL.iter().map(|rule| rule.id).collect();
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(ids, sorted);
        for rule in all() {
            let parts: Vec<&str> = rule.id.split('-').collect();
            assert!(
                matches!(parts.as_slice(), ["S", area, number] if !area.is_empty() && number.len() == 3),
                "{}",
                rule.id
            );
            assert!(rule.meaning.ends_with('.') && rule.remedy.ends_with('.'), "{}", rule.id);
        }
    }
}
