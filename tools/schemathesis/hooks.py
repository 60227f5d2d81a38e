"""What Schemathesis does not know by itself."""

import schemathesis

# Lines of JSON: what is sent need not be that, since each line has a result of its own.
schemathesis.serializer.alias("application/x-ndjson", "text/plain")
