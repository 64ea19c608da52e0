"""The contract between the services: .proto files and, beside each, the code generated from it (`make protos`)."""
