#!/usr/bin/env bash
# The OpenMetrics parser of Python's prometheus-client refuses an exemplar whose label holds a quotation mark.
#
# prometheus-client 0.26.0 (PyPI), prom-client 15.1.3 (npm). OpenMetrics escapes a quotation mark in a label's value as \" ,
# in an exemplar's labels as anywhere. prom-client writes that; Python's parser reads it in a sample's labels, but raises
# ValueError("Invalid line") where it stands in an exemplar's. A line feed or a back-slash there is read well. One file
# name with a quotation mark in it, as an exemplar, and the whole page of metrics cannot be read.
#
# Needs: node, npm, python3 with venv. Installs into a temporary folder; opens no socket.
set -euo pipefail
dir=$(mktemp -d); cd "$dir"
trap 'rm -rf "$dir"' EXIT
python3 -m venv py && py/bin/pip -q install --disable-pip-version-check prometheus-client==0.26.0
npm init -y >/dev/null
npm install --silent --no-audit --no-fund prom-client@15.1.3 >/dev/null
cat >write.cjs <<'JS'
const { Histogram, Registry } = require("prom-client");
async function page(label, exemplar) {
  const registry = new Registry();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  const seconds = new Histogram({ name: "x_seconds", help: "x", labelNames: ["name"], buckets: [1], enableExemplars: true, registers: [registry] });
  seconds.observe({ labels: { name: label }, value: 0.5, exemplarLabels: { name: exemplar } });
  return registry.metrics();
}
(async () => {
  const names = { plain: "a", "line feed": "a\nb", "back-slash": "a\\b", quote: 'a"b' };
  const pages = {};
  for (const [what, name] of Object.entries(names)) {
    pages[`label with ${what}`] = await page(name, "a");
    pages[`exemplar with ${what}`] = await page("a", name);
  }
  process.stdout.write(JSON.stringify(pages));
})();
JS
cat >read.py <<'PY'
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families

for what, page in json.load(sys.stdin).items():
    try:
        list(text_string_to_metric_families(page))
        print(f"{what}: read")
    except ValueError as error:
        print(f"{what}: ValueError {str(error).split(':')[0]}")
PY
node write.cjs | py/bin/python read.py | sort | tee out.txt
expected='exemplar with back-slash: read
exemplar with line feed: read
exemplar with plain: read
exemplar with quote: ValueError Invalid line
label with back-slash: read
label with line feed: read
label with plain: read
label with quote: read'
[ "$(cat out.txt)" = "$expected" ] || { echo "changed: expected"; echo "$expected"; exit 1; }
echo "as found"
