import { getEventListeners } from "node:events";
import { expect, it } from "vitest";
import type { FeedRoutes } from "../../../src/client/feed-routes.ts";
import { mirrorThroughFleet } from "../../../src/client/mirror-stream.ts";
import { watchStream } from "../../../src/client/watch-stream.ts";
import { FleetError } from "../../../src/fleet/errors.ts";
import type { FleetMember } from "../../../src/fleet/member.ts";

it("holds nothing for what cannot be a target: no feed, and no listener at the caller's signal", async () => {
  let followed = 0;
  const parts = {
    member: {
      caseSensitive: () => false,
      acquire: () => {
        throw new FleetError("unknown_connection", "no such connection");
      },
    } as unknown as FleetMember,
    routes: {
      follow: () => {
        followed++;
        return { ready: Promise.resolve(), close: () => followed-- };
      },
    } as unknown as FeedRoutes,
  };
  const { signal } = new AbortController();
  const target = { connection: "none", path: "/x", recursive: false };
  expect(() => mirrorThroughFleet(parts, target, { signal })).toThrow(FleetError);
  await expect(watchStream(parts, { target, signal }).next()).rejects.toThrow(FleetError);
  expect([followed, getEventListeners(signal, "abort")]).toEqual([0, []]);
});
