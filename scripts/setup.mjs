// Brings a fresh machine to where everything here runs: npm packages, and by apt samba, smbclient,
// nats-server (and for tests chromium and an MIT KDC). Plain JavaScript: it runs before anything is installed.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

const SBIN = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/local/samba/sbin"];
const PROGRAMS = {
  smbd: "samba",
  smbclient: "smbclient",
  "nats-server": "nats-server",
  chromium: "chromium",
  krb5kdc: "krb5-kdc",
  "kadmin.local": "krb5-admin-server",
  kinit: "krb5-user",
  faketime: "faketime",
  "impacket-netview": "python3-impacket",
  promtool: "prometheus",
  nginx: "nginx",
  haproxy: "haproxy",
  caddy: "caddy",
};

export function find(program) {
  const override = { "nats-server": process.env.NATS_SERVER_BIN, chromium: process.env.CHROMIUM_BIN }[
    program
  ];
  if (override !== undefined && existsSync(override)) return override;
  const dirs = [...(process.env.PATH ?? "").split(":"), ...SBIN];
  return dirs.map((dir) => join(dir, program)).find((file) => existsSync(file));
}

/**
 * Makes sure the named programs and the npm packages are there. Ends the process with advice where it cannot;
 * `optional` programs are installed where that is possible, and else told of.
 */
export function setup(programs, optional = []) {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19))
    fail(`Node ${process.versions.node} is too old: 20.19 or newer is needed.`);
  const release = lock("setup");
  try {
    const able = find("apt-get") !== undefined && process.getuid?.() === 0;
    const absent = optional.filter((program) => find(program) === undefined);
    if (!able && absent.length > 0) {
      const packages = absent.map((program) => PROGRAMS[program]);
      say(`not installed: ${absent.join(", ")}; what needs them is skipped (Debian: ${packages.join(" ")})`);
    }
    installSystem(able ? [...programs, ...absent] : programs);
    installPackages();
  } finally {
    release();
  }
}

function installSystem(programs) {
  const missing = programs.filter((program) => find(program) === undefined);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((program) => PROGRAMS[program]))];
  const byHand = `  apt-get install --no-install-recommends ${packages.join(" ")}`;
  if (find("apt-get") === undefined) {
    fail(
      `Not installed: ${missing.join(", ")}, and there is no apt here. Install them with your system's packages (on Debian: ${packages.join(" ")}), or use "docker compose up".`,
    );
  }
  if (process.getuid?.() !== 0)
    fail(`Not installed: ${missing.join(", ")}. As root, run:\n${byHand}\nor use "docker compose up".`);
  say(`installing by apt: ${packages.join(", ")} (about a minute)`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  // Servers are ours to start: keep the packages from starting the system's own.
  const policy = "/usr/sbin/policy-rc.d";
  const ownPolicy = !existsSync(policy);
  if (ownPolicy) writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    const apt = ["-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3", "-qq"];
    run("apt-get", [...apt, "update"], { env });
    run("apt-get", [...apt, "install", "-y", "--no-install-recommends", ...packages], { env });
  } finally {
    if (ownPolicy) rmSync(policy, { force: true });
  }
  const still = missing.filter((program) => find(program) === undefined);
  if (still.length > 0)
    fail(`apt installed ${packages.join(", ")}, but ${still.join(", ")} cannot be found.`);
}

function installPackages() {
  const stamp = join(root, "node_modules", ".setup-stamp");
  const wanted = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  // Written after a complete install only: an interrupted one is done again.
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  say("installing npm packages");
  run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: root });
  writeFileSync(stamp, wanted);
}

/** One at a time: a folder is made atomically, and a dead owner's is taken over. Returns the release. */
export function lock(name) {
  const path = join(root, ".cache", `${name}.lock`);
  mkdirSync(dirname(path), { recursive: true });
  const deadline = Date.now() + 15 * 60_000;
  let told = false;
  for (;;) {
    try {
      mkdirSync(path);
      writeFileSync(join(path, "pid"), String(process.pid));
      return () => rmSync(path, { recursive: true, force: true });
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    if (ownerIsDead(path)) rmSync(path, { recursive: true, force: true });
    else if (Date.now() > deadline)
      fail(`another run holds ${path} for too long; remove that folder if none runs`);
    else {
      if (!told) say(`waiting for another ${name} to finish`);
      told = true;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    }
  }
}

function ownerIsDead(path) {
  try {
    process.kill(Number(readFileSync(join(path, "pid"), "utf8")), 0);
    return false;
  } catch (error) {
    if (error.code === "ESRCH") return true;
    // No pid in it yet: its owner is between two calls, or died there.
    return error.code === "ENOENT" && Date.now() - age(path) > 5_000;
  }
}

function age(path) {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return Date.now();
  }
}

export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { stdio: ["ignore", 2, 2], ...options });
  if (result.error !== undefined) fail(`${command}: ${result.error.message}`);
  if (result.status !== 0) fail(`${command} ${args.join(" ")} failed (${result.status ?? result.signal})`);
}

export function say(text) {
  process.stderr.write(`setup: ${text}\n`);
}

function fail(text) {
  process.stderr.write(`setup: ${text}\n`);
  process.exit(1);
}
