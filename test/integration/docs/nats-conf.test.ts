import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findSbin } from "../../../scripts/lab/programs.ts";
import { codeBlocks } from "../../support/oracles/code-blocks.ts";
import { ROLES } from "../broker/recommended-permissions.ts";

const blocks = codeBlocks()
  .filter(({ language }) => language === "conf")
  .map(({ where, text }) => [where, text] as const);
const binary = process.env["NATS_SERVER_BIN"] ?? findSbin("nats-server") ?? "nats-server";

describe("nats-server's configuration in the documentation", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "smb2nats-conf-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(blocks)("%s is accepted by the server", (_, text) => {
    const file = join(folder, "nats.conf");
    writeFileSync(file, text);
    const passwords = ROLES.map((role) => [`${role.toUpperCase()}_PASSWORD`, "secret"]);
    const env = { ...process.env, ...Object.fromEntries(passwords) };
    const { status, stderr, stdout } = spawnSync(binary, ["-t", "-c", file], { env, encoding: "utf8" });
    expect(`${stdout}${stderr}`).toContain("is valid");
    expect(status).toBe(0);
  });
});
