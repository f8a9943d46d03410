import { afterEach, beforeEach, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { connectionFacts } from "../../../src/broker/facts.ts";
import { observeLink } from "../../../src/cli/compose/observe-link.ts";
import { createLog } from "../../../src/ops/log.ts";
import { Metrics } from "../../../src/ops/metrics.ts";
import { Summary } from "../../../src/ops/summary.ts";

let clock: ManualClock;
let lines: Record<string, unknown>[];
let end: () => void;

beforeEach(async () => {
  clock = new ManualClock();
  lines = [];
  const write = (line: string): void => void lines.push(JSON.parse(line) as Record<string, unknown>);
  const log = await createLog({ level: "info", format: "json" }, { write });
  const metrics = new Metrics({ version: "1", commit: "c" }, { defaults: false });
  const summary = new Summary(log, { clock });
  const off = observeLink({ log, metrics, summary }, clock);
  end = () => {
    off();
    summary.close();
  };
});
afterEach(() => {
  end();
  expect(clock.pending).toBe(0);
});

const up = (again = true): void =>
  connectionFacts.publish({ type: "connected", server: "s", version: "2.10", again });
const down = (): void => connectionFacts.publish({ type: "disconnected", server: "s" });
const told = (): unknown[] => lines.map(({ event }) => event);

it("a loss and the return are told at once, each once", async () => {
  up(false);
  await clock.advance(60_000);
  down();
  await clock.advance(7_000);
  up();
  expect(told()).toEqual(["nats.connected", "nats.disconnected", "nats.connected"]);
  expect(lines.at(-1)).toMatchObject({ message: "connected to NATS again", awaySeconds: 7 });
  await clock.advance(600_000);
  expect(lines).toHaveLength(3);
  down();
  up();
  expect(lines).toHaveLength(5);
});

it("a broker that is stuck lets us in every 9 s: one line a minute, and the return once it lasts", async () => {
  up(false);
  await clock.advance(60_000);
  down();
  up();
  for (let i = 0; i < 66; i++) {
    await clock.advance(8_500);
    down();
    connectionFacts.publish({ type: "error", code: "BROKER_UNAVAILABLE", message: "stale" });
    await clock.advance(500);
    up();
  }
  // Ten minutes: some ten for the loss, some ten for the error, and the first pair.
  expect(lines.length).toBeLessThan(27);
  expect(told().filter((event) => event === "nats.connected")).toHaveLength(2);
  await clock.advance(30_000);
  const last = lines.at(-1);
  expect(last).toMatchObject({ event: "nats.connected", message: "connected to NATS again" });
  expect(last?.["awaySeconds"]).toBeGreaterThan(500);
  const counted = lines.reduce(
    (sum, line) => sum + (line["event"] === "nats.disconnected" ? Number(line["repeated"] ?? 1) : 0),
    0,
  );
  expect(counted).toBe(67);
  await clock.advance(600_000);
  expect(lines.at(-1)).toBe(last);
});
