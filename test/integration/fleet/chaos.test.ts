import { afterEach, beforeEach, expect, it } from "vitest";
import type { Broker } from "../../../src/broker/port.ts";
import type { WatchRef } from "../../../src/fleet/port.ts";
import type { Worker } from "../../../src/worker/worker.ts";
import { Consumer, Fleet, until } from "./harness.ts";

let fleet: Fleet;
beforeEach(async () => {
  fleet = await Fleet.start();
});
afterEach(async () => {
  await fleet.close();
});

/** Small, seeded, so that a failure can be run again. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const PATHS = ["/a", "/a/b", "/a/b/c", "/a/d", "/e", "/e/f", "/g"];

it.each([1, 2])(
  "a picture kept from events equals the share after joins, drains, crashes and new covers (seed %i)",
  async (seed) => {
    const random = randomOf(seed);
    const workers: { worker: Worker; broker: Broker }[] = [await fleet.worker(), await fleet.worker()];
    const member = await fleet.member();
    const consumer = await new Consumer(member).start();
    const refs = PATHS.map((path) => member.acquire({ connection: "nas1", path, recursive: false }));
    await Promise.all(refs.map((ref) => ref.ready));
    for (const path of PATHS) await consumer.look(path);

    let n = 0;
    const timer = setInterval(() => {
      const path = PATHS[random(PATHS.length)]!;
      // Each name once, so that nothing told later can hide a change that was lost.
      fleet.share.add(path, `f${n++}`);
      const old = [...fleet.share.names.get(path)!];
      if (random(3) === 0) fleet.share.remove(path, old[random(old.length)]!);
    }, 4);
    const covers: WatchRef[] = [];
    const leaving: Promise<unknown>[] = [];
    try {
      for (let step = 0; step < 14; step++) {
        const dice = random(10);
        if (dice < 3) workers.push(await fleet.worker());
        else if (dice < 5 && workers.length > 1) {
          const [gone] = workers.splice(random(workers.length), 1);
          leaving.push(gone!.worker.drain({ deadlineMs: 8_000 }).then(() => gone!.worker.close()));
        } else if (dice < 6 && workers.length > 1) {
          const [crashed] = workers.splice(random(workers.length), 1);
          await crashed!.broker.close();
        } else if (dice < 8) {
          const path = ["/", "/a", "/a/b", "/e"][random(4)]!;
          covers.push(member.acquire({ connection: "nas1", path, recursive: true }));
        } else covers.splice(random(covers.length || 1), 1)[0]?.release();
        await new Promise((resolve) => setTimeout(resolve, 100 + random(400)));
      }
      await Promise.all(leaving);
    } finally {
      clearInterval(timer);
    }
    for (const ref of refs) await until("live", () => ref.state.state === "live", 30_000);
    for (const path of PATHS) {
      const names = [...(fleet.share.names.get(path) ?? [])].sort();
      await until(`${path} to be ${names}`, () => consumer.picture(path)?.join() === names.join(), 30_000);
    }
    // In the end each directory has one publisher.
    await until("one watch per directory", () => {
      const claims = [...member.view.claims.values()].filter(({ record }) =>
        member.view.leases.has(record.lease),
      );
      return claims.every(({ record }) => record.state === "live" && record.next === undefined);
    });
    expect(consumer.gaps).toEqual([]);
  },
  120_000,
);
