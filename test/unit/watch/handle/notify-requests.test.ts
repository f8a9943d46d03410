import { expect, it } from "vitest";
import { deferred } from "../../../../src/base/async.ts";
import { NotifyRequests } from "../../../../src/watch/handle/notify-requests.ts";
import type { ArmedNotify, NotifyOutcome, WatchedDirectory } from "../../../../src/watch/source.ts";

interface Request extends ArmedNotify {
  readonly number: number;
  answer(outcome: NotifyOutcome): void;
}

/** A directory at a server that holds every request until it is answered or cancelled; one that forgets does not even hear of cancels. */
function directory({ forgets = false } = {}) {
  const held: Request[] = [];
  let number = 0;
  const arm = (): ArmedNotify => {
    const { promise, resolve } = deferred<NotifyOutcome>();
    const answer = (outcome: NotifyOutcome): void => {
      held.splice(held.indexOf(request), 1);
      resolve(outcome);
    };
    const cancel = (): void => {
      if (!forgets) answer({ type: "cancelled" });
    };
    const request = { number: ++number, accepted: Promise.resolve(true), outcome: promise, cancel, answer };
    held.push(request);
    return request;
  };
  const numbers = (): number[] => held.map((each) => each.number);
  return { directory: { arm } as unknown as WatchedDirectory, held, numbers };
}

const options = { recursive: false, filter: 0x1f };

it("renews one request at a time, the oldest first", async () => {
  const { directory: at, numbers } = directory();
  const told: NotifyOutcome[] = [];
  const requests = new NotifyRequests(
    at,
    { ...options, depth: 2 },
    { answered: (outcome) => told.push(outcome) },
  );
  expect(await requests.start()).toBe(true);
  expect(numbers()).toEqual([1, 2]);
  await requests.refresh();
  expect(numbers()).toEqual([2, 3]);
  await requests.refresh();
  expect(numbers()).toEqual([3, 4]);
  expect(told.every(({ type }) => type === "cancelled")).toBe(true);
});

it("renews the only request where there is one", async () => {
  const { directory: at, numbers } = directory();
  const requests = new NotifyRequests(at, { ...options, depth: 1 }, { answered: () => undefined });
  await requests.start();
  await requests.refresh();
  expect(numbers()).toEqual([2]);
});

it("is heard again after one renewal by a server that has forgotten both requests", async () => {
  const { directory: at, held, numbers } = directory({ forgets: true });
  const told: NotifyOutcome[] = [];
  const requests = new NotifyRequests(
    at,
    { ...options, depth: 2 },
    { answered: (outcome) => told.push(outcome) },
  );
  await requests.start();
  held.splice(0);
  await requests.refresh();
  expect(numbers()).toEqual([3]);
  const records: NotifyOutcome = { type: "records", records: [] };
  held[0]?.answer(records);
  await new Promise(setImmediate);
  expect(told).toEqual([records]);
  // And goes on asking.
  expect(numbers()).toEqual([4]);
});
