import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { WatchRef } from "../../../src/fleet/port.ts";
import { Consumer, Fleet, until } from "./harness.ts";

let fleet: Fleet;
beforeEach(async () => {
  fleet = await Fleet.start();
});
afterEach(async () => {
  await fleet.close();
});

const dir = (path: string) => ({ connection: "nas1", path, recursive: false });
const PATHS = Array.from({ length: 12 }, (_, i) => `/d${i}`);

/** Changes everywhere, all the time, until stopped; then returns what each directory must look like. */
function churn(): () => Map<string, string> {
  let n = 0;
  const timer = setInterval(() => {
    const path = PATHS[n % PATHS.length]!;
    // Each name once, so that nothing told later can hide a change that was lost.
    fleet.share.add(path, `f${n}`);
    if (n % 3 === 0) fleet.share.remove(path, [...fleet.share.names.get(path)!][0]!);
    n++;
  }, 3);
  return () => {
    clearInterval(timer);
    return new Map(PATHS.map((path) => [path, [...(fleet.share.names.get(path) ?? [])].sort().join()]));
  };
}

async function converge(consumer: Consumer, expected: Map<string, string>): Promise<void> {
  for (const [path, names] of expected) {
    await until(`${path} to be ${names}`, () => consumer.picture(path)?.join() === names);
  }
}

async function watchAll(): Promise<{ consumer: Consumer; refs: WatchRef[] }> {
  const member = await fleet.member();
  const consumer = await new Consumer(member).start();
  const refs = PATHS.map((path) => member.acquire(dir(path)));
  await Promise.all(refs.map((ref) => ref.ready));
  for (const path of PATHS) await consumer.look(path);
  return { consumer, refs };
}

describe("two workers", () => {
  it("share the work when the second joins, make before break: no gap, no resync", async () => {
    const { worker: first } = await fleet.worker();
    const { consumer, refs } = await watchAll();
    await until("the first resyncs", () => consumer.resyncs().length === PATHS.length);
    const states: string[] = [];
    for (const ref of refs) ref.onState(({ state }) => states.push(state));
    const stop = churn();
    const { worker: second } = await fleet.worker();
    await until("the second's share", () => [...(second.controller?.owned() ?? [])].length >= 4);
    await until("calm", () => [...(first.controller?.owned() ?? [])].length <= 8);
    const expected = stop();
    await converge(consumer, expected);
    expect(consumer.resyncs()).toHaveLength(PATHS.length);
    expect(states.filter((state) => state !== "live")).toEqual([]);
    // Each goes by its own mirror of the bucket: in between one has let go, and the other does not know yet.
    const owned = (): number =>
      [first, second].reduce((sum, { controller }) => sum + [...controller!.owned()].length, 0);
    await until("an owner for each", () => owned() === PATHS.length);
  });

  it("wait for an owner in doubt to be sure before it lets go: nothing need be listed again", async () => {
    const { worker: first } = await fleet.worker();
    const { consumer } = await watchAll();
    await until("the first resyncs", () => consumer.resyncs().length === PATHS.length);
    fleet.share.sure = false;
    await fleet.worker();
    const both = (): number => PATHS.filter((path) => fleet.share.armed(path) === 2).length;
    await until("the second to be armed", () => both() >= 4);
    // Many times as long as an owner that is sure goes on (`quietMs`).
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect([...first.controller!.owned()]).toHaveLength(PATHS.length);
    fleet.share.sure = true;
    await until("the hand-over", () => both() === 0);
    // Its own mirror of the bucket may hear of the last one a moment later.
    await until("the first to know", () => [...first.controller!.owned()].length <= 8);
    expect(consumer.resyncs()).toHaveLength(PATHS.length);
  });

  it("ask for a listing where an owner stayed in doubt: the second has listed in silence", async () => {
    const { worker: first } = await fleet.worker();
    const { consumer } = await watchAll();
    await until("the first resyncs", () => consumer.resyncs().length === PATHS.length);
    fleet.share.sure = false;
    const { worker: second } = await fleet.worker();
    await until("the second's share", () => [...(second.controller?.owned() ?? [])].length >= 4);
    await until("calm", () => PATHS.every((path) => fleet.share.armed(path) === 1));
    // Asked each time: its own mirror of the bucket may hear of the last one a moment later.
    const moved = (): number => PATHS.length - [...first.controller!.owned()].length;
    await until("a resync for each that moved", () => consumer.resyncs().length === PATHS.length + moved());
  });

  it("drain hands everything over without a gap", async () => {
    const { worker: first } = await fleet.worker();
    const { worker: second } = await fleet.worker();
    const { consumer } = await watchAll();
    await until("an even share", () =>
      [first, second].every(({ controller }) => [...(controller?.owned() ?? [])].length === PATHS.length / 2),
    );
    await until("the first resyncs", () => consumer.resyncs().length >= PATHS.length);
    const before = consumer.resyncs().length;
    const stop = churn();
    await first.drain({ deadlineMs: 15_000 });
    expect([...first.controller!.owned()]).toEqual([]);
    await first.close();
    const expected = stop();
    await converge(consumer, expected);
    // Its own mirror of the bucket may hear of the last one a moment later.
    await until("all with the second", () => [...second.controller!.owned()].length === PATHS.length);
    expect(consumer.resyncs()).toHaveLength(before);
  });

  it("drain of the last worker releases everything", async () => {
    const { worker } = await fleet.worker();
    const { refs } = await watchAll();
    await worker.drain({ deadlineMs: 10_000 });
    expect([...worker.controller!.owned()]).toEqual([]);
    await worker.close();
    await until("unclaimed", () => refs.every((ref) => ref.state.state === "unclaimed"));
  });

  it("a crashed worker's watches are taken over, and the gap is announced", async () => {
    const { broker } = await fleet.worker();
    const { worker: second } = await fleet.worker();
    const { consumer } = await watchAll();
    const before = consumer.resyncs().length;
    const stop = churn();
    // The connection is gone without a word: no lease is given back, nothing is flushed.
    await broker.close();
    await until("the take-over", () => [...(second.controller?.owned() ?? [])].length === PATHS.length);
    const expected = stop();
    await converge(consumer, expected);
    expect(consumer.resyncs().length).toBeGreaterThan(before);
  });
});
