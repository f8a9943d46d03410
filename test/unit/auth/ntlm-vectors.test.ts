import { describe, expect, it } from "vitest";
import { AV, AV_FLAG, avName, avValue, decodeAvPairs, encodeAvPairs } from "../../../src/auth/av-pairs.ts";
import {
  decodeAuthenticate,
  decodeChallenge,
  decodeNegotiate,
  encodeAuthenticate,
  encodeChallenge,
  encodeNegotiate,
  MIC_OFFSET,
  NTLMSSP,
} from "../../../src/auth/ntlm-messages.ts";
import {
  clientAvPairs,
  clientChallengeBlob,
  decodeNtlmV2Response,
  fileTime,
  firstMic,
  hmacMd5,
  lmV2Response,
  messageIntegrity,
  ntowfv2,
  ntProofStr,
  sealKey,
  sessionBaseKey,
  signKey,
  upperCase,
} from "../../../src/auth/ntlmv2.ts";
import {
  decodeNegTokenInit,
  decodeNegTokenResp,
  encodeMechTypeList,
  encodeNegTokenInit,
  encodeNegTokenResp,
  MECH,
} from "../../../src/auth/spnego.ts";
import { md4 } from "../../../src/crypto/md4.ts";
import { rc4 } from "../../../src/crypto/rc4.ts";
import { bytes, hex, vectors } from "../crypto/vectors.ts";
import { published } from "./tokens.ts";

describe("NTLMv2 (MS-NLMP 4.2.4)", () => {
  const v = vectors.ntlmv2;
  const serverChallenge = bytes(v.serverChallenge);
  const clientChallenge = bytes(v.clientChallenge);
  const responseKey = ntowfv2(v.user, v.domain, v.password);

  it("NTOWFv1 and NTOWFv2", () => {
    expect(hex(md4(Buffer.from(v.password, "utf16le")))).toBe(v.NTOWFv1);
    expect(hex(responseKey)).toBe(v.NTOWFv2);
  });

  it("temp, NTProofStr, LMv2 and SessionBaseKey", () => {
    const temp = clientChallengeBlob({
      time: bytes(v.time),
      clientChallenge,
      targetInfo: bytes(v.targetInfo),
    });
    expect(hex(temp)).toBe(v.temp);
    const proof = ntProofStr(responseKey, serverChallenge, temp);
    expect(hex(proof)).toBe(v.NTProofStr);
    expect(hex(lmV2Response(responseKey, serverChallenge, clientChallenge))).toBe(v.LMv2 + v.clientChallenge);
    expect(hex(sessionBaseKey(responseKey, proof))).toBe(v.SessionBaseKey);
    const parsed = decodeNtlmV2Response(Buffer.concat([proof, temp]));
    expect(hex(parsed.ntProofStr)).toBe(v.NTProofStr);
    expect(hex(parsed.clientChallenge)).toBe(v.clientChallenge);
    expect(avName(parsed.avPairs, AV.NB_COMPUTER_NAME)).toBe("Server");
  });

  it("EncryptedRandomSessionKey", () => {
    expect(hex(rc4(bytes(v.SessionBaseKey), bytes(v.RandomSessionKey)))).toBe(v.EncryptedRandomSessionKey);
  });

  it("SIGNKEY, SEALKEY and the checksum of a message", () => {
    const exported = bytes(v.RandomSessionKey);
    expect(hex(signKey(exported, "client-to-server"))).toBe(v.clientSignKey);
    expect(hex(sealKey(exported, "client-to-server"))).toBe(v.clientSealKey);
    const message = Buffer.from("Plaintext", "utf16le");
    const checksum = hmacMd5(bytes(v.clientSignKey), new Uint8Array(4), message).subarray(0, 8);
    expect(hex(checksum)).toBe("70352851f2564309");
    const plain = { exportedSessionKey: exported, direction: "client-to-server", message } as const;
    expect(hex(firstMic({ ...plain, keyExchange: false }))).toBe("0100000070352851f256430900000000");
  });
});

describe("the published SMB 3.1.1 logon", () => {
  const { smb311 } = vectors;
  const exported = bytes(smb311.sessionKey);

  it("its NegTokenInit and NEGOTIATE", () => {
    const init = decodeNegTokenInit(published.init);
    expect(init.mechTypes).toEqual([MECH.NTLMSSP]);
    expect(hex(init.mechTypeList)).toBe(smb311.mechTypeList);
    expect(hex(encodeMechTypeList([MECH.NTLMSSP]))).toBe(smb311.mechTypeList);
    expect(hex(encodeNegTokenInit(init.mechTypes, init.mechToken))).toBe(hex(published.init));
    expect(decodeNegotiate(init.mechToken!).flags).toBe(0xe2088297);
    expect(hex(encodeNegotiate({ flags: 0xe2088215 }, { major: 10, minor: 0, build: 0 }))).toBe(
      "4e544c4d5353500001000000158208e2000000000000000000000000000000000a0000000000000f",
    );
  });

  it("its CHALLENGE", () => {
    const response = decodeNegTokenResp(published.challenge);
    expect(response.negState).toBe("accept-incomplete");
    expect(response.supportedMech).toBe(MECH.NTLMSSP);
    const challenge = decodeChallenge(response.responseToken!);
    expect(challenge.targetName).toBe("SUT311");
    expect(hex(challenge.serverChallenge)).toBe("0d1d8ba31179d008");
    expect(challenge.version).toEqual({ major: 10, minor: 0, build: 0x2792 });
    const pairs = decodeAvPairs(challenge.targetInfo!);
    expect(pairs.map(({ id }) => id)).toEqual([2, 1, 4, 3, 7]);
    expect(avName(pairs, AV.NB_DOMAIN_NAME)).toBe("SUT311");
    expect(hex(avValue(pairs, AV.TIMESTAMP)!)).toBe("a1a1f5adcbaed001");
    expect(hex(encodeChallenge(challenge))).toBe(hex(response.responseToken!));
    expect(hex(encodeNegTokenResp(response))).toBe(hex(published.challenge));
  });

  it("its AUTHENTICATE, with the MIC over all three messages", () => {
    const response = decodeNegTokenResp(published.authenticate);
    const raw = response.responseToken!;
    const message = decodeAuthenticate(raw);
    expect(message.userName).toBe("administrator");
    expect(message.domainName).toBe("SUT311");
    expect(message.workstation).toBe("DRIVER311");
    expect(hex(message.mic)).toBe(smb311.ntlmMic);
    expect(hex(encodeAuthenticate(message))).toBe(hex(raw));
    const zeroed = Uint8Array.from(raw);
    zeroed.fill(0, MIC_OFFSET, MIC_OFFSET + 16);
    const mic = messageIntegrity(
      exported,
      decodeNegTokenInit(published.init).mechToken!,
      decodeNegTokenResp(published.challenge).responseToken!,
      zeroed,
    );
    expect(hex(mic)).toBe(smb311.ntlmMic);
    const { avPairs, temp, time, clientChallenge } = decodeNtlmV2Response(message.ntChallengeResponse);
    expect(avValue(avPairs, AV.FLAGS)![0]! & AV_FLAG.MIC_PRESENT).toBe(AV_FLAG.MIC_PRESENT);
    expect(avName(avPairs, AV.TARGET_NAME)).toBe("cifs/SUT311");
    const targetInfo = encodeAvPairs(avPairs);
    expect(hex(temp)).toContain(hex(clientChallengeBlob({ time, clientChallenge, targetInfo })));
  });

  it("its proof and session key, from the password", () => {
    const { serverChallenge } = decodeChallenge(decodeNegTokenResp(published.challenge).responseToken!);
    const message = decodeAuthenticate(decodeNegTokenResp(published.authenticate).responseToken!);
    const { ntProofStr: proof, temp } = decodeNtlmV2Response(message.ntChallengeResponse);
    const responseKey = ntowfv2(message.userName, message.domainName, "Password01!");
    expect(hex(ntProofStr(responseKey, serverChallenge, temp))).toBe(hex(proof));
    const key = rc4(sessionBaseKey(responseKey, proof), message.encryptedRandomSessionKey);
    expect(hex(key)).toBe(smb311.sessionKey);
  });

  it("its mechListMIC in both directions", () => {
    const message = bytes(smb311.mechTypeList);
    const input = { exportedSessionKey: exported, keyExchange: true, message };
    expect(hex(firstMic({ ...input, direction: "client-to-server" }))).toBe(smb311.mechListMicClient);
    expect(hex(firstMic({ ...input, direction: "server-to-client" }))).toBe(smb311.mechListMicServer);
    expect(hex(decodeNegTokenResp(published.authenticate).mechListMic!)).toBe(smb311.mechListMicClient);
    const last = decodeNegTokenResp(published.final);
    expect(last.negState).toBe("accept-completed");
    expect(hex(last.mechListMic!)).toBe(smb311.mechListMicServer);
  });
});

describe("hints", () => {
  it("of Samba 4.17", () => {
    const hint = decodeNegTokenInit(bytes(vectors.spnego.samba417_negTokenInit2));
    expect(hint.mechTypes).toEqual([MECH.NTLMSSP]);
    expect(hint.mechToken).toBeUndefined();
  });

  it("of Windows with NegoEx", () => {
    const hint = decodeNegTokenInit(published.windowsHint);
    expect(hint.mechTypes).toEqual([MECH.NEGOEX, MECH.NTLMSSP]);
    expect(hint.mechToken).toBeDefined();
  });
});

describe("upperCase", () => {
  it.each([
    ["User", "USER"],
    ["müller", "MÜLLER"],
    ["straße", "STRAßE"],
    ["ıſµŉ", "ıſµŉ"],
    ["σς", "ΣΣ"],
    ["ÿжé", "ŸЖÉ"],
    ["a\ud801\udc28b", "A\ud801\udc28B"],
    ["日本", "日本"],
  ])("%j", (from, to) => {
    expect(upperCase(from)).toBe(to);
  });

  it("never changes the number of units, and is its own result", () => {
    for (let unit = 0; unit <= 0xffff; unit++) {
      const upper = upperCase(String.fromCharCode(unit));
      expect(upper.length).toBe(1);
      expect(upperCase(upper)).toBe(upper);
    }
  });

  it("leaves the domain alone", () => {
    expect(hex(ntowfv2("USER", "Domain", "p"))).toBe(hex(ntowfv2("user", "Domain", "p")));
    expect(hex(ntowfv2("user", "DOMAIN", "p"))).not.toBe(hex(ntowfv2("user", "Domain", "p")));
  });
});

describe("clientAvPairs", () => {
  const name = { id: AV.NB_DOMAIN_NAME, value: Buffer.from("D", "utf16le") };
  const time = { id: AV.TIMESTAMP, value: new Uint8Array(8).fill(1) };

  it("promises a MIC where the server sent its time, and keeps the order", () => {
    const flags = { id: AV.FLAGS, value: Uint8Array.of(1, 0, 0, 0) };
    const old = { id: AV.TARGET_NAME, value: Buffer.from("x", "utf16le") };
    const pairs = clientAvPairs([flags, time, old, name], "cifs/h");
    expect(pairs.map(({ id }) => id)).toEqual([7, 2, 6, 10, 9]);
    expect(hex(avValue(pairs, AV.FLAGS)!)).toBe("03000000");
    expect(hex(avValue(pairs, AV.CHANNEL_BINDINGS)!)).toBe("00".repeat(16));
    expect(avName(pairs, AV.TARGET_NAME)).toBe("cifs/h");
    expect(hex(flags.value)).toBe("01000000");
  });

  it("promises none without the server's time", () => {
    expect(clientAvPairs([name], "cifs/h").map(({ id }) => id)).toEqual([2, 10, 9]);
  });
});

describe("small things", () => {
  it("FILETIME counts from 1601", () => {
    const ticks = (ms: number) => new DataView(fileTime(ms).buffer).getBigUint64(0, true);
    expect(ticks(-11_644_473_600_000)).toBe(0n);
    expect(ticks(0)).toBe(116_444_736_000_000_000n);
    expect(ticks(1.7)).toBe(116_444_736_000_010_000n);
  });

  it("flags are those of the standard's table", () => {
    const all = Object.values(NTLMSSP).reduce((sum, flag) => (sum | flag) >>> 0, 0);
    expect(all).toBe(0xe2888215);
  });
});
