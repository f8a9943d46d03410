import { describe, expect, it } from "vitest";
import { guessKind } from "../../../src/smb/server-info.ts";

const RANDOM_GUID = new Uint8Array(16).map((_, index) => 0x90 + index);
const NAMED_GUID = new Uint8Array(16);
NAMED_GUID.set(Buffer.from("fileserver"));

describe("what a server most likely is", () => {
  it.each([
    ["Samba 4.17 over NTLM", { major: 6, minor: 1, build: 0 }, NAMED_GUID, 0n, "samba"],
    ["what only calls itself 6.1.0", { major: 6, minor: 1, build: 0 }, RANDOM_GUID, 0n, "unknown"],
    ["Windows Server 2022 over NTLM", { major: 10, minor: 0, build: 20_348 }, RANDOM_GUID, 0n, "windows"],
    ["Windows Server 2008 R2 over NTLM", { major: 6, minor: 1, build: 7_601 }, RANDOM_GUID, 1n, "windows"],
    ["something that says nothing useful", { major: 0, minor: 0, build: 0 }, RANDOM_GUID, 0n, "unknown"],
    ["Impacket", { major: 255, minor: 255, build: 65_535 }, RANDOM_GUID, 0n, "unknown"],
    ["Samba over Kerberos", undefined, NAMED_GUID, 0n, "samba"],
    ["an old Windows over Kerberos", undefined, RANDOM_GUID, 1n, "windows"],
    ["anything else over Kerberos", undefined, RANDOM_GUID, 0n, "unknown"],
  ] as const)("%s", (_name, version, serverGuid, serverStartTime, kind) => {
    expect(guessKind(version, { serverGuid, serverStartTime })).toBe(kind);
  });
});
