#!/usr/bin/env bash
# One registry of prom-client, two formats: a page that is right as Prometheus text is unreadable as OpenMetrics.
#
# prom-client 15.1.3 (npm), prometheus-client 0.26.0 (PyPI). A gauge `jobs` (running now) beside a counter `jobs_total` (ever
# run) is a usual pair, and fine in the Prometheus text format, where these are two names. OpenMetrics calls the counter's
# family `jobs` and only its sample `jobs_total`, so the two families clash. prom-client notices at no point: it writes
# `# TYPE jobs gauge` and `# TYPE jobs counter` into one page, and a strict parser refuses all of it. Prometheus itself
# asks for OpenMetrics first, so switching the content type on can lose a whole target.
#
# Needs: node, npm, python3 with venv. Installs into a temporary folder; opens no socket.
set -euo pipefail
dir=$(mktemp -d); cd "$dir"
trap 'rm -rf "$dir"' EXIT
python3 -m venv py && py/bin/pip -q install --disable-pip-version-check prometheus-client==0.26.0
npm init -y >/dev/null
npm install --silent --no-audit --no-fund prom-client@15.1.3 >/dev/null
cat >write.cjs <<'JS'
const { Counter, Gauge, Registry } = require("prom-client");
(async () => {
  const pages = {};
  for (const type of [Registry.PROMETHEUS_CONTENT_TYPE, Registry.OPENMETRICS_CONTENT_TYPE]) {
    const registry = new Registry();
    registry.setContentType(type);
    new Gauge({ name: "jobs", help: "Running now.", registers: [registry] }).set(1);
    new Counter({ name: "jobs_total", help: "Ever run.", registers: [registry] }).inc(2);
    pages[type.split(";")[0]] = await registry.metrics();
  }
  process.stdout.write(JSON.stringify(pages));
})();
JS
cat >read.py <<'PY'
import json, sys
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics

pages = json.load(sys.stdin)
for kind, read in (("text/plain", parser), ("application/openmetrics-text", openmetrics)):
    types = [line for line in pages[kind].splitlines() if line.startswith("# TYPE")]
    try:
        outcome = f"{len(list(read.text_string_to_metric_families(pages[kind])))} families"
    except ValueError as error:
        outcome = f"ValueError {error}"
    print(f"{kind}: {', '.join(types)}: {outcome}")
PY
node write.cjs | py/bin/python read.py | tee out.txt
expected='text/plain: # TYPE jobs gauge, # TYPE jobs_total counter: 2 families
application/openmetrics-text: # TYPE jobs gauge, # TYPE jobs counter: ValueError Received metadata after samples: # HELP jobs Ever run.'
[ "$(cat out.txt)" = "$expected" ] || { echo "changed: expected"; echo "$expected"; exit 1; }
echo "as found"
