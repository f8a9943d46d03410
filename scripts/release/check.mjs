// npm run release:check: what a release must pass beyond `npm run check`, with tools that are fetched for it by npm.
// Ends with 1 when anything is wrong; what could not be asked is said, and is not counted as passed.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root, setup } from "../setup.mjs";

const PUBLINT = "publint@0.3.25";
const ATTW = "@arethetypeswrong/cli@0.18.5";

setup([]);
const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const pinned = () => Object.entries({ ...dependencies, ...optionalDependencies });
const view = (what, field) => JSON.parse(call("npm", ["view", what, field, "--json"]) || "[]");
const work = mkdtempSync(join(tmpdir(), "smb2nats-release-"));
const results = [];
try {
  check("the same sources give the same build", () => {
    const [first, second] = [build(), build()];
    if (first !== second) throw new Error(`${first} and ${second}`);
    return `sha256 ${first.slice(0, 16)}`;
  });
  const tarball = check("npm pack", () => {
    // Up to npm 11 a list, from 12 on a map from names.
    const packed = JSON.parse(
      call("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", work]),
    );
    const [{ filename, files, unpackedSize }] = Object.values(packed);
    return {
      path: join(work, filename),
      note: `${files.length} files, ${(unpackedSize / 2 ** 20).toFixed(1)} MiB`,
    };
  })?.path;
  check("publint", () => call("npx", ["--yes", PUBLINT, "run", root, "--strict"]) && "no findings");
  if (tarball !== undefined) {
    // ES modules only, as `engines` and the docs say: what CommonJS cannot do is no finding.
    check(
      "are the types wrong?",
      () => call("npx", ["--yes", ATTW, tarball, "--profile", "esm-only"]) && "no",
    );
    check("installs, runs and can be imported", () => installs(tarball));
  }
  check("npm audit, what is shipped", audit);
  check("what is shipped is the newest of its major", newest);
  check("what is shipped is not deprecated", deprecations);
} finally {
  rmSync(work, { recursive: true, force: true });
}
for (const { name, outcome, note } of results) console.log(`${outcome.padEnd(8)} ${name}: ${note}`);
process.exitCode = results.some(({ outcome }) => outcome === "FAILED") ? 1 : 0;

function check(name, run) {
  try {
    const value = run();
    const { outcome = "ok", note = value } = value;
    results.push({ name, outcome, note });
    return value;
  } catch (error) {
    results.push({ name, outcome: "FAILED", note: error.message });
    return undefined;
  }
}

function build() {
  rmSync(join(root, "dist"), { recursive: true, force: true });
  call(process.execPath, [join(root, "scripts", "build.mjs")]);
  const hash = createHash("sha256");
  const entries = readdirSync(join(root, "dist"), { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  for (const file of files.sort()) hash.update(file).update("\0").update(readFileSync(file)).update("\0");
  return hash.digest("hex");
}

function installs(tarball) {
  const options = { cwd: work };
  call("npm", ["init", "--yes"], options);
  call(
    "npm",
    ["install", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund", tarball],
    options,
  );
  const version = call(join(work, "node_modules", ".bin", "smb2nats"), ["--version"], options).trim();
  const source =
    'const { SmbClient } = await import("smb2nats"); const { connect } = await import("smb2nats/client"); const { connectWatchClient } = await import("smb2nats/nats"); console.log(typeof SmbClient.connect, typeof connect, typeof connectWatchClient)';
  const types = call(process.execPath, ["--input-type=module", "-e", source], options).trim();
  if (types !== "function function function") throw new Error(types);
  return version;
}

function audit() {
  const { status, stdout } = spawnSync("npm", ["audit", "--omit=dev", "--json"], {
    cwd: root,
    encoding: "utf8",
  });
  const report = JSON.parse(stdout);
  if (report.metadata === undefined) {
    const said = report.message ?? report.error?.summary ?? "no answer";
    return { outcome: "skipped", note: `this npm registry does not answer (${said.split("\n")[0].trim()})` };
  }
  if (status !== 0) throw new Error(JSON.stringify(report.metadata.vulnerabilities));
  return "no known weakness";
}

/** No audit, but where a fix would be. */
function newest() {
  const byNumber = new Intl.Collator("en", { numeric: true }).compare;
  const behind = pinned().flatMap(([name, version]) => {
    const last = [view(`${name}@^${version}`, "version")].flat().sort(byNumber).at(-1);
    return last === version ? [] : [`${name} ${version}, there is ${last}`];
  });
  return behind.length === 0
    ? `all ${pinned().length} packages`
    : { outcome: "look", note: behind.join("; ") };
}

function deprecations() {
  // Given up in 2020. A registry that does not know keeps no such marks.
  if (view("request@2.88.2", "deprecated").length === 0)
    return { outcome: "skipped", note: "this npm registry tells no deprecations" };
  const found = pinned().filter(([name, version]) => view(`${name}@${version}`, "deprecated").length > 0);
  if (found.length > 0) throw new Error(found.map((pin) => pin.join(" ")).join(", "));
  return "none";
}

function call(command, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 64 << 20,
    ...options,
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stdout}${stderr}`);
  return stdout;
}
