import { describe, expect, it } from "vitest";
import { systemClock } from "../../../src/base/clock.ts";
import { type Finding, Lookout } from "../../../src/cli/compose/check-findings.ts";
import { FakeShare } from "../../support/fakes/fake-source.ts";

const { signal } = new AbortController();
const server = (option: string, value: string | number) => ({ where: "server", option, value }) as const;
const connection = (option: string, value: number | boolean) =>
  ({ where: "connection", option, value }) as const;

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
    // What the server tells is on its way.
    for (let trips = 0; trips < 20; trips++) await share.roundTrip({});
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

  it.each<
    [Finding["kind"], string, Finding["help"], (share: FakeShare) => void, ((share: FakeShare) => void)?]
  >([
    ["refused", "d", undefined, (share) => share.deny("/d")],
    ["case", "FILE", connection("caseSensitive", true), (share) => share.write("/FILE")],
    [
      "link",
      "l",
      server("follow symlinks", "no"),
      (share) => {
        share.mkdir("/l");
        share.link("/l");
      },
    ],
    [
      "untold",
      "/",
      connection("rescanMinutes", 5),
      () => undefined,
      (share) => share.secretly(() => share.write("/new")),
    ],
    [
      "unreadable",
      "secret",
      server("hide unreadable", "no"),
      () => undefined,
      (share) => {
        share.write("/secret");
        share.hide("/secret", "unreadable");
      },
    ],
    [
      "hidden",
      "new",
      server("hide new files timeout", 0),
      () => undefined,
      (share) => {
        share.write("/new");
        share.hide("/new", "listing");
      },
    ],
    [
      "hidden",
      "lost+found",
      undefined,
      (share) => {
        share.mkdir("/lost+found");
        share.hide("/lost+found", "listing");
      },
    ],
  ])("is named: %s (%s)", async (kind, example, help, prepare, meanwhile) => {
    const found = { kind, count: 1, example, ...(help === undefined ? {} : { help }) };
    expect(await findings(prepare, meanwhile)).toEqual([found]);
  });

  it("is a stand-in, by the name that is listed", async () => {
    const share = new FakeShare({ clock: systemClock, latencyMs: 1, lagMs: 1, mangles: true });
    share.write("/app:2026.log");
    share.write("/REAL~1.TXT");
    const lookout = new Lookout(share, "/");
    for await (const page of share.list("/", { signal })) lookout.see(page);
    const [found, ...others] = await lookout.finish(signal);
    expect(found).toMatchObject({ kind: "stand-in", count: 1, help: server("mangled names", "no") });
    expect(found?.example).toMatch(/~/);
    expect(found?.example).not.toBe("REAL~1.TXT");
    expect(others).toEqual([]);
    await lookout.close();
  });

  it("is not that of a server that is polled anyway", async () => {
    const mute = (share: FakeShare): void => {
      share.mute = true;
    };
    expect(await findings(mute, (share) => share.secretly(() => share.write("/new")))).toEqual([]);
  });
});
