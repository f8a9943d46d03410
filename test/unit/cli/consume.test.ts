import { describe, expect, it } from "vitest";
import { sleep } from "../../../src/base/async.ts";
import { AbortedError } from "../../../src/base/errors.ts";
import { canonicalPath } from "../../../src/base/path.ts";
import { parseInvocation } from "../../../src/cli/command.ts";
import { tail } from "../../../src/cli/commands/tail.ts";
import { consume, consumerOptions } from "../../../src/cli/compose/consume.ts";
import type { StreamEvent } from "../../../src/share/watch-stream.ts";
import { fakeTerminal } from "./terminal.ts";

const path = canonicalPath("/a");
const LIVE: StreamEvent = { type: "live", path };
const CHANGES: StreamEvent = {
  type: "changes",
  path,
  via: "notify",
  changes: [{ action: "added", name: "x" }],
};
const RESYNC: StreamEvent = { type: "resync", path, scope: "self", reason: "overflow" };
const STATE: StreamEvent = { type: "state", path, state: "unreachable", mode: "notify" };

async function run(args: string[], events: StreamEvent[]): Promise<{ code: number; lines: unknown[] }> {
  const { context, stdout } = fakeTerminal();
  const invocation = parseInvocation(tail.spec, ["//nas/media", "--json", ...args]);
  const code = await consume<StreamEvent>({
    options: consumerOptions(invocation, context),
    context,
    signal: new AbortController().signal,
    open: async (signal) =>
      (async function* (): AsyncGenerator<StreamEvent> {
        yield* events;
        await sleep(60_000, { signal }).catch((error: unknown) => {
          throw new AbortedError(error);
        });
      })(),
    shown: (event) => event,
    written: (event) => event.type,
  });
  const lines = stdout.text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as unknown);
  return { code, lines };
}

describe("enough", () => {
  it("is after --count batches; live and states are none", async () => {
    expect(await run(["--count", "2"], [LIVE, STATE, CHANGES, RESYNC, CHANGES])).toEqual({
      code: 0,
      lines: ["live", "state", "changes", "resync"],
    });
  });

  it("does not begin with the takeover of a watch that was made for us", async () => {
    const takeover: StreamEvent = { type: "resync", path, scope: "self", reason: "takeover" };
    const { lines } = await run(["--count", "2"], [LIVE, takeover, CHANGES, takeover, CHANGES]);
    expect(lines).toEqual(["live", "resync", "changes", "resync"]);
  });

  it("is after --wait, with 124 where --count asked for more", async () => {
    expect((await run(["--wait", "0.05"], [LIVE, CHANGES])).code).toBe(0);
    expect((await run(["--wait", "0.05", "--count", "2"], [LIVE, CHANGES])).code).toBe(124);
  });

  it("is a failure where the watch was not even live", async () => {
    await expect(run(["--wait", "0.05"], [])).rejects.toThrow(/not live within 0\.05 s/);
  });
});

describe("options", () => {
  it.each([
    [["--count", "0"], '--count: "0" is not a whole number from 1'],
    [["--count", "1.5"], "--count"],
    [["--wait", "1e3"], '--wait: "1e3" is not a number'],
    [["--exec", "/nowhere/x"], '--exec: "/nowhere/x" is not an executable file'],
    [["--exec-jobs", "2"], "--exec-jobs says nothing without --exec"],
    [["--exec", "sh", "--exec-jobs", "65"], "--exec-jobs"],
    [["--", "left"], "what follows -- is for the program of --exec"],
  ])("%j is a usage error", (args, message) => {
    const { context } = fakeTerminal({ PATH: process.env["PATH"] });
    const invocation = parseInvocation(tail.spec, ["//nas/media", ...args]);
    expect(() => consumerOptions(invocation, context)).toThrow(message);
  });

  it("what stands behind -- is the program's, whatever it looks like", () => {
    const invocation = parseInvocation(tail.spec, [
      "//nas/media",
      "--exec",
      "sh",
      "--",
      "--json",
      "a b",
      "--",
    ]);
    expect(invocation.operands).toEqual(["//nas/media"]);
    expect(invocation.rest).toEqual(["--json", "a b", "--"]);
    expect(invocation.flag("json")).toBe(false);
  });
});
