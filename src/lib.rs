//! Infrastructure as code for fleets of MCP servers on GPU Kubernetes clusters.
