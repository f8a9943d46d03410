import { createHash, createHmac } from "node:crypto";
import { md4 } from "../crypto/md4.ts";
import { plain } from "../crypto/plain.ts";
import { rc4 } from "../crypto/rc4.ts";
import { wipe } from "../crypto/wipe.ts";
import { AV, AV_FLAG, type AvPair, avValue, decodeAvPairs } from "./av-pairs.ts";
import { AuthError, malformed } from "./errors.ts";
import { utf16 } from "./ntlm-messages.ts";

/** Which side a signature comes from. */
export type Direction = "client-to-server" | "server-to-client";

/** @throws AuthError `AUTH_NTLM_UNAVAILABLE` where OpenSSL refuses MD5, as it does in FIPS mode. */
export function hmacMd5(key: Uint8Array, ...data: readonly Uint8Array[]): Uint8Array {
  return md5Or(() => {
    const hmac = createHmac("md5", key);
    for (const part of data) hmac.update(part);
    return hmac.digest();
  });
}

function md5(...data: readonly Uint8Array[]): Uint8Array {
  return md5Or(() => {
    const hash = createHash("md5");
    for (const part of data) hash.update(part);
    return hash.digest();
  });
}

function md5Or(compute: () => Uint8Array): Uint8Array {
  try {
    return plain(compute());
  } catch (cause) {
    throw new AuthError(
      "AUTH_NTLM_UNAVAILABLE",
      "NTLM is impossible here: this process has no MD5 (is OpenSSL in FIPS mode?); use Kerberos",
      { cause },
    );
  }
}

/**
 * Upper case as Windows compares names: unit by unit, to one unit, without locale. JavaScript maps
 * more: dotless i, long s and the micro sign upper-case into letters of other pairs, sharp s into two
 * letters; those stay as they are. This makes every mapping that Samba 4.17's table has. Letters that
 * came into Unicode after that table (Georgian capitals, Romanian s with comma) are mapped too, as
 * recent Windows does.
 */
export function upperCase(text: string): string {
  let out = "";
  for (let i = 0; i < text.length; i++) {
    const unit = text.charAt(i);
    const upper = unit.toUpperCase();
    const paired = upper.length === 1 && (upper.toLowerCase() === unit || unit === "\u03c2");
    out += paired ? upper : unit;
  }
  return out;
}

/** NTOWFv2 (MS-NLMP 3.3.2): the long-lived secret of a user, as good as the password. Wipe it. */
export function ntowfv2(user: string, domain: string, password: string): Uint8Array {
  const unicode = utf16(password);
  const ntowfv1 = md4(unicode);
  const key = hmacMd5(ntowfv1, utf16(upperCase(user) + domain));
  wipe(unicode, ntowfv1);
  return key;
}

/**
 * The AV pairs that the client sends back (MS-NLMP 3.1.5.1.2): the server's, order kept, then the MIC flag
 * where there is a timestamp, no channel binding, and the name of the service we meant to talk to.
 */
export function clientAvPairs(server: readonly AvPair[], spn: string): AvPair[] {
  const replaced: readonly number[] = [AV.FLAGS, AV.TARGET_NAME, AV.CHANNEL_BINDINGS];
  const pairs = server.filter(({ id }) => !replaced.includes(id));
  const flags = new Uint8Array(4);
  flags.set(avValue(server, AV.FLAGS) ?? []);
  const hasTimestamp = avValue(server, AV.TIMESTAMP) !== undefined;
  if (hasTimestamp) flags[0] = (flags[0] as number) | AV_FLAG.MIC_PRESENT;
  if (hasTimestamp || avValue(server, AV.FLAGS) !== undefined) pairs.push({ id: AV.FLAGS, value: flags });
  pairs.push({ id: AV.CHANNEL_BINDINGS, value: new Uint8Array(16) });
  pairs.push({ id: AV.TARGET_NAME, value: utf16(spn) });
  return pairs;
}

/** `temp` (MS-NLMP 3.3.2), the NTLMv2_CLIENT_CHALLENGE of 2.2.2.7. `targetInfo` includes EOL. */
export function clientChallengeBlob(input: {
  /** FILETIME, 8 bytes. */
  readonly time: Uint8Array;
  /** 8 bytes. */
  readonly clientChallenge: Uint8Array;
  readonly targetInfo: Uint8Array;
}): Uint8Array {
  const temp = new Uint8Array(28 + input.targetInfo.length + 4);
  temp[0] = 1;
  temp[1] = 1;
  temp.set(input.time, 8);
  temp.set(input.clientChallenge, 16);
  temp.set(input.targetInfo, 28);
  return temp;
}

/** NTLMv2_RESPONSE (MS-NLMP 2.2.2.8) taken apart. */
export interface NtlmV2Response {
  readonly ntProofStr: Uint8Array;
  readonly temp: Uint8Array;
  readonly time: Uint8Array;
  readonly clientChallenge: Uint8Array;
  readonly avPairs: readonly AvPair[];
}

/** @throws AuthError `AUTH_MALFORMED_TOKEN`, also for an NTLMv1 response */
export function decodeNtlmV2Response(response: Uint8Array): NtlmV2Response {
  if (response.length < 16 + 28) malformed("NTLM: the response is too short for NTLMv2");
  const temp = response.subarray(16);
  if (temp[0] !== 1 || temp[1] !== 1) malformed("NTLM: the response is not NTLMv2");
  return {
    ntProofStr: response.subarray(0, 16),
    temp,
    time: temp.subarray(8, 16),
    clientChallenge: temp.subarray(16, 24),
    avPairs: decodeAvPairs(temp.subarray(28)),
  };
}

/** NTProofStr (MS-NLMP 3.3.2). */
export function ntProofStr(
  responseKey: Uint8Array,
  serverChallenge: Uint8Array,
  temp: Uint8Array,
): Uint8Array {
  return hmacMd5(responseKey, serverChallenge, temp);
}

/** LMv2 response, 24 bytes: sent only to servers without a timestamp. */
export function lmV2Response(
  responseKey: Uint8Array,
  serverChallenge: Uint8Array,
  clientChallenge: Uint8Array,
): Uint8Array {
  const response = new Uint8Array(24);
  response.set(hmacMd5(responseKey, serverChallenge, clientChallenge));
  response.set(clientChallenge, 16);
  return response;
}

/** SessionBaseKey, which NTLMv2 uses as KeyExchangeKey unchanged (MS-NLMP 3.3.2, 3.4.5.1). */
export function sessionBaseKey(responseKey: Uint8Array, proof: Uint8Array): Uint8Array {
  return hmacMd5(responseKey, proof);
}

/** The MIC of AUTHENTICATE_MESSAGE (MS-NLMP 3.1.5.1.2); `authenticate` has a zeroed MIC. */
export function messageIntegrity(
  exportedSessionKey: Uint8Array,
  negotiate: Uint8Array,
  challenge: Uint8Array,
  authenticate: Uint8Array,
): Uint8Array {
  return hmacMd5(exportedSessionKey, negotiate, challenge, authenticate);
}

/** SIGNKEY (MS-NLMP 3.4.5.2). */
export function signKey(exportedSessionKey: Uint8Array, direction: Direction): Uint8Array {
  return md5(exportedSessionKey, magic(direction, "signing"));
}

/** SEALKEY with 128-bit keys (MS-NLMP 3.4.5.3). */
export function sealKey(exportedSessionKey: Uint8Array, direction: Direction): Uint8Array {
  return md5(exportedSessionKey, magic(direction, "sealing"));
}

function magic(direction: Direction, purpose: "signing" | "sealing"): Uint8Array {
  return Buffer.from(`session key to ${direction} ${purpose} key magic constant\0`, "latin1");
}

/**
 * GSS_GetMIC of the first message of a direction (MS-NLMP 3.4.4.2): sequence number 0, key stream from its
 * start. Used once, for mechListMIC.
 */
export function firstMic(input: {
  readonly exportedSessionKey: Uint8Array;
  readonly direction: Direction;
  /** Whether KEY_EXCH was negotiated. */
  readonly keyExchange: boolean;
  readonly message: Uint8Array;
}): Uint8Array {
  const { exportedSessionKey, direction, keyExchange, message } = input;
  const signing = signKey(exportedSessionKey, direction);
  const sealing = sealKey(exportedSessionKey, direction);
  const checksum = hmacMd5(signing, new Uint8Array(4), message).subarray(0, 8);
  const mic = new Uint8Array(16);
  mic[0] = 1;
  mic.set(keyExchange ? rc4(sealing, checksum) : checksum, 4);
  wipe(signing, sealing);
  return mic;
}

const FILETIME_EPOCH_MS = 11_644_473_600_000n;

/** Unix milliseconds as FILETIME: 100 ns since 1601 UTC, 8 bytes. */
export function fileTime(unixMs: number): Uint8Array {
  const out = new Uint8Array(8);
  const ticks = (BigInt(Math.trunc(unixMs)) + FILETIME_EPOCH_MS) * 10_000n;
  new DataView(out.buffer).setBigUint64(0, ticks, true);
  return out;
}
