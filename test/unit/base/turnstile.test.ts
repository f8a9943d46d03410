import { expect, it } from "vitest";
import { type Deferred, deferred } from "../../../src/base/async.ts";
import { Turnstile } from "../../../src/base/turnstile.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it("lets so many pass at once, the rest in order, and a failure frees its place", async () => {
  const turnstile = new Turnstile(2);
  const begun: number[] = [];
  const gates: Deferred<number>[] = Array.from({ length: 5 }, () => deferred<number>());
  const results = gates.map((gate, i) =>
    turnstile.run(() => {
      begun.push(i);
      return gate.promise;
    }),
  );
  await turn();
  expect(begun).toEqual([0, 1]);
  gates[1]?.reject(new Error("no"));
  await expect(results[1]).rejects.toThrow("no");
  await turn();
  expect(begun).toEqual([0, 1, 2]);
  for (const i of [0, 2, 3, 4]) gates[i]?.resolve(i);
  expect(await Promise.all([results[0], results[2], results[3], results[4]])).toEqual([0, 2, 3, 4]);
  expect(begun).toEqual([0, 1, 2, 3, 4]);
  expect(await turnstile.run(async () => "again")).toBe("again");
});
