// npm test: sets the machine up, builds, runs the suites, and closes with one countable line.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { find, root, run, setup } from "./setup.mjs";

const PROJECTS = ["unit", "integration", "nats-newest", "later-samba", "e2e"];
const args = process.argv.slice(2);
const projects = args.filter((arg) => PROJECTS.includes(arg));
const rest = args.filter((arg) => !PROJECTS.includes(arg));
const wanted = projects.length === 0 ? PROJECTS : projects;
const unitOnly = wanted.every((project) => project === "unit");
if (unitOnly) setup([]);
else {
  setup(
    ["smbd", "smbclient", "nats-server", "chromium", "impacket-netview"],
    ["krb5kdc", "kadmin.local", "kinit", "faketime", "promtool", "nginx", "haproxy", "caddy"],
  );
}
run(process.execPath, [join(root, "scripts", "build.mjs")], { cwd: root });

const artifacts = join(root, "artifacts");
mkdirSync(artifacts, { recursive: true });
const report = join(artifacts, `vitest-${process.pid}.json`);
const result = spawnSync(
  join(root, "node_modules", ".bin", "vitest"),
  [
    "run",
    ...wanted.flatMap((project) => ["--project", project]),
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
    ...rest,
  ],
  { cwd: root, stdio: "inherit", env: { ...process.env, CHROMIUM_BIN: find("chromium") ?? "" } },
);
let line;
try {
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = JSON.parse(
    readFileSync(report, "utf8"),
  );
  for (const file of testResults) {
    for (const test of file.assertionResults) {
      if (test.status === "pending" || test.status === "skipped") console.log(`skipped: ${test.fullName}`);
    }
  }
  // Once more, short and last: a log is often cut at its beginning.
  for (const file of testResults) {
    for (const test of file.assertionResults) {
      if (test.failureMessages.length === 0) continue;
      const verdict = test.status === "failed" ? "failed" : "passed at the second try";
      const reason = test.failureMessages[0].split("\n").slice(0, 3).join(" | ").slice(0, 400);
      console.log(`${verdict}: ${relative(root, file.name)} > ${test.fullName}: ${reason}`);
    }
  }
  // A file that failed to load has no tests of its own to count.
  const broken = testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0);
  for (const file of broken) console.log(`failed to load: ${file.name}`);
  // An error outside of every test fails the run as well.
  const stray = result.status !== 0 && numFailedTests + broken.length === 0 ? 1 : 0;
  line = `${numPassedTests} passed, ${numFailedTests + broken.length + stray} failed, ${numPendingTests + numTodoTests} skipped`;
} catch (error) {
  line = `0 passed, 1 failed, 0 skipped`;
  console.error(`no test report: ${error.message}`);
}
rmSync(report, { force: true });
console.log(line);
process.exit(result.status ?? 1);
