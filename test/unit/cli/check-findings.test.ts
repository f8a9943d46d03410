import { describe, expect, it } from "vitest";
import { systemClock } from "../../../src/base/clock.ts";
import { type Finding, Lookout } from "../../../src/cli/compose/check-findings.ts";
import { FakeShare } from "../../support/fakes/fake-source.ts";

const { signal } = new AbortController();

/** What a check finds on a share while `meanwhile` happens. */
async function findings(
  prepare: (share: FakeShare) => void,
  meanwhile: (share: FakeShare) => void = () => undefined,
): Promise<readonly Finding[]> {
  const share = new FakeShare({ clock: systemClock, latencyMs: 1, lagMs: 1 });
  share.mkdir("/d");
  share.write("/file");
  prepare(share);
  const lookout = new Lookout(share, "/");
  try {
    await lookout.begin(signal);
    for await (const page of share.list("/", { signal })) lookout.see(page);
    meanwhile(share);
    return await lookout.finish(signal);
  } finally {
    await lookout.close();
    expect(share.handles.size).toBe(0);
  }
}

describe("what a check finds without writing", () => {
  it("is nothing on an ordinary share, whatever happens meanwhile", async () => {
    expect(await findings(() => undefined)).toEqual([]);
    expect(
      await findings(
        () => undefined,
        (share) => share.write("/new"),
      ),
    ).toEqual([]);
  });

  it.each<[Finding["kind"], string, (share: FakeShare) => void, ((share: FakeShare) => void)?]>([
    ["refused", "d", (share) => share.deny("/d")],
    ["case", "FILE", (share) => share.write("/FILE")],
    [
      "link",
      "l",
      (share) => {
        share.mkdir("/l");
        share.link("/l");
      },
    ],
    ["untold", "/", () => undefined, (share) => share.secretly(() => share.write("/new"))],
  ])("is named: %s", async (kind, example, prepare, meanwhile) => {
    expect(await findings(prepare, meanwhile)).toEqual([{ kind, count: 1, example }]);
  });

  it("is not that of a server that is polled anyway", async () => {
    const mute = (share: FakeShare): void => {
      share.mute = true;
    };
    expect(await findings(mute, (share) => share.secretly(() => share.write("/new")))).toEqual([]);
  });
});
