"""The performance report: what it says, its charts and its pages. Nothing in it waits, asks or speaks protobuf."""
