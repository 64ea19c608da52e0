"""Everything that tests Tandem.

gRPC's C core writes on stderr past all logging; tests make it say hundreds of times, as it would of any end of a
connection, "Got goaway". What it calls an error is still said. It reads this before anything else of ours is imported.
"""

import os

os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
