// npm run test:node -- 22 [unit integration e2e]: the suites under another release line of Node, whose binary comes from
// the npm registry into .cache/node. package.json and its lock stay as they are. Without suites: unit.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { root, run, say } from "./setup.mjs";

const [line, ...suites] = process.argv.slice(2);
if (!/^\d+(\.\d+\.\d+)?$/.test(line ?? "")) {
  process.stderr.write("usage: npm run test:node -- 22 [unit] [integration] [e2e]\n");
  process.exit(2);
}
const name = `node-${process.platform}-${process.arch}`;
const home = join(root, ".cache", "node", line);
const bin = join(home, "node_modules", name, "bin");
if (!existsSync(join(bin, "node"))) {
  mkdirSync(home, { recursive: true });
  // A folder of its own: npm would else take the project's package.json for it.
  run("npm", [
    "install",
    "--prefix",
    home,
    "--no-save",
    "--no-package-lock",
    "--no-audit",
    "--no-fund",
    `${name}@${line}`,
  ]);
}
const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
const node = join(bin, "node");
const version = spawnSync(node, ["--version"], { encoding: "utf8" }).stdout.trim();
say(`Node ${version}`);
// By that very binary from the first line on: what it starts (vitest, the roles in e2e) are its own children.
const { status } = spawnSync(
  node,
  [join(root, "scripts", "test.mjs"), ...(suites.length === 0 ? ["unit"] : suites)],
  {
    cwd: root,
    env,
    stdio: "inherit",
  },
);
process.exitCode = status ?? 1;
