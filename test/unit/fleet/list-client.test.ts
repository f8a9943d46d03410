import { describe, expect, it } from "vitest";
import { deferred } from "../../../src/base/async.ts";
import { ManualClock } from "../../../src/base/clock.ts";
import { AbortedError } from "../../../src/base/errors.ts";
import type { BrokerLink, CoreMessage } from "../../../src/broker/port.ts";
import { Subjects } from "../../../src/broker/subjects.ts";
import { requestList } from "../../../src/fleet/list-client.ts";

const message = (body: unknown): CoreMessage => ({
  subject: "reply",
  reply: undefined,
  data: new TextEncoder().encode(JSON.stringify(body)),
  header: () => undefined,
  respond: () => false,
});

function setUp() {
  const clock = new ManualClock();
  const asked: ReturnType<typeof deferred<CoreMessage>>[] = [];
  const signals: (AbortSignal | undefined)[] = [];
  const link = {
    subjects: new Subjects(),
    request: (_: string, __: Uint8Array, { signal }: { signal?: AbortSignal }) => {
      const answer = deferred<CoreMessage>();
      asked.push(answer);
      signals.push(signal);
      signal?.addEventListener("abort", () => answer.reject(new AbortedError("done")));
      return answer.promise;
    },
  } as unknown as BrokerLink;
  const listing = requestList(link, { connection: "nas1", path: "/" }, { timeoutMs: 30_000, clock });
  return { clock, asked, signals, listing };
}

describe("a listing asked of the fleet", () => {
  it("asks once when the answer comes in time", async () => {
    const { clock, asked, listing } = setUp();
    asked[0]?.resolve(message({ entries: [] }));
    expect(await listing).toEqual({ entries: [] });
    await clock.advance(60_000);
    expect([asked.length, clock.pending]).toEqual([1, 0]);
  });

  it("asks again when a worker died with the question, and hears whoever answers first", async () => {
    const { clock, asked, signals, listing } = setUp();
    await clock.advance(3_000);
    expect(asked).toHaveLength(2);
    await clock.advance(5_000);
    expect(asked).toHaveLength(3);
    asked[1]?.resolve(message({ entries: [], next: "x" }));
    expect(await listing).toEqual({ entries: [], next: "x" });
    expect(signals.every((signal) => signal?.aborted)).toBe(true);
    expect(clock.pending).toBe(0);
  });
});
