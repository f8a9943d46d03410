import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  displayName,
  isListedName,
  isListedRelativeName,
  isTemporaryRelativeName,
  isUsableName,
  standInName,
} from "../../../src/codec/names.ts";

describe("private-use stand-ins", () => {
  it.each([
    ["a\uf022b", "a:b"],
    ["\uf020\uf021\uf023\uf024\uf025\uf027", '"*<>?|'],
    ["dot\uf029", "dot."],
    ["blank\uf028", "blank "],
    ["plain.txt", "plain.txt"],
    ["née \ud83d\udcf7 \ud800", "née \ud83d\udcf7 \ud800"],
  ])("%j is shown as %j, and asked for as it is stored", (wire, shown) => {
    expect(displayName(wire)).toBe(shown);
    expect(standInName(shown)).toBe(wire);
  });

  it("that would hide a separator, a control character or the middle of a name stay as they are", () => {
    expect(displayName("a\uf026b")).toBe("a\uf026b");
    expect(displayName("a\uf001b\uf01f")).toBe("a\uf001b\uf01f");
    expect(displayName("a\uf029b\uf028c")).toBe("a\uf029b\uf028c");
    expect(displayName("a\uf02a\uf000")).toBe("a\uf02a\uf000");
  });

  it("never turn a usable name into one that is none: no `.`, no `..`", () => {
    expect(displayName("\uf029")).toBe("\uf029");
    expect(displayName(".\uf029")).toBe(".\uf029");
    expect(displayName("..\uf029")).toBe("...");
  });

  it("go there and back, and leave a usable name usable", () => {
    const unit = fc.constantFrom(
      "a",
      ".",
      " ",
      "\\",
      "/",
      ":",
      ...Array.from({ length: 43 }, (_, i) => String.fromCharCode(0xf000 + i)),
    );
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 6 }), (units) => {
        const wire = units.join("");
        if (!isUsableName(wire)) return;
        expect(isUsableName(displayName(wire))).toBe(true);
        // A server that stores stand-ins holds no name with the characters they stand for.
        if (!/[:"*<>?|]|[ .]$/.test(wire)) expect(standInName(displayName(wire))).toBe(wire);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("names", () => {
  it.each(["", ".", "..", "a/b", "a\\b", "/", "\\", "a\0", "\0"])("%j is no part of a path", (name) => {
    expect(isUsableName(name)).toBe(false);
    expect(isListedName(name)).toBe(false);
  });

  it.each([
    "a",
    "...a",
    ".hidden",
    "a b",
    "née.txt",
    "\ud800",
    "\uf029",
    "x".repeat(255),
    "CONtext",
    "com5",
    "a.con",
  ])("%j is, and is listed", (name) => {
    expect(isUsableName(name)).toBe(true);
    expect(isListedName(name)).toBe(true);
  });

  it.each([
    'q"',
    "s*",
    "a:b",
    "<",
    ">",
    "what?",
    "p|",
    "c\u0001",
    "c\u001f",
    "dot.",
    "blank ",
    "CON",
    "aux.txt",
    "Com4.",
    "lock$",
  ])("%j may be listed, but a notification that tells it is not believed", (name) => {
    expect(isUsableName(name)).toBe(true);
    expect(isListedName(name)).toBe(false);
  });

  it.each([
    ["a\\b\\c.txt", true],
    ["a", true],
    ["\\a", false],
    ["a\\", false],
    ["a\\\\b", false],
    ["a\\..\\b", false],
    ["a\\.", false],
    ["a/b", false],
    ["a\\b:c", false],
    ["dir.\\file", false],
    ["", false],
  ])("relative %j: %s", (name, listed) => {
    expect(isListedRelativeName(name)).toBe(listed);
  });

  it.each([
    // As 4.22.11 and 4.25.1 tell them; the others by lib/util/server_id.c (a task, a node of a cluster, both).
    ".::TMPNAME:D:30479%8248542154264644051:d1",
    ".::TMPNAME:D:30905%5312002777980855358:bdf836e2-e62e-4784-8f8f-124855052944",
    ".::TMPNAME:D:1%2:a:b.txt",
    ".::TMPNAME:D:30479.7%1:d",
    ".::TMPNAME:D:3:30479%1:d",
    ".::TMPNAME:D:3:30479.7%1:d",
    "in\\.::TMPNAME:D:1%2:d",
    ".::TMPNAME:D:1%2:d\\in",
  ])("%j is a directory in the making", (name) => {
    expect(isTemporaryRelativeName(name)).toBe(true);
  });

  it.each([
    ".::TMPNAME:D:1%2:",
    ".::TMPNAME:D:1%2",
    ".::TMPNAME:D:1%0:d",
    ".::TMPNAME:D:1:d",
    ".::TMPNAME:D:1/2:d",
    ".::TMPNAME:D:%2:d",
    ".::TMPNAME:D:disconnected:d",
    ".::TMPNAME:F:1%2:f",
    ".::TMPNAME:1%2:d",
    ".::tmpname:D:1%2:d",
    "x.::TMPNAME:D:1%2:d",
    "in .::TMPNAME:D:1%2:d",
    // What a Mac stores for a name that people see exactly so.
    ".\uf022\uf022TMPNAME\uf022D\uf0221%2\uf022d",
  ])("%j only resembles one", (name) => {
    expect(isTemporaryRelativeName(name)).toBe(false);
  });
});
