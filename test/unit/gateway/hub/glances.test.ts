import { setImmediate as turn } from "node:timers/promises";
import { expect, it } from "vitest";
import type { Deferred } from "../../../../src/base/async.ts";
import { deferred } from "../../../../src/base/async.ts";
import type { StatAnswer } from "../../../../src/fleet/port.ts";
import { Glances } from "../../../../src/gateway/hub/glances.ts";

class Worker {
  readonly asked: string[][] = [];
  readonly answers: Deferred<readonly StatAnswer[]>[] = [];
  readonly stat = (paths: readonly string[]): Promise<readonly StatAnswer[]> => {
    this.asked.push([...paths]);
    const answer = deferred<readonly StatAnswer[]>();
    this.answers.push(answer);
    return answer.promise;
  };
}

it("asks once for all of a turn, so many at a time, and for one path once", async () => {
  const worker = new Worker();
  const glances = new Glances(worker.stat);
  const looks = Array.from({ length: 130 }, (_, i) => glances.look(`/d${i}`));
  expect(glances.look("/d0")).toBe(looks[0]);
  await turn();
  expect(worker.asked.map((paths) => paths.length)).toEqual([64]);
  // Whoever asks while a look is under way has the next.
  const again = glances.look("/d0");
  worker.answers[0]?.resolve(worker.asked[0]?.map(() => "not_found") ?? []);
  expect(await looks[0]).toBe("not_found");
  await turn();
  worker.answers[1]?.resolve(worker.asked[1]?.map(() => "directory") ?? []);
  expect(await looks[64]).toBeUndefined();
  await turn();
  expect(worker.asked.map((paths) => paths.length)).toEqual([64, 64, 3]);
  expect(worker.asked[2]).toEqual(["/d128", "/d129", "/d0"]);
  worker.answers[2]?.resolve(worker.asked[2]?.map(() => "directory") ?? []);
  expect(await again).toBeUndefined();
  glances.close();
});

it("says only what is certain: other reasons are for a watch to find", async () => {
  const glances = new Glances(async () => ["not_found", "not_a_directory", "bad_path", "denied", "limit"]);
  const looks = ["/a", "/b", "/c", "/d", "/e"].map((path) => glances.look(path));
  expect(await Promise.all(looks)).toEqual([
    "not_found",
    "not_a_directory",
    "bad_path",
    undefined,
    undefined,
  ]);
  glances.close();
});

it("cuts a request to what the control API takes", async () => {
  const worker = new Worker();
  const glances = new Glances(worker.stat);
  for (let i = 0; i < 20; i++) void glances.look(`/${String.fromCharCode(97 + i)}${"ü".repeat(4_000)}`);
  await turn();
  expect(worker.asked.map((paths) => paths.length)).toEqual([4]);
  glances.close();
});

it("lets all go on without it where no worker can say, and at its end", async () => {
  const worker = new Worker();
  const glances = new Glances(worker.stat);
  const looks = Array.from({ length: 1_000 }, (_, i) => glances.look(`/d${i}`));
  await turn();
  worker.answers[0]?.reject(new Error("no worker is there"));
  expect(new Set(await Promise.all(looks))).toEqual(new Set([undefined]));
  expect(worker.asked).toHaveLength(1);
  // A file server that hangs makes one batch wait, and not one after the other.
  const hung = Array.from({ length: 1_000 }, (_, i) => glances.look(`/d${i}`));
  await turn();
  worker.answers[1]?.resolve(worker.asked[1]?.map(() => "unreachable") ?? []);
  expect(new Set(await Promise.all(hung))).toEqual(new Set([undefined]));
  const late = glances.look("/x");
  glances.close();
  expect(await late).toBeUndefined();
});
