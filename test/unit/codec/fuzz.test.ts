import { readdirSync } from "node:fs";
import { resolve } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DecodeError } from "../../../src/codec/errors.ts";
import { type FuzzTarget, fuzzTargets } from "../../support/bytes/fuzz-targets.ts";
import { FuzzFinding, fuzz } from "../../support/bytes/fuzzer.ts";

const SRC = resolve(import.meta.dirname, "../../../src");

/** Exports of the modules below a folder. */
async function exportsOf(folder: string): Promise<string[]> {
  const files = readdirSync(resolve(SRC, folder), { recursive: true, encoding: "utf8" });
  const modules = files
    .filter((file) => file.endsWith(".ts"))
    .map((file) => import(resolve(SRC, folder, file)));
  return (await Promise.all(modules)).flatMap((module) => Object.keys(module as object));
}

describe("the targets", () => {
  const covered = new Set(fuzzTargets.flatMap(({ covers }) => covers));

  it("cover every decoder of the codec", async () => {
    const decoders = (await exportsOf("codec")).filter((name) => /^(decode|split|FrameSplitter)/.test(name));
    expect(decoders.length).toBeGreaterThan(40);
    expect(decoders.filter((name) => !covered.has(name))).toEqual([]);
  });

  it("cover every parser of authentication", async () => {
    const parsers = (await exportsOf("auth")).filter((name) =>
      /^(decode|DerReader|oidFromDer|fromUtf16)/.test(name),
    );
    expect(parsers.length).toBeGreaterThan(8);
    expect(parsers.filter((name) => !covered.has(name))).toEqual([]);
  });

  it.each(fuzzTargets)("$name reads at least one of its seeds", ({ seeds, run }) => {
    expect(seeds.length).toBeGreaterThan(0);
    // Targets that share seeds with others need not read them all.
    expect(seeds.some((seed) => succeeds(() => run(seed.slice())))).toBe(true);
  });

  it.each(fuzzTargets)("$name reads or refuses any bytes", ({ allowed, run }) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (input) => {
        try {
          run(input);
        } catch (error) {
          expect(error).toBeInstanceOf(allowed);
        }
      }),
    );
  });
});

function succeeds(action: () => void): boolean {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}

describe("a slice of the fuzzer's run", () => {
  it("20,000 mutated frames are read or refused", () => {
    const report = fuzz({ targets: fuzzTargets, frames: 20_000, seed: 20_261_122 });
    expect(report.read + report.refused).toBe(20_000);
    // Mutations must neither all be refused nor all miss: the run would prove nothing.
    expect(report.read).toBeGreaterThan(2_000);
    expect(report.refused).toBeGreaterThan(2_000);
  });
});

describe("the fuzzer", () => {
  const seeds = [new Uint8Array(16)];

  function target(run: FuzzTarget["run"]): FuzzTarget {
    return { name: "planted", covers: [], seeds, allowed: DecodeError, run };
  }

  function hunt(run: FuzzTarget["run"], frames: number, seed = 1): unknown {
    try {
      return fuzz({ targets: [target(run)], frames, seed });
    } catch (error) {
      return error;
    }
  }

  it("finds what throws another error, and names the input", () => {
    const finding = hunt((input) => {
      if (input[3] === 0x80) throw new TypeError("planted");
    }, 20_000);
    expect(finding).toBeInstanceOf(FuzzFinding);
    const { input, message } = finding as FuzzFinding;
    expect(input[3]).toBe(0x80);
    expect(message).toContain(
      `planted: TypeError: planted\ninput (${input.length} bytes): ${Buffer.from(input).toString("hex")}`,
    );
  });

  it("finds what throws nothing that can be named", () => {
    expect(
      hunt(() => {
        throw undefined;
      }, 1),
    ).toBeInstanceOf(FuzzFinding);
  });

  it("finds what is slow every time, not what was slow once", () => {
    const spin = (ms: number): void => {
      for (const until = performance.now() + ms; performance.now() < until; );
    };
    let once = true;
    const paused = hunt(() => {
      if (once) spin(300);
      once = false;
    }, 2);
    expect(paused).toMatchObject({ frames: 2 });
    expect(String(hunt(() => spin(260), 1))).toMatch(/planted: took \d+ ms/);
  });

  it("finds what keeps growing", () => {
    const kept: Uint8Array[] = [];
    const finding = hunt(() => {
      if (kept.length < 10) kept.push(new Uint8Array(64 << 20));
    }, 10_000);
    expect(String(finding)).toMatch(/bytes of memory/);
  });

  it("gives the same inputs for the same seed, and others for another", () => {
    const inputs = (seed: number): string[] => {
      const seen: string[] = [];
      hunt((input) => void seen.push(Buffer.from(input).toString("hex")), 200, seed);
      return seen;
    };
    expect(inputs(7)).toEqual(inputs(7));
    expect(inputs(7)).not.toEqual(inputs(8));
  });

  it("counts what is refused by the target's own error", () => {
    expect(
      hunt((input) => {
        if (input.length % 2 === 1) throw new DecodeError("planted", 0, "odd");
      }, 500),
    ).toMatchObject({ frames: 500, refused: expect.toSatisfy((count: number) => count > 50 && count < 450) });
  });
});
