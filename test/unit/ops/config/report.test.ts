import { describe, expect, it } from "vitest";
import { variableOf } from "../../../../src/ops/config/env.ts";
import { configJsonSchema, configurationDocument } from "../../../../src/ops/config/report.ts";
import { envName, leavesOf, OPTIONS } from "../../../../src/ops/config/schema.ts";

describe("what the schema tells", () => {
  it("docs/configuration.md is equal to it", async () => {
    await expect(configurationDocument()).toMatchFileSnapshot("../../../../docs/configuration.md");
  });

  it("every option has a sentence, and a variable of its own", () => {
    const leaves = leavesOf(OPTIONS);
    expect(leaves.filter(({ option }) => !/\.$/.test(option.doc))).toEqual([]);
    expect(new Set(leaves.map(variableOf)).size).toBe(leaves.length);
  });

  it("every default is a value its own format takes", () => {
    const wrong = leavesOf(OPTIONS).filter(
      ({ option }) => option.format.problem(option.default) !== undefined,
    );
    expect(wrong.map(({ key }) => key)).toEqual([]);
  });

  it("names variables after keys", () => {
    expect(envName("gateway.auth.jwksUrl")).toBe("SMB2NATS_GATEWAY_AUTH_JWKS_URL");
    expect(envName("worker.leaseTtlMs")).toBe("SMB2NATS_WORKER_LEASE_TTL_MS");
  });

  it("the JSON Schema closes every object and names what is required", () => {
    const schema = configJsonSchema();
    expect(schema["$schema"]).toBe("https://json-schema.org/draft/2020-12/schema");
    const open: string[] = [];
    const walk = (node: unknown, path: string): void => {
      if (typeof node !== "object" || node === null) return;
      const { type, properties, additionalProperties } = node as Record<string, unknown>;
      if (type === "object" && properties !== undefined && additionalProperties !== false) open.push(path);
      for (const [key, inner] of Object.entries(node)) walk(inner, `${path}/${key}`);
    };
    walk(schema, "");
    expect(open).toEqual([]);
    expect(JSON.stringify(schema)).toContain('"required":["server","share"]');
  });
});
