import { execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const MAIN = join(import.meta.dirname, "../../dist/cli/main.js");

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

let folder: string;
beforeAll(() => {
  if (!existsSync(MAIN)) throw new Error("dist/ is not built: npm run build");
  folder = mkdtempSync(join(tmpdir(), "smb2nats-cli-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function smb2nats(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { env: { PATH: process.env["PATH"] ?? "", ...env }, timeout: 30_000 };
    const child = execFile(process.execPath, [MAIN, ...args], options, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode, stdout, stderr });
    });
    child.stdin?.end();
  });
}

describe("the command as users get it", () => {
  it("is a program", () => {
    expect(statSync(MAIN).mode & 0o111).not.toBe(0);
  });

  it("--help names every command of the contract, on stdout", async () => {
    const { code, stdout, stderr } = await smb2nats(["--help"]);
    expect([code, stderr]).toEqual([0, ""]);
    for (const name of [
      "up",
      "worker",
      "gateway",
      "tail",
      "ready",
      "check",
      "status",
      "watch",
      "subject",
      "config",
      "health",
    ]) {
      expect(stdout).toMatch(new RegExp(`^ {2}${name} +\\S`, "m"));
      expect((await smb2nats([name, "--help"])).stdout).toMatch(/^Examples$/m);
    }
  });

  it("--version has version and commit", async () => {
    const { code, stdout } = await smb2nats(["--version"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^smb2nats \d+\.\d+\.\d+ \([0-9a-f]{12}\)\n$/);
  });

  it.each([
    [[], 2, "Commands"],
    [["wroker"], 2, 'did you mean "worker"?'],
    [["tail"], 2, "something is missing"],
    [["tail", "nas/media"], 2, "is not a share: //server[:port]/share[/path]"],
    [["tail", "//u:hunter2@nas/media"], 2, "never an argument"],
    [["tail", "//nas/media", "--password=hunter2"], 2, "a password is read from the file"],
    [["tail", "//nas/media"], 2, "nobody to log in as"],
    [["tail", "//nas/media", "--username", "ann"], 2, "SMB2NATS_PASSWORD_FILE"],
    [["up"], 2, "nothing to watch"],
    [["check"], 2, "nothing to check"],
    [["worker", "--config", "/does/not/exist.yaml"], 78, "/does/not/exist.yaml: cannot be read"],
    [["health"], 69, "does not answer"],
  ])("%j ends with %i", async (args, code, line) => {
    const ended = await smb2nats(args, { SMB2NATS_HTTP_PORT: String(await unusedPort()) });
    expect(ended.stderr).toContain(line);
    expect(ended.stderr).not.toContain("hunter2");
    expect(ended.stdout).toBe("");
    expect(ended.code).toBe(code);
  });

  it("a password file that is not there ends with 78", async () => {
    const env = { SMB2NATS_USERNAME: "ann", SMB2NATS_PASSWORD_FILE: join(folder, "none") };
    const { code, stderr } = await smb2nats(["tail", "//127.0.0.1:1/x"], env);
    expect([code, stderr]).toEqual([78, expect.stringMatching(/secret file .*none: cannot be read.*ENOENT/)]);
  });

  it("config check reports all mistakes of a file at once", async () => {
    const file = join(folder, "bad.yaml");
    writeFileSync(
      file,
      "connections: { nas1: { server: nas, share: media, username: u, password: hunter2 } }\nhttp: { port: 94x }\nwatchs: []\n",
    );
    const { code, stderr } = await smb2nats(["config", "check", "--config", file]);
    expect(code).toBe(78);
    expect(stderr.split("\n").filter((line) => line.startsWith("error: "))).toHaveLength(3);
    expect(stderr).toContain("did you mean `connections.nas1.passwordFile`?");
    expect(stderr).not.toContain("hunter2");
  });

  it("a server that is away ends tail with 69, status without NATS too", async () => {
    const file = join(folder, "password");
    writeFileSync(file, "x\n", { mode: 0o600 });
    const port = await unusedPort();
    const env = { SMB2NATS_PASSWORD_FILE: file };
    const tail = await smb2nats(["tail", `//127.0.0.1:${port}/x`, "--username", "ann"], env);
    expect([tail.code, tail.stdout]).toEqual([69, ""]);
    expect(tail.stderr).toMatch(/cannot be reached: .*ECONNREFUSED/);
    const status = await smb2nats(["status"], { SMB2NATS_NATS_SERVERS: `nats://127.0.0.1:${port}` });
    expect([status.code, status.stdout]).toEqual([69, ""]);
  });

  it("does not mind that its reader leaves", async () => {
    const child = spawn(process.execPath, [MAIN, "config", "schema"], { stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.destroy();
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    const code = await new Promise((resolve) => child.on("close", resolve));
    expect([code, stderr]).toEqual([0, ""]);
  });

  it("has no colour in a pipe", async () => {
    expect((await smb2nats(["config", "print"], { FORCE_COLOR: "" })).stdout).not.toContain("\u001b");
  });
});

async function unusedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
