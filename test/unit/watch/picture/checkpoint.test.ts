import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type CheckpointDirectory,
  CheckpointError,
  decodeCheckpoint,
  encodeCheckpoint,
} from "../../../../src/watch/picture/checkpoint.ts";
import { diff, finish } from "../../../../src/watch/picture/diff.ts";
import { UNKNOWN } from "../../../../src/watch/picture/entry-mark.ts";
import { Snapshot } from "../../../../src/watch/picture/snapshot.ts";
import { entry } from "./entries.ts";

const name = fc.string({ unit: "binary", minLength: 1, maxLength: 12 });

function snapshotOf(names: readonly string[]): Snapshot {
  const snapshot = new Snapshot();
  for (const each of names) snapshot.put(entry(each, { size: each.length }));
  return snapshot;
}

const encode = (directories: CheckpointDirectory[]): Uint8Array => finish(encodeCheckpoint(directories));
const decode = (bytes: Uint8Array): CheckpointDirectory[] => finish(decodeCheckpoint(bytes));

describe("a checkpoint", () => {
  it("reads back as the picture it was", () => {
    fc.assert(
      fc.property(fc.array(name), (names) => {
        const snapshot = snapshotOf(names);
        const [first, second] = decode(
          encode([
            { path: "/d/ü", snapshot, modified: 2n ** 63n },
            { path: "/huge", snapshot: undefined },
          ]),
        );
        expect(first?.modified).toBe(2n ** 63n);
        expect(first?.path).toBe("/d/ü");
        expect(first?.snapshot && diff(snapshot, first.snapshot)).toEqual([]);
        expect(second).toEqual({ path: "/huge", snapshot: undefined, modified: undefined });
      }),
    );
  });

  it("keeps what is only heard of apart", () => {
    const snapshot = new Snapshot();
    snapshot.set("x", UNKNOWN);
    const [read] = decode(encode([{ path: "/", snapshot }]));
    expect(read?.snapshot?.get("x")).toEqual(UNKNOWN);
  });

  it("refuses every cut and every foreign byte string with its own error", () => {
    const whole = encode([{ path: "/d", snapshot: snapshotOf(["a", "日本"]) }]);
    for (let length = 0; length < whole.length; length++) {
      expect(() => decode(whole.subarray(0, length))).toThrow(CheckpointError);
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, headed) => {
        const given = headed ? Buffer.concat([whole.subarray(0, 5), bytes]) : bytes;
        try {
          decode(given);
        } catch (error) {
          expect(error).toBeInstanceOf(CheckpointError);
        }
      }),
    );
  });
});
