import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Suite, unpackFromDebian, whyNot } from "./debian.ts";
import { findSbin } from "./programs.ts";

export interface NatsBinary {
  readonly path: string;
  /** `2.10.27` */
  readonly version: string;
}

/**
 * A nats-server newer than the system's, whose replicated buckets can be trusted (see `versions.ts` of the broker
 * floor): the one installed where that is new enough, else the package of a later Debian suite, unpacked into
 * `.cache/` and never installed. `undefined` with a reason on stderr where there is neither.
 */
export function newerNats(suite: Suite = "trixie"): NatsBinary | undefined {
  const installed = process.env["NATS_SERVER_BIN"] ?? findSbin("nats-server");
  if (installed !== undefined && existsSync(installed)) {
    const version = natsVersion(installed);
    if (clusters(version)) return { path: installed, version };
  }
  try {
    const root = unpackFromDebian({ suite, name: "nats-server", packages: ["nats-server"] });
    const path = join(root, "usr/sbin/nats-server");
    return { path, version: natsVersion(path) };
  } catch (error) {
    console.error(`no nats-server of Debian ${suite} to be had: ${whyNot(error)}`);
    return undefined;
  }
}

/** Of the Go module; its Debian package is as new in a later suite only. */
const NEWEST_BY_GO = "v2.15.3";

/**
 * The newest nats-server that can be had without installing it: Debian sid's, unpacked in seconds, or built by Go in a
 * minute. @throws Error where there is neither.
 */
export function newestNats(): NatsBinary {
  try {
    const root = unpackFromDebian({ suite: "sid", name: "nats-server", packages: ["nats-server"] });
    const path = join(root, "usr/sbin/nats-server");
    return { path, version: natsVersion(path) };
  } catch (error) {
    const path = buildByGo(whyNot(error));
    return { path, version: natsVersion(path) };
  }
}

function buildByGo(noPackage: string): string {
  const bin = join(import.meta.dirname, "../../.cache", `nats-server-${NEWEST_BY_GO}`);
  const path = join(bin, "nats-server");
  if (existsSync(path)) return path;
  try {
    const env = { ...process.env, GOBIN: bin };
    const target = `github.com/nats-io/nats-server/v2@${NEWEST_BY_GO}`;
    execFileSync("go", ["install", target], { env, stdio: "pipe", timeout: 600_000 });
  } catch (error) {
    throw new Error(`no newer nats-server: by Debian: ${noPackage}; by Go: ${whyNot(error)}`);
  }
  return path;
}

export function natsVersion(path: string): string {
  const text = execFileSync(path, ["--version"], { encoding: "utf8" });
  return /v(\d+\.\d+\.\d+)/.exec(text)?.[1] ?? "0.0.0";
}

/** Compare-and-swap holds on replicated buckets from 2.10.20 on. */
export function clusters(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number);
  return major > 2 || (major === 2 && (minor > 10 || (minor === 10 && patch >= 20)));
}
