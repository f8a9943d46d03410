import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { AbortedError } from "../../../src/base/errors.ts";
import { createLog, type Log } from "../../../src/ops/log.ts";
import { Secret } from "../../../src/ops/secrets.ts";
import { Summary } from "../../../src/ops/summary.ts";

async function recorder(
  level: "debug" | "info" = "info",
): Promise<{ log: Log; lines: () => Record<string, unknown>[] }> {
  const text: string[] = [];
  const log = await createLog({ level, format: "json" }, { write: (line) => text.push(line) });
  return { log, lines: () => text.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

describe("log", () => {
  it("is one line of JSON an event, with a stable name", async () => {
    const { log, lines } = await recorder();
    log.info("smb.connected", "connected", { connection: "nas1", ms: 3 });
    log.debug("x", "not written");
    expect(lines()).toEqual([
      {
        level: "info",
        time: expect.stringMatching(/^\d{4}-.*Z$/),
        event: "smb.connected",
        connection: "nas1",
        ms: 3,
        message: "connected",
      },
    ]);
  });

  it("writes no secret, however it gets there", async () => {
    const { log, lines } = await recorder();
    log.error("x", "cannot reach nats://user:hunter2@host and wss://h/ws?token=hunter2", {
      password: "hunter2",
      nested: { token: "hunter2", deep: { secret: "hunter2" } },
      wrapped: new Secret("hunter2"),
      error: new Error("at nats://user:hunter2@host"),
    });
    expect(JSON.stringify(lines())).not.toContain("hunter2");
    expect(lines()[0]).toMatchObject({ password: "[redacted]", wrapped: "[redacted]" });
  });

  it("tells errors with code and causes; a stack only of foreign ones", async () => {
    const { log, lines } = await recorder();
    log.warn("x", "failed", { error: new AbortedError(new Error("because")) });
    expect(lines()[0]?.["error"]).toMatchObject({
      type: "AbortedError",
      code: "ABORTED",
      conclusion: "aborted",
      cause: { message: "because", stack: expect.any(String) },
    });
    expect(lines()[0]?.["error"]).not.toHaveProperty("stack");
  });

  it.each(["json", "pretty"] as const)("lets no name act upon a terminal (%s)", async (format) => {
    const text: string[] = [];
    const log = await createLog({ level: "info", format }, { write: (line) => text.push(line) });
    const name = "a\u001b[2J\u009b2J\u007f\nforged\u202e\u2028\u200b";
    const error = new Error(name, { cause: new AbortedError(new Error(name)) });
    log.warn("x", `about ${name}`, { path: name, [name]: name, nested: { names: [name] }, error });
    const shown = text.join("");
    expect(shown.match(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu)?.filter((char) => char !== "\n") ?? []).toEqual([]);
    expect(shown).not.toMatch(/^forged/m);
    expect(shown).toContain("forged");
    if (format === "json") expect(JSON.parse(shown)).toMatchObject({ path: name, message: `about ${name}` });
  });

  it("changes its level while running", async () => {
    const { log, lines } = await recorder();
    log.setLevel("error");
    log.warn("x", "quiet");
    log.setLevel("debug");
    log.debug("x", "loud");
    expect(lines().map((line) => line["message"])).toEqual(["loud"]);
  });

  it("is for people on a terminal", async () => {
    const text: string[] = [];
    const log = await createLog(
      { level: "info", format: "auto" },
      { isTTY: true, write: (line) => text.push(line) },
    );
    log.info("smb.connected", "connected", { connection: "nas1" });
    expect(text.join("")).toMatch(/^\[\d\d:\d\d:\d\d\.\d+\] INFO: connected .*"connection":"nas1"/);
  });
});

describe("Summary", () => {
  it("tells the first at once, then counts", async () => {
    const { log, lines } = await recorder();
    const clock = new ManualClock();
    const summary = new Summary(log, { clock, everyMs: 10_000 });
    for (let i = 0; i < 5; i++) summary.warn("nas1", "smb.dial-failed", "no answer", { attempt: i });
    expect(lines()).toHaveLength(1);
    await clock.advance(10_000);
    expect(lines()[1]).toMatchObject({ event: "smb.dial-failed", attempt: 4, repeated: 4, seconds: 10 });
    await clock.advance(10_000);
    expect(lines()).toHaveLength(2);
    summary.warn("nas1", "smb.dial-failed", "no answer", { attempt: 6 });
    expect(lines()[2]).toMatchObject({ attempt: 6 });
    expect(lines()[2]).not.toHaveProperty("repeated");
  });

  it("goes on telling while it goes on failing", async () => {
    const { log, lines } = await recorder();
    const clock = new ManualClock();
    const summary = new Summary(log, { clock, everyMs: 10_000 });
    for (let i = 0; i < 30; i++) {
      summary.warn("k", "e", "m");
      await clock.advance(1_000);
    }
    expect(lines()).toHaveLength(4);
    expect(
      lines().reduce((sum, line) => sum + (typeof line["repeated"] === "number" ? line["repeated"] : 1), 0),
    ).toBe(30);
  });

  it("tells the rest when it is over, keeps keys apart and bounded, leaves no timer", async () => {
    const { log, lines } = await recorder();
    const clock = new ManualClock();
    const summary = new Summary(log, { clock, maxKeys: 2 });
    for (const key of ["a", "a", "b", "c", "c"]) summary.warn(key, key, "m");
    expect(lines().map((line) => line["event"])).toEqual(["a", "b", "a", "c"]);
    summary.clear("c");
    expect(lines().at(-1)).toMatchObject({ event: "c", repeated: 1 });
    summary.close();
    expect(clock.pending).toBe(0);
  });
});
