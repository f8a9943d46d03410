import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, it } from "vitest";
import { ROOT } from "../../support/oracles/code-blocks.ts";
import { Fleet, until } from "../fleet/harness.ts";

// Building it downloads its modules and takes a quarter of a minute of a processor, so it is asked for:
// GO_EXAMPLES=1 npx vitest run --project integration test/integration/docs/go-consumer.test.ts
const asked = process.env["GO_EXAMPLES"] === "1";

describe.skipIf(!asked)("examples/consumer-go (with GO_EXAMPLES=1, and Go)", () => {
  let folder: string;
  let binary: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "smb2nats-go-"));
    binary = join(folder, "consumer");
    const cwd = join(ROOT, "examples/consumer-go");
    execFileSync("go", ["vet", "."], { cwd, stdio: "pipe" });
    execFileSync("go", ["build", "-o", binary, "."], { cwd, stdio: "pipe" });
  }, 900_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(["binary", "structured"] as const)(
    "goes on where it stopped, with events in %s mode",
    async (mode) => {
      const fleet = await Fleet.start();
      let child: ChildProcess | undefined;
      let text = "";
      let log = "";
      const start = async (): Promise<void> => {
        log = "";
        const one = spawn(binary, ["-server", fleet.nats.url, "-filter", "smbin.nas1.>"], { stdio: "pipe" });
        child = one;
        one.stdout.on("data", (chunk: Buffer) => {
          text += chunk.toString();
        });
        one.stderr.on("data", (chunk: Buffer) => {
          log += chunk.toString();
        });
        await until("the consumer", () => log.includes("following"));
      };
      const stop = async (): Promise<void> => {
        const gone = new Promise((resolve) => child?.once("close", resolve));
        child?.kill("SIGTERM");
        await gone;
      };
      try {
        await fleet.worker({ publisher: { mode } });
        const member = await fleet.member();
        await member.acquire({ connection: "nas1", path: "/Über uns", recursive: true }).ready;
        await start();
        let tries = 0;
        await until("the first change", async () => {
          fleet.share.add("/Über uns", `a${++tries}`);
          await new Promise((resolve) => setTimeout(resolve, 200));
          return /^added\t\/Über uns\ta\d+\t$/m.test(text);
        });
        await stop();
        fleet.share.add("/Über uns", "while it was away");
        await start();
        await until("what it missed", () => text.includes("added\t/Über uns\twhile it was away\t"));
        await stop();
      } finally {
        child?.kill("SIGKILL");
        await fleet.close();
      }
    },
  );
});
