import { afterEach, describe, expect, it } from "vitest";
import { type Nats, startNats } from "../../../scripts/lab/nats.ts";
import { Scope } from "../../../src/base/scope.ts";
import { connectBroker } from "../../../src/broker/broker.ts";
import { observe } from "../../../src/cli/compose/observe.ts";
import { exitCodeOf } from "../../../src/cli/exit-codes.ts";
import { FleetMember } from "../../../src/fleet/member.ts";
import { createLog } from "../../../src/ops/log.ts";
import { Metrics } from "../../../src/ops/metrics.ts";
import { until } from "../../support/until.ts";

let nats: Nats;
let scope: Scope;
afterEach(async () => {
  await scope.close();
  await nats.stop();
});

const member = async (): Promise<FleetMember> => {
  const broker = scope.use(await connectBroker({ servers: [nats.url], name: "test" }));
  return scope.use(await FleetMember.start({ broker, kind: "gateway" }));
};

describe("what NATS is in the way of is told", () => {
  it("no consumer left: at once, with the server's reason", async () => {
    nats = await startNats({
      config:
        "accounts { APP: { users: [{ user: app, password: app }], jetstream: { max_consumers: 1 } } }\nno_auth_user: app",
    });
    scope = new Scope();
    await member();
    const began = performance.now();
    const refusal = await member().then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(refusal).toMatchObject({ code: "BROKER_NO_ROOM", message: expect.stringContaining("(10026)") });
    expect(exitCodeOf(refusal)).toBe(78);
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  it("an outage: one line when it begins, and one when it ends", async () => {
    nats = await startNats();
    scope = new Scope();
    const lines: { event: string; awaySeconds?: number }[] = [];
    const write = (line: string): void => void lines.push(JSON.parse(line) as { event: string });
    const log = await createLog({ level: "info", format: "json" }, { write });
    const metrics = new Metrics({ version: "1", commit: "c" }, { defaults: false });
    scope.use(observe(metrics, log));
    const one = await member();
    await one.follow("nas1", { onMessage: () => undefined, onGap: () => undefined }).ready;
    one.acquire({ connection: "nas1", path: "/a", recursive: false });
    lines.length = 0;
    await nats.restart({ signal: "SIGKILL", downMs: 500 });
    await until("the line of the end", () => lines.some(({ event }) => event === "nats.connected"));
    const reads = async (): Promise<boolean> =>
      /mirror_syncs_total\{bucket="SMB_WATCHES",outcome="synced"\} 2/.test(await metrics.text());
    await until("the next reading of the bucket", reads);
    expect(lines.map(({ event }) => event)).toEqual(["nats.disconnected", "nats.connected"]);
    expect(lines[1]?.awaySeconds).toBeGreaterThanOrEqual(0.5);
  });
});
