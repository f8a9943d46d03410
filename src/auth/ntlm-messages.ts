import { AuthError, malformed } from "./errors.ts";

/** NEGOTIATE flags that we use (MS-NLMP 2.2.2.5). */
export const NTLMSSP = {
  NEGOTIATE_UNICODE: 0x1,
  REQUEST_TARGET: 0x4,
  NEGOTIATE_SIGN: 0x10,
  NEGOTIATE_NTLM: 0x200,
  NEGOTIATE_ALWAYS_SIGN: 0x8000,
  NEGOTIATE_EXTENDED_SESSIONSECURITY: 0x80000,
  NEGOTIATE_TARGET_INFO: 0x800000,
  NEGOTIATE_VERSION: 0x2000000,
  NEGOTIATE_128: 0x20000000,
  NEGOTIATE_KEY_EXCH: 0x40000000,
  NEGOTIATE_56: 0x80000000,
} as const;

/** VERSION (MS-NLMP 2.2.2.10): for debugging, says the standard; it tells Samba (6.1.0) from Windows. */
export interface NtlmVersion {
  readonly major: number;
  readonly minor: number;
  readonly build: number;
}

/** NEGOTIATE_MESSAGE (MS-NLMP 2.2.1.1). Domain and workstation are never sent, and not read. */
export interface NegotiateMessage {
  readonly flags: number;
}

/** CHALLENGE_MESSAGE (MS-NLMP 2.2.1.2). */
export interface ChallengeMessage {
  readonly flags: number;
  readonly targetName: string;
  /** 8 bytes. */
  readonly serverChallenge: Uint8Array;
  /** The AV pairs as they came; `undefined` unless NEGOTIATE_TARGET_INFO is set. */
  readonly targetInfo: Uint8Array | undefined;
  readonly version: NtlmVersion | undefined;
}

/** AUTHENTICATE_MESSAGE (MS-NLMP 2.2.1.3). */
export interface AuthenticateMessage {
  readonly flags: number;
  readonly lmChallengeResponse: Uint8Array;
  readonly ntChallengeResponse: Uint8Array;
  readonly domainName: string;
  readonly userName: string;
  readonly workstation: string;
  readonly encryptedRandomSessionKey: Uint8Array;
  readonly version: NtlmVersion | undefined;
  /** 16 bytes; the sender computes it over the message in which it is zero. */
  readonly mic: Uint8Array;
}

const SIGNATURE = new TextEncoder().encode("NTLMSSP\0");
const NTLMSSP_REVISION_W2K3 = 15;
const NEGOTIATE_LENGTH = 40;
const CHALLENGE_LENGTH = 56;
const AUTHENTICATE_LENGTH = 88;
/** Where MIC stands in AUTHENTICATE_MESSAGE. */
export const MIC_OFFSET = 72;

export function encodeNegotiate(message: NegotiateMessage, version: NtlmVersion): Uint8Array {
  const out = header(1, NEGOTIATE_LENGTH);
  const view = new DataView(out.buffer);
  view.setUint32(12, message.flags, true);
  putVersion(view, 32, version);
  return out;
}

/** @throws AuthError `AUTH_MALFORMED_TOKEN` */
export function decodeNegotiate(bytes: Uint8Array): NegotiateMessage {
  return { flags: new NtlmReader(bytes, 1, 16, "NEGOTIATE").u32(12) };
}

export function encodeChallenge(message: ChallengeMessage): Uint8Array {
  const payload = new Payload(CHALLENGE_LENGTH);
  const targetName = payload.add(utf16(message.targetName));
  const targetInfo = payload.add(message.targetInfo ?? new Uint8Array(0));
  const out = header(2, payload.length);
  const view = new DataView(out.buffer);
  putField(view, 12, targetName);
  view.setUint32(20, message.flags, true);
  out.set(message.serverChallenge, 24);
  putField(view, 40, targetInfo);
  if (message.version !== undefined) putVersion(view, 48, message.version);
  payload.copyTo(out);
  return out;
}

/** @throws AuthError `AUTH_MALFORMED_TOKEN` */
export function decodeChallenge(bytes: Uint8Array): ChallengeMessage {
  const reader = new NtlmReader(bytes, 2, 32, "CHALLENGE");
  const flags = reader.u32(20);
  const hasInfo = (flags & NTLMSSP.NEGOTIATE_TARGET_INFO) !== 0;
  const unicode = (flags & NTLMSSP.NEGOTIATE_UNICODE) !== 0;
  return {
    flags,
    targetName: unicode ? reader.text(12, "TargetName") : "",
    serverChallenge: reader.bytes(24, 8, "ServerChallenge"),
    targetInfo: hasInfo ? reader.field(40, "TargetInfo") : undefined,
    version: (flags & NTLMSSP.NEGOTIATE_VERSION) !== 0 ? reader.version(48) : undefined,
  };
}

/** Payloads stand in the order in which Windows writes them. */
export function encodeAuthenticate(message: AuthenticateMessage): Uint8Array {
  const payload = new Payload(AUTHENTICATE_LENGTH);
  const domainName = payload.add(utf16(message.domainName));
  const userName = payload.add(utf16(message.userName));
  const workstation = payload.add(utf16(message.workstation));
  const lm = payload.add(message.lmChallengeResponse);
  const nt = payload.add(message.ntChallengeResponse);
  const key = payload.add(message.encryptedRandomSessionKey);
  const out = header(3, payload.length);
  const view = new DataView(out.buffer);
  putField(view, 12, lm);
  putField(view, 20, nt);
  putField(view, 28, domainName);
  putField(view, 36, userName);
  putField(view, 44, workstation);
  putField(view, 52, key);
  view.setUint32(60, message.flags, true);
  if (message.version !== undefined) putVersion(view, 64, message.version);
  out.set(message.mic, MIC_OFFSET);
  payload.copyTo(out);
  return out;
}

/**
 * Reads messages with room for a MIC, as every NTLMv2 client writes them. @throws AuthError
 * `AUTH_MALFORMED_TOKEN`
 */
export function decodeAuthenticate(bytes: Uint8Array): AuthenticateMessage {
  const reader = new NtlmReader(bytes, 3, AUTHENTICATE_LENGTH, "AUTHENTICATE");
  const flags = reader.u32(60);
  return {
    flags,
    lmChallengeResponse: reader.field(12, "LmChallengeResponse"),
    ntChallengeResponse: reader.field(20, "NtChallengeResponse"),
    domainName: reader.text(28, "DomainName"),
    userName: reader.text(36, "UserName"),
    workstation: reader.text(44, "Workstation"),
    encryptedRandomSessionKey: reader.field(52, "EncryptedRandomSessionKey"),
    version: (flags & NTLMSSP.NEGOTIATE_VERSION) !== 0 ? reader.version(64) : undefined,
    mic: reader.bytes(MIC_OFFSET, 16, "MIC"),
  };
}

/** UTF-16LE without terminator, unit by unit as the string has them. */
export function utf16(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "utf16le"));
}

/** @throws AuthError `AUTH_MALFORMED_TOKEN` for half a unit */
export function fromUtf16(bytes: Uint8Array, what: string): string {
  if (bytes.length % 2 !== 0) malformed(`NTLM: ${what} has half a UTF-16 unit`);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf16le");
}

interface Field {
  readonly offset: number;
  readonly length: number;
}

/** Lays the variable parts out behind the fixed one. */
class Payload {
  readonly #parts: { readonly offset: number; readonly bytes: Uint8Array }[] = [];
  #end: number;

  constructor(start: number) {
    this.#end = start;
  }

  get length(): number {
    return this.#end;
  }

  add(bytes: Uint8Array): Field {
    if (bytes.length > 0xffff) {
      throw new AuthError("AUTH_BAD_CREDENTIALS", `NTLM: a field of ${bytes.length} bytes does not fit`);
    }
    const offset = this.#end;
    this.#parts.push({ offset, bytes });
    this.#end += bytes.length;
    return { offset, length: bytes.length };
  }

  copyTo(out: Uint8Array): void {
    for (const { offset, bytes } of this.#parts) out.set(bytes, offset);
  }
}

/** All reads of a message, each within its bounds. */
class NtlmReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #fixed: number;
  readonly #name: string;

  constructor(bytes: Uint8Array, type: number, fixed: number, name: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#fixed = fixed;
    this.#name = name;
    if (bytes.length < fixed) malformed(`NTLM: ${name} has ${bytes.length} bytes of at least ${fixed}`);
    if (SIGNATURE.some((byte, at) => byte !== bytes[at])) malformed(`NTLM: ${name} has no NTLMSSP signature`);
    if (this.u32(8) !== type) malformed(`NTLM: message type ${this.u32(8)} where ${name} is due`);
  }

  u32(offset: number): number {
    return this.#view.getUint32(offset, true);
  }

  bytes(offset: number, length: number, what: string): Uint8Array {
    if (offset + length > this.#bytes.length) malformed(`NTLM: ${what} leaves ${this.#name}`);
    return this.#bytes.subarray(offset, offset + length);
  }

  field(at: number, what: string): Uint8Array {
    this.bytes(at, 8, what);
    const length = this.#view.getUint16(at, true);
    if (length === 0) return new Uint8Array(0);
    const offset = this.u32(at + 4);
    if (offset < this.#fixed) malformed(`NTLM: ${what} overlaps the fixed part of ${this.#name}`);
    return this.bytes(offset, length, what);
  }

  text(at: number, what: string): string {
    return fromUtf16(this.field(at, what), what);
  }

  version(at: number): NtlmVersion {
    this.bytes(at, 8, "Version");
    return {
      major: this.#view.getUint8(at),
      minor: this.#view.getUint8(at + 1),
      build: this.#view.getUint16(at + 2, true),
    };
  }
}

function header(type: number, length: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(length);
  out.set(SIGNATURE);
  out[8] = type;
  return out;
}

function putField(view: DataView, at: number, field: Field): void {
  view.setUint16(at, field.length, true);
  view.setUint16(at + 2, field.length, true);
  view.setUint32(at + 4, field.offset, true);
}

function putVersion(view: DataView, at: number, version: NtlmVersion): void {
  view.setUint8(at, version.major);
  view.setUint8(at + 1, version.minor);
  view.setUint16(at + 2, version.build, true);
  view.setUint8(at + 7, NTLMSSP_REVISION_W2K3);
}
