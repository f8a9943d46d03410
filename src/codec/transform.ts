import { DecodeError } from "./errors.ts";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

/** MS-SMB2 2.2.41: the TRANSFORM_HEADER in front of an encrypted message or compound. */

export const TRANSFORM_SIZE = 52;
/** FD 'S' 'M' 'B', little-endian. */
const TRANSFORM_ID = 0x424d53fd;
/** Everything from the nonce on is authenticated. */
const AAD_AT = 20;
const NONCE_BYTES = 16;
const ENCRYPTED = 1;

export interface Transform {
  /** 4, 16 bytes: the AEAD tag. */
  readonly signature: Uint8Array;
  /** 20, 16 bytes: 11 (CCM) or 12 (GCM) are used. */
  readonly nonce: Uint8Array;
  /** 36, u32: length of the plaintext, which is that of the ciphertext. */
  readonly originalMessageSize: number;
  /** 44, u64. */
  readonly sessionId: bigint;
  /** Bytes 20 to 51. */
  readonly aad: Uint8Array;
  readonly ciphertext: Uint8Array;
}

/** 52 bytes; the tag at 4 is for the sealer to fill in. `nonce` may be shorter than its field. */
export function encodeTransform(fields: {
  readonly nonce: Uint8Array;
  readonly originalMessageSize: number;
  readonly sessionId: bigint;
  readonly signature?: Uint8Array;
}): Uint8Array {
  return new Writer(TRANSFORM_SIZE)
    .u32(TRANSFORM_ID)
    .fixed(fields.signature ?? new Uint8Array(16), 16, "Signature")
    .bytes(fields.nonce)
    .zeros(NONCE_BYTES - fields.nonce.length) // throws for a longer nonce
    .u32(fields.originalMessageSize)
    .u16(0)
    .u16(ENCRYPTED)
    .u64(fields.sessionId)
    .finish();
}

/** Takes a whole frame apart, as views. @throws DecodeError */
export function decodeTransform(frame: Uint8Array): Transform {
  const reader = new Reader(frame);
  const id = reader.u32("ProtocolId");
  if (id !== TRANSFORM_ID) throw new DecodeError("ProtocolId", 0, `0x${id.toString(16)}`);
  const signature = reader.bytes(16, "Signature");
  const nonce = reader.bytes(NONCE_BYTES, "Nonce");
  const originalMessageSize = reader.u32("OriginalMessageSize");
  reader.skip(2, "Reserved");
  const flags = reader.u16("Flags");
  if (flags !== ENCRYPTED) throw new DecodeError("Flags", 42, `0x${flags.toString(16)}, not Encrypted`);
  const sessionId = reader.u64("SessionId");
  const ciphertext = reader.bytes(reader.remaining, "ciphertext");
  if (ciphertext.length === 0 || ciphertext.length !== originalMessageSize) {
    throw new DecodeError("OriginalMessageSize", 36, `${originalMessageSize} for ${ciphertext.length} bytes`);
  }
  const aad = frame.subarray(AAD_AT, TRANSFORM_SIZE);
  return { signature, nonce, originalMessageSize, sessionId, aad, ciphertext };
}
