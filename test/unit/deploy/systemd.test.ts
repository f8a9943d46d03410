import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadConfig } from "../../../src/ops/config/config.ts";
import { execute, program, ROOT, read } from "./files.ts";

const ROLES = ["worker", "gateway"] as const;
const unit = (role: string): string => read(`deploy/systemd/smb2nats-${role}.service`);
const setting = (role: string, name: string): string[] =>
  [...unit(role).matchAll(new RegExp(`^${name}=(.*)$`, "gm"))].map(([, value]) => value ?? "");

describe("systemd units", () => {
  it("give a role the time that it takes to leave", () => {
    const { config } = loadConfig({ env: {} });
    for (const role of ROLES) {
      expect(Number(setting(role, "TimeoutStopSec")[0])).toBeGreaterThanOrEqual(
        config[role].drainSeconds + 10,
      );
    }
  });

  it("do not listen on one port for operators", () => {
    expect(setting("worker", "Environment").join(" ")).not.toContain("SMB2NATS_HTTP_PORT");
    expect(setting("gateway", "Environment").join(" ")).toContain("SMB2NATS_HTTP_PORT=9465");
  });

  it("have secrets of their own, and the example says where a role finds them", () => {
    for (const role of ROLES) {
      expect(setting(role, "LoadCredential")).toEqual([`secrets:/etc/smb2nats/${role}.secrets`]);
      expect(read("deploy/systemd/smb2nats.yaml")).toContain(
        `/run/credentials/smb2nats-${role}.service/secrets_`,
      );
    }
  });

  it("come with a configuration that can be used, as it is and with its example taken in", () => {
    const folder = mkdtempSync(join(tmpdir(), "smb2nats-systemd-"));
    try {
      const file = join(folder, "smb2nats.yaml");
      const text = read("deploy/systemd/smb2nats.yaml");
      writeFileSync(file, text);
      expect(loadConfig({ file, env: {} }).config.connections).toEqual({});
      const example = text
        .replace("connections: {}\n", "connections:\n")
        .replaceAll(/^#(?=( {2,}| (watches|gateway):))/gm, "");
      writeFileSync(
        file,
        example
          .replaceAll(/^ (?=(watches|gateway):)/gm, "")
          .replaceAll(/^ {3}(?=(- \{|host:|auth:))/gm, "  "),
      );
      const { config } = loadConfig({ file, env: {} });
      expect(Object.keys(config.connections)).toEqual(["nas1"]);
      expect(config.watches).toHaveLength(1);
      expect(config.gateway.auth.mode).toBe("tokens");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  const analyze = program("systemd-analyze", "SYSTEMD_ANALYZE_BIN");
  it.skipIf(analyze === undefined)("are understood by systemd (Debian package systemd)", async () => {
    const folder = mkdtempSync(join(tmpdir(), "smb2nats-units-"));
    try {
      const files = ROLES.map((role) => {
        const file = join(folder, `smb2nats-${role}.service`);
        // It looks whether the program is there.
        writeFileSync(file, unit(role).replaceAll("/usr/bin/smb2nats", "/bin/true"));
        return file;
      });
      expect(await execute(analyze ?? "", ["verify", ...files])).toMatchObject({ code: 0, out: "" });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("and package are made by scripts that a shell and Node can read", async () => {
    expect((await execute("sh", ["-n", join(ROOT, "scripts/release/deb-try.sh")])).code).toBe(0);
    expect((await execute(process.execPath, ["--check", join(ROOT, "scripts/release/deb.mjs")])).code).toBe(
      0,
    );
  });
});
