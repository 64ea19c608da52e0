"""The gRPC face of positions: protobuf to commands and queries and back, nothing else."""
