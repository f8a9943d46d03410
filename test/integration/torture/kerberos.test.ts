import { describe, expect, it } from "vitest";
import { FAULTS } from "../../../scripts/torture/faults.ts";
import { kerberosSuite, WITHOUT_KDC } from "../../support/servers/kerberos.ts";
import { SLICE_TIMEOUT_MS, slice } from "./slice.ts";

/** What cuts connections leaves few sessions old enough to expire: that mixture belongs to the long runs. */
const HARMLESS = FAULTS.filter((name) =>
  ["overflow", "directory deleted", "directory replaced"].includes(name),
);

// Both seeds mean tickets of 4 s, and logins among the first that do not know of it.
describe.skipIf(WITHOUT_KDC !== undefined)(
  kerberosSuite("torture, with sessions that expire"),
  { timeout: SLICE_TIMEOUT_MS },
  () => {
    it.each([
      ["a tree, tickets from a keytab", 40, { recursive: true }],
      ["one directory, encrypted, tickets by password", 53, { encrypted: true }],
    ])("%s", async (_what, seed, options) => {
      const { sessions } = await slice({ seed, kerberos: true, faults: HARMLESS, seconds: 10, ...options });
      expect(sessions?.expired, "sessions that the server ended").toBeGreaterThan(0);
      expect(sessions?.revived, "those that went on by a new ticket").toBeGreaterThan(0);
    });
  },
);
