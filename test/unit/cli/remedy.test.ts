import { describe, expect, it } from "vitest";
import { adviceFor, hintFor } from "../../../src/cli/compose/remedy.ts";
import { type Remedy, SmbNotSentError, SmbSecurityError, SmbStatusError } from "../../../src/smb/errors.ts";

const refusal = (remedy?: Remedy): Error =>
  new SmbNotSentError(
    "//nas/media",
    new SmbSecurityError("policy", "no", remedy === undefined ? {} : { remedy }),
  );

describe("what would let us in", () => {
  it.each<[Remedy, string]>([
    [{ option: "dialects", value: 0x0202 }, '--min-dialect 2.0.2 (`minDialect: "2.0.2"`)'],
    [{ option: "signing", value: "if-offered" }, "--signing if-offered (`signing: if-offered`)"],
    [{ option: "encryption", value: "auto" }, "--encryption auto (`encryption: auto`)"],
    [{ option: "auth", value: "kerberos" }, "`auth: kerberos` in a configuration"],
  ])("%j is found below what it caused, and named as people set it", (remedy, text) => {
    expect(hintFor(refusal(remedy))).toContain(`; ${text} would let it in`);
  });

  it("says nothing where nothing is known", () => {
    expect(hintFor(refusal())).toBe("");
    expect(adviceFor(new SmbStatusError("CREATE", 0xc000_0022))).toBeUndefined();
    expect(adviceFor("text")).toBeUndefined();
  });
});
