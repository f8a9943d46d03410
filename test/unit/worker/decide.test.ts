import { describe, expect, it } from "vitest";
import type { ClaimRecord } from "../../../src/fleet/records.ts";
import { type Action, decide, type LocalSituation, type Situation } from "../../../src/worker/decide.ts";

const claim = (lease: string, more: Partial<ClaimRecord> = {}): ClaimRecord => ({
  connection: "nas1",
  path: "/d",
  recursive: false,
  lease,
  state: "live",
  mode: "notify",
  ...more,
});
const local = (more: Partial<LocalSituation> = {}): LocalSituation => ({
  state: "live",
  publishing: false,
  announced: false,
  ...more,
});
const base: Situation = {
  me: "me",
  desired: true,
  assignee: "me",
  claim: undefined,
  ownerAlive: false,
  local: undefined,
  overlapped: () => false,
  succeeded: () => true,
};
const mine = { claim: claim("me"), ownerAlive: true };
const theirs = { claim: claim("you"), ownerAlive: true };
const next = (lease: string, ready: boolean) => ({ next: { lease, ready } });

const cases: [string, Partial<Situation>, Action][] = [
  ["nobody holds it, it is ours to take", {}, "claim"],
  ["its owner is dead", { claim: claim("you"), ownerAlive: false }, "claim"],
  ["it is another's to take", { assignee: "you" }, "none"],
  ["nobody can take it", { assignee: undefined }, "none"],
  ["we own it and run nothing", mine, "start"],
  ["we own it and are not armed yet", { ...mine, local: local({ state: "starting" }) }, "none"],
  ["we own it and are armed", { ...mine, local: local() }, "publish"],
  ["we own it, and it failed", { ...mine, local: local({ state: "gone" }) }, "publish"],
  [
    "another claim still tells this scope",
    { ...mine, local: local(), overlapped: () => true },
    "announce-warm",
  ],
  [
    "…and we have said so",
    { claim: claim("me", { state: "warm" }), ownerAlive: true, local: local(), overlapped: () => true },
    "none",
  ],
  ["all is well", { ...mine, local: local({ publishing: true, announced: true }) }, "none"],
  ["its state has changed", { ...mine, local: local({ publishing: true }) }, "announce"],
  [
    "it should move, nobody prepares",
    { ...mine, assignee: "you", local: local({ publishing: true, announced: true }) },
    "none",
  ],
  [
    "it should move, the other is not ready",
    {
      claim: claim("me", next("you", false)),
      ownerAlive: true,
      assignee: "you",
      local: local({ publishing: true, announced: true }),
    },
    "none",
  ],
  [
    "it should move, the other is ready",
    {
      claim: claim("me", next("you", true)),
      ownerAlive: true,
      assignee: "you",
      local: local({ publishing: true, announced: true }),
    },
    "transfer",
  ],
  [
    "someone was to take over who should not have it any more",
    {
      claim: claim("me", next("third", true)),
      ownerAlive: true,
      local: local({ publishing: true, announced: true }),
    },
    "keep",
  ],
  ["nobody wants it any more", { ...mine, desired: false, local: local({ publishing: true }) }, "release"],
  [
    "what takes over its scope is not armed",
    { ...mine, desired: false, local: local({ publishing: true }), succeeded: () => false },
    "announce",
  ],
  [
    "it is of no use to anyone",
    { ...mine, desired: false, local: local({ state: "denied", publishing: true }), succeeded: () => false },
    "release",
  ],
  ["we own it, and it is unwanted and not running", { ...mine, desired: false }, "release"],
  ["another owns it, it should be ours", theirs, "intend"],
  [
    "another prepares for it, it should be ours",
    { claim: claim("you", next("third", true)), ownerAlive: true },
    "intend",
  ],
  ["we prepare, nothing runs", { claim: claim("you", next("me", false)), ownerAlive: true }, "start"],
  ["we promised and lost our watch", { claim: claim("you", next("me", true)), ownerAlive: true }, "intend"],
  [
    "we prepare and arm",
    { claim: claim("you", next("me", false)), ownerAlive: true, local: local({ state: "starting" }) },
    "none",
  ],
  ["we are armed", { claim: claim("you", next("me", false)), ownerAlive: true, local: local() }, "ready"],
  [
    "we cannot reach the server: no successor",
    { claim: claim("you", next("me", false)), ownerAlive: true, local: local({ state: "unreachable" }) },
    "none",
  ],
  [
    "we have said that we are ready",
    { claim: claim("you", next("me", true)), ownerAlive: true, local: local() },
    "none",
  ],
  ["it went to another while we published", { ...theirs, local: local({ publishing: true }) }, "hush"],
  ["we prepared in vain", { ...theirs, assignee: "you", local: local() }, "drop"],
  ["it is unwanted and we only prepared", { ...theirs, desired: false, local: local() }, "drop"],
];

describe("decide", () => {
  it.each(cases)("%s", (_, more, action) => {
    expect(decide({ ...base, ...more })).toBe(action);
  });

  it("lets nobody publish who is not the living owner", () => {
    for (const [, more] of cases) {
      const at = { ...base, ...more };
      const owner = at.ownerAlive && at.claim?.lease === "me";
      if (!owner) expect(["publish", "announce", "transfer", "release"]).not.toContain(decide(at));
    }
  });
});
