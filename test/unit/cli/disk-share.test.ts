import { describe, expect, it } from "vitest";
import { sizesForDisk } from "../../../src/cli/compose/disk-share.ts";
import { loadConfig } from "../../../src/ops/config/config.ts";

const MIB = 1_048_576;
const sizes = (freeMib: number, env: Record<string, string> = {}): number[] => {
  const { stream, watches, checkpoints } = sizesForDisk(loadConfig({ env }), "/data", freeMib * MIB);
  return [stream, watches, checkpoints].map(({ maxBytes }) => maxBytes / MIB);
};

describe("the streams of a private server", () => {
  it("are as large as ever where the disk has twice that, and share the half of it where it has less", () => {
    expect(sizes(896)).toEqual([256, 64, 128]);
    expect(sizes(448)).toEqual([128, 32, 64]);
  });

  it("are as configured, whatever is free", () => {
    expect(sizes(64, { SMB2NATS_NATS_STREAM_MAX_BYTES: String(512 * MIB) })).toEqual([
      512,
      expect.closeTo(10.67, 1),
      expect.closeTo(21.33, 1),
    ]);
    const all = ["STREAM", "WATCHES", "CHECKPOINTS"];
    const env = Object.fromEntries(all.map((name) => [`SMB2NATS_NATS_${name}_MAX_BYTES`, String(99 * MIB)]));
    expect(sizes(1, env)).toEqual([99, 99, 99]);
  });

  it("count no checkpoints where none are kept", () => {
    expect(sizes(640, { SMB2NATS_WORKER_CHECKPOINT_SECONDS: "0" })).toEqual([256, 64, 128]);
  });

  it("are refused on a disk that is as good as full, with what to do", () => {
    expect(() => sizes(20)).toThrow(
      /\/data has 20971520 bytes free.*need 33554432.*XDG_STATE_HOME.*nats\.stream\.maxBytes/,
    );
  });
});
