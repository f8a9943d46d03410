#!/usr/bin/env bash
# A registry of prom-client without metrics is a page that OpenMetrics does not allow.
#
# prom-client 15.1.3 (npm), prometheus-client 0.26.0 (PyPI). OpenMetrics has no blank lines, and `# EOF` alone is a page.
# prom-client joins its metrics with line feeds and adds `# EOF` in a line of its own: of nothing it makes a blank line and
# `# EOF`, and a strict parser refuses the page. As Prometheus text a page may be blank. With one metric, even
# one without a sample, the same registry is read. So a program that makes its metrics when they are first needed
# fails its first scrapes, as soon as the content type is switched.
#
# Needs: node, npm, python3 with venv. Installs into a temporary folder; opens no socket.
set -euo pipefail
dir=$(mktemp -d); cd "$dir"
trap 'rm -rf "$dir"' EXIT
python3 -m venv py && py/bin/pip -q install --disable-pip-version-check prometheus-client==0.26.0
npm init -y >/dev/null
npm install --silent --no-audit --no-fund prom-client@15.1.3 >/dev/null
cat >write.cjs <<'JS'
const { Counter, Registry } = require("prom-client");
(async () => {
  const pages = [];
  for (const type of [Registry.PROMETHEUS_CONTENT_TYPE, Registry.OPENMETRICS_CONTENT_TYPE]) {
    for (const metrics of [0, 1]) {
      const registry = new Registry();
      registry.setContentType(type);
      if (metrics > 0) new Counter({ name: "jobs", help: "x", labelNames: ["kind"], registers: [registry] });
      pages.push([type.split(";")[0], metrics, await registry.metrics()]);
    }
  }
  process.stdout.write(JSON.stringify(pages));
})();
JS
cat >read.py <<'PY'
import json, sys
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics

for kind, metrics, page in json.load(sys.stdin):
    read = openmetrics if "openmetrics" in kind else parser
    try:
        outcome = f"{len(list(read.text_string_to_metric_families(page)))} families"
    except ValueError as error:
        outcome = f"ValueError {str(error).strip()}"
    print(f"{kind}, {metrics} metrics: {json.dumps(page)}: {outcome}")
PY
node write.cjs | py/bin/python read.py | tee out.txt
expected='text/plain, 0 metrics: "\n": 0 families
text/plain, 1 metrics: "# HELP jobs x\n# TYPE jobs counter\n": 1 families
application/openmetrics-text, 0 metrics: "\n# EOF\n": ValueError Received blank line
application/openmetrics-text, 1 metrics: "# HELP jobs x\n# TYPE jobs counter\n# EOF\n": 1 families'
[ "$(cat out.txt)" = "$expected" ] || { echo "changed: expected"; echo "$expected"; exit 1; }
echo "as found"
