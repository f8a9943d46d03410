import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadConfig } from "../../../src/ops/config/config.ts";
import { ROOT, read, readYaml, type Tree } from "./files.ts";

const file = readYaml("docker-compose.yml");
const services = Object.entries(file["services"] as unknown as Record<string, Tree>);

describe("docker-compose.yml", () => {
  it("hardens every container", () => {
    for (const [name, service] of services) {
      expect(service["read_only"], name).toBe(true);
      expect(service["cap_drop"], name).toEqual(["ALL"]);
      expect(service["security_opt"], name).toEqual(["no-new-privileges:true"]);
      expect(service["privileged"], name).toBeUndefined();
      expect(service["healthcheck"]?.["test"], name).toBeDefined();
    }
    expect(services.filter(([, service]) => service["cap_add"] !== undefined).map(([name]) => name)).toEqual([
      "samba",
    ]);
  });

  it("opens ports on this machine's loopback only", () => {
    const ports = services.flatMap(([, service]) => (service["ports"] ?? []) as unknown as string[]);
    expect(ports.length).toBeGreaterThan(0);
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
  });

  it("waits for health, of what is there", () => {
    for (const [name, service] of services) {
      for (const [other, { condition }] of Object.entries(
        (service["depends_on"] ?? {}) as unknown as Record<string, { condition: string }>,
      )) {
        expect(condition, `${name} on ${other}`).toBe("service_healthy");
        expect(services.map(([one]) => one)).toContain(other);
      }
    }
  });

  it("pins every image", () => {
    for (const [name, service] of services) {
      expect(String(service["image"]), name).toMatch(/:v?\d+\.\d+\.\d+(-[a-z]+)?$/);
    }
    expect(read("Dockerfile")).toMatch(/^ARG NODE_IMAGE=node:\d+\.\d+\.\d+-bookworm-slim$/m);
    expect(read("deploy/samba/Dockerfile")).toMatch(/^ARG DEBIAN_IMAGE=debian:\d+\.\d+-slim$/m);
  });

  it("hands secrets over as files", () => {
    for (const [name, service] of services) {
      const environment = (service["environment"] ?? {}) as unknown as Record<string, unknown>;
      const secrets = Object.keys(environment).filter((key) => /PASSWORD|TOKEN|SECRET/.test(key));
      expect(
        secrets.filter((key) => !/_FILE$/.test(key)),
        name,
      ).toEqual([]);
    }
    for (const name of Object.keys(file["secrets"] as object)) {
      expect(read(String(file["secrets"]?.[name]?.["file"])).trim()).not.toBe("");
    }
  });

  it("keeps the file server where only the workers are", () => {
    const on = (network: string): string[] =>
      services
        .filter(([, service]) => (service["networks"] as unknown as string[]).includes(network))
        .map(([name]) => name);
    expect(on("files")).toEqual(["samba", "worker"]);
    expect(file["networks"]?.["files"]?.["internal"]).toBe(true);
  });

  it.each(["worker", "gateway"])("gives the %s a configuration that it accepts", (role) => {
    const environment = file["services"]?.[role]?.["environment"] as unknown as Record<string, string>;
    const { SMB2NATS_CONFIG: mounted, ...env } = environment;
    expect(file["services"]?.[role]?.["volumes"]?.[0]).toBe(`./deploy/compose/smb2nats.yaml:${mounted}:ro`);
    const { config } = loadConfig({ file: join(ROOT, "deploy/compose/smb2nats.yaml"), env });
    expect(config.http.host).toBe("0.0.0.0");
    expect(config.nats.servers).toEqual(["nats://nats:4222"]);
    expect(config.connections["media"]?.passwordFile).toBe("/run/secrets/smb-password");
    const grace = Number.parseInt(String(file["services"]?.[role]?.["stop_grace_period"]), 10);
    expect(grace).toBeGreaterThan(Math.max(config.worker.drainSeconds, config.gateway.drainSeconds) + 10);
  });
});

describe("Dockerfile", () => {
  const text = read("Dockerfile");

  it("ends as a user that is not root, with a health check", () => {
    expect(text.match(/^USER .*$/gm)).toEqual(["USER 65532:65532"]);
    expect(text).toMatch(/^HEALTHCHECK .*"health"\]$/m);
    expect(text).not.toMatch(/^ADD /m);
  });

  it("sees only what it builds from", () => {
    const lines = read(".dockerignore")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"));
    expect(lines[0]).toBe("**");
    expect(lines.slice(1).filter((line) => !line.startsWith("!"))).toEqual([]);
  });
});
