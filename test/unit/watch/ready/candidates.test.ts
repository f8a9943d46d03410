import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Candidates, isTemporary, matches } from "../../../../src/watch/ready/candidates.ts";

describe("names that never become ready", () => {
  it.each([
    "x.tmp",
    "X.TMP",
    "~$report.docx",
    "~WRD0001.tmp",
    "film.mkv.part",
    "film.mkv.crdownload",
    "a.partial",
    "a.filepart",
    ".~lock.x.odt#",
    ".notes.txt.swp",
    ".photo.jpg.Ab3dEf",
  ])("%s is temporary", (name) => expect(isTemporary(name)).toBe(true));

  it.each([
    "report.docx",
    "a.tmp.pdf",
    "parts",
    ".env.sample",
    ".gitignore",
    "~notes",
    "x.photo.Ab3dEf",
    "tmp",
  ])("%s is not", (name) => expect(isTemporary(name)).toBe(false));

  const ignored = (glob: string, path: string, caseSensitive = false): boolean =>
    !new Candidates([glob], caseSensitive).has(path);

  it.each([
    ["*.log", "/a/b/x.LOG", true],
    ["*.log", "/x.log.gz", false],
    ["scan-???.pdf", "/scan-001.pdf", true],
    ["scan-???.pdf", "/scan-1.pdf", false],
    ["/done/*", "/done/x", true],
    ["/done/*", "/done/a/x", false],
    ["/done/**", "/done/a/x", true],
    ["**/done/*", "/a/b/done/x", true],
    ["**/done/*", "/done/x", true],
    ["done/*", "/in/done/x", false],
    ["*a*b*c", "/xaxbxaxbxc", true],
  ])("%s on %s: %s", (glob, path, expected) => expect(ignored(glob, path)).toBe(expected));

  it("keeps case apart where the share does", () => expect(ignored("*.log", "/x.LOG", true)).toBe(false));

  it("finds what it was made from, and answers at once whatever it is given", () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom("a", "b", "*", "?"), { maxLength: 12 }),
        fc.infiniteStream(fc.constantFrom("", "a", "ab")),
        (glob, filler) => {
          const name = glob
            .map((one) => (one === "*" ? filler.next().value : one === "?" ? "b" : one))
            .join("");
          expect(matches(glob.join(""), name)).toBe(true);
        },
      ),
    );
    expect(matches(`${"*a".repeat(500)}b`, "a".repeat(2_000))).toBe(false);
  });
});
