import { expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import type { CanonicalPath } from "../../../src/base/path.ts";
import { SourceError } from "../../../src/watch/source.ts";
import { statDirectories } from "../../../src/worker/list.ts";
import type { ConnectionRuntime } from "../../../src/worker/runtime.ts";

function connections(stat: ConnectionRuntime["stat"]): ReadonlyMap<string, ConnectionRuntime> {
  return new Map([["nas1", { name: "nas1", ...(stat && { stat }) } as ConnectionRuntime]]);
}

const paths = (...names: string[]): CanonicalPath[] => names as CanonicalPath[];

it("says of each path what it is, in the order asked, so many at a time", async () => {
  let inside = 0;
  let most = 0;
  const stat: ConnectionRuntime["stat"] = async (path) => {
    most = Math.max(most, ++inside);
    await Promise.resolve();
    inside--;
    if (path === "/gone") throw new SourceError("gone", "not there");
    if (path === "/secret") throw new SourceError("denied", "no");
    return { type: path === "/file" ? "file" : "directory" };
  };
  const many = Array.from({ length: 200 }, (_, i) => `/d${i}`);
  const asked = paths("/gone", "/dir", "/file", "/secret", "/a/../b", ...many);
  const answers = await statDirectories(connections(stat), { connection: "nas1", paths: asked }, {});
  expect(answers.slice(0, 5)).toEqual(["not_found", "directory", "not_a_directory", "denied", "bad_path"]);
  expect(new Set(answers.slice(5))).toEqual(new Set(["directory"]));
  expect(most).toBeGreaterThan(16);
  expect(most).toBeLessThanOrEqual(32);
});

it("does not wait for ever for a path that hangs", async () => {
  const clock = new ManualClock();
  const stat: ConnectionRuntime["stat"] = (path) =>
    path === "/hangs" ? new Promise(() => undefined) : Promise.resolve({ type: "directory" });
  const asked = { connection: "nas1", paths: paths("/hangs", "/fine") };
  const answers = statDirectories(connections(stat), asked, { clock });
  await clock.advance(5_000);
  expect(await answers).toEqual(["unreachable", "directory"]);
  expect(clock.pending).toBe(0);
});

it("knows only its own connections, and takes all for there where a share cannot tell", async () => {
  const asked = { connection: "nas1", paths: paths("/a") };
  expect(await statDirectories(connections(undefined), asked, {})).toEqual(["directory"]);
  await expect(statDirectories(new Map(), asked, {})).rejects.toMatchObject({
    failure: "unknown_connection",
  });
});
