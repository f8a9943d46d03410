import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { foldCase, isWithin } from "../../../src/base/path.ts";
import {
  CUT_TOKEN_BYTES,
  claimKey,
  isCut,
  leaseKey,
  MAX_NAME_BYTES,
  MAX_NAME_TOKENS,
  parseKey,
  parseName,
  refKey,
  Subjects,
  scopeNames,
  watchName,
} from "../../../src/broker/subjects.ts";

import { base32, decodeToken, encodeToken } from "../../../src/broker/token.ts";

/** Any UTF-16, lone surrogates included, that a canonical path may hold. */
const segment = fc
  .array(
    fc.oneof(
      fc.integer({ min: 0x20, max: 0x7e }),
      fc.integer({ min: 0x80, max: 0xffff }),
      fc.constantFrom(0xd800, 0xdbff, 0xdc00, 0xdfff, 0x2e, 0x3d, 0x2a, 0x3e, 0x24),
    ),
    { minLength: 1, maxLength: 12 },
  )
  .map((units) => String.fromCharCode(...units).replace(/[/\\\x7f]/g, "_"))
  .filter((text) => text !== "." && text !== "..");
const path = fc.array(segment, { maxLength: 6 }).map((segments) => `/${segments.join("/")}`);
const connection = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,62}$/);

const subjects = new Subjects();

describe("token", () => {
  it.each([
    ["docs", "docs"],
    ["v1.2", "v1=2E2"],
    ["my documents", "my=20documents"],
    ["übung", "=C3=BCbung"],
    ["日本語", "=E6=97=A5=E6=9C=AC=E8=AA=9E"],
    ["😀", "=F0=9F=98=80"],
    ["100%", "100=25"],
    ["x=y", "x=3Dy"],
    ["a*b", "a=2Ab"],
    [">", "=3E"],
    ["\ud800", "=ED=A0=80"],
    ["\udc00\ud800", "=ED=B0=80=ED=A0=80"],
  ])("%j is %s", (text, token) => {
    expect(encodeToken(text)).toBe(token);
    expect(decodeToken(token)).toBe(text);
  });

  it.each([
    "",
    "=",
    "=d",
    "=t",
    "=4",
    "=e3",
    "=61",
    "a=",
    "=C3",
    "=C0=80",
    "=ED=A0=BD=ED=B8=80",
    "a b",
    "a/b",
    "é",
  ])("no name encodes to %j", (token) => expect(decodeToken(token)).toBeUndefined());

  it("comes back, whatever the name", () => {
    fc.assert(fc.property(segment, (text) => decodeToken(encodeToken(text)) === text));
  });

  it("decodes nothing that would be encoded otherwise", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^([A-Za-z0-9_-]|=[0-9A-F]{2}){1,8}$/), (token) => {
        const text = decodeToken(token);
        return text === undefined || encodeToken(text) === token;
      }),
    );
  });
});

describe("base32", () => {
  it.each([
    ["", ""],
    ["f", "my"],
    ["fo", "mzxq"],
    ["foo", "mzxw6"],
    ["foob", "mzxw6yq"],
    ["fooba", "mzxw6ytb"],
    ["foobar", "mzxw6ytboi"],
  ])("RFC 4648 section 10: %j", (text, encoded) => {
    expect(base32(Buffer.from(text))).toBe(encoded);
  });
});

describe("names", () => {
  it.each([
    ["/", "nas1"],
    ["/Media/Photos", "nas1.media.photos"],
    ["/My Documents/v1.2", "nas1.my=20documents.v1=2E2"],
    ["/Übung", "nas1.=C3=BCbung"],
  ])("%s is %s", (input, name) => {
    expect(watchName("nas1", input, false)).toBe(name);
    expect(subjects.parse(subjects.event(name))).toEqual({
      connection: "nas1",
      path: foldCase(input),
      cut: false,
    });
  });

  it("tells names apart by case only where the server does", () => {
    expect(watchName("nas1", "/Media", true)).toBe("nas1.Media");
    expect(watchName("nas1", "/MEDIA", false)).toBe(watchName("nas1", "/media", false));
  });

  it.each(["", "Nas", "-a", "a.b", "a b", "a".repeat(64), "ü"])("refuses connection %j", (bad) => {
    expect(() => watchName(bad, "/", false)).toThrow(expect.objectContaining({ code: "BROKER_BAD_NAME" }));
  });

  it("are one-to-one, legal in subjects and keys, and come back", () => {
    const taken = new Map<string, string>();
    fc.assert(
      fc.property(connection, path, fc.boolean(), (conn, input, sensitive) => {
        const name = watchName(conn, input, sensitive);
        const identity = `${conn}:${sensitive ? input : foldCase(input)}`;
        expect(taken.get(name) ?? identity).toBe(identity);
        taken.set(name, identity);
        expect(name).toMatch(/^[A-Za-z0-9_=-]+(\.[A-Za-z0-9_=-]+)*$/);
        expect(name.length).toBeLessThanOrEqual(MAX_NAME_BYTES + CUT_TOKEN_BYTES);
        const parsed = parseName(name);
        expect(parsed.connection).toBe(conn);
        if (parsed.cut) expect(isWithin(parsed.path, sensitive ? input : foldCase(input))).toBe(true);
        else expect(parsed.path).toBe(sensitive ? input : foldCase(input));
      }),
    );
  });

  it("cut what is too long, and never above a directory that fits", () => {
    const deep = fc.array(fc.constantFrom("a", "日本語".repeat(20), "x".repeat(200)), {
      minLength: 1,
      maxLength: 60,
    });
    fc.assert(
      fc.property(deep, (segments) => {
        const name = watchName("nas1", `/${segments.join("/")}`, false);
        expect(name.split(".").length).toBeLessThanOrEqual(MAX_NAME_TOKENS + 1);
        expect(name.length).toBeLessThanOrEqual(MAX_NAME_BYTES + CUT_TOKEN_BYTES);
        for (let depth = 0; depth < segments.length; depth++) {
          const ancestor = watchName("nas1", `/${segments.slice(0, depth).join("/")}`, false);
          if (!isCut(ancestor)) expect(name.startsWith(`${ancestor}.`)).toBe(true);
        }
      }),
    );
  });

  it("hash the folded rest", () => {
    const long = `/a/${"é".repeat(200)}/B`;
    const name = watchName("nas1", long, false);
    expect(name).toMatch(/^nas1\.a\.=h[a-z2-7]{26}$/);
    expect(watchName("nas1", long.toUpperCase(), false)).toBe(name);
    expect(watchName("nas1", `${long}c`, false)).not.toBe(name);
    expect(parseName(name)).toEqual({ connection: "nas1", path: "/a", cut: true });
  });

  it("span scopes", () => {
    expect(scopeNames("nas1.a", false)).toEqual(["nas1.a"]);
    expect(scopeNames("nas1.a", true)).toEqual(["nas1.a", "nas1.a.>"]);
    expect(scopeNames(watchName("nas1", `/a/${"é".repeat(200)}`, false), true)).toEqual(["nas1.a.*"]);
  });

  it("are told apart from what is none", () => {
    for (const subject of [
      "",
      "smb",
      "smb.",
      "smb.N",
      "smb.nas1.",
      "smb.nas1..a",
      "smb.nas1.=zz",
      "other.nas1",
    ]) {
      expect(() => subjects.parse(subject)).toThrow(expect.objectContaining({ code: "BROKER_MALFORMED" }));
    }
    expect(subjects.toEvent(subjects.ingest("nas1.a"))).toBe("smb.nas1.a");
    expect(subjects.toEvent("smb.nas1.a")).toBe("smb.nas1.a");
  });
});

describe("keys", () => {
  it("come back", () => {
    const id = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
    fc.assert(
      fc.property(connection, path, fc.boolean(), id, (conn, input, recursive, leaseId) => {
        const name = watchName(conn, input, false);
        expect(parseKey(refKey(leaseId, name, recursive))).toEqual({ type: "ref", leaseId, name, recursive });
        expect(parseKey(claimKey(name, recursive))).toEqual({ type: "claim", name, recursive });
        expect(parseKey(leaseKey("worker", leaseId))).toEqual({ type: "lease", kind: "worker", leaseId });
        expect(refKey(leaseId, name, recursive)).toMatch(/^[-/=\w]+(\.[-/=\w]+)*$/);
      }),
    );
  });

  it.each([
    "",
    "lease.worker",
    "lease.a.b.c",
    "ref.x.nas1",
    "ref.x.=d",
    "ref.x y.nas1.=d",
    "claim.=d",
    "claim.nas1..=d",
    "claim.nas1.=x",
    "other.a.b",
  ])("%j is none of ours", (key) => expect(parseKey(key)).toBeUndefined());

  it("refuse ids that would split the key", () => {
    expect(() => refKey("a.b", "nas1", false)).toThrow(expect.objectContaining({ code: "BROKER_BAD_NAME" }));
    expect(() => leaseKey("worker", "")).toThrow(expect.objectContaining({ code: "BROKER_BAD_NAME" }));
  });
});

describe("a prefix of one's own", () => {
  it("is in front of every subject, and reads only its own back", () => {
    const own = new Subjects("bonn-2");
    expect([own.allEvents, own.allIngest, own.control("watch.acquire")]).toEqual([
      "bonn-2.>",
      "bonn-2in.>",
      "bonn-22nats.watch.acquire",
    ]);
    expect(own.toEvent(own.ingest("nas1.a"))).toBe("bonn-2.nas1.a");
    expect(own.parse("bonn-2in.nas1.a").path).toBe("/a");
    expect(() => own.parse("smb.nas1.a")).toThrow(expect.objectContaining({ code: "BROKER_MALFORMED" }));
  });

  it.each(["", "a.b", "a b", "*", ">", "ü", "a".repeat(33)])("is not %j", (prefix) => {
    expect(() => new Subjects(prefix)).toThrow(expect.objectContaining({ code: "BROKER_BAD_OPTIONS" }));
  });
});
