import { describe, expect, it } from "vitest";
import { lowerCap, placeHandle } from "../../../../src/smb/pool/placement.ts";

describe("placing watches on connections", () => {
  it("prefers the fullest lane that has room", () => {
    const lanes = [
      { load: 3, cap: 10 },
      { load: 10, cap: 10 },
      { load: 7, cap: 10 },
    ];
    expect(placeHandle(lanes)).toBe(lanes[2]);
  });

  it("asks for another lane when all are full", () => {
    expect(placeHandle([{ load: 5, cap: 5 }])).toBeUndefined();
    expect(placeHandle([])).toBeUndefined();
  });

  it("halves once in a storm of refusals", () => {
    const lane = { load: 180, cap: 200 };
    for (let refusal = 0; refusal < 50; refusal++) lowerCap(lane);
    expect(lane.cap).toBe(90);
  });

  it("halves again when the lowered cap is still too much", () => {
    const lane = { load: 180, cap: 200 };
    lowerCap(lane);
    lane.load = 90;
    expect(lowerCap(lane)).toBe(45);
  });

  it("keeps a floor", () => {
    const lane = { load: 3, cap: 200 };
    expect(lowerCap(lane)).toBe(8);
  });
});
