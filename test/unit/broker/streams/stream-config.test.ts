import { describe, expect, it } from "vitest";
import { streamSettings } from "../../../../src/broker/stream-config.ts";
import { Subjects } from "../../../../src/broker/subjects.ts";

describe("names of streams", () => {
  it("follow from the subject prefix, unless they are given", () => {
    expect(streamSettings({}, new Subjects()).names).toEqual({
      events: "SMB",
      watches: "SMB_WATCHES",
      checkpoints: "SMB_CHECKPOINTS",
    });
    const names = { events: "TEAM_A", watches: undefined };
    expect(streamSettings({ names }, new Subjects("bonn-2")).names).toEqual({
      events: "TEAM_A",
      watches: "BONN-2_WATCHES",
      checkpoints: "BONN-2_CHECKPOINTS",
    });
  });

  it("ask for less than 512 MiB together", () => {
    const { events, watches, checkpoints } = streamSettings({}, new Subjects()).maxBytes;
    expect(events + watches + checkpoints).toBeLessThan(512 * 1_048_576);
  });
});
