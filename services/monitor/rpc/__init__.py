"""What the monitor serves, a module a gRPC service."""
