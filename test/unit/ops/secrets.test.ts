import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isSecretName, readSecretFile, redactUrls, Secret } from "../../../src/ops/secrets.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "smb2nats-secret-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function file(name: string, content: string | Uint8Array, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

describe("Secret", () => {
  it("shows itself to nobody who does not ask by name", () => {
    const secret = new Secret("hunter2");
    const shown = [
      String(secret),
      `${secret}`,
      [secret].join(),
      JSON.stringify({ secret }),
      inspect(secret),
      inspect({ deep: { secret } }, { depth: 9, showHidden: true }),
      Object.values(secret).join(),
    ];
    expect(shown.join("\n")).not.toContain("hunter2");
    expect(shown[3]).toBe('{"secret":"[redacted]"}');
    expect(secret.reveal()).toBe("hunter2");
  });
});

describe("secret files", () => {
  it("lose one newline, not two", async () => {
    expect((await readSecretFile(file("a", "pa ss\n"))).secret.reveal()).toBe("pa ss");
    expect((await readSecretFile(file("b", "pass\r\n"))).secret.reveal()).toBe("pass");
    expect((await readSecretFile(file("c", "pass\n\n"))).secret.reveal()).toBe("pass\n");
    expect((await readSecretFile(file("d", "  "))).secret.reveal()).toBe("  ");
  });

  it("warn when the world may read them, and of white space that nobody sees", async () => {
    const warnings = async (text: string, mode = 0o600): Promise<string> =>
      (await readSecretFile(file("warn", text, mode))).warnings.join("; ");
    expect(await warnings("x", 0o644)).toMatch(/^is open to every user .*mode 644/);
    expect(await warnings("x", 0o640)).toBe("");
    for (const text of ["x ", "x \n", "x\n\n", "x\t\r\n", " x", "x\u00a0"]) {
      expect(await warnings(text), JSON.stringify(text)).toMatch(/^begins or ends in white space/);
    }
    for (const text of ["x", "x\n", "x\r\n", "two words", "-----BEGIN-----\nx\n-----END-----\n\n"]) {
      expect(await warnings(text), JSON.stringify(text)).toBe("");
    }
  });

  it("are refused when empty, missing, binary or huge, and never quoted", async () => {
    await expect(readSecretFile(file("empty", "\n"))).rejects.toMatchObject({
      code: "SECRET_FILE",
      message: /is empty/,
    });
    await expect(readSecretFile(join(folder, "none"))).rejects.toMatchObject({
      message: /cannot be read/,
      cause: { code: "ENOENT" },
    });
    await expect(readSecretFile(folder)).rejects.toThrow(/not a regular file/);
    await expect(readSecretFile(file("binary", Buffer.from([0xff, 0xfe])))).rejects.toThrow(/not UTF-8/);
    await expect(readSecretFile(file("nul", "hunter2\0x"))).rejects.toThrow(/^(?!.*hunter2).*NUL/);
    await expect(readSecretFile(file("huge", Buffer.alloc(65_537, 0x61)))).rejects.toThrow(/larger/);
  });
});

describe("redaction", () => {
  it("hides user info and tokens of URLs", () => {
    expect(redactUrls("cannot reach nats://u:p@h:1, ws://h/ws?a=1&token=abc&b=2")).toBe(
      "cannot reach nats://[redacted]@h:1, ws://h/ws?a=1&token=[redacted]&b=2",
    );
  });

  it("knows names of secrets from names of files", () => {
    expect(["password", "a.b.token", "clientSecret", "nkeySeed"].every(isSecretName)).toBe(true);
    expect(["passwordFile", "tokensFile", "issuer"].some(isSecretName)).toBe(false);
  });
});
