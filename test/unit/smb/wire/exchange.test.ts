import { beforeEach, describe, expect, it } from "vitest";
import { Command } from "../../../../src/codec/header.ts";
import { encodeEchoRequest } from "../../../../src/codec/msg/echo.ts";
import { DEFAULT_TIMEOUTS } from "../../../../src/smb/options.ts";
import { Exchange } from "../../../../src/smb/wire/exchange.ts";
import { Call } from "../../../../src/smb/wire/request.ts";
import { Telemetry } from "../../../../src/smb/wire/telemetry.ts";

let now = 0;
let frames: Uint8Array[] = [];
let destroyed: Error[] = [];
let exchange: Exchange;

beforeEach(() => {
  now = 1_000;
  frames = [];
  destroyed = [];
  exchange = new Exchange(64, {
    telemetry: new Telemetry("nas1"),
    timeouts: DEFAULT_TIMEOUTS,
    now: () => now,
    outbound: () => ({ multiCredit: true, sessionId: 0n, security: undefined }),
    send: (frame) => frames.push(frame),
    lookSoon: () => undefined,
    destroy: (error) => destroyed.push(error),
  });
});

/** Its failure, once it has one. */
function submitted(payload = 0): { readonly call: Call; readonly failure: () => unknown } {
  const call = new Call({ command: Command.ECHO, body: encodeEchoRequest(), payload }, 30_000);
  exchange.submit([call]);
  return { call, failure: () => call.failure };
}
const told = async (): Promise<void> => void (await new Promise((resolve) => setImmediate(resolve)));

describe("an exchange of requests and answers", () => {
  it("sends what it has credits for, and takes what waits back when it is given up", async () => {
    const [first, second] = [submitted(), submitted()];
    expect([first.call.state, second.call.state, frames.length]).toEqual(["sent", "new", 1]);
    exchange.giveUp(second.call, new Error("not wanted any more"));
    exchange.credits.grant(10, true);
    await told();
    expect(second.failure()).toMatchObject({ message: "not wanted any more" });
    expect(frames).toHaveLength(1);
  });

  it("does not wait for what no credit will ever pay for", async () => {
    exchange.credits.grant(1, false);
    const dear = submitted(1 << 20);
    await told();
    expect(dear.failure()).toMatchObject({ code: "SMB_CREDITS" });
    expect(destroyed).toEqual([]);
  });

  it("gives a connection up that has no credits, and that brings none in time", async () => {
    submitted();
    submitted();
    now += DEFAULT_TIMEOUTS.requestMs - 1;
    exchange.overdue(now);
    expect(destroyed).toEqual([]);
    exchange.overdue(++now);
    expect(destroyed).toEqual([expect.objectContaining({ code: "SMB_CREDITS" })]);
  });

  it("ends what has waited for too long, and counts a late answer no more", async () => {
    const { call, failure } = submitted();
    now += 30_001;
    exchange.overdue(now);
    await told();
    expect(failure()).toMatchObject({ code: "SMB_TIMEOUT" });
    expect([call.state, exchange.pending.impatient]).toEqual(["abandoned", 0]);
  });

  it("ends with the connection: what was sent may have been done, what was not was not", async () => {
    const [sent, waiting] = [submitted(), submitted()];
    exchange.end(new Error("the cable"));
    await told();
    expect(sent.failure()).toMatchObject({ message: "the cable" });
    expect(waiting.failure()).toMatchObject({ code: "SMB_NOT_SENT" });
  });
});
